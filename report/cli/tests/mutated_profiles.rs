//! Bare profiles that were damaged, by chance or at every length, and bytes that
//! never were one: each is read or refused with a message, in bounded memory.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/peak.rs"]
mod peak;
#[path = "../src/prune.rs"]
mod prune;
#[path = "../../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../../tests/support/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use random::Random;
use soakscope_report::{
    FlameOptions, Label, Mapping, Profile, ProfileBuilder, TopBy, flamegraph, speedscope, top,
};

#[global_allocator]
static COUNTED: peak::Counted = peak::Counted;

/// What any profile may take.
const MAX_BYTES: i64 = 256 << 20;

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A profile that has some of everything, not gzipped.
fn whole() -> Vec<u8> {
    let mut builder = ProfileBuilder::heap(1_000, 500, 10);
    let mapping = builder.mapping(Mapping {
        start: 0x1000,
        limit: 0x9000,
        path: "/srv/shop".into(),
        ..Mapping::default()
    });
    let names = [
        "<a::B<c::D> as e::F>::g",
        "f(char[10])",
        "a::{closure#1}::h0123456789abcdef",
        "g<int>",
    ];
    for (address, name) in (0x1000..).step_by(16).zip(names) {
        let f = builder.function(name, name, "a.rs", 3);
        let g = builder.function("malloc", "malloc", "", 0);
        let at = builder.location(Some(mapping), address, &[(g, 4), (f, 10)]);
        let nameless = builder.location(None, address, &[]);
        let labels = vec![
            Label::text("thread", "w"),
            Label::number("bytes", 64, "bytes"),
        ];
        builder.sample(&[at, nameless, at], &[1, -2, 3, 4 << 20], labels);
    }
    builder.comment("a comment".to_owned());
    let mut profile = builder.build();
    profile.drop_frames = "malloc|x(a|b)*".to_owned();
    profile.keep_frames = "mallocx".to_owned();
    let mut raw = Vec::new();
    let bytes = profile.encode();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut raw)
        .unwrap();
    raw
}

const EXTREMES: [&[u8]; 8] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\0",
    b"\x80\x80\x80\x80\x80",
    b"\n",
    b";",
    b" 99999999999999999999",
    b"(((((",
];

fn changed(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].repeat(1 + random.below(50));
                drop(bytes.splice(at..at, part));
            }
            _ => {
                let extreme = EXTREMES[random.below(EXTREMES.len())].to_vec();
                drop(bytes.splice(at..at, extreme));
            }
        }
    }
    bytes
}

/// Does what `top` and `flamegraph` do; whether it could be read.
fn shown(bytes: &[u8]) -> bool {
    let (mut profile, _) = match Profile::decode_noted(bytes) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.to_string().len() > 20, "{error}");
            return false;
        }
    };
    let _ = prune::prune(&mut profile);
    let index = profile.default_value_index();
    let other = profile.clone();
    profile.take_lines(&other);
    for by in [TopBy::Own, TopBy::Cumulative, TopBy::Line] {
        let entries = top(&profile, index, by);
        let own: i64 = entries
            .iter()
            .fold(0, |sum, entry| sum.wrapping_add(entry.own));
        let _ = (own, profile.totals(index));
    }
    let _ = flamegraph(&profile, &FlameOptions::default());
    let _ = speedscope(&profile, index, "");
    let again = Profile::decode(&profile.encode());
    assert!(again.is_ok(), "{again:?}");
    let collapsed = profile.collapsed(index);
    if !collapsed.is_empty() {
        assert!(Profile::decode(collapsed.as_bytes()).is_ok(), "{collapsed}");
    }
    true
}

fn survives(bytes: &[u8], what: &str) -> bool {
    let (mut read, mut peak) = (false, 0);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        peak = peak::peak(|| read = shown(bytes))
    }));
    assert!(
        ended.is_ok(),
        "{what}: {:?}",
        String::from_utf8_lossy(bytes)
    );
    assert!(peak < MAX_BYTES, "{what}: {} MB", peak >> 20);
    read
}

/// `SOAKSCOPE_MUTATIONS=100000` tries as many.
#[test]
fn mutated_profiles_are_read_or_refused() {
    let count = std::env::var("SOAKSCOPE_MUTATIONS").map_or(3_000, |n| n.parse().unwrap());
    let whole = whole();
    let collapsed = b"main;f(char[10]);g 40\nmain;<a::B as c::D>::e 2\n# x\nmain 8.5\n".to_vec();
    assert!(survives(&whole, "the original") && survives(&collapsed, "the stacks"));
    let (mut read, mut refused) = (0, 0);
    for seed in 0..count {
        let random = &mut Random::new(seed);
        let bytes = match seed % 8 {
            0 => (0..random.below(300))
                .map(|_| random.next() as u8)
                .collect(),
            1 => changed(&gzipped(&whole), random),
            2 => changed(&collapsed, random),
            3 => gzipped(&gzipped(&changed(&whole, random))),
            _ => changed(&whole, random),
        };
        match survives(&bytes, &format!("seed {seed}")) {
            true => read += 1,
            false => refused += 1,
        }
    }
    assert!(
        read > count / 20 && refused > count / 20,
        "{read} read, {refused} refused"
    );
    for length in 0..whole.len() {
        survives(&whole[..length], &format!("cut off at {length}"));
    }
}

/// Small files that ask for much.
#[test]
fn what_is_made_of_a_profile_is_bounded() {
    let types = wire::bytes(1, &wire::number(1, 1));
    let strings = wire::strings(&[b"", b"cpu"]);
    let whole = |middle: Vec<u8>| gzipped(&[types.clone(), middle, strings.clone()].concat());
    let location = wire::bytes(4, &[wire::number(1, 1), wire::number(3, 7)].concat());
    let deep = wire::bytes(
        2,
        &[wire::packed(1, &vec![1; 100_000]), wire::number(2, 1)].concat(),
    );
    let wide = wire::bytes(2, &[wire::number(1, 1), wire::number(2, 1)].concat()).repeat(1_000_000);
    let names: Vec<u8> = (0..2_000_000_u32)
        .flat_map(|n| format!("{n};{n:x} 1\n").into_bytes())
        .collect();
    let long = [&b"x;".repeat(5_000_000)[..], b" 7\n"].concat();
    let mut slow = Profile {
        drop_frames: "(a*)*b|".repeat(500),
        ..Profile::decode(&whole(wire::bytes(2, &wire::number(2, 1)))).unwrap()
    };
    slow.drop_frames.push('x');
    let name = "a".repeat(500);
    slow.functions = (0..2_000)
        .map(|number| soakscope_report::Function {
            name: format!("{name}{number}"),
            ..Default::default()
        })
        .collect();
    for (what, bytes) in [
        ("a deep stack", whole([location.clone(), deep].concat())),
        ("a million samples", whole([location, wide].concat())),
        ("stacks of many names", names),
        ("one stack of many frames", long),
        ("a bomb in a bomb", gzipped(&gzipped(&vec![0; 100 << 20]))),
        ("expressions", slow.encode()),
    ] {
        survives(&bytes, what);
    }
}

/// The command itself: its exit code says whether it could be read, and it says
/// why not.
#[test]
fn the_command_reads_or_says_why_not() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("x.pb.gz");
    let whole = whole();
    for seed in 0..40 {
        let random = &mut Random::new(1_000 + seed);
        let bytes = match seed % 4 {
            0 => (0..random.below(300))
                .map(|_| random.next() as u8)
                .collect(),
            1 => changed(&gzipped(&whole), random),
            _ => changed(&whole, random),
        };
        std::fs::write(&file, &bytes).unwrap();
        let command = ["top", "flamegraph"][random.below(2)];
        let mut soakscope = Command::new(env!("CARGO_BIN_EXE_soakscope"));
        let output = soakscope.arg(command).arg(&file).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            Some(0) => assert!(!output.stdout.is_empty(), "seed {seed}"),
            Some(2) => assert!(said.contains("x.pb.gz: "), "seed {seed}: {said}"),
            code => panic!("seed {seed}: {code:?} {said}"),
        }
    }
}
