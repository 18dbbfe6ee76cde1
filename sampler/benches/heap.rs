//! The figures of the heap profiler, beside those of its rivals, in one run:
//! `cargo bench -p soakscope-sampler --bench heap`.
//!
//! A process has one global allocator, so the wrappers are not installed:
//! their methods are called as the compiler would call them. All allocators
//! of a row are measured in turn, many times over, so that they share whatever
//! else the machine does and what the others left of the heap; a ratio is the median of those of single turns.
//! jemalloc's own profiler can only be turned on at a process's start, so its
//! rows are a process of their own.
//!
//! dial9's allocator samples as ours does, at its default rate and with its
//! list of live blocks, and walks frame pointers, which this build has not:
//! stacks are short. hotpath's counts bytes and blocks by thread and takes no
//! stacks. Both are measured apart, since they start threads.

// A bench reports to a person: it stops at the first thing that is not so.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use dial9_core::buffer::MemoryBuffer;
use dial9_core::recorder::recorder;
use dial9_perf_self_profile::memory_profiling::{
    Dial9Allocator, MemoryProfiler, MemoryProfilingConfig,
};
use hotpath::CountingAllocator;
use mimalloc::MiMalloc;
use soakscope_sampler::HeapProfiler;
use soakscope_sampler::heap;
use stats_alloc::StatsAlloc;
use tikv_jemallocator::Jemalloc;

static GLIBC: HeapProfiler = HeapProfiler::system();
static JEMALLOC: HeapProfiler<Jemalloc> = HeapProfiler::new(Jemalloc);
static MIMALLOC: HeapProfiler<MiMalloc> = HeapProfiler::new(MiMalloc);
static STATS: &StatsAlloc<System> = &stats_alloc::INSTRUMENTED_SYSTEM;
static DHAT: dhat::Alloc = dhat::Alloc;
static DIAL9: Dial9Allocator = Dial9Allocator::system();
static HOTPATH: CountingAllocator = CountingAllocator::new();

/// Turns of each allocator in a row.
const TURNS: usize = 48;

type Allocator = &'static (dyn Fn(&[Layout], usize) -> f64 + Sync);

/// Nanoseconds a pair, with this allocator called directly.
fn pairs<A: GlobalAlloc>(allocator: &A, sizes: &[Layout], count: usize) -> f64 {
    const LIVE: usize = 64;
    let mut live: Vec<(*mut u8, Layout)> = vec![(std::ptr::null_mut(), sizes[0]); LIVE];
    let begin = Instant::now();
    for (number, layout) in sizes.iter().cycle().take(count).enumerate() {
        let slot = &mut live[number % LIVE];
        if !slot.0.is_null() {
            // SAFETY: it was allocated below with this layout, and is replaced.
            unsafe { allocator.dealloc(slot.0, slot.1) };
        }
        // SAFETY: no layout here has the size 0.
        *slot = (black_box(unsafe { allocator.alloc(*layout) }), *layout);
    }
    let took = begin.elapsed();
    for (block, layout) in live {
        // SAFETY: as above; count is more than LIVE, so every slot is full.
        unsafe { allocator.dealloc(block, layout) };
    }
    took.as_nanos() as f64 / count as f64
}

fn layouts(sizes: impl Iterator<Item = usize>) -> Vec<Layout> {
    sizes
        .map(|size| Layout::from_size_align(size, 8).unwrap())
        .collect()
}

/// Log-uniform sizes.
fn mixed(count: usize, smallest: f64, largest: f64) -> Vec<Layout> {
    let mut state = 42u64;
    layouts((0..count).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let uniform = (state >> 33) as f64 / (1u64 << 31) as f64;
        (smallest * (largest / smallest).powf(uniform)) as usize
    }))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nanoseconds a pair, of every allocator in every turn.
fn turns(
    allocators: &[(&str, Allocator, usize)],
    sizes: &[Layout],
    barrier: &Barrier,
) -> Vec<Vec<f64>> {
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); allocators.len()];
    for round in 0..=TURNS {
        // Nobody is always the one that comes after somebody.
        let mut order: Vec<usize> = (0..allocators.len()).collect();
        order.rotate_left(round % allocators.len());
        if round % 4 < 2 {
            order.reverse();
        }
        for index in order {
            let (_, allocator, count) = &allocators[index];
            barrier.wait();
            let nanos = allocator(sizes, *count);
            // The first round warms up.
            if round > 0 {
                took[index].push(nanos);
            }
        }
    }
    took
}

/// Measures all of these in turn; the first is what the others are compared to.
fn rows(what: &str, allocators: &[(&str, Allocator, usize)]) {
    for (kind, sizes) in [
        ("small (64 B)", layouts(std::iter::repeat_n(64, 64))),
        ("mixed (16 B – 4 KiB)", mixed(4096, 16.0, 4096.0)),
    ] {
        for threads in [1, 2] {
            let barrier = Barrier::new(threads);
            // The same threads for all turns: a new one may get another arena.
            let run = || turns(allocators, &sizes, &barrier);
            let mut took = Vec::new();
            thread::scope(|scope| {
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
                took = run();
                for other in others {
                    for (mine, theirs) in took.iter_mut().zip(other.join().unwrap()) {
                        for (mine, theirs) in mine.iter_mut().zip(theirs) {
                            *mine = (*mine + theirs) / 2.0;
                        }
                    }
                }
            });
            for (index, (name, _, _)) in allocators.iter().enumerate() {
                let ratios = took[index]
                    .iter()
                    .zip(&took[0])
                    .map(|(a, b)| a / b)
                    .collect();
                println!(
                    "| {what}{kind}, {threads} thread | {name} | {:.1} | {:.3} |",
                    median(took[index].clone()),
                    median(ratios)
                );
            }
        }
    }
}

const PAIRS: usize = 100_000;

fn jemalloc_rows() {
    rows(
        "",
        &[
            ("jemalloc", &|s, n| pairs(&Jemalloc, s, n), PAIRS),
            (
                "jemalloc + soakscope",
                &|s, n| pairs(&JEMALLOC, s, n),
                PAIRS,
            ),
        ],
    );
}

/// 100 MB live of mixed sizes: how far off is the estimate?
fn accuracy(what: &str, largest: f64) {
    let all = mixed(2_000_000, 16.0, largest);
    let mut errors = Vec::new();
    for seed in 1..=50u64 {
        heap::draw_anew(seed);
        let before = heap::stats().unwrap();
        let (mut live, mut blocks) = (0u64, Vec::new());
        for layout in all.iter().cycle().skip(seed as usize * 10_007) {
            if live >= 100 << 20 {
                break;
            }
            // SAFETY: no layout here has the size 0.
            blocks.push((unsafe { GLIBC.alloc(*layout) }, *layout));
            live += layout.size() as u64;
        }
        let now = heap::stats().unwrap();
        assert_eq!(
            now.live_bytes - before.live_bytes,
            live,
            "the count is exact"
        );
        let estimate = now.estimated_live_bytes - before.estimated_live_bytes;
        errors.push(100.0 * (estimate as f64 / live as f64 - 1.0));
        for (block, layout) in blocks {
            // SAFETY: it was allocated above with this layout.
            unsafe { GLIBC.dealloc(block, layout) };
        }
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let square: f64 = errors.iter().map(|e| (e - mean) * (e - mean)).sum();
    let deviation = (square / (errors.len() - 1) as f64).sqrt();
    let worst = errors.iter().fold(0.0, |w: f64, e| w.max(e.abs()));
    println!(
        "| {what} | {mean:+.2} % ± {:.2} | {deviation:.2} % | {worst:.2} % |",
        deviation / (errors.len() as f64).sqrt()
    );
}

/// A sampled pair, stack and all.
fn sampled_pair() -> f64 {
    heap::set_interval(1);
    heap::draw_anew(1);
    let nanos = pairs(&GLIBC, &layouts([256].into_iter()), 10_000);
    heap::set_interval(512 * 1024);
    nanos
}

/// glibc beside this wrapper of it.
fn beside_glibc(name: &'static str, wrapper: Allocator) {
    let inner: Allocator = &|s, n| pairs(&System, s, n);
    rows("", &[("glibc", inner, PAIRS), (name, wrapper, PAIRS)]);
}

fn dial9_rows() {
    let recorder = recorder(MemoryBuffer::new(64 << 20).unwrap()).build();
    let config = MemoryProfilingConfig::builder()
        .track_liveset(true)
        .fail_on_missing_frame_pointers(false)
        .build();
    let profiler = MemoryProfiler::from_config(config);
    let _profiler = profiler.install(recorder.handle().clone()).unwrap();
    beside_glibc("glibc + dial9", &|s, n| pairs(&DIAL9, s, n));
}

fn main() {
    heap::prepare();
    if std::env::args().any(|argument| argument == "jemalloc") {
        return jemalloc_rows();
    }
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name\t: "));
    println!(
        "{}, {} processors\n",
        model.unwrap_or("?"),
        thread::available_parallelism().unwrap()
    );
    println!("## An allocation and its free\n");
    println!("| | | ns | ÷ inner |\n|---|---|---|---|");
    rows(
        "",
        &[
            ("glibc", &|s, n| pairs(&System, s, n), PAIRS),
            ("glibc + soakscope", &|s, n| pairs(&GLIBC, s, n), PAIRS),
            ("glibc + stats_alloc", &|s, n| pairs(STATS, s, n), PAIRS),
        ],
    );
    let profiler = dhat::Profiler::builder().testing().build();
    rows(
        "",
        &[
            ("glibc", &|s, n| pairs(&System, s, n), PAIRS),
            ("glibc + dhat", &|s, n| pairs(&DHAT, s, n), PAIRS / 100),
        ],
    );
    drop(profiler);
    dial9_rows();
    beside_glibc("glibc + hotpath", &|s, n| pairs(&HOTPATH, s, n));
    rows(
        "",
        &[
            ("mimalloc", &|s, n| pairs(&MiMalloc, s, n), PAIRS),
            (
                "mimalloc + soakscope",
                &|s, n| pairs(&MIMALLOC, s, n),
                PAIRS,
            ),
        ],
    );
    for (what, options) in [
        ("prof off", "prof:false"),
        (
            "prof at 512 KiB",
            "prof:true,prof_active:true,lg_prof_sample:19",
        ),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .arg("jemalloc")
            .env("_RJEM_MALLOC_CONF", options)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        print!(
            "{}",
            text.replace("| small", &format!("| {what}: small"))
                .replace("| mixed", &format!("| {what}: mixed"))
        );
    }
    println!(
        "\nA pair that is sampled, with its stack: {:.0} ns\n",
        sampled_pair()
    );
    println!("## 100 MB live, 50 seeds, the sampled estimate (the count is exact)\n");
    println!("| sizes | mean error | deviation | worst |\n|---|---|---|---|");
    accuracy("16 B – 4 KiB", 4096.0);
    accuracy("16 B – 1 MiB", 1_048_576.0);
    accuracy("16 B – 16 MiB", 16.0 * 1_048_576.0);
}
