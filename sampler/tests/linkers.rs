//! Stacks through code that different linkers laid out: `.eh_frame` before its
//! header or behind it, and empty functions that stand for their neighbours.

mod support;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use soakscope_sampler::{Clock, Detail, Symbolizer};
use support::start;

const MIDDLE: &str = r#"
#include <stdint.h>
#include <time.h>
uint64_t work_leaf(uint64_t n);
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
__attribute__((noinline)) uint64_t work_middle(double seconds) {
    double end = now() + seconds;
    uint64_t sum = 0;
    volatile char room[200] = {0};
    while (now() < end) sum += work_leaf(100000) + room[sum % 200];
    return sum;
}
__attribute__((noinline)) uint64_t work(double seconds) {
    volatile uint64_t sum = work_middle(seconds);
    return sum + 1;
}
"#;

/// The leaf stands behind an empty function at the same address, and has a
/// frame that only its own entry describes.
#[cfg(target_arch = "x86_64")]
const LEAF: &str = r#"
    .text
    .type empty_function, @function
empty_function:
    .cfi_startproc
    .cfi_endproc
    .size empty_function, .-empty_function
    .globl work_leaf
    .type work_leaf, @function
work_leaf:
    .cfi_startproc
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    subq $72, %rsp
    .cfi_adjust_cfa_offset 72
    movq %rdi, %rcx
    movl $1, %eax
1:  imulq $31, %rax
    addq %rcx, %rax
    decq %rcx
    jnz 1b
    addq $72, %rsp
    .cfi_adjust_cfa_offset -72
    popq %rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size work_leaf, .-work_leaf
    .section .note.GNU-stack, "", @progbits
"#;

fn build(directory: &Path, linker: &str) -> PathBuf {
    let library = directory.join(format!("lib{linker}.so"));
    let built = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-fomit-frame-pointer"])
        .args(["-Wl,-Bsymbolic", &format!("-fuse-ld={linker}"), "-o"])
        .args([
            &library,
            &directory.join("middle.c"),
            &directory.join("leaf.s"),
        ])
        .output()
        .expect("there is a C compiler");
    assert!(
        built.status.success(),
        "{linker} is missing (Debian's binutils, lld and mold): {built:?}"
    );
    library
}

/// Samples whose leaf is the library's, and those of them that reach the
/// thread's first frame by way of its callers.
fn whole(library: &Path, clock: Clock) -> Option<(u64, u64)> {
    let sampler = start(clock, 999)?;
    let path = CString::new(library.as_os_str().as_bytes()).expect("a path has no zero");
    // SAFETY: the library is the one built above, whose function has this
    // signature; it is not unloaded.
    let work: extern "C" fn(f64) -> u64 = unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null());
        std::mem::transmute(libc::dlsym(handle, c"work".as_ptr()))
    };
    // The sampler follows the loader once it has met code that it does not know.
    work(0.3);
    sampler.drain().expect("it drains");
    work(0.5);
    let window = sampler.stop().expect("it stops");
    let mut symbols = Symbolizer::new().expect("maps are readable");
    let (mut inside, mut whole) = (0, 0);
    for sample in &window.samples {
        let names: Vec<String> = sample
            .stack
            .iter()
            .flat_map(|pc| symbols.resolve(*pc, Detail::Names).frames)
            .map(|frame| frame.name)
            .collect();
        if names.first().is_some_and(|name| name == "work_leaf") {
            inside += sample.count;
            let through = ["work_middle", "work"]
                .iter()
                .all(|caller| names.iter().any(|name| name == caller));
            whole += if through && !sample.truncated {
                sample.count
            } else {
                0
            };
        }
    }
    Some((inside, whole))
}

#[cfg(target_arch = "x86_64")]
#[test]
fn stacks_are_whole_whichever_linker_laid_the_library_out() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("middle.c"), MIDDLE).expect("it is there");
    std::fs::write(directory.path().join("leaf.s"), LEAF).expect("it is there");
    for linker in ["bfd", "gold", "lld", "mold"] {
        let library = build(directory.path(), linker);
        for clock in support::CPU_CLOCKS {
            let Some((inside, whole)) = whole(&library, clock) else {
                continue;
            };
            eprintln!("{linker}, {clock}: {whole} of {inside} samples are whole");
            assert!(inside >= 20, "{linker}, {clock}: {inside}");
            assert!(
                whole * 100 >= inside * 98,
                "{linker}, {clock}: {whole} of {inside}"
            );
        }
    }
}
