//! Where a signal finds hardly any stack: small alternate stacks, small threads
//! of a C library, coroutines, a stack that overflows. Each case is a process
//! of its own for each clock and frequency, because what goes wrong ends it.
//!
//! `SMALL_STACK_RUNS` has the number of runs of each, 2 unless set.

mod support;

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler};
use support::{child, role, spin_here, start, thread_cpu};

const CLOCKS: [Clock; 5] = [
    Clock::Instants,
    Clock::Timer,
    Clock::Perf,
    Clock::Wall,
    Clock::Pprof,
];
const BUSY: Duration = Duration::from_millis(150);

fn runs() -> usize {
    std::env::var("SMALL_STACK_RUNS").map_or(2, |runs| runs.parse().expect("a number"))
}

/// Runs `test` in children, on each clock at 99 and 999 Hz, and has `check` look
/// at how each ended.
fn in_children(test: &str, check: impl Fn(&str, &std::process::Output)) {
    for clock in CLOCKS {
        for hz in [99, 999] {
            for _ in 0..runs() {
                let role = format!("{clock} {hz}");
                check(&role, &child(test, &role));
            }
        }
    }
}

fn ended_well(role: &str, output: &std::process::Output) {
    assert!(output.status.success(), "{role}: {output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{role}: {output:?}"
    );
}

/// The sampler that the child's role names.
fn sampler(role: &str) -> Option<CpuSampler> {
    let (clock, hz) = role.split_once(' ').expect("a clock and a frequency");
    start(
        clock.parse().expect("a clock"),
        hz.parse().expect("a number"),
    )
}

/// Burns the calling thread's CPU time in small frames.
#[inline(never)]
fn burn_in_small_frames(time: Duration) {
    let end = thread_cpu() + time;
    while thread_cpu() < end {
        black_box(spin_here(1));
    }
}

/// Memory for a stack, with a pattern below it that nobody may touch.
struct Painted {
    memory: Vec<u8>,
}

const BELOW: usize = 16 * 1024;
const PAINT: u8 = 0xc5;

impl Painted {
    fn new(size: usize) -> Self {
        Painted {
            memory: vec![PAINT; BELOW + size],
        }
    }

    fn stack(&mut self) -> (*mut libc::c_void, usize) {
        let size = self.memory.len() - BELOW;
        (self.memory[BELOW..].as_mut_ptr().cast(), size)
    }

    /// Bytes below the stack that were written.
    fn overwritten(&self) -> usize {
        self.memory[..BELOW].iter().filter(|b| **b != PAINT).count()
    }

    /// Bytes at the low end of the stack that were never written.
    fn unused(&self) -> usize {
        self.memory[BELOW..]
            .iter()
            .take_while(|b| **b == PAINT)
            .count()
    }
}

extern "C" fn burning_handler(_: libc::c_int) {
    burn_in_small_frames(BUSY);
}

/// Raises SIGUSR1 on this thread, whose handler burns CPU time on an alternate
/// stack of `size` bytes.
fn raise_on_alternate_stack(size: usize) -> Painted {
    let mut painted = Painted::new(size);
    let (sp, size) = painted.stack();
    // SAFETY: the stack outlives its use, which ends with the old one set
    // again; the action and its handler are valid.
    unsafe {
        let alternate = libc::stack_t {
            ss_sp: sp,
            ss_flags: 0,
            ss_size: size,
        };
        let mut old: libc::stack_t = std::mem::zeroed();
        assert_eq!(libc::sigaltstack(&alternate, &mut old), 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int) = burning_handler;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
        libc::raise(libc::SIGUSR1);
        assert_eq!(libc::sigaltstack(&old, std::ptr::null_mut()), 0);
    }
    painted
}

#[test]
fn nothing_is_written_below_an_alternate_stack_of_eight_kilobytes() {
    let Some(role) = role() else {
        return in_children(
            "nothing_is_written_below_an_alternate_stack_of_eight_kilobytes",
            ended_well,
        );
    };
    let Some(sampler) = sampler(&role) else {
        return;
    };
    let threads = [(); 2].map(|()| {
        std::thread::spawn(|| {
            let painted = raise_on_alternate_stack(8192);
            painted.overwritten()
        })
    });
    for thread in threads {
        assert_eq!(thread.join().expect("it ends well"), 0, "bytes overwritten");
    }
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 0, "{:?}", window.stats);
}

/// The kernel's own frame is as large as the processor's state; what is ours
/// is what comes on top.
#[test]
fn the_handler_uses_nothing_of_the_stack_that_it_interrupts() {
    let Some(role) = role() else {
        let test = "the_handler_uses_nothing_of_the_stack_that_it_interrupts";
        return ended_well("timer 999", &child(test, "timer 999"));
    };
    let used = |size: usize, painted: &Painted| size - painted.unused();
    const SIZE: usize = 64 * 1024;
    let (without, with) = std::thread::spawn(move || {
        // SAFETY: asks for one number that the kernel passes to every program.
        let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        let without = used(SIZE, &raise_on_alternate_stack(SIZE));
        let sampler = sampler(&role).expect("timers run");
        let with = used(SIZE, &raise_on_alternate_stack(SIZE));
        let window = sampler.stop().expect("it stops");
        assert!(window.stats.samples > 5, "{:?}", window.stats);
        eprintln!("{without} bytes without samples, {with} with; a signal's frame {frame}");
        (without + frame, with)
    })
    .join()
    .expect("it ends well");
    // Where in the host's handler the signal came is not the same each time.
    assert!(with <= without + 1024, "{with} > {without} + 1024");
}

extern "C" fn small_thread(_: *mut libc::c_void) -> *mut libc::c_void {
    burn_in_small_frames(BUSY);
    std::ptr::null_mut()
}

#[test]
fn threads_of_sixteen_kilobytes_that_a_c_library_makes_are_sampled_unharmed() {
    let Some(role) = role() else {
        return in_children(
            "threads_of_sixteen_kilobytes_that_a_c_library_makes_are_sampled_unharmed",
            ended_well,
        );
    };
    let Some(sampler) = sampler(&role) else {
        return;
    };
    for size in [16 * 1024, 24 * 1024] {
        let mut threads: Vec<(libc::pthread_t, Painted)> = Vec::new();
        for _ in 0..2 {
            // The C library wants a stack to begin at a page's boundary or not
            // at all; 16 bytes are enough for the processor.
            let mut painted = Painted::new(size);
            let (sp, size) = painted.stack();
            // SAFETY: the attributes are initialised before they are used, and
            // the stack outlives the thread, which is joined below.
            unsafe {
                let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
                assert_eq!(libc::pthread_attr_init(&mut attributes), 0);
                assert_eq!(libc::pthread_attr_setstack(&mut attributes, sp, size), 0);
                let mut thread: libc::pthread_t = std::mem::zeroed();
                let made = libc::pthread_create(
                    &mut thread,
                    &attributes,
                    small_thread,
                    std::ptr::null_mut(),
                );
                assert_eq!(made, 0);
                threads.push((thread, painted));
            }
        }
        for (thread, painted) in threads {
            // SAFETY: made above and joined once.
            let joined = unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
            assert_eq!(joined, 0);
            assert_eq!(painted.overwritten(), 0, "{size}: bytes overwritten");
        }
    }
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 0, "{:?}", window.stats);
}

/// Leaves less of a coroutine's stack than the kernel's frame for a signal.
#[inline(never)]
fn fill_and_burn() {
    let mut filling = [1u8; 4500];
    black_box(&mut filling);
    burn_in_small_frames(Duration::from_millis(1));
    black_box(&mut filling);
}

#[test]
fn coroutines_on_small_stacks_are_sampled_unharmed() {
    let Some(role) = role() else {
        return in_children(
            "coroutines_on_small_stacks_are_sampled_unharmed",
            ended_well,
        );
    };
    let Some(sampler) = sampler(&role) else {
        return;
    };
    let threads = [(); 2].map(|()| {
        std::thread::spawn(|| {
            let end = Instant::now() + 2 * BUSY;
            while Instant::now() < end {
                // 8 KiB, of which the work below leaves little.
                let mut coroutine = generator::Gn::<()>::new_scoped_opt(1024, |mut scope| {
                    for _ in 0..20 {
                        fill_and_burn();
                        scope.yield_(());
                    }
                    generator::done!()
                });
                while coroutine.resume().is_some() {}
            }
        })
    });
    for thread in threads {
        thread.join().expect("it ends well");
    }
    let window = sampler.stop().expect("it stops");
    assert!(window.stats.samples > 0, "{:?}", window.stats);
}

#[inline(never)]
#[allow(unconditional_recursion)] // That is what it is for.
fn without_end(depth: &AtomicUsize) -> usize {
    let mut frame = [0u8; 64];
    black_box(&mut frame);
    depth.fetch_add(1, Ordering::Relaxed);
    without_end(black_box(depth)) + usize::from(frame[0])
}

#[test]
fn the_message_of_a_stack_overflow_is_kept() {
    let test = "the_message_of_a_stack_overflow_is_kept";
    if let Some(role) = role() {
        let _sampler = sampler(&role);
        // A core file of each would fill the disk.
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `none` is valid for the read.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
        let deep = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(|| without_end(&AtomicUsize::new(0)))
            .expect("it starts");
        let _ = deep.join();
        unreachable!("the stack overflows");
    }
    in_children(test, |role, output| {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("skipped") {
            return;
        }
        assert!(
            said.contains("has overflowed its stack"),
            "{role}: {output:?}"
        );
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{role}");
    });
}
