//! Heaps of known behaviour, sampled as the profiler samples, and what is said
//! of a run by their profiles and series together.

#![allow(clippy::unwrap_used)]

use soakscope_report::{
    HeapShot, Label, LeakOptions, LeakReport, ProfileBuilder, RunInfo, SeriesOutcome, Timeline,
    Verdict, judge_leaks,
};

/// Mean bytes between two samples.
const PERIOD: f64 = 524_288.0;
const MB: f64 = 1_048_576.0;

/// Four minutes.
const SECONDS: usize = 240;

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A block of one function, and whether it is sampled.
#[derive(Clone, Copy)]
struct Block {
    site: usize,
    size: f64,
    born: usize,
    sampled: bool,
}

/// What a function does in the second `now`.
type Behaviour = Box<dyn FnMut(usize, &mut Heap)>;

/// A heap, second by second.
struct Heap {
    blocks: Vec<Block>,
    random: Random,
}

impl Heap {
    fn add(&mut self, site: usize, size: f64, born: usize) {
        let sampled = self.random.uniform() < -(-size / PERIOD).exp_m1();
        self.blocks.push(Block {
            site,
            size,
            born,
            sampled,
        });
    }

    /// Forgets all blocks of a function of this size.
    fn free(&mut self, site: usize, size: f64) {
        let at = self
            .blocks
            .iter()
            .position(|block| block.site == site && block.size == size);
        if let Some(at) = at {
            self.blocks.swap_remove(at);
        }
    }

    fn live(&self) -> f64 {
        self.blocks.iter().map(|block| block.size).sum()
    }
}

/// A table as `hashbrown` has it: so many `entries` of so many bytes at a second.
fn table(site: usize, entry: f64, entries: impl Fn(f64) -> f64 + 'static) -> Behaviour {
    let mut size = 0.0;
    Box::new(move |now, heap| {
        let buckets = (entries(now as f64) * 8.0 / 7.0).log2().ceil().exp2();
        let wanted = buckets * (entry + 1.0);
        if wanted > size {
            heap.free(site, size);
            heap.add(site, wanted, now);
            size = wanted;
        }
    })
}

/// Blocks that stay: so many in all at a second, up to so many, of which then a
/// share is replaced each second.
fn blocks(
    site: usize,
    size: f64,
    count: impl Fn(f64) -> f64 + 'static,
    turnover: f64,
) -> Behaviour {
    let mut held = 0.0;
    Box::new(move |now, heap| {
        if turnover > 0.0 {
            for number in 0..heap.blocks.len() {
                if heap.blocks[number].site == site && heap.random.uniform() < turnover {
                    heap.blocks[number].born = now;
                    heap.blocks[number].sampled =
                        heap.random.uniform() < -(-size / PERIOD).exp_m1();
                }
            }
        }
        while held < count(now as f64) {
            heap.add(site, size, now);
            held += 1.0;
        }
    })
}

/// Names of the functions by their numbers.
const SITES: [&str; 4] = [
    "shop::sessions::remember",
    "shop::cache::keep",
    "shop::pool::buffer",
    "shop::start",
];

fn shot(heap: &Heap, now: usize) -> HeapShot {
    let mut builder = ProfileBuilder::heap(0, 0, PERIOD as i64);
    let mut place = |name: &str, address| {
        let function = builder.function(name, name, "", 0);
        builder.location(None, address, &[(function, 0)])
    };
    let grow = place("hashbrown::raw::RawTable<T,A>::reserve_rehash", 1);
    let insert = place("std::collections::hash::map::HashMap<K,V,S>::insert", 2);
    let codes: Vec<u32> = (10..)
        .zip(SITES)
        .map(|(at, name)| place(name, at))
        .collect();
    let main = place("shop::main", 3);
    for block in heap.blocks.iter().filter(|block| block.sampled) {
        let weight = 1.0 / -(-block.size / PERIOD).exp_m1();
        let labels = vec![
            Label::number("born", block.born as i64, "seconds"),
            Label::text("span", "POST /login"),
            Label::text("route", "POST /login"),
        ];
        let (objects, bytes) = (weight.round() as i64, (weight * block.size).round() as i64);
        builder.sample(
            &[grow, insert, codes[block.site], main],
            &[0, 0, objects, bytes],
            labels,
        );
    }
    HeapShot {
        seconds: now as f64,
        profile: builder.build(),
    }
}

/// Runs a program for `SECONDS` and judges it. Profiles are taken as the agent
/// takes them: each after a sixth of the time so far, at least 5 s.
fn judged(seed: u64, with_series: bool, program: Vec<Behaviour>) -> LeakReport {
    judged_under(seed, with_series, SECONDS, program)
}

/// [`judged`] under a load that ends after so many seconds.
fn judged_under(
    seed: u64,
    with_series: bool,
    load: usize,
    mut program: Vec<Behaviour>,
) -> LeakReport {
    let mut heap = Heap {
        blocks: Vec::new(),
        random: Random::new(seed),
    };
    let mut csv = String::from("elapsed_s,rss_anon_mb,requests_per_s");
    csv.push_str(if with_series { ",heap_live_mb\n" } else { "\n" });
    let (mut shots, mut next) = (Vec::new(), 5.0);
    let mut resident = 0.0_f64;
    for now in 0..=SECONDS {
        for behave in &mut program {
            behave(now, &mut heap);
        }
        let live = heap.live() / MB + 0.02 * heap.random.normal();
        resident = resident.max(12.0 + 1.1 * live) + 0.002 * heap.random.uniform();
        csv.push_str(&format!(
            "{now},{resident},{}",
            if now <= load {
                100.0 + heap.random.normal()
            } else {
                0.0
            }
        ));
        if with_series {
            csv.push_str(&format!(",{live}"));
        }
        csv.push('\n');
        if now as f64 >= next || now == SECONDS {
            shots.push(shot(&heap, now));
            next = now as f64 + (now as f64 / 6.0).max(5.0);
        }
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let info = RunInfo::default();
    judge_leaks(&info, &timeline, &shots, &LeakOptions::default())
}

/// What every service has beside: what it made at its start, and a pool.
fn healthy_rest() -> Vec<Behaviour> {
    vec![
        blocks(2, 65_536.0, |_| 200.0, 0.05),
        blocks(3, 20_000.0, |_| 400.0, 0.0),
    ]
}

fn with_rest(one: Behaviour) -> Vec<Behaviour> {
    let mut all = healthy_rest();
    all.push(one);
    all
}

fn heap_outcome(report: &LeakReport) -> SeriesOutcome {
    let heap = report
        .series
        .iter()
        .find(|series| series.name == "heap_live_mb");
    heap.unwrap().verdict
}

#[test]
fn a_table_that_doubles_to_the_end_is_a_leak_and_never_passes() {
    let (mut leaks, mut due_late) = (0, 0);
    for seed in 0..24_u64 {
        let mut random = Random::new(seed + 100);
        // From 50 to 100 MB at the end, doubled last in the second half.
        let last = 0.5 + 0.5 * random.uniform();
        let entry = [24.0, 200.0, 1_536.0, 16_384.0][seed as usize % 4];
        let full = (64.0 * MB / (entry + 1.0)).log2().floor().exp2() * 7.0 / 8.0;
        let rate = full / (last * SECONDS as f64);
        let program = with_rest(table(0, entry, move |now| rate * now));
        let report = judged(seed, true, program);
        assert_ne!(report.verdict, Verdict::Pass, "{seed} {last}: {report:#?}");
        if (0.68..0.98).contains(&last) {
            due_late += 1;
            leaks += u32::from(report.verdict == Verdict::Fail);
            if report.verdict == Verdict::Fail {
                let thing = &report.things[0];
                assert_eq!(thing.name, "heap", "{report:#?}");
                assert_eq!(thing.code.as_deref(), Some(SITES[0]), "{report:#?}");
                assert_eq!(thing.route.as_deref(), Some("POST /login"));
                assert!(report.headline.starts_with("heap: "), "{}", report.headline);
            }
        }
    }
    assert!(due_late >= 10, "{due_late}");
    assert_eq!(leaks, due_late, "those that doubled in the last third");
}

#[test]
fn what_is_kept_beside_a_table_is_a_leak_by_its_blocks() {
    for seed in 0..6 {
        let mut program = with_rest(blocks(0, 4_096.0, |now| 60.0 * now, 0.0));
        program.push(table(0, 48.0, |now| 60.0 * now));
        let report = judged(seed, true, program);
        assert_eq!(heap_outcome(&report), SeriesOutcome::Leak, "{report:#?}");
        assert_eq!(report.causes[0].code, SITES[0]);
    }
}

#[test]
fn what_grew_under_a_load_that_ended_is_a_leak_if_it_stays() {
    const LOAD: usize = 170;
    for seed in 0..6 {
        let kept = blocks(0, 4_096.0, |now| 80.0 * now.min(LOAD as f64), 0.0);
        let report = judged_under(seed, true, LOAD, with_rest(kept));
        assert_eq!(report.verdict, Verdict::Fail, "{seed}: {report:#?}");
        assert_eq!(report.things[0].code.as_deref(), Some(SITES[0]));
        // Sessions that end with the load are none.
        let mut held = blocks(0, 4_096.0, |now| 80.0 * now.min(LOAD as f64), 0.0);
        let freed: Behaviour = Box::new(move |now, heap| {
            if now <= LOAD {
                held(now, heap);
            } else {
                heap.blocks.retain(|block| block.site != 0);
            }
        });
        let report = judged_under(seed, true, LOAD, with_rest(freed));
        assert_ne!(report.verdict, Verdict::Fail, "{seed}: {report:#?}");
    }
}

#[test]
fn a_service_that_drops_what_it_holds_at_its_end_leaked_all_the_same() {
    for seed in 0..4 {
        let mut kept = blocks(0, 4_096.0, |now| 80.0 * now, 0.0);
        let until_the_end: Behaviour = Box::new(move |now, heap| {
            if now < SECONDS {
                kept(now, heap);
            } else {
                heap.blocks.clear();
            }
        });
        let report = judged(seed, true, with_rest(until_the_end));
        assert_eq!(heap_outcome(&report), SeriesOutcome::Leak, "{report:#?}");
        assert_eq!(report.causes[0].code, SITES[0]);
    }
}

#[test]
fn what_fills_and_then_is_level_is_never_a_leak() {
    for seed in 0..24_u64 {
        let mut random = Random::new(seed + 300);
        let full = SECONDS as f64 * (0.1 + 0.5 * random.uniform());
        let filling = move |now: f64| now.min(full);
        let one = match seed % 4 {
            // A table, and one that has what it holds beside it.
            0 => table(1, 1_536.0, move |now| 1.0 + 200.0 * filling(now)),
            // An LRU of blocks, with turnover.
            1 => blocks(1, 8_192.0, move |now| 40.0 * filling(now), 0.01),
            // A cache that finds ever less that it does not have.
            2 => blocks(
                1,
                8_192.0,
                move |now| 6_000.0 * -(-now / (0.3 * full)).exp_m1(),
                0.0,
            ),
            _ => table(1, 64.0, move |now| 1.0 + 5_000.0 * filling(now)),
        };
        let report = judged(seed, seed % 3 != 0, with_rest(one));
        assert_ne!(report.verdict, Verdict::Fail, "{seed} {full}: {report:#?}");
        // Full in the first third, the next doubling would have been seen.
        if full < SECONDS as f64 / 3.2 {
            let by_heap = report.series.iter().find(|s| s.rule == "heap-profiles");
            assert!(by_heap.is_none(), "{seed} {full}: {report:#?}");
        }
    }
}

#[test]
fn steady_turnover_is_never_a_leak() {
    for seed in 0..12 {
        let program = with_rest(blocks(1, 16_384.0, |_| 4_000.0, 0.02));
        let report = judged(seed, seed % 2 == 0, program);
        assert_eq!(report.verdict, Verdict::Pass, "{seed}: {report:#?}");
        assert!(report.causes.is_empty());
    }
}

#[test]
fn causes_add_up_to_no_more_than_the_growth() {
    for seed in 0..4 {
        let mut program = with_rest(blocks(0, 4_096.0, |now| 60.0 * now, 0.0));
        program.push(blocks(1, 2_048.0, |now| 60.0 * now, 0.0));
        let report = judged(seed, true, program);
        let heap = report
            .series
            .iter()
            .find(|s| s.name == "heap_live_mb")
            .unwrap();
        let growth = heap.slope_per_hour.unwrap();
        let sum: f64 = report.causes.iter().map(|c| c.bytes_per_hour).sum();
        assert!(report.causes.len() == 2, "{report:#?}");
        assert!(sum / MB <= growth * 1.0001, "{} of {growth}", sum / MB);
        assert!(sum / MB > growth * 0.6, "{} of {growth}", sum / MB);
        assert!(
            report
                .causes
                .iter()
                .all(|c| c.bytes_per_hour_low <= c.bytes_per_hour)
        );
    }
}
