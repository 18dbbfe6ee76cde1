//! The portable engine: its stacks begin at the interrupted code and its
//! weights come near the CPU time used.

mod support;

use soakscope_sampler::{Clock, CpuSampler, Detail, Error, Symbolizer, exclude_current_thread};
use support::others::Others;
use support::{burn, spin_here};

#[test]
fn stacks_begin_in_the_busy_function_and_time_is_accounted_for() {
    let sampler = CpuSampler::builder()
        .clock(Clock::Pprof)
        .frequency(99)
        .start()
        .expect("pprof runs on any Unix");
    assert!(matches!(
        CpuSampler::builder().start(),
        Err(Error::AlreadyRunning)
    ));
    assert!(sampler.threads().is_err());

    let others = Others::watch();
    burn(1.0);
    let first = sampler.drain().expect("a running sampler drains");
    let silent = std::thread::spawn(|| {
        let _excluded = exclude_current_thread();
        burn(0.5);
    });
    silent.join().expect("the silent thread ends");
    burn(0.2);
    let second = sampler.stop().expect("a running sampler stops");

    assert_eq!(first.unwinder, "pprof");
    let coverage = first.coverage().expect("CPU time was used");
    if !others.were_busy(&format!("coverage {coverage}")) {
        assert!((0.8..1.2).contains(&coverage), "coverage {coverage}");
    }

    let mut symbols = Symbolizer::new().expect("maps are readable");
    let total: u64 = first.samples.iter().map(|s| s.count).sum();
    let in_spin: u64 = first
        .samples
        .iter()
        .filter(|s| {
            // Without optimisation the arithmetic has functions of its own.
            s.stack.iter().take(5).any(|pc| {
                let resolved = symbols.resolve(*pc, Detail::Names);
                resolved.frames.iter().any(|f| f.name.contains("spin_here"))
            })
        })
        .map(|s| s.count)
        .sum();
    assert!(
        in_spin * 10 >= total * 8,
        "{in_spin} of {total} in spin_here"
    );
    std::hint::black_box(spin_here(1));

    assert!(second.cpu_used.as_secs_f64() > 0.6);
    let excluded = second.cpu_excluded.as_secs_f64();
    assert!((0.4..0.7).contains(&excluded), "excluded {excluded} s");
}
