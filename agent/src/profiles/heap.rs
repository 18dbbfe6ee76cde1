//! From what the heap profiler knows to a pprof profile: with names, and with
//! what it was for.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use soakscope_report::{Label, Profile, ProfileBuilder};
use soakscope_sampler::Detail;
use soakscope_sampler::heap::{HeapProfile, HeapSite};

use super::profile::{Places, Symbols, span_labels};
use crate::session::Session;

/// What the numeric label of a block's birth is called, in seconds of the run.
const BORN: &str = "born";

/// The profile of a heap: `alloc_objects`, `alloc_space`, `inuse_objects`,
/// `inuse_space`, as Go's. Each sample is labelled with the thread that
/// allocated, the phase then, the innermost span and the route.
///
/// With `run_start`, when the run began on the heap's clock, blocks that live
/// carry the second of the run in which they were born.
pub(crate) fn heap_profile(
    heap: &HeapProfile,
    symbols: &mut Symbols,
    detail: Detail,
    run_start: Option<Duration>,
    session: &Session,
) -> Profile {
    let addresses = heap
        .sites
        .iter()
        .flat_map(|site| site.stack.iter().copied());
    symbols.learn(addresses, detail);
    let since = heap.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut builder = ProfileBuilder::heap(
        i64::try_from(since.as_nanos()).unwrap_or(0),
        0,
        i64::try_from(heap.interval).unwrap_or(i64::MAX),
    );
    let mut places = Places::new(&mut builder, symbols);
    let stacks: Vec<Vec<u32>> = heap
        .sites
        .iter()
        .map(|site| {
            let first = service_code(&site.stack, symbols);
            let stack = site.stack[first..].iter();
            stack
                .map(|address| places.location(&mut builder, *address))
                .collect()
        })
        .collect();
    let labels: Vec<Vec<Label>> = heap
        .sites
        .iter()
        .map(|site| site_labels(site, session))
        .collect();
    for ((site, stack), labels) in heap.sites.iter().zip(&stacks).zip(&labels) {
        let allocated = [
            site.allocated_objects.round() as i64,
            site.allocated_bytes as i64,
            0,
            0,
        ];
        builder.sample(stack, &allocated, labels.clone());
    }

    // Fractions of blocks add up before they are rounded.
    let mut living: HashMap<(usize, Option<i64>), (f64, f64)> = HashMap::new();
    for block in &heap.blocks {
        let born = run_start.map(|start| {
            let since = block.born.as_secs_f64() - start.as_secs_f64();
            since.floor() as i64
        });
        let sum = living.entry((block.site, born)).or_default();
        sum.0 += block.weight;
        sum.1 += block.weight * block.size as f64;
    }
    let mut living: Vec<_> = living.into_iter().collect();
    living.sort_unstable_by_key(|(key, _)| *key);
    for ((site, born), (objects, bytes)) in living {
        let mut labels = labels[site].clone();
        labels.extend(born.map(|born| Label::number(BORN, born, "seconds")));
        let values = [0, 0, objects.round() as i64, bytes.round() as i64];
        builder.sample(&stacks[site], &values, labels);
    }
    builder.comment(format!(
        "soakscope: heap sampled every {} bytes; {} bytes live by count, {} by this profile",
        heap.interval, heap.stats.live_bytes, heap.stats.estimated_live_bytes
    ));
    if heap.stats.lost > 0 {
        builder.comment(format!(
            "soakscope: {:.1} % of the bytes sampled could not be followed and are missing from what is in use",
            heap.stats.lost_share * 100.0
        ));
    }
    builder.build()
}

fn site_labels(site: &HeapSite, session: &Session) -> Vec<Label> {
    let mut labels = span_labels(&session.spans.labels, site.label);
    if !site.thread_name.is_empty() {
        labels.push(Label::text("thread", &site.thread_name));
    }
    let phase = session.phases.name(site.phase as usize);
    if !phase.is_empty() {
        labels.push(Label::text("phase", &phase));
    }
    if site.truncated {
        labels.push(Label::text("truncated", "true"));
    }
    labels
}

/// Where a stack leaves the allocator's entry and the profiler, by the names
/// of its innermost functions.
fn service_code(stack: &[u64], symbols: &Symbols) -> usize {
    let of_the_allocator = |address: &u64| {
        symbols.function(*address).is_some_and(|name| {
            [
                "__rust_alloc",
                "__rust_realloc",
                "__rg_",
                "soakscope_sampler::heap::",
            ]
            .iter()
            .any(|part| name.contains(part))
        })
    };
    stack
        .iter()
        .take_while(|address| of_the_allocator(address))
        .count()
}
