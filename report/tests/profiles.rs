//! Profiles survive being written, read, merged, subtracted and torn.

#![allow(clippy::unwrap_used)]

use soakscope_report::{Label, Mapping, Profile, ProfileBuilder};

/// A profile of one program, loaded at `base`, with a stack for each weight.
fn profile(base: u64, weights: &[(u64, i64)]) -> Profile {
    let mut builder = ProfileBuilder::cpu(1_000, 500, 10);
    let mapping = builder.mapping(Mapping {
        start: base,
        limit: base + 0x1000,
        path: "/srv/shop".into(),
        build_id: "abc123".into(),
        ..Mapping::default()
    });
    let main = builder.function("shop::main", "_ZN4shop4mainE", "src/main.rs", 3);
    let root = builder.location(Some(mapping), base + 0x10, &[(main, 7)]);
    for &(offset, weight) in weights {
        let work = builder.function("shop::work", "_ZN4shop4workE", "src/work.rs", 1);
        let inner = builder.function("shop::inner", "_ZN4shop5innerE", "src/work.rs", 9);
        let leaf = builder.location(Some(mapping), base + offset, &[(inner, 9), (work, 2)]);
        builder.sample(
            &[leaf, root],
            &[weight, weight * 10],
            vec![Label::text("phase", "steady")],
        );
    }
    builder.build()
}

#[test]
fn what_is_written_is_read() {
    let written = profile(0x40_0000, &[(0x100, 3), (0x200, 4)]);
    assert_eq!(Profile::decode(&written.encode()).unwrap(), written);
}

#[test]
fn addresses_keep_equal_names_apart_and_inlines_are_one_location() {
    let p = profile(0x40_0000, &[(0x100, 3), (0x200, 4), (0x100, 1)]);
    assert_eq!(
        (p.samples.len(), p.locations.len(), p.functions.len()),
        (2, 3, 3)
    );
    assert_eq!(p.samples[0].values, [4, 40]);
    assert_eq!(p.collapsed(0), "shop::main;shop::work;shop::inner 8\n");
}

#[test]
fn recursion_is_not_merged() {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let f = builder.function("f", "f", "", 0);
    let here = builder.location(None, 0x10, &[(f, 1)]);
    builder.sample(&[here, here, here], &[1, 1], Vec::new());
    assert_eq!(builder.build().collapsed(0), "f;f;f 1\n");
}

#[test]
fn a_program_loaded_elsewhere_is_still_the_same_program() {
    let a = profile(0x40_0000, &[(0x100, 3)]);
    let b = profile(0x7f00_0000, &[(0x100, 4), (0x200, 5)]);
    let sum = Profile::merge([&a, &b]).unwrap();
    assert_eq!((sum.mappings.len(), sum.samples.len()), (1, 2));
    assert_eq!(sum.total(0), a.total(0) + b.total(0));
    assert_eq!(sum.duration_nanos, 1_000);

    let growth = b.subtract(&a).unwrap();
    assert_eq!(growth.total(0), 6);
    assert!(b.subtract(&b).unwrap().samples.is_empty());
    assert_eq!(a.subtract(&b).unwrap().total(0), -6);
}

#[test]
fn different_kinds_do_not_mix() {
    let cpu = profile(0, &[(1, 1)]);
    let heap = ProfileBuilder::heap(0, 0, 524_288).build();
    let message = Profile::merge([&cpu, &heap]).unwrap_err().to_string();
    assert!(message.contains("cpu/nanoseconds") && message.contains("inuse_space/bytes"));
}

#[test]
fn scaling_and_filtering() {
    let mut p = profile(0, &[(1, 3), (2, 5)]);
    p.scale(0.5);
    assert_eq!(p.total(1), 15 + 25);
    assert_eq!(p.filter(|s| s.label("phase") == Some("warmup")).total(1), 0);
    assert_eq!(p.filter(|s| s.label("phase") == Some("steady")), p);
}

#[test]
fn without_a_symbol_a_frame_is_module_and_offset() {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let mapping = builder.mapping(Mapping {
        start: 0x1000,
        limit: 0x2000,
        offset: 0x300,
        path: "/usr/lib/libc.so.6".into(),
        ..Mapping::default()
    });
    let known = builder.location(Some(mapping), 0x1010, &[]);
    let unknown = builder.location(None, 0xdead, &[]);
    builder.sample(&[known, unknown], &[1, 1], Vec::new());
    assert_eq!(builder.build().collapsed(0), "0xdead;libc.so.6+0x310 1\n");
}

#[test]
fn torn_bytes_are_an_error_and_never_a_panic() {
    let good = profile(0x40_0000, &[(0x100, 3), (0x200, 4)]).encode();
    for end in 0..good.len() {
        assert!(Profile::decode(&good[..end]).is_err(), "cut at {end}");
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let length = (random() % 200) as usize;
        let noise: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        let _ = Profile::decode(&noise);
    }
    // A raw profile with some bytes changed reaches deeper than noise does.
    let mut raw = Vec::new();
    let mut unpack = flate2::read::GzDecoder::new(good.as_slice());
    std::io::Read::read_to_end(&mut unpack, &mut raw).unwrap();
    for _ in 0..20_000 {
        let mut torn = raw.clone();
        for _ in 0..1 + random() % 4 {
            let at = (random() % torn.len() as u64) as usize;
            torn[at] = random() as u8;
        }
        if let Ok(profile) = Profile::decode(&torn) {
            let _ = (profile.collapsed(0), profile.total(1), profile.encode());
            let _ = Profile::merge([&profile, &profile]);
        }
    }
}

#[test]
fn a_bomb_is_refused() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..80 {
        std::io::Write::write_all(&mut gzip, &zeros).unwrap();
    }
    let message = Profile::decode(&gzip.finish().unwrap())
        .unwrap_err()
        .to_string();
    assert!(message.contains("more than 25,165,824 bytes"), "{message}");
}

/// A foreign tool's strings are bytes: one that is no UTF-8 costs its odd bytes.
#[test]
fn a_label_that_is_no_utf_8_costs_its_odd_bytes_alone() {
    use prost::encoding::{WireType, encode_key, encode_varint};
    let field = |number: u32, bytes: &[u8]| {
        let mut field = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut field);
        encode_varint(bytes.len() as u64, &mut field);
        field.extend(bytes);
        field
    };
    let strings: [&[u8]; 6] = [b"", b"cpu", b"f\xffn", b"thread", b"wor\xc3ker", b"\xff"];
    let mut bytes = Vec::new();
    bytes.extend(field(1, &[8, 1]));
    let label = field(3, &[8, 3, 16, 4]);
    bytes.extend(field(2, &[&[8, 1, 16, 7][..], &label].concat()));
    bytes.extend(field(3, &[8, 1, 40, 5, 48, 5]));
    bytes.extend(field(4, &[&[8, 1, 16, 1][..], &field(4, &[8, 1])].concat()));
    bytes.extend(field(5, &[8, 1, 16, 2, 24, 2, 32, 5]));
    bytes.extend(strings.iter().flat_map(|text| field(6, text)));
    let profile = Profile::decode(&bytes).unwrap();
    assert_eq!(profile.samples[0].values, [7]);
    assert_eq!(profile.samples[0].label("thread"), Some("wor\u{fffd}ker"));
    assert_eq!(profile.functions[0].name, "f\u{fffd}n");
    assert_eq!(profile.mappings[0].path, "\u{fffd}");
    assert_eq!(profile.collapsed(0), "f\u{fffd}n 7\n");
}
