//! Profiles of other programs are read as `go tool pprof` reads them.

use std::path::Path;

use soakscope_tests::{output_text, scratch, soakscope, tool};

use crate::costs::agrees;
use crate::drawn::drawn;

#[test]
fn totals_and_functions_are_those_of_go_tool_pprof() {
    let scratch = scratch();
    for seed in 0..4 {
        let file = scratch.path().join(format!("drawn-{seed}.pb.gz"));
        std::fs::write(&file, drawn(seed).encode()).expect("written");
        agrees(&file);
    }
}

const GO_PROGRAM: &str = r#"
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept [][]byte
var sink int

//go:noinline
func burn(n int) { for i := 0; i < n; i++ { sink += i ^ n } }

//go:noinline
func hold(n int) { for i := 0; i < n; i++ { kept = append(kept, make([]byte, 10000+i)) } }

func write(name, path string) {
	file, err := os.Create(path)
	if err != nil { panic(err) }
	defer file.Close()
	if err := pprof.Lookup(name).WriteTo(file, 0); err != nil { panic(err) }
}

func main() {
	runtime.MemProfileRate = 1
	file, err := os.Create(os.Args[1])
	if err != nil { panic(err) }
	if err := pprof.StartCPUProfile(file); err != nil { panic(err) }
	pprof.Do(context.Background(), pprof.Labels("step", "first"), func(context.Context) {
		for begin := time.Now(); time.Since(begin) < 400*time.Millisecond; { burn(100000) }
	})
	pprof.StopCPUProfile()
	file.Close()
	hold(500)
	runtime.GC()
	write("heap", os.Args[2])
	write("goroutine", os.Args[3])
}
"#;

/// Profiles of a Go program, as its own runtime writes them.
#[test]
fn a_go_program_s_profiles_are_read_as_go_reads_them() {
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    std::fs::write(path("main.go"), GO_PROGRAM).expect("written");
    let built = tool("go")
        .args(["build", "-o", "program", "main.go"])
        .current_dir(scratch.path())
        .env("GO111MODULE", "off")
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
        .output()
        .expect("go runs");
    assert!(built.status.success(), "{}", output_text(&built));
    let ran = std::process::Command::new(path("program"))
        .args(["cpu.pb.gz", "heap.pb.gz", "goroutine.pb.gz"])
        .current_dir(scratch.path())
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{}", output_text(&ran));
    for name in ["cpu.pb.gz", "heap.pb.gz", "goroutine.pb.gz"] {
        agrees(&path(name));
    }
    let top = |arguments: &[&str]| {
        let output = soakscope()
            .arg("top")
            .args(arguments)
            .output()
            .expect("soakscope runs");
        assert!(output.status.success(), "{}", output_text(&output));
        output_text(&output)
    };
    let (cpu, heap) = (path("cpu.pb.gz"), path("heap.pb.gz"));
    let (cpu, heap) = (cpu.to_str().expect("text"), heap.to_str().expect("text"));
    let burned = top(&[cpu, "--label", "step=first"]);
    assert!(burned.contains("main.burn"), "{burned}");
    let held = top(&[heap]);
    assert!(
        held.contains("inuse_space in all") && held.contains("main.hold"),
        "{held}"
    );
    assert!(top(&[cpu, "--by", "line"]).contains("main.go:"), "lines");
}
