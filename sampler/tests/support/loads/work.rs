//! The functions: named, never inlined, and leaves, so that a sample's first
//! address alone says which one it was in.

use std::hint::black_box;
use std::sync::OnceLock;

use super::thread_cpu;

#[inline(always)]
fn spin(rounds: u64, seed: u64) -> u64 {
    (0..rounds).fold(seed, |state, n| {
        black_box(state ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

macro_rules! functions {
    ($($name:ident = $seed:literal),*) => {
        // Bodies that differ, so that no linker takes them for one.
        $(#[inline(never)] fn $name(rounds: u64) -> u64 { spin(rounds, $seed) })*
        const FUNCTIONS: [fn(u64) -> u64; 4] = [$($name),*];
    };
}
functions!(load_a = 11, load_b = 12, load_c = 13, load_d = 14);

pub fn call(index: usize, rounds: u64) {
    black_box(FUNCTIONS[index](rounds));
}

#[inline(never)]
fn calibration(rounds: u64) -> u64 {
    spin(rounds, 10)
}

/// The rounds of a function that take about this long here.
pub fn rounds(microseconds: f64) -> u64 {
    static PER_MICROSECOND: OnceLock<f64> = OnceLock::new();
    let rate = PER_MICROSECOND.get_or_init(|| {
        const ROUNDS: u64 = 400_000;
        let took = (0..7).map(|_| {
            let before = thread_cpu();
            black_box(calibration(ROUNDS));
            (thread_cpu() - before).as_secs_f64() * 1e6
        });
        ROUNDS as f64 / took.fold(f64::INFINITY, f64::min)
    });
    (microseconds * rate).max(1.0) as u64
}

/// Which function a name is.
pub fn index_of(name: &str) -> Option<usize> {
    let last = name.rsplit("::").next()?;
    let letter = last
        .strip_prefix("load_kernel_")
        .or_else(|| last.strip_prefix("load_"))?;
    ["a", "b", "c", "d"]
        .iter()
        .position(|known| *known == letter)
}

/// A system call that is an instruction of the function that makes it, so that
/// the innermost frame of user code is that function.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn call_kernel(number: libc::c_long, one: usize, two: usize, three: usize) -> isize {
    let result;
    // SAFETY: the callers pass arguments that are valid for their calls; the
    // kernel changes rax, rcx and r11 only.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") one,
            in("rsi") two,
            in("rdx") three,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn call_kernel(number: libc::c_long, one: usize, two: usize, three: usize) -> isize {
    // SAFETY: the callers pass arguments that are valid for their calls.
    unsafe { libc::syscall(number, one, two, three) as isize }
}

pub const BUFFER: usize = 64 * 1024;

/// Reads zeros, `BUFFER` bytes at a time.
#[inline(never)]
pub fn load_kernel_a(times: u64, zeros: libc::c_int, buffer: &mut [u8; BUFFER]) {
    for _ in 0..times {
        let into = buffer.as_mut_ptr() as usize;
        black_box(call_kernel(libc::SYS_read, zeros as usize, into, BUFFER));
    }
    black_box(buffer[0]);
}

/// Draws random bytes, 4 KiB at a time.
#[inline(never)]
pub fn load_kernel_c(times: u64, buffer: &mut [u8; BUFFER]) {
    for _ in 0..times {
        let into = buffer.as_mut_ptr() as usize;
        black_box(call_kernel(libc::SYS_getrandom, into, 4096, 0));
    }
    black_box(buffer[1]);
}

/// Touches pages that are not there yet, and gives them back.
#[inline(never)]
pub fn load_kernel_d(times: u64, pages: *mut u8, count: usize) {
    for _ in 0..times {
        for page in 0..count {
            // SAFETY: the caller has mapped `count` pages here for this thread.
            unsafe { pages.add(page * 4096).write_volatile(1) };
        }
        let size = count * 4096;
        let advice = libc::MADV_DONTNEED as usize;
        black_box(call_kernel(libc::SYS_madvise, pages as usize, size, advice));
    }
    black_box(count);
}
