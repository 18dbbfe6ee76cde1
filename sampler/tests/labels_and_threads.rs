//! Samples know their thread and context; every thread can be asked where it
//! is; the wall clock sees threads that wait.

mod support;

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use soakscope_sampler::{Clock, Detail, Symbolizer, exclude_current_thread, set_label};
use support::others::Others;
use support::{CPU_CLOCKS, burn, start};

static TURN: Mutex<()> = Mutex::new(());

#[test]
fn samples_carry_label_name_and_thread() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let others = Others::watch();
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::Builder::new()
            .name("labelled".to_owned())
            .spawn(|| {
                let outer = set_label(11);
                burn(0.3);
                assert_eq!(set_label(22), 11);
                burn(0.1);
                set_label(outer);
            })
            .expect("it starts")
            .join()
            .expect("it ends well");
        let window = sampler.stop().expect("it stops");
        let under = |label| -> f64 {
            let of_label = window.samples.iter().filter(|s| s.label == label);
            of_label
                .inspect(|s| assert_eq!(&*s.thread_name, "labelled", "{clock}"))
                .map(|s| s.weight.as_secs_f64())
                .sum()
        };
        let (eleven, twenty_two) = (under(11), under(22));
        assert!(eleven > 0.0 && twenty_two > 0.0, "{clock}: {window:?}");
        if others.were_busy(&format!("{clock}: {eleven} s and {twenty_two} s")) {
            continue;
        }
        // On instants these are 300 and 100 samples in expectation: five of
        // their deviations.
        assert!((0.21..0.39).contains(&eleven), "{clock}: {eleven}");
        assert!((0.05..0.15).contains(&twenty_two), "{clock}: {twenty_two}");
    }
}

#[inline(never)]
fn waits_for_the_end(end: &mpsc::Receiver<()>) {
    let _ = end.recv();
    std::hint::black_box(());
}

/// Whether any stack of the thread called `name` goes through `function`.
fn goes_through(window: &soakscope_sampler::CpuWindow, name: &str, function: &str) -> bool {
    let mut symbols = Symbolizer::new().expect("maps are readable");
    window.samples.iter().any(|sample| {
        &*sample.thread_name == name
            && sample.stack.iter().any(|pc| {
                let frames = symbols.resolve(*pc, Detail::Names).frames;
                frames.iter().any(|frame| frame.name.contains(function))
            })
    })
}

fn waiting_thread(name: &str) -> (mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (end, ended) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || waits_for_the_end(&ended))
        .expect("it starts");
    thread::sleep(Duration::from_millis(20));
    (end, thread)
}

#[test]
fn every_thread_says_where_it_is() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 99) else {
            continue;
        };
        let (end, waiting) = waiting_thread("waiting");
        let (end_silent, silent_ended) = mpsc::channel::<()>();
        let silent = thread::Builder::new()
            .name("silent".to_owned())
            .spawn(move || {
                let _excluded = exclude_current_thread();
                let _ = silent_ended.recv();
            })
            .expect("it starts");
        thread::sleep(Duration::from_millis(20));
        let all = sampler.threads().expect("native clocks can");
        assert!(all.samples.len() >= 3, "{all:?}");
        assert!(goes_through(&all, "waiting", "waits_for_the_end"));
        assert!(all.samples.iter().all(|s| &*s.thread_name != "silent"));
        assert!(all.samples.iter().all(|s| !s.truncated), "{all:?}");
        let window = sampler.stop().expect("it stops");
        assert!(!goes_through(&window, "waiting", "waits_for_the_end"));
        drop((end, end_silent));
        waiting.join().expect("it ends well");
        silent.join().expect("it ends well");
    }
}

#[test]
fn the_wall_clock_sees_who_waits_and_for_how_long() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let Some(sampler) = start(Clock::Wall, 99) else {
        return;
    };
    let others = Others::watch();
    let (end, waiting) = waiting_thread("sleepy");
    thread::sleep(Duration::from_secs(1));
    let window = sampler.stop().expect("it stops");
    assert!(goes_through(&window, "sleepy", "waits_for_the_end"));
    let waited: f64 = window
        .samples
        .iter()
        .filter(|s| &*s.thread_name == "sleepy")
        .map(|s| s.weight.as_secs_f64())
        .sum();
    if !others.were_busy(&format!("waited {waited} s")) {
        assert!((0.8..1.2).contains(&waited), "{waited}");
    }
    assert_eq!(window.coverage(), None);
    drop(end);
    waiting.join().expect("it ends well");
}
