//! Deep recursion, blocked signals, alternate signal stacks.

mod support;

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use soakscope_sampler::{Clock, Detail, Symbolizer};
use support::{CPU_CLOCKS, burn, spin_here, start};

static TURN: Mutex<()> = Mutex::new(());

#[inline(never)]
fn recurse(depth: u32) -> u64 {
    if depth == 0 {
        burn(0.3);
        return 1;
    }
    black_box(recurse(black_box(depth - 1))) + 1
}

#[test]
fn ten_thousand_frames_are_cut_short_and_marked() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::Builder::new()
            .stack_size(16 << 20)
            .spawn(|| black_box(recurse(10_000)))
            .expect("it starts")
            .join()
            .expect("it ends well");
        let window = sampler.stop().expect("it stops");
        let deep: Vec<_> = window
            .samples
            .iter()
            .filter(|s| s.stack.len() > 100)
            .collect();
        let cut: u64 = deep.iter().filter(|s| s.truncated).map(|s| s.count).sum();
        assert!(cut >= 5, "{clock}: {cut} cut, {:?}", window.stats);
        assert!(window.stats.truncated >= cut);
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let outer = deep[0].stack.last().copied().unwrap_or_default();
        let outer = symbols.resolve(outer, Detail::Names);
        assert!(outer.frames[0].name.ends_with("recurse"), "{outer:?}");
    }
}

#[test]
fn the_time_of_a_thread_that_blocks_signals_for_a_while_is_sampled_or_counted_as_lost() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::spawn(|| {
            let mask = |how| {
                // SAFETY: all-zero is a valid set to fill; the calls are given
                // valid pointers and change this thread's mask only.
                unsafe {
                    let mut set: libc::sigset_t = std::mem::zeroed();
                    libc::sigfillset(&mut set);
                    libc::pthread_sigmask(how, &set, std::ptr::null_mut());
                }
            };
            mask(libc::SIG_BLOCK);
            burn(0.2);
            mask(libc::SIG_UNBLOCK);
            burn(0.2);
        })
        .join()
        .expect("it ends well");
        let window = sampler.stop().expect("it stops");
        let coverage = window.coverage().expect("CPU time was used");
        eprintln!("{clock}: coverage {coverage:.3}");
        // A timer's signal keeps count while it waits; a perf event's does not.
        let lost = window
            .stats
            .drops
            .get("signal blocked")
            .copied()
            .unwrap_or(0);
        let share = lost as f64 / 999.0 / window.cpu_used.as_secs_f64();
        let floor = if clock == Clock::Timer { 0.9 } else { 0.4 };
        assert!(coverage + share > floor, "{clock}: {coverage}, {lost} lost");
        assert!(coverage < 1.1, "{clock}: {coverage}");
    }
}

static IN_ALTERNATE: AtomicBool = AtomicBool::new(false);

extern "C" fn burn_on_alternate_stack(_: libc::c_int) {
    for _ in 0..20_000 {
        black_box(spin_here(10));
    }
    IN_ALTERNATE.store(true, Ordering::SeqCst);
}

#[inline(never)]
fn interrupted_by_the_host() {
    // SAFETY: raising a signal that has a handler is always allowed.
    unsafe { libc::raise(libc::SIGUSR1) };
    black_box(());
}

#[test]
fn stacks_go_on_from_an_alternate_stack_to_the_interrupted_one() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::spawn(|| {
            let mut stack = vec![0u8; 128 * 1024];
            // SAFETY: the stack outlives its use, which ends below with
            // SS_DISABLE; the action and its handler are valid.
            unsafe {
                let mut alternate: libc::stack_t = std::mem::zeroed();
                alternate.ss_sp = stack.as_mut_ptr().cast();
                alternate.ss_size = stack.len();
                let mut old: libc::stack_t = std::mem::zeroed();
                assert_eq!(libc::sigaltstack(&alternate, &mut old), 0);
                let mut action: libc::sigaction = std::mem::zeroed();
                let handler: extern "C" fn(libc::c_int) = burn_on_alternate_stack;
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_ONSTACK;
                assert_eq!(
                    libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                    0
                );
                interrupted_by_the_host();
                assert_eq!(libc::sigaltstack(&old, std::ptr::null_mut()), 0);
            }
        })
        .join()
        .expect("it ends well");
        assert!(IN_ALTERNATE.load(Ordering::SeqCst));
        let window = sampler.stop().expect("it stops");
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let (mut on_alternate, mut through) = (0, 0);
        for sample in &window.samples {
            let mut names = Vec::new();
            for pc in &sample.stack {
                names.extend(
                    symbols
                        .resolve(*pc, Detail::Names)
                        .frames
                        .into_iter()
                        .map(|f| f.name),
                );
            }
            let below = |what: &str| names.iter().any(|name| name.contains(what));
            if below("burn_on_alternate_stack") {
                on_alternate += sample.count;
                if below("interrupted_by_the_host") && !sample.truncated {
                    through += sample.count;
                }
            }
        }
        eprintln!("{clock}: {through} of {on_alternate} samples go through the signal frame");
        assert!(on_alternate >= 5, "{clock}: {on_alternate}");
        assert!(
            through * 100 >= on_alternate * 95,
            "{clock}: {through} of {on_alternate}"
        );
    }
}
