//! What it costs to encode and write one profile window: 10 s of 16 threads
//! with 5,000 distinct stacks of 30 frames.
//!
//! `cargo bench -p soakscope-report --bench window`

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use soakscope_report::{Label, Mapping, ProfileBuilder, RunDir, RunInfo};

const THREADS: u32 = 16;
const STACKS: u32 = 5_000;
const FRAMES: u32 = 30;
const ROUNDS: usize = 30;

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&scratch.path().join("run"), &RunInfo::default()).unwrap();
    let mut took: Vec<[Duration; 3]> = Vec::new();
    let mut size = 0;
    for round in 0..ROUNDS {
        let start = Instant::now();
        let profile = window();
        let built = Instant::now();
        let bytes = profile.encode();
        let encoded = Instant::now();
        dir.write_profile(&format!("cpu-{round:06}"), &bytes)
            .unwrap();
        took.push([built - start, encoded - built, encoded.elapsed()]);
        size = bytes.len();
    }
    println!(
        "one window: {THREADS} threads, {STACKS} distinct stacks, {FRAMES} frames, {size} bytes"
    );
    println!("{:<10} {:>10} {:>10}", "", "median ms", "max ms");
    for (part, name) in ["build", "encode", "write"].iter().enumerate() {
        row(name, took.iter().map(|parts| parts[part]).collect());
    }
    row("all", took.iter().map(|parts| parts.iter().sum()).collect());
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{name:<10} {:>10.2} {:>10.2}",
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1])
    );
}

/// Stacks that share their roots and part towards the leaf, as real ones do.
fn window() -> soakscope_report::Profile {
    let mut builder = ProfileBuilder::cpu(0, 10_000_000_000, 10_101_010);
    let mapping = builder.mapping(Mapping {
        start: 0x5500_0000_0000,
        limit: 0x5500_0100_0000,
        path: "/srv/shop".to_owned(),
        ..Mapping::default()
    });
    let mut known = HashMap::new();
    for stack in 0..STACKS {
        let locations: Vec<u32> = (0..FRAMES)
            .map(|depth| {
                let height = FRAMES - depth;
                let place = height * 1_000 + stack % (1 + 40 * height);
                // As the agent does: each address is looked up once.
                *known.entry(place).or_insert_with(|| {
                    let name = format!("shop::module_{height}::function_{place}");
                    let function = builder.function(&name, &name, "", 0);
                    let address = 0x5500_0000_0000 + u64::from(place) * 16;
                    builder.location(Some(mapping), address, &[(function, 0)])
                })
            })
            .collect();
        let thread = Label::text("thread", &format!("worker-{}", stack % THREADS));
        builder.sample(&locations, &[1, 10_101_010], vec![thread]);
    }
    builder.build()
}
