//! Names, paths and lengths that nobody expects cost one field at most.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

use soakscope_sampler::resources::{Resources, Ticks};
use soakscope_sampler::{Clock, CpuSampler, Detail, Symbolizer};
use support::library::{Function, build, directory};
use support::{burn, child, role};

/// What these names become.
const ODD: (&[u8], &str) = (b"\xff\n\tz;\x1b[", "\u{fffd}\\n\\tz;\\u{1b}[");

/// Names the calling thread; the first thread's name is the process's.
fn name_thread(name: &[u8]) {
    let mut bytes = [0u8; 16];
    bytes[..name.len()].copy_from_slice(name);
    // SAFETY: PR_SET_NAME reads up to 16 bytes, which `bytes` has.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) }, 0);
}

/// Runs this test as a child that must reach its end.
fn in_child(test: &str) -> bool {
    if role().is_some() {
        return true;
    }
    let output = child(test, "odd");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
    false
}

#[test]
fn a_thread_of_any_name_is_in_the_profile_by_it() {
    let sampler = CpuSampler::builder()
        .clock(Clock::Timer)
        .frequency(499)
        .start()
        .expect("timers are to be had");
    let names = |samples: &[soakscope_sampler::CpuSample]| -> Vec<String> {
        let names = samples.iter().map(|sample| sample.thread_name.to_string());
        names.collect()
    };
    let (ended, may_end) = std::sync::mpsc::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        name_thread(ODD.0);
        burn(0.2);
        ready.send(()).expect("somebody waits");
        let _ = may_end.recv();
    });
    is_ready.recv().expect("it burns");
    // By its `comm` while it lives, by its last sample afterwards.
    let alive = sampler.threads().expect("threads answer");
    assert!(
        names(&alive.samples).contains(&ODD.1.to_owned()),
        "{alive:?}"
    );
    drop(ended);
    thread.join().expect("it ends");
    let window = sampler.stop().expect("it stops");
    let all = names(&window.samples);
    assert!(all.contains(&ODD.1.to_owned()), "{all:?}");
}

#[test]
fn a_thread_of_any_name_that_cannot_answer_is_listed() {
    let sampler = CpuSampler::builder()
        .clock(Clock::Timer)
        .start()
        .expect("timers are to be had");
    let (ended, may_end) = std::sync::mpsc::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        name_thread(ODD.0);
        // SAFETY: a zeroed set is filled before use; only this thread's mask
        // changes.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
        }
        ready.send(()).expect("somebody waits");
        let _ = may_end.recv();
    });
    is_ready.recv().expect("it blocks its signals");
    let listed = sampler.threads().expect("threads answer");
    let mut names = listed.samples.iter().map(|sample| &*sample.thread_name);
    assert!(names.any(|name| name == ODD.1), "{listed:?}");
    drop(ended);
    thread.join().expect("it ends");
}

#[test]
fn a_process_of_any_name_and_many_groups_is_read() {
    if !in_child("a_process_of_any_name_and_many_groups_is_read") {
        return;
    }
    let mut resources = Resources::new();
    let before = resources.process();
    // In `status` the process has the name of its first thread; this one has
    // its own if the test runs beside it.
    fs::write("/proc/self/comm", ODD.0).expect("the process is named");
    // SAFETY: `geteuid` has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        let groups: Vec<libc::gid_t> = (0..600).map(|n| 4_000_000_000 + n).collect();
        // SAFETY: `groups` has as many entries as are announced.
        assert_eq!(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) }, 0);
        let status = fs::read("/proc/self/status").expect("status is readable");
        assert!(status.len() > 4096, "{}", status.len());
    }
    for mut resources in [resources, Resources::new()] {
        let reading = resources.process();
        for (name, value) in [
            ("rss", reading.rss_bytes),
            ("peak", reading.rss_peak_bytes),
            ("anon", reading.rss_anon_bytes),
            ("file", reading.rss_file_bytes),
            ("vms", reading.vms_bytes),
            ("threads", reading.threads),
            ("fds", reading.open_fds),
        ] {
            assert!(value.is_some_and(|value| value > 0), "{name}: {value:?}");
        }
        assert_eq!(reading.threads, before.threads);
        assert!(resources.sockets().is_some());
    }
    assert_eq!(Ticks::new().read(Instant::now()).missing, []);
}

#[test]
fn a_library_of_any_path_has_names_and_costs_no_other_its_own() {
    if !in_child("a_library_of_any_path_has_names_and_costs_no_other_its_own") {
        return;
    }
    let directory = directory("odd");
    // The compiler gets a plain path: not every linker takes the others.
    let plain = directory.path().join("plain.so");
    let source = "__attribute__((noinline)) static long odd_inner(long n) {\n\
           volatile long sum = 0; for (long i = 0; i < n; i++) sum += i; return sum; }\n\
         long odd_entry(long n) { return odd_inner(n) + 1; }\n";
    build("cc", source, &plain, &["-fno-inline"]);
    let names: [&[u8]; 5] = [
        b"not \xff\xfe utf-8.so",
        b"two\nlines.so",
        b"two\\012lines.so",
        b"not gone.so (deleted)",
        b"\x1b[31m.so",
    ];
    let functions: Vec<(PathBuf, Function)> = names
        .iter()
        .map(|name| {
            let path = directory.path().join(OsStr::from_bytes(name));
            fs::copy(&plain, &path).expect("copied");
            let function = Function::load(&path, "odd_entry");
            (path, function)
        })
        .collect();
    for (path, function) in functions {
        let sampler = CpuSampler::builder()
            .clock(Clock::Timer)
            .frequency(499)
            .start()
            .expect("timers are to be had");
        function.burn(0.2);
        burn(0.1);
        let window = sampler.stop().expect("it stops");
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let (mut odd, mut ours) = (0, 0);
        for sample in &window.samples {
            let mut through = Vec::new();
            for pc in &sample.stack {
                let resolved = symbols.resolve(*pc, Detail::Names);
                let module = resolved.module.map(|index| &symbols.modules()[index]);
                if let Some(module) = module {
                    assert!(!module.path.contains(char::is_control), "{}", module.path);
                }
                through.extend(resolved.frames.into_iter().map(|frame| frame.name));
            }
            let has = |name: &str| through.iter().any(|through| through.contains(name));
            odd += u64::from(has("odd_inner") && has("odd_entry")) * sample.count;
            ours += u64::from(has("support::burn")) * sample.count;
        }
        assert!(odd >= 5, "{}: {odd} samples", path.display());
        assert!(ours >= 3, "{}: {ours} samples", path.display());
    }
}

#[test]
fn a_core_series_that_goes_is_missed_by_its_name() {
    if !in_child("a_core_series_that_goes_is_missed_by_its_name") {
        return;
    }
    let mut ticks = Ticks::new();
    let now = Instant::now();
    assert_eq!(ticks.read(now).missing, []);
    // A service that closes what it does not know and opens something else.
    let other = fs::File::open("/dev/null").expect("it is there");
    let kept: Vec<i32> = fs::read_dir("/proc/self/fd")
        .expect("descriptors are listed")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let status = target.as_os_str().as_bytes().ends_with(b"/status");
            status.then(|| entry.file_name().to_str()?.parse().ok())?
        })
        .collect();
    assert_eq!(kept.len(), 1, "status is kept open once");
    // SAFETY: both are open descriptors; the reader's stays one.
    assert!(unsafe { libc::dup2(other.as_raw_fd(), kept[0]) } >= 0);
    let later = now + std::time::Duration::from_secs(60);
    let reading = ticks.read(later);
    let missing: Vec<&str> = reading.missing.iter().map(|m| m.series).collect();
    assert_eq!(missing, ["rss_mb", "threads", "connections"]);
    assert_eq!(
        reading.missing[0].to_string(),
        "VmRSS of /proc/self/status: not in it"
    );
    assert!(reading.process.cpu.is_some() && reading.process.open_fds.is_some());
}
