//! What a run knows of its spans: their names, what closed, what is open, and
//! the CPU time sampled in them.

pub(crate) mod buckets;
pub(crate) mod checked;
pub(crate) mod costs;
pub(crate) mod cpu;
pub(crate) mod findings;
pub(crate) mod interval;
pub(crate) mod labels;
pub(crate) mod ledger;
pub(crate) mod method;
pub(crate) mod sampled;
pub(crate) mod slow;
pub(crate) mod spent;
pub(crate) mod sql;
pub(crate) mod statements;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use soakscope_report::Agreement;

use self::cpu::{ByRoute, Consumer, Cpu};
use self::findings::Findings;
use self::interval::Interval;
use self::labels::{Kind, Labels, Name, Room};
use self::ledger::{Closed, Ledger, Totals};
use self::sampled::Sampled;
use self::slow::Slow;
use self::statements::Statements;
use crate::config::Config;
use crate::own_bytes;

#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) labels: Labels,
    pub(crate) slow: Slow,
    pub(crate) statements: Statements,
    pub(crate) findings: Findings,
    ledger: Ledger,
    requests_in_flight: AtomicI64,
    /// CPU time of requests, measured.
    pub(crate) cpu: Arc<Cpu>,
    /// CPU time sampled, by a thread's word, since it was last taken.
    sampled: Mutex<HashMap<u64, Sampled>>,
    /// Whether samples and measurement agree, as of the last rows.
    agreement: Mutex<Option<Agreement>>,
}

impl Spans {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            labels: Labels::default(),
            slow: Slow::new(config.slow_request),
            statements: Statements::new(config.allowed_repeats.clone()),
            findings: Findings::default(),
            ledger: Ledger::default(),
            requests_in_flight: AtomicI64::new(0),
            cpu: Cpu::new(),
            sampled: Mutex::default(),
            agreement: Mutex::default(),
        }
    }

    pub(crate) fn opened(&self, request: bool) {
        self.ledger.opened();
        if request {
            self.requests_in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn closed(&self, closed: Closed, request: bool) {
        self.ledger.closed(closed);
        if request {
            self.requests_in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many spans were opened and closed so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.ledger.counts()
    }

    pub(crate) fn requests_in_flight(&self) -> i64 {
        self.requests_in_flight.load(Ordering::Relaxed)
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let sampled = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu = own_bytes::table(&sampled) + self.cpu.bytes();
        let requests = self.slow.bytes() + self.statements.bytes();
        self.labels.bytes() + self.ledger.bytes() + requests + cpu
    }

    /// Whether any request was ever seen.
    pub(crate) fn any_request(&self) -> bool {
        self.labels.any_request()
    }

    /// Takes what closed since the last call, in the order of names.
    pub(crate) fn collect(&self) -> Vec<(Name, Interval)> {
        let gone = self.labels.gone();
        self.slow.forget(&gone);
        let collected = self.ledger.collect(&gone);
        for (number, interval) in &collected {
            let name = self.labels.name(*number);
            if name.is_some_and(|name| name.kind == Kind::Request) {
                self.slow.learn(*number, interval);
            }
        }
        self.named(collected)
    }

    /// Sums since the start, in the order of names.
    pub(crate) fn totals(&self) -> Vec<(Name, Totals)> {
        self.named(self.ledger.totals(&self.labels.gone()))
    }

    fn named<T>(&self, numbered: Vec<(u32, T)>) -> Vec<(Name, T)> {
        let mut named: Vec<(Name, T)> = numbered
            .into_iter()
            .filter_map(|(number, value)| Some((self.labels.name(number)?, value)))
            .collect();
        named.sort_by(|(a, _), (b, _)| (a.kind, &a.text).cmp(&(b.kind, &b.text)));
        named
    }

    /// Adds what was sampled under a word. Words are bounded, so this is, too.
    pub(crate) fn sampled(&self, word: u64, more: &Sampled) {
        let mut sums = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        sums.entry(word).or_default().add(more);
    }

    /// Takes what was sampled since the last call.
    pub(crate) fn take_sampled(&self) -> HashMap<u64, Sampled> {
        std::mem::take(&mut *self.sampled.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the CPU time measured since this one last asked; `None` where none
    /// can be measured.
    pub(crate) fn take_measured(&self, consumer: Consumer) -> Option<ByRoute> {
        let measured = self.cpu.take(consumer, &self.labels.gone());
        self.cpu.measures().then_some(measured)
    }

    pub(crate) fn set_agreement(&self, found: Option<Agreement>) {
        *self
            .agreement
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Whether samples give each route the CPU time that was measured in it; `None`
    /// where nothing can be said.
    pub(crate) fn agreement(&self) -> Option<Agreement> {
        let agreement = self.agreement.lock();
        agreement.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of a request's name.
    pub(crate) fn request(&self, name: &str, method: Option<&str>, route: Option<&str>) -> u32 {
        let http = || Some((method.map(Into::into), route.unwrap_or(name).into()));
        let room = match route {
            Some(_) => Room::Routed,
            None => Room::Unrouted,
        };
        self.labels.number(room, name, http)
    }
}
