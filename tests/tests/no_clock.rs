//! A service that handles every signal that a CPU clock could use: it starts
//! with its agent and without a profile, and keeps its signals.

use soakscope::Agent;
use soakscope_report::RunDir;
use soakscope_tests::scratch;

extern "C" fn the_services(_: libc::c_int) {}

#[test]
fn a_service_starts_without_a_profile_where_no_clock_can_run() {
    let mut all: Vec<libc::c_int> = (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect();
    all.extend([libc::SIGWINCH, libc::SIGURG, libc::SIGPROF]);
    for signal in &all {
        let handler: extern "C" fn(libc::c_int) = the_services;
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(*signal, handler as libc::sighandler_t) };
    }
    let scratch = scratch();
    let agent = Agent::builder("busy")
        .run_path(scratch.path().join("run"))
        .start()
        .expect("it starts all the same");
    let outcome = agent.finish().expect("sealed");
    let dir = RunDir::open(outcome.run_dir().expect("a run")).expect("a run");
    let info = dir.info().expect("a description");
    assert_eq!(
        info.engines.get("cpu_clock").map(String::as_str),
        Some("off")
    );
    let events = std::fs::read_to_string(dir.path().join("events.jsonl")).expect("events");
    assert!(events.contains("no CPU profile is taken"), "{events}");
    for signal in &all {
        // SAFETY: all-zero is a valid action to be written over; a null new
        // action only asks.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*signal, std::ptr::null(), &mut action);
            action
        };
        assert_eq!(action.sa_sigaction, the_services as *const () as usize);
    }
}
