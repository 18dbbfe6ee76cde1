//! Naming a report's worth of addresses takes little memory, and gives it back.

use std::fs;

use soakscope_sampler::{Detail, Symbolizer};

/// `VmRSS` or `VmHWM` in KiB.
fn status_kib(field: &str) -> u64 {
    fs::read_to_string("/proc/self/status")
        .expect("status is readable")
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .expect("the field is a number of kB")
}

/// KiB that are allocated from the C library, in all its arenas and mappings.
fn allocated_kib() -> u64 {
    // SAFETY: it has no conditions.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64 / 1024
}

/// Resolves `count` addresses spread over the program's code.
fn resolve_spread(count: u64) -> (u64, u64) {
    let mut symbols = Symbolizer::new().expect("maps are readable");
    let exe = fs::read_link("/proc/self/exe").expect("a program has a path");
    let module = symbols
        .modules()
        .iter()
        .find(|m| exe.to_str() == Some(m.path.as_str()))
        .cloned()
        .expect("the program is a module");
    let step = (module.end - module.start) / count;
    let (mut named, mut lined) = (0, 0);
    for number in 0..count {
        let resolved = symbols.resolve(module.start + number * step, Detail::Lines);
        named += u64::from(!resolved.frames.is_empty());
        lined += u64::from(resolved.frames.iter().any(|f| f.line.is_some()));
    }
    (named, lined)
}

#[test]
fn five_thousand_addresses_in_a_few_megabytes() {
    // Whatever the first use of anything costs is not what is measured.
    resolve_spread(10);
    let before = status_kib("VmRSS");
    let before_allocated = allocated_kib();
    // Resets the high-water mark (proc(5), clear_refs).
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let (named, lined) = resolve_spread(5_000);
    let peak = status_kib("VmHWM").saturating_sub(before);
    let after = status_kib("VmRSS").saturating_sub(before);
    let allocated = allocated_kib().saturating_sub(before_allocated);
    eprintln!(
        "named {named}, with lines {lined}: peak +{peak} KiB, afterwards +{after} KiB, \
         of which {allocated} KiB not freed"
    );
    assert!(named > 4_000, "only {named} of 5,000 addresses have names");
    if reset {
        assert!(peak < 8 * 1024, "peak +{peak} KiB");
    }
    // What glibc keeps of it all the same depends on where the last pieces lay,
    // and is within the peak. Trimming would disturb the host's heap.
    assert!(allocated < 32, "+{allocated} KiB not freed");
}
