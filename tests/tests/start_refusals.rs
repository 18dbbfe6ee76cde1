//! What the agent refuses at its start: the message names the thing and the
//! remedy, and nothing is left behind.

use std::net::TcpListener;

use soakscope_tests::{Subject, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound").to_string();
    let scratch = scratch();
    let run = scratch.path().join("run");
    let (code, said) = Subject::refused(SUBJECT, &run, &[("SOAKSCOPE_LISTEN", &address)]);
    assert_eq!(code, 2);
    assert!(
        said.contains(&address) && said.contains("SOAKSCOPE_LISTEN"),
        "{said}"
    );
    assert!(!run.exists(), "a refused start leaves no run");
}

#[test]
fn an_address_others_can_reach_needs_a_token() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let open = [("SOAKSCOPE_LISTEN", "0.0.0.0:0")];
    let (code, said) = Subject::refused(SUBJECT, &run, &open);
    assert_eq!(code, 2);
    assert!(
        said.contains("0.0.0.0") && said.contains("SOAKSCOPE_TOKEN"),
        "{said}"
    );

    let blank = [("SOAKSCOPE_LISTEN", "0.0.0.0:0"), ("SOAKSCOPE_TOKEN", " ")];
    let (code, said) = Subject::refused(SUBJECT, &run, &blank);
    assert_eq!(code, 2);
    assert!(said.contains("an empty token"), "{said}");

    let guarded = [
        ("SOAKSCOPE_LISTEN", "0.0.0.0:0"),
        ("SOAKSCOPE_TOKEN", "t0ken"),
    ];
    let subject = Subject::start(SUBJECT, &run, &guarded);
    let address = subject.address.replace("0.0.0.0", "127.0.0.1");
    let without = soakscope_tests::get(&address, "/metrics");
    assert_eq!(without.status, 401);
    let with =
        soakscope_tests::get_with(&address, "/metrics", &[("Authorization", "Bearer t0ken")]);
    assert_eq!(with.status, 200);
    let wrong =
        soakscope_tests::get_with(&address, "/metrics", &[("Authorization", "Bearer t0kem")]);
    assert_eq!(wrong.status, 401);
}

#[test]
fn a_run_directory_that_cannot_be_made_is_named() {
    let scratch = scratch();
    let file = scratch.path().join("a-file");
    std::fs::write(&file, "not a directory").expect("write");
    let below = file.join("run");
    let (code, said) = Subject::refused(SUBJECT, &below, &[]);
    assert_eq!(code, 2);
    assert!(said.contains(&below.display().to_string()), "{said}");
    assert_eq!(
        std::fs::read_to_string(&file).expect("kept"),
        "not a directory"
    );
}

#[test]
fn a_directory_that_holds_a_run_is_left_alone() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let first = Subject::start(SUBJECT, &run, &[]);
    assert!(first.end().success());
    let before = std::fs::read(run.join("timeline.csv")).expect("a timeline");
    let (code, said) = Subject::refused(SUBJECT, &run, &[]);
    assert_eq!(code, 2);
    assert!(said.contains(&run.display().to_string()), "{said}");
    assert_eq!(
        std::fs::read(run.join("timeline.csv")).expect("kept"),
        before
    );
}

#[test]
fn a_bad_variable_is_named_with_what_it_takes() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    for (name, value, takes) in [
        ("SOAKSCOPE_TICK", "soon", "500ms"),
        ("SOAKSCOPE_CPU_CLOCK", "sundial", "timer"),
        ("SOAKSCOPE_CPU_FREQUENCY", "many", "99"),
    ] {
        let (code, said) = Subject::refused(SUBJECT, &run, &[(name, value)]);
        assert_eq!(code, 2);
        assert!(
            said.contains(name) && said.contains(value) && said.contains(takes),
            "{said}"
        );
    }
}

#[test]
fn one_agent_a_process() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    let answer = subject.ask("second");
    assert!(
        answer.starts_with("refused") && answer.contains("already runs"),
        "{answer}"
    );
    assert_eq!(subject.ask("row"), "row", "the first goes on");
}
