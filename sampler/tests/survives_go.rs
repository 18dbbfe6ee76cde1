//! Go code in the same process: goroutines run on stacks of a few kilobytes
//! that grow when the code asks for it, not when a signal does.

mod support;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use soakscope_sampler::Clock;
use support::{child, role, start};

/// Many short goroutines, each of which recurses until its stack has grown
/// several times.
const GO: &str = r#"package main

import "C"
import "time"

//go:noinline
func recurse(depth int, from *[64]byte) int {
	var here [64]byte
	here[depth%64] = from[0] + 1
	if depth == 0 {
		return int(here[0])
	}
	return recurse(depth-1, &here) + int(here[1])
}

//export go_work
func go_work(seconds C.double) C.int {
	end := time.Now().Add(time.Duration(float64(seconds) * float64(time.Second)))
	done := make(chan int, 64)
	total := 0
	for time.Now().Before(end) {
		for n := 0; n < 20; n++ {
			go func(depth int) {
				var first [64]byte
				done <- recurse(depth, &first)
			}(1500 + 50*n)
		}
		for n := 0; n < 20; n++ {
			total += <-done
		}
	}
	return C.int(total)
}

func main() {}
"#;

fn build(directory: &Path) -> CString {
    let source = directory.join("work.go");
    let library = directory.join("libwork.so");
    std::fs::write(&source, GO).expect("the directory is there");
    let built = Command::new("go")
        .args(["build", "-buildmode=c-shared", "-o"])
        .args([&library, &source])
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOCACHE", directory.join("cache"))
        .output()
        .expect("Go is installed (Debian's golang-go)");
    assert!(built.status.success(), "{built:?}");
    CString::new(library.as_os_str().as_bytes()).expect("a path has no zero")
}

/// Runs goroutines beside a sampler; whether Go is loaded first.
fn work(role: &str) {
    let mut words = role.split(' ');
    let mut word = || words.next().expect("clock, frequency, order, library");
    let clock: Clock = word().parse().expect("a clock");
    let hz: u32 = word().parse().expect("a number");
    let go_first = word() == "go-first";
    let library = CString::new(word()).expect("a path has no zero");
    // SAFETY: the library is the one built above, whose function has this
    // signature; Go's libraries are never unloaded.
    let go_work = |seconds: f64| unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null(), "it loads");
        let entry = libc::dlsym(handle, c"go_work".as_ptr());
        assert!(!entry.is_null(), "it has the function");
        let entry: extern "C" fn(f64) -> i32 = std::mem::transmute(entry);
        entry(seconds)
    };
    if go_first {
        go_work(0.05);
    }
    let Some(sampler) = start(clock, hz) else {
        return;
    };
    assert!(go_work(1.0) != 0);
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 0, "{:?}", window.stats);
    println!("{} samples beside goroutines", window.stats.samples);
}

#[test]
fn goroutines_are_sampled_unharmed() {
    if let Some(role) = role() {
        return work(&role);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let library = build(directory.path());
    let library = library.to_str().expect("a plain path");
    let runs = std::env::var("SMALL_STACK_RUNS").map_or(1, |n| n.parse().expect("a number"));
    for clock in [
        Clock::Instants,
        Clock::Timer,
        Clock::Perf,
        Clock::Wall,
        Clock::Pprof,
    ] {
        for hz in [99, 999] {
            for order in ["go-first", "go-later"] {
                for _ in 0..runs {
                    let role = format!("{clock} {hz} {order} {library}");
                    let output = child("goroutines_are_sampled_unharmed", &role);
                    assert!(output.status.success(), "{role}: {output:?}");
                    let said = String::from_utf8_lossy(&output.stdout);
                    assert!(
                        said.contains("samples beside goroutines")
                            || String::from_utf8_lossy(&output.stderr).contains("skipped"),
                        "{role}: {output:?}"
                    );
                }
            }
        }
    }
}
