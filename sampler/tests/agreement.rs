//! Our counts against those of `ss` and of `/proc/self/fd`: exact while nothing
//! changes, within what changed meanwhile while it does.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use soakscope_sampler::resources::{Resources, SocketCounts, TcpState};

/// `ss`'s words for states.
const WORDS: [(&str, TcpState); 9] = [
    ("ESTAB", TcpState::Established),
    ("SYN-SENT", TcpState::SynSent),
    ("FIN-WAIT-1", TcpState::FinWait1),
    ("FIN-WAIT-2", TcpState::FinWait2),
    ("UNCONN", TcpState::Close),
    ("CLOSE-WAIT", TcpState::CloseWait),
    ("LAST-ACK", TcpState::LastAck),
    ("LISTEN", TcpState::Listen),
    ("CLOSING", TcpState::Closing),
];

/// This process's TCP sockets by state, as `ss` sees them.
fn by_ss() -> BTreeMap<TcpState, u64> {
    let output = Command::new("ss")
        .args(["-tanpH"])
        .output()
        .expect("ss runs; Debian has it in iproute2");
    assert!(output.status.success(), "{output:?}");
    let ours = format!("pid={},", std::process::id());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains(&ours)) {
        let word = line.split_whitespace().next().expect("a state");
        let state = WORDS.iter().find(|(name, _)| *name == word);
        *counts
            .entry(state.unwrap_or_else(|| panic!("{line}")).1)
            .or_default() += 1;
    }
    counts
}

/// States that both count: a socket that was made and not connected is in no
/// table of the kernel's, and one that its process closed is nobody's.
fn by_us(counts: &SocketCounts) -> BTreeMap<TcpState, u64> {
    TcpState::ALL
        .into_iter()
        .filter(|state| *state != TcpState::Close)
        .map(|state| (state, counts.tcp(state)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn listed() -> u64 {
    let entries = std::fs::read_dir("/proc/self/fd").expect("proc");
    // The listing has one of its own.
    entries.count() as u64 - 1
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("bound");
    let ours = TcpStream::connect(address).expect("connect");
    (ours, listener.accept().expect("accept").0)
}

/// One test: descriptors and sockets are counted, and another's would be among
/// them.
#[test]
fn counts_agree_with_ss_and_with_the_descriptors_listed() {
    let mut resources = Resources::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let held: Vec<_> = (0..300).map(|_| pair(&listener)).collect();
    let half_closed: Vec<_> = (0..40).map(|_| pair(&listener).0).collect();

    // Quiet. A peer's FIN takes a moment to arrive, so ask until it has.
    let patience = Instant::now() + Duration::from_secs(10);
    while resources.sockets().expect("Linux").tcp(TcpState::CloseWait) < 40 {
        assert!(Instant::now() < patience, "the peers have closed");
        std::thread::yield_now();
    }
    let ours = by_us(&resources.sockets().expect("Linux"));
    assert_eq!(ours, by_ss());
    assert_eq!(ours[&TcpState::Established], 600);
    assert_eq!(ours[&TcpState::CloseWait], 40);
    assert_eq!(ours[&TcpState::Listen], 1);
    assert_eq!(resources.process().open_fds, Some(listed()));

    // A thousand connections a second come and go; each is two sockets.
    let (changes, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (changes, done) = (&changes, &done);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let churned = TcpListener::bind("127.0.0.1:0").expect("loopback");
            let mut due = Instant::now();
            let mut open = std::collections::VecDeque::new();
            while !done.load(Ordering::Relaxed) {
                changes.fetch_add(2, Ordering::SeqCst);
                open.push_back(pair(&churned));
                if open.len() > 100 {
                    changes.fetch_add(2, Ordering::SeqCst);
                    drop(open.pop_front());
                }
                due += Duration::from_millis(1);
                // The rate is the point, so the clock it is.
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        while changes.load(Ordering::SeqCst) < 1_000 {
            std::thread::yield_now();
        }
        for _ in 0..20 {
            let before = changes.load(Ordering::SeqCst);
            let ours = resources.sockets().expect("Linux").tcp_total();
            let fds = resources.process().open_fds.expect("Linux");
            let listed = listed();
            let ss: u64 = by_ss().values().sum();
            // What had begun and was not yet done when we first looked counts too.
            let churn = changes.load(Ordering::SeqCst) - before + 4;
            assert!(
                ours.abs_diff(ss) <= churn,
                "{ours} ours, {ss} by ss, churn {churn}"
            );
            assert!(fds.abs_diff(listed) <= churn, "{fds} {listed} {churn}");
        }
        done.store(true, Ordering::Relaxed);
    });
    drop((held, half_closed));
}
