//! Profiles drawn from a seed.

use soakscope_report::{Label, Mapping, Profile, ProfileBuilder, ValueType};

/// A profile of many stacks: recursion, inlined functions, names in two files,
/// locations without a function, values below 0, frames that are dropped.
pub(crate) fn drawn(seed: u64) -> Profile {
    let mut state = seed;
    let mut random = move |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let types = [
        ("objects", "count"),
        ("delay", "nanoseconds"),
        ("space", "bytes"),
    ];
    let types = types
        .map(|(kind, unit)| ValueType::new(kind, unit))
        .to_vec();
    let mut builder = ProfileBuilder::new(types, ValueType::new("space", "bytes"), 512);
    let mapping = builder.mapping(Mapping {
        start: 0x40_0000,
        limit: 0x80_0000,
        path: "/srv/shop".into(),
        has_functions: true,
        ..Mapping::default()
    });
    let names = [
        "main",
        "f(char[10])",
        "f(char[20])",
        "ns::Cls::operator<<(int)",
        "main.(*T[...]).g",
        "a.b$1.<init>",
        "g<int>",
        "g<long>",
        "std::vector<int, std::allocator<int> >::push_back(int const&)",
        "<module>",
        "drop_me",
        "kept",
    ];
    let functions: Vec<u32> = names
        .iter()
        .map(|name| builder.function(name, name, "a.cc", 1))
        .collect();
    let locations: Vec<u32> = (0..60)
        .map(|number| {
            let lines: Vec<(u32, u32)> = (0..random(4))
                .map(|_| {
                    (
                        functions[random(names.len() as u64) as usize],
                        1 + random(9) as u32,
                    )
                })
                .collect();
            builder.location(Some(mapping), 0x40_0000 + 16 * number, &lines)
        })
        .collect();
    for _ in 0..400 {
        let stack: Vec<u32> = (0..1 + random(12))
            .map(|_| locations[random(60) as usize])
            .collect();
        let sign = if seed % 2 == 1 && random(3) == 0 {
            -1
        } else {
            1
        };
        let value = sign * random(1_000_000) as i64;
        let labels = vec![
            Label::text("thread", "w"),
            Label::number("bytes", random(3) as i64, "bytes"),
        ];
        builder.sample(&stack, &[value % 7, value, value * 4096], labels);
    }
    let mut profile = builder.build();
    if seed > 1 {
        profile.drop_frames = "drop_.*|kept".into();
        profile.keep_frames = "kept".into();
    }
    profile
}
