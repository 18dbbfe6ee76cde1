//! Libraries that are loaded and unloaded while sampled.

mod support;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use soakscope_sampler::{Detail, Symbolizer};
use support::{CPU_CLOCKS, start};

/// A library with a busy function that calls another without a frame pointer.
fn build(directory: &Path) -> Option<CString> {
    let source = directory.join("plugin.c");
    let library = directory.join("libplugin.so");
    std::fs::write(
        &source,
        "__attribute__((noinline)) long plugin_spin(long n) {\n\
           volatile long sum = 0; for (long i = 0; i < n; i++) sum += i; return sum; }\n\
         __attribute__((noinline)) long plugin_entry(long n) {\n\
           volatile long pad[9]; pad[0] = plugin_spin(n); return pad[0] + 1; }\n",
    )
    .ok()?;
    let built = Command::new("cc")
        .args(["-O1", "-fPIC", "-shared", "-fomit-frame-pointer", "-o"])
        .args([&library, &source])
        .status();
    match built {
        Ok(status) if status.success() => CString::new(library.as_os_str().as_bytes()).ok(),
        _ => {
            eprintln!("skipped: no C compiler");
            None
        }
    }
}

/// Loads the library, runs it, and unloads it if asked to.
fn run(library: &CString, n: i64, unload: bool) {
    // SAFETY: the library is the one built above, whose `plugin_entry` has the
    // signature it is called with; it is not used after it is closed.
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null());
        let entry = libc::dlsym(handle, c"plugin_entry".as_ptr());
        assert!(!entry.is_null());
        let entry: extern "C" fn(i64) -> i64 = std::mem::transmute(entry);
        std::hint::black_box(entry(n));
        if unload {
            libc::dlclose(handle);
        }
    }
}

#[test]
fn libraries_that_come_and_go_are_walked_through() {
    let directory = std::env::temp_dir().join(format!("sampler-dlopen-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
    let Some(library) = build(&directory) else {
        return;
    };
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        for _ in 0..300 {
            run(&library, 100_000, true);
        }
        // Loaded for good: once it is noticed, its stacks are whole.
        run(&library, 300_000_000, false);
        sampler.drain().expect("it drains");
        run(&library, 300_000_000, false);
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let window = sampler.stop().expect("it stops");
        let (mut inside, mut whole) = (0, 0);
        for sample in &window.samples {
            let names: Vec<String> = sample
                .stack
                .iter()
                .flat_map(|pc| symbols.resolve(*pc, Detail::Names).frames)
                .map(|frame| frame.name)
                .collect();
            if names.first().is_some_and(|name| name == "plugin_spin") {
                inside += sample.count;
                let through = names.iter().any(|name| name == "plugin_entry");
                whole += if through && !sample.truncated {
                    sample.count
                } else {
                    0
                };
            }
        }
        eprintln!("{clock}: {whole} of {inside} samples in the library are whole");
        assert!(inside >= 5, "{clock}: {inside}");
        assert!(whole * 100 >= inside * 95, "{clock}: {whole} of {inside}");
    }
    let _ = std::fs::remove_dir_all(&directory);
}
