//! Any bytes as a pprof profile: they are refused, or read so that the profile
//! can be looked at, changed and written, and reads back as what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::{FlameOptions, Merger, Profile, TopBy, flamegraph, speedscope, top};

fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::decode(bytes) else {
        return;
    };
    let written = Profile::decode(&profile.encode()).expect("what is written can be read");
    assert_eq!(written, profile);
    let index = profile.default_value_index();
    let _ = profile.total(index);
    let _ = profile.collapsed(index);
    let _ = speedscope(&profile, index, "fuzz");
    let _ = top(&profile, index, TopBy::Cumulative);
    let _ = flamegraph(&profile, &FlameOptions::default());
    let mut merger = Merger::new();
    merger.add(&profile).expect("of one kind with nothing");
    let mut merged = merger.finish();
    merged.scale(0.5);
    let _ = Profile::decode(&merged.encode()).expect("what is merged can be read");
    let nothing = profile.subtract(&profile).expect("of one kind with itself");
    assert!(nothing.collapsed(index).is_empty());
});
