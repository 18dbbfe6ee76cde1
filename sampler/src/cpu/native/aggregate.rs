//! Samples added up between two drains, in bounded memory.
//!
//! Stacks are kept as paths in a tree that begins at the thread's first frame,
//! because stacks share most of their outer frames; a sample is a node, a
//! thread and a label. When the tree or the samples are at their limit, time
//! is kept and detail is not: what no longer fits is added to one sample per
//! thread, marked truncated.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::indexed::Indexed;
use super::record::Record;
use crate::cpu::window::CpuSample;
use crate::threads::name::text_of;

/// Frames in the tree: 24 bytes each.
const MAX_NODES: usize = 48 * 1024;
/// Distinct samples: 48 bytes each.
const MAX_SAMPLES: usize = 16 * 1024;
/// Samples beyond `MAX_SAMPLES`, so that each thread can have its remainder.
const MAX_REMAINDERS: usize = 4 * 1024;
/// Names of threads remembered when they are not in the window.
const MAX_NAMES: usize = 4096;

/// The parent of a first frame, and the stack of a remainder.
const ROOT: u32 = 0;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// The innermost frame: its number plus one.
    node: u32,
    tid: u32,
    label: u64,
    truncated: bool,
    in_kernel: bool,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    weight: u64,
}

/// What was added since the engine started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) samples: u64,
    pub(crate) nanoseconds: u64,
    pub(crate) truncated: u64,
    /// Samples whose stack went into a remainder.
    pub(crate) folded: u64,
}

pub(crate) struct Aggregate {
    /// (parent, program counter), the parent as its number plus one.
    nodes: Indexed<(u32, u64), ()>,
    samples: Indexed<Key, Sum>,
    names: HashMap<u32, Arc<str>>,
    pub(crate) totals: Totals,
}

impl Aggregate {
    pub(crate) fn new() -> Self {
        Aggregate {
            nodes: Indexed::new(MAX_NODES),
            samples: Indexed::new(MAX_SAMPLES + MAX_REMAINDERS),
            names: HashMap::new(),
            totals: Totals::default(),
        }
    }

    /// Notes the name that a record carries.
    pub(crate) fn learn_name(&mut self, record: &Record<'_>) {
        if let Some(words) = record.name
            && self.names.len() < 4 * MAX_NAMES
        {
            self.names.insert(record.tid, text_of(words).into());
        }
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.learn_name(record);
        self.totals.samples += 1;
        self.totals.nanoseconds += record.weight;
        self.totals.truncated += u64::from(record.truncated);
        let mut key = Key {
            node: ROOT,
            tid: record.tid,
            label: record.label,
            truncated: record.truncated,
            in_kernel: record.in_kernel,
        };
        let mut fits = self.samples.entries().len() < MAX_SAMPLES;
        if fits {
            for pc in record.stack.iter().rev() {
                match self.nodes.find_or_add((key.node, *pc), || ()) {
                    Some(number) => key.node = number as u32 + 1,
                    None => {
                        fits = false;
                        break;
                    }
                }
            }
        }
        if !fits {
            self.totals.folded += 1;
            key = Key {
                node: ROOT,
                label: 0,
                truncated: true,
                in_kernel: false,
                ..key
            };
        }
        // More threads than remainders: the last one stands for them all.
        let number = self
            .samples
            .find_or_add(key, Sum::default)
            .unwrap_or(MAX_SAMPLES + MAX_REMAINDERS - 1);
        let sum = &mut self.samples.entry(number).1;
        sum.count += 1;
        sum.weight += record.weight;
    }

    /// Takes everything added since the last call. `ask` returns the current name
    /// of a thread that lives.
    pub(crate) fn take(&mut self, ask: impl Fn(u32) -> Option<String>) -> Vec<CpuSample> {
        let mut current: HashMap<u32, Arc<str>> = HashMap::new();
        let mut taken = Vec::with_capacity(self.samples.entries().len());
        for (key, sum) in self.samples.entries() {
            let name = current.entry(key.tid).or_insert_with(|| {
                // A thread may be renamed; a dead one keeps its last name.
                match ask(key.tid) {
                    Some(name) => name.into(),
                    None => self.names.get(&key.tid).cloned().unwrap_or_default(),
                }
            });
            taken.push(CpuSample {
                thread_id: key.tid,
                thread_name: name.clone(),
                label: key.label,
                stack: self.stack(key.node),
                truncated: key.truncated,
                in_kernel: key.in_kernel,
                count: sum.count,
                weight: Duration::from_nanos(sum.weight),
            });
        }
        if self.names.len() > MAX_NAMES {
            self.names.clear();
        }
        self.names.extend(current);
        self.nodes.clear();
        self.samples.clear();
        taken
    }

    /// The last known name of a thread.
    pub(crate) fn name(&self, tid: u32) -> Arc<str> {
        self.names.get(&tid).cloned().unwrap_or_default()
    }

    fn stack(&self, mut node: u32) -> Vec<u64> {
        let mut stack = Vec::new();
        while node != ROOT {
            let ((parent, pc), ()) = self.nodes.entries()[node as usize - 1];
            stack.push(pc);
            node = parent;
        }
        stack
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Kind;
    use super::*;

    fn record(tid: u32, stack: &[u64]) -> Record<'_> {
        Record {
            kind: Kind::Sample,
            truncated: false,
            in_kernel: false,
            tid,
            weight: 1_000,
            label: 0,
            name: None,
            stack,
        }
    }

    #[test]
    fn equal_stacks_add_up_and_recursion_is_kept() {
        let mut aggregate = Aggregate::new();
        for _ in 0..3 {
            aggregate.add(&record(1, &[30, 20, 20, 10]));
        }
        aggregate.add(&record(1, &[20, 20, 10]));
        aggregate.add(&record(2, &[30, 20, 20, 10]));
        let taken = aggregate.take(|tid| Some(format!("thread-{tid}")));
        assert_eq!(taken.len(), 3);
        assert_eq!(taken[0].stack, [30, 20, 20, 10]);
        assert_eq!((taken[0].count, taken[0].weight.as_nanos()), (3, 3_000));
        assert_eq!(taken[1].stack, [20, 20, 10]);
        assert_eq!(&*taken[2].thread_name, "thread-2");
        assert!(aggregate.take(|_| None).is_empty());
        assert_eq!(aggregate.totals.samples, 5);
    }

    #[test]
    fn what_does_not_fit_keeps_its_time() {
        let mut aggregate = Aggregate::new();
        let all = 60_000u64;
        for pc in 0..all {
            aggregate.add(&record(pc as u32 % 7_000, &[pc + 1]));
        }
        let taken = aggregate.take(|_| None);
        assert!(taken.len() <= MAX_SAMPLES + MAX_REMAINDERS);
        assert_eq!(taken.iter().map(|s| s.count).sum::<u64>(), all);
        let time: Duration = taken.iter().map(|s| s.weight).sum();
        assert_eq!(time.as_nanos() as u64, all * 1_000);
        assert!(aggregate.totals.folded > 0);
        assert!(taken.iter().all(|s| s.truncated == s.stack.is_empty()));
    }

    #[test]
    fn a_dead_threads_name_comes_from_its_sample() {
        let mut aggregate = Aggregate::new();
        let mut named = record(5, &[1]);
        named.name = Some([u64::from_ne_bytes(*b"short\0\0\0"), 0]);
        aggregate.add(&named);
        assert_eq!(&*aggregate.take(|_| None)[0].thread_name, "short");
    }
}
