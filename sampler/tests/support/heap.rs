//! What an allocator must get right whatever wraps it; for the tests that
//! install the heap profiler around one.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler, heap};

/// A block filled with a pattern that says which it is.
pub struct Block {
    pointer: *mut u8,
    layout: Layout,
    seed: u8,
}

// SAFETY: a block belongs to whoever holds the value; its memory is anyone's.
unsafe impl Send for Block {}

impl Block {
    pub fn new(size: usize, align: usize, zeroed: bool, seed: u8) -> Block {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: no size here is 0.
        let pointer = unsafe {
            if zeroed {
                alloc_zeroed(layout)
            } else {
                alloc(layout)
            }
        };
        assert!(!pointer.is_null() && pointer.addr().is_multiple_of(align));
        let block = Block {
            pointer,
            layout,
            seed,
        };
        if zeroed {
            assert!(places(size).all(|at| block.byte(at) == 0), "zeroed");
        }
        block.fill();
        block
    }

    fn byte(&self, at: usize) -> u8 {
        assert!(at < self.layout.size());
        // SAFETY: inside the block, which is alive, and written by `fill` or
        // zero.
        unsafe { self.pointer.add(at).read() }
    }

    fn expected(&self, at: usize) -> u8 {
        self.seed ^ (at as u8) ^ ((at >> 8) as u8)
    }

    fn fill(&self) {
        for at in places(self.layout.size()) {
            // SAFETY: inside the block, which is alive.
            unsafe { self.pointer.add(at).write(self.expected(at)) };
        }
    }

    /// Checks what must be as it was filled when the block was `filled` long.
    fn check(&self, filled: usize) {
        for at in places(filled).filter(|at| *at < self.layout.size()) {
            assert_eq!(
                self.byte(at),
                self.expected(at),
                "byte {at} of {:?}",
                self.layout
            );
        }
    }

    pub fn resize(&mut self, size: usize) {
        let filled = self.layout.size();
        // SAFETY: the block is alive with this layout; no size here is 0.
        let moved = unsafe { realloc(self.pointer, self.layout, size) };
        assert!(!moved.is_null() && moved.addr().is_multiple_of(self.layout.align()));
        self.pointer = moved;
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("a layout");
        self.check(filled);
        self.fill();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: the block is alive with this layout.
        unsafe { dealloc(self.pointer, self.layout) };
    }
}

/// Which bytes of a block are filled and looked at: the first, some of each
/// page, and the last.
fn places(size: usize) -> impl Iterator<Item = usize> {
    (0..size.min(64))
        .chain((64..size).step_by(1021))
        .chain(size.checked_sub(1))
}

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn size(&mut self) -> usize {
        match self.below(20) {
            0 => 100_000 + self.below(300_000),
            1..=3 => 1 + self.below(20_000),
            _ => 1 + self.below(600),
        }
    }
}

/// Blocks grow, shrink and move, across every boundary the profiler has.
pub fn contents_survive_every_realloc() {
    for interval in [1, 4096, 512 * 1024, 0] {
        heap::set_interval(interval);
        heap::draw_anew(interval);
        let sizes = [1, 16, 4095, 4096, 131_071, 131_072, 131_073, 1 << 20, 3];
        for align in [1, 16, 64, 4096, 65_536] {
            for from in sizes {
                for to in sizes {
                    let mut block = Block::new(from, align, from % 2 == 0, align as u8);
                    block.resize(to);
                    block.resize(from);
                }
            }
        }
        let mut growing = Vec::new();
        for n in 0..200_000u32 {
            growing.push(n);
        }
        assert!(growing.iter().copied().eq(0..200_000));
    }
    heap::set_interval(512 * 1024);
}

/// Heap samples that the stress has to see.
const ENOUGH: u64 = 1_000;
/// When the stress gives up on them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Eight threads that allocate, resize, hand over and free, under the CPU
/// sampler, until there were enough samples; at least so many seconds as
/// `SOAKSCOPE_STRESS_SECONDS` says.
pub fn eight_threads_do_everything() {
    let seconds = std::env::var("SOAKSCOPE_STRESS_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2.0);
    heap::prepare();
    heap::set_interval(8 * 1024);
    let sampler = CpuSampler::builder()
        .clock(Clock::Timer)
        .frequency(999)
        .start()
        .expect("a timer");
    let before = heap::stats().expect("our allocator");
    let begin = Instant::now();
    let stop = AtomicBool::new(false);
    let given: Mutex<Vec<Block>> = Mutex::new(Vec::with_capacity(4096));
    let rounds = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8u64 {
            let (given, rounds, stop) = (&given, &rounds, &stop);
            scope.spawn(move || {
                let mut random = Random(number);
                let mut mine: Vec<Block> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        work(&mut random, &mut mine, given);
                    }
                    rounds.fetch_add(64, Ordering::Relaxed);
                }
            });
        }
        let mut whole = true;
        loop {
            let profile = heap::snapshot().expect("our allocator");
            whole &= profile.blocks.iter().all(|block| block.weight >= 1.0);
            let samples = heap::stats().expect("our allocator").samples - before.samples;
            let ran = begin.elapsed();
            if (samples > ENOUGH && ran.as_secs_f64() > seconds) || ran > PATIENCE {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(whole, "every sampled block stands for itself at least");
    });
    given.lock().expect("no panic").clear();
    let window = sampler.stop().expect("it stops");
    let after = heap::stats().expect("our allocator");
    println!(
        "{} operations, {} heap samples, {} CPU samples",
        rounds.load(Ordering::Relaxed),
        after.samples - before.samples,
        window.stats.samples
    );
    assert!(after.samples > before.samples + ENOUGH, "{after:?}");
    assert_eq!(after.lost, 0);
    // What is left is the harness's own.
    let grown = |now: u64, then: u64| now.saturating_sub(then);
    assert!(grown(after.live_bytes, before.live_bytes) < 1 << 20);
    assert!(grown(after.estimated_live_bytes, before.estimated_live_bytes) < 1 << 20);
    heap::set_interval(512 * 1024);
}

fn work(random: &mut Random, mine: &mut Vec<Block>, given: &Mutex<Vec<Block>>) {
    match random.below(10) {
        0..=4 => {
            let align = [1, 8, 16, 64, 4096][random.below(5)];
            let (size, zeroed) = (random.size(), random.below(4) == 0);
            mine.push(Block::new(size, align, zeroed, random.below(256) as u8));
        }
        5 => {
            if let Some(block) = mine.last_mut() {
                block.resize(random.size());
            }
        }
        6 => {
            if let (Some(block), Ok(mut given)) = (mine.pop(), given.lock()) {
                given.push(block);
            }
        }
        7 => {
            let taken = given.lock().ok().and_then(|mut given| given.pop());
            drop(taken);
        }
        _ => {
            if !mine.is_empty() {
                let at = random.below(mine.len());
                mine.swap_remove(at);
            }
        }
    }
    if mine.len() > 200 {
        mine.truncate(50);
    }
}

thread_local! {
    static LAST_WORDS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Undertaker;

impl Drop for Undertaker {
    fn drop(&mut self) {
        for _ in 0..100 {
            black_box(Box::new([1u8; 3000]));
        }
    }
}

/// Destructors of thread-local values free and allocate.
pub fn threads_end_while_they_allocate() {
    heap::set_interval(1024);
    thread_local! {
        static UNDERTAKER: Undertaker = const { Undertaker };
    }
    for _ in 0..50 {
        thread::spawn(|| {
            UNDERTAKER.with(|_| ());
            LAST_WORDS.with_borrow_mut(|words| words.extend((0..20).map(|_| vec![7; 3000])));
        })
        .join()
        .expect("it ends");
    }
    heap::set_interval(512 * 1024);
}

/// A child forked at any moment goes on allocating and may look at its heap.
pub fn a_forked_child_goes_on() {
    heap::set_interval(2048);
    let stop = AtomicBool::new(false);
    let mut ended = Vec::new();
    thread::scope(|scope| {
        for number in 0..3 {
            let stop = &stop;
            scope.spawn(move || {
                let mut random = Random(number);
                while !stop.load(Ordering::Relaxed) {
                    let size = random.size();
                    drop(black_box(Block::new(size, 8, false, 1)));
                }
            });
        }
        for _ in 0..20 {
            // SAFETY: the child allocates, as the C library allows after a
            // fork, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 {
                let whole = std::panic::catch_unwind(|| {
                    heap::draw_anew(9);
                    let mut blocks: Vec<Block> =
                        (1..200).map(|n| Block::new(n * 37, 8, false, 3)).collect();
                    blocks.iter_mut().for_each(|block| block.resize(5000));
                    thread::spawn(|| drop(Block::new(9_000, 8, true, 4)))
                        .join()
                        .expect("a thread in the child");
                    heap::snapshot().is_some_and(|profile| !profile.blocks.is_empty())
                });
                // SAFETY: always allowed.
                unsafe { libc::_exit(if whole.unwrap_or(false) { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: `status` is valid for the write.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            ended.push(status);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(ended, [0; 20], "every child ends well");
    heap::set_interval(512 * 1024);
}

/// Everything, one after another: the interval is the process's.
pub fn everything() {
    contents_survive_every_realloc();
    threads_end_while_they_allocate();
    a_forked_child_goes_on();
    eight_threads_do_everything();
}
