//! What each thread allocated and freed, and when it is sampled next.
//!
//! # One word for two things
//!
//! An account holds a countdown, the bytes that may be allocated before the
//! next sample, and `drawn`, the sum of all that it was ever set to. What was
//! allocated is `drawn` − countdown: exact, for the price of the countdown
//! alone. `freed` is the other word. A thread writes its own account only, with plain loads
//! and stores; anyone reads. Memory may be freed by another thread than
//! allocated it, so one account means nothing and the sum over all is exact at
//! any moment in which no allocation is in flight.
//!
//! # Whose account
//!
//! A thread takes an account when it first allocates. There is no moment at
//! which it could give it back (a thread-local destructor would have to be
//! registered, which allocates), so a new thread looks whether the owner of
//! one of the next few accounts is gone and takes that over, with what is in
//! it. So the number of accounts follows the number of threads alive. Threads
//! beyond the last account share one with locked instructions.
//!
//! A forked child has its parent's accounts and goes on with its thread's own;
//! it never takes over accounts of another process, because it cannot know
//! which are its own thread's.

use std::cell::Cell;
use std::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use super::word_set::hash;
use crate::platform;
use crate::threads::state;

/// Mean bytes between two samples unless set otherwise.
const DEFAULT_INTERVAL: u64 = 512 * 1024;
/// While sampling is off, the bytes after which a thread looks again.
const LOOK_AGAIN: u64 = 4 << 20;
/// Threads with an account of their own; 128 bytes each.
const ACCOUNTS: usize = 2048;
/// Accounts whose owners are looked after before a new one is begun.
const LOOKS: usize = 2;
/// The same when there is no new one.
const LOOKS_WHEN_FULL: usize = 32;
/// A thread without an account tries again after this many allocations.
const TRY_AGAIN: u32 = 1024;

/// Bytes of all accounts.
pub(super) const TABLE_BYTES: usize = ACCOUNTS * size_of::<Account>();

static INTERVAL: AtomicU64 = AtomicU64::new(DEFAULT_INTERVAL);
/// Stirs the random numbers of threads.
static SEED: AtomicU64 = AtomicU64::new(0x5eed);

/// Sets the mean of bytes allocated between two samples; 0 turns sampling off.
/// Each thread follows at its next sample, or after 4 MiB. Blocks sampled
/// already keep what they stand for.
pub fn set_interval(bytes: u64) {
    INTERVAL.store(bytes.min(1 << 40), Relaxed);
}

/// The mean of bytes allocated between two samples; 0 means that sampling is
/// off.
pub fn interval() -> u64 {
    INTERVAL.load(Relaxed)
}

/// One thread's account, on cache lines of its own (two, for the prefetch of
/// adjacent lines).
#[repr(align(128))]
struct Account {
    countdown: AtomicU64,
    freed: AtomicU64,
    drawn: AtomicU64,
    /// Odd while `countdown` and `drawn` change together.
    turn: AtomicU32,
    /// Process and thread id, 0 before the first owner.
    owner: AtomicU64,
}

impl Account {
    const fn new(countdown: u64) -> Self {
        Account {
            countdown: AtomicU64::new(countdown),
            freed: AtomicU64::new(0),
            drawn: AtomicU64::new(countdown),
            turn: AtomicU32::new(0),
            owner: AtomicU64::new(0),
        }
    }

    /// Takes bytes off the countdown if it has so many. The owner's only.
    #[inline(always)]
    fn spend(&self, bytes: u64) -> bool {
        match self.countdown.load(Relaxed).checked_sub(bytes) {
            Some(left) => {
                self.countdown.store(left, Relaxed);
                true
            }
            None => false,
        }
    }

    /// Gives bytes back that were spent. The owner's only.
    fn unspend(&self, bytes: u64) {
        let left = self.countdown.load(Relaxed).wrapping_add(bytes);
        self.countdown.store(left, Relaxed);
    }

    /// Takes bytes off that the countdown has not, and sets it. The owner's
    /// only.
    fn spend_and_set(&self, bytes: u64, countdown: u64) {
        let turn = self.turn.load(Relaxed);
        self.turn.store(turn.wrapping_add(1), Relaxed);
        // A reader that sees a word from below sees an odd or another turn.
        fence(Release);
        let more = countdown
            .wrapping_sub(self.countdown.load(Relaxed))
            .wrapping_add(bytes);
        self.drawn
            .store(self.drawn.load(Relaxed).wrapping_add(more), Relaxed);
        self.countdown.store(countdown, Relaxed);
        self.turn.store(turn.wrapping_add(2), Release);
    }

    /// Bytes allocated and freed so far.
    fn totals(&self) -> (u64, u64) {
        // A writer needs a few instructions; one that a `fork` cut off never
        // comes back.
        for _ in 0..1_000 {
            let turn = self.turn.load(Acquire);
            let totals = self.look();
            fence(Acquire);
            if turn.is_multiple_of(2) && self.turn.load(Relaxed) == turn {
                return totals;
            }
            std::hint::spin_loop();
        }
        self.look()
    }

    fn look(&self) -> (u64, u64) {
        // Freed first: what is freed meanwhile was allocated before.
        let freed = self.freed.load(Relaxed);
        let drawn = self.drawn.load(Relaxed);
        (drawn.wrapping_sub(self.countdown.load(Relaxed)), freed)
    }
}

static ALL: [Account; ACCOUNTS] = [const { Account::new(0) }; ACCOUNTS];
/// Accounts that ever had an owner.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
/// Whose owner is looked after next.
static NEXT_LOOK: AtomicUsize = AtomicUsize::new(0);
/// Of the threads that have none of their own.
static SHARED: Account = Account::new(DEFAULT_INTERVAL);
/// Stands for none: its countdown is 0 and stays so, which spares allocations
/// a test whether there is an account.
static NONE: Account = Account::new(0);

struct Here {
    /// Where it counts down; [`NONE`] while it has no account.
    spends: Cell<&'static Account>,
    /// The same account, if it has one.
    own: Cell<Option<&'static Account>>,
    /// The interval that the countdown was drawn with.
    interval: Cell<u64>,
    random: Cell<u64>,
    /// Allocations until an account is asked for again.
    wait: Cell<u32>,
    /// Our own work is not sampled.
    busy: Cell<bool>,
}

thread_local! {
    // Const-initialised and without a destructor, so that reaching it neither
    // allocates nor fails while a thread ends.
    static HERE: Here = const {
        Here {
            spends: Cell::new(&NONE),
            own: Cell::new(None),
            interval: Cell::new(0),
            random: Cell::new(0),
            wait: Cell::new(0),
            busy: Cell::new(false),
        }
    };
}

/// Notes an allocation, whose size is not 0. `false`: ask [`due`], which notes
/// it and returns whether it is to be sampled.
#[inline(always)]
pub(super) fn spend(size: usize) -> bool {
    HERE.with(|here| here.spends.get().spend(size as u64))
}

/// Takes an allocation back that failed.
#[cold]
pub(super) fn unspend(size: usize) {
    HERE.with(|here| match here.own.get() {
        Some(account) => account.unspend(size as u64),
        None => {
            SHARED.countdown.fetch_add(size as u64, Relaxed);
        }
    });
}

/// Notes that a block was freed.
#[inline(always)]
pub(super) fn freed(size: usize) {
    HERE.with(|here| match here.own.get() {
        Some(account) => {
            let freed = account.freed.load(Relaxed).wrapping_add(size as u64);
            account.freed.store(freed, Relaxed);
        }
        None => freed_without_account(size),
    });
}

#[cold]
fn freed_without_account(size: usize) {
    // A thread that only frees needs none.
    SHARED.freed.fetch_add(size as u64, Relaxed);
}

/// Notes an allocation after [`spend`] returned `false`, and sets the countdown
/// for the next one. What it stands for if it is to be sampled.
#[cold]
#[inline(never)]
pub(super) fn due(size: usize) -> Option<f64> {
    platform::keep_errno(|| HERE.with(|here| due_here(here, size)))
}

fn due_here(here: &Here, size: usize) -> Option<f64> {
    let account = match here.own.get() {
        Some(account) => account,
        None => match claim(here) {
            Some(account) => {
                here.spends.set(account);
                here.own.set(Some(account));
                account.spend_and_set(0, draw(here));
                if account.spend(size as u64) {
                    return None;
                }
                account
            }
            None => return due_of_many(here, size),
        },
    };
    let interval = here.interval.get();
    account.spend_and_set(size as u64, draw(here));
    let excluded = state::with(|thread| thread.excluded.load(Relaxed) != 0);
    (interval != 0 && !excluded && !here.busy.get()).then(|| weight(size, interval))
}

/// The same without an account: all such threads count down together, and
/// whoever crosses zero is sampled.
fn due_of_many(here: &Here, size: usize) -> Option<f64> {
    let before = SHARED.countdown.fetch_sub(size as u64, Relaxed) as i64;
    let left = before.wrapping_sub(size as i64);
    if left >= 0 {
        return None;
    }
    let interval = interval();
    let more = draw(here).wrapping_sub(left as u64);
    SHARED.drawn.fetch_add(more, Relaxed);
    SHARED.countdown.fetch_add(more, Relaxed);
    let excluded = state::with(|thread| thread.excluded.load(Relaxed) != 0);
    let crossed = before >= 0 && interval != 0 && !excluded && !here.busy.get();
    crossed.then(|| weight(size, interval))
}

/// How many blocks of this size a sampled one stands for.
fn weight(size: usize, interval: u64) -> f64 {
    -1.0 / (-(size as f64) / interval as f64).exp_m1()
}

/// The bytes before the next one that is sampled: exponential, rounded down, so
/// that a block of whole bytes is reached with exactly the probability of the
/// real number.
fn draw(here: &Here) -> u64 {
    let interval = interval();
    here.interval.set(interval);
    if interval == 0 {
        return LOOK_AGAIN;
    }
    if here.random.get() == 0 {
        let stir = SEED.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        // Where the kernel put this thread's words differs from run to run.
        let place = std::ptr::from_ref(here) as u64;
        here.random
            .set(hash(stir ^ place ^ platform::coarse_ms() << 20) | 1);
    }
    let state = here.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    here.random.set(state);
    // In (0, 1], of 53 bits.
    let uniform = ((hash(state) >> 11) + 1) as f64 / (1u64 << 53) as f64;
    (-uniform.ln() * interval as f64) as u64
}

/// Finds an account for the calling thread.
fn claim(here: &Here) -> Option<&'static Account> {
    if let Some(left) = here.wait.get().checked_sub(1) {
        here.wait.set(left);
        return None;
    }
    let process = u64::from(std::process::id());
    let me = process << 32 | u64::from(platform::gettid());
    let take_over = |looks: usize| {
        (0..looks).find_map(|_| {
            let begun = BEGUN.load(Relaxed);
            let account = ALL.get(NEXT_LOOK.fetch_add(1, Relaxed) % begun.max(1))?;
            let owner = account.owner.load(Relaxed);
            let gone =
                owner >> 32 == process && (owner == me || !platform::thread_exists(owner as u32));
            // What the owner last wrote is there to see: the kernel says that
            // it is gone after it has ended.
            let mine = gone
                && account
                    .owner
                    .compare_exchange(owner, me, Acquire, Relaxed)
                    .is_ok();
            mine.then_some(account)
        })
    };
    let begin = || {
        let more = |begun: usize| (begun < ACCOUNTS).then_some(begun + 1);
        let number = BEGUN.fetch_update(Relaxed, Relaxed, more).ok()?;
        let account = ALL.get(number)?;
        account.owner.store(me, Relaxed);
        Some(account)
    };
    let claimed = take_over(LOOKS)
        .or_else(begin)
        .or_else(|| take_over(LOOKS_WHEN_FULL));
    if claimed.is_none() {
        here.wait.set(TRY_AGAIN);
    }
    claimed
}

/// Bytes allocated and freed by all threads since the process began; `None`
/// where the wrapper never saw an allocation.
pub(super) fn totals() -> Option<(u64, u64)> {
    let begun = BEGUN.load(Relaxed).min(ACCOUNTS);
    let all = ALL.get(..begun).filter(|all| !all.is_empty())?;
    let (allocated, freed) = all
        .iter()
        .chain([&SHARED])
        .map(Account::totals)
        .fold((0u64, 0u64), |(a, f), (more_a, more_f)| {
            (a.wrapping_add(more_a), f.wrapping_add(more_f))
        });
    // A sum of words read one after another may be below zero for a moment.
    let known = |sum: u64| (sum as i64).max(0) as u64;
    Some((known(allocated), known(freed)))
}

/// Whether this process was forked off the one that began to count.
pub(super) fn is_forked() -> bool {
    let owner = ALL[0].owner.load(Relaxed);
    owner != 0 && owner >> 32 != u64::from(std::process::id())
}

/// Keeps the calling thread's allocations from being sampled while it lives.
pub(super) struct Busy {
    before: bool,
}

impl Busy {
    pub(super) fn new() -> Self {
        Busy {
            before: HERE.with(|here| here.busy.replace(true)),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        HERE.with(|here| here.busy.set(self.before));
    }
}

/// Begins the calling thread's random numbers anew, for tests that repeat.
#[cfg(any(test, feature = "testing"))]
pub fn draw_anew(seed: u64) {
    // The first allocation gives the thread its account.
    if HERE.with(|here| here.own.get().is_none()) {
        due(0);
    }
    HERE.with(|here| {
        here.random.set(hash(seed) | 1);
        if let Some(account) = here.own.get() {
            account.spend_and_set(0, draw(here));
        }
    });
}

/// Where the table is, and its bytes.
pub(super) fn table() -> (usize, usize) {
    (std::ptr::from_ref(&ALL).addr(), size_of_val(&ALL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_exact_across_draws() {
        let account = Account::new(0);
        account.spend_and_set(0, 1_000);
        assert!(account.spend(300) && account.spend(700));
        assert!(!account.spend(1));
        account.spend_and_set(200, 5_000);
        assert!(account.spend(1));
        account.freed.store(300, Relaxed);
        assert_eq!(account.totals(), (1_201, 300));
        account.unspend(1);
        assert_eq!(account.totals(), (1_200, 300));
    }

    /// What an allocation of this size stands for if it is sampled now.
    fn would_sample(size: usize) -> Option<f64> {
        if spend(size) { None } else { due(size) }
    }

    #[test]
    fn blocks_are_sampled_as_often_as_their_size_says() {
        for (seed, size) in [(1, 64), (2, 100_000), (3, 500_000), (4, 3_000_000)] {
            draw_anew(seed);
            let rounds = 2_000_000_000 / (size as u64).max(2_000);
            let (mut count, mut stands_for) = (0u64, 0.0);
            for _ in 0..rounds {
                if let Some(weight) = would_sample(size) {
                    count += 1;
                    stands_for += weight;
                }
            }
            let chance = -(-(size as f64) / DEFAULT_INTERVAL as f64).exp_m1();
            let deviation = (rounds as f64 * chance * (1.0 - chance)).sqrt().max(1.0);
            let off = (count as f64 - rounds as f64 * chance) / deviation;
            assert!(off.abs() < 4.0, "{size}: {count} of {rounds}, {off} sigma");
            let error = stands_for / rounds as f64 - 1.0;
            assert!(error.abs() < 4.0 * deviation / (rounds as f64 * chance));
        }
    }
}
