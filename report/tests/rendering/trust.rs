//! What is said of how far a run can be trusted.

use soakscope_report::{
    Agreement, Instants, Run, RunInfo, Timeline, Trust, flame_subtitle, judge, summary_markdown,
    summary_text,
};

/// Trust of a run whose profile is whole, and which was checked.
fn trust() -> Trust {
    let agreement = Agreement {
        routes: 4,
        largest_difference: 1.2,
        route: "GET /report".into(),
        sampled_share: 76.1,
        measured_share: 32.9,
        within: 3.1,
        beyond_chance: false,
    };
    Trust {
        cpu_clock: Some("instants".into()),
        cpu_seconds_used: Some(61.3),
        cpu_seconds_attributed: Some(60.9),
        coverage: Some(60.9 / 61.3),
        coverage_within: Some(0.0126),
        cpu_samples: Some(6_090),
        agreement: Some(agreement),
        ..Trust::default()
    }
}

/// What is said of a run with this trust: its facts and its notes.
fn said(change: impl FnOnce(&mut Trust)) -> (String, Vec<String>) {
    let mut run = Run::new(RunInfo::default(), Timeline::default());
    let mut trust = trust();
    change(&mut trust);
    run.info.trust = Some(trust);
    let verdict = judge(&run);
    let text = summary_text(&run, &verdict);
    let markdown = summary_markdown(&run, &verdict);
    let facts = |text: &str| text.split("Trust").nth(1).unwrap().to_owned();
    // Both say the same.
    for line in facts(&text).lines().filter(|line| line.contains("samples")) {
        let escaped = line.trim().replace('`', "");
        assert!(markdown.contains(&escaped), "{line} is not in {markdown}");
    }
    (facts(&text), verdict.notes)
}

#[test]
fn coverage_never_stands_alone_and_says_what_it_is_not() {
    let (facts, notes) = said(|_| {});
    assert!(notes.is_empty(), "{notes:?}");
    for wanted in [
        "profile coverage 99.3 ± 1.3 % (60.9 of 61.3 CPU seconds), 6090 samples: how much of \
         the CPU time is sampled, not whether samples fell where it was spent",
        "samples and measured CPU time agree within 1.2 points",
        "nothing was lost",
    ] {
        assert!(facts.contains(wanted), "{wanted} is not in\n{facts}");
    }
    let (facts, _) = said(|trust| trust.agreement = None);
    assert!(
        facts.contains("not checked against measured CPU time"),
        "{facts}"
    );

    // The same beside every graph.
    let subtitle = |change: fn(&mut Trust)| {
        let mut trust = trust();
        change(&mut trust);
        flame_subtitle("steady".into(), Some(&trust))
    };
    let checked = subtitle(|_| {});
    assert_eq!(
        checked,
        "steady; clock instants; 99.3 ± 1.3 % of CPU time sampled; \
         routes within 1.2 points of measured CPU"
    );
    let unchecked = subtitle(|trust| trust.agreement = None);
    assert!(
        unchecked.ends_with("; not checked against measured CPU time"),
        "{unchecked}"
    );
    let off = subtitle(|trust| {
        let agreement = trust.agreement.as_mut().unwrap();
        agreement.beyond_chance = true;
        agreement.largest_difference = 43.2;
    });
    assert!(
        off.ends_with("; doubt shares: GET /report is 43.2 points off"),
        "{off}"
    );
}

#[test]
fn a_disagreement_beyond_chance_says_which_figures_to_doubt() {
    let (facts, notes) = said(|trust| {
        let agreement = trust.agreement.as_mut().unwrap();
        agreement.beyond_chance = true;
        agreement.largest_difference = 43.2;
    });
    assert!(
        facts.contains("disagree by 43.2 points at GET /report, beyond chance"),
        "{facts}"
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
    for wanted in [
        "samples give GET /report 76.1 % of the CPU time, measurement 32.9 %",
        "doubt how the flame graphs and functions divide CPU time",
        "cpu_ms by route is measured and stands",
    ] {
        assert!(notes[0].contains(wanted), "{wanted} is not in {}", notes[0]);
    }
}

#[test]
fn instants_are_shown_with_what_was_dropped_and_what_stood_in() {
    let instants = |dropped: u64, seconds_by_timers: f64| {
        move |trust: &mut Trust| {
            trust.instants = Some(Instants {
                due: 17_820,
                taken: 17_820 - dropped,
                dropped: [("late".to_owned(), dropped), ("starved".to_owned(), 0)].into(),
                seconds_by_timers,
            });
        }
    };
    let (facts, _) = said(instants(0, 0.0));
    assert!(facts.contains("17820 of 17820 instants taken\n"), "{facts}");
    assert!(facts.contains("nothing was lost"), "{facts}");
    let (facts, _) = said(instants(118, 12.0));
    let wanted = "17702 of 17820 instants taken; dropped: 118 late; for 12 s the threads' own \
                  timers sampled instead";
    assert!(facts.contains(wanted), "{facts}");
    assert!(facts.contains("nothing else was lost"), "{facts}");
}

/// No loss is counted where a signal never comes: the samples are just not there.
#[test]
fn a_profile_without_samples_of_a_busy_service_is_no_clean_bill() {
    let (facts, notes) = said(|trust| {
        trust.cpu_samples = Some(0);
        trust.cpu_seconds_attributed = Some(0.0);
        trust.coverage = Some(0.0);
        trust.coverage_within = None;
        trust.agreement = None;
    });
    assert!(!facts.contains("nothing was lost"), "{facts}");
    assert!(
        facts.contains("100 % of the CPU time has no samples"),
        "{facts}"
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("there is no CPU sample, though 61.3 CPU seconds"));
    let (facts, notes) = said(|trust| {
        trust.coverage = Some(0.8);
        trust.drops = [("signal blocked".to_owned(), 120)].into();
    });
    assert!(!facts.contains("was lost"), "{facts}");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("120 samples of threads that block")),
        "{notes:?}"
    );
    let (facts, _) = said(|trust| trust.coverage = Some(0.8));
    assert!(
        facts.contains("20 % of the CPU time has no samples"),
        "{facts}"
    );
    // What did not run has no samples, and that is no loss.
    let (facts, notes) = said(|trust| {
        trust.cpu_samples = Some(0);
        trust.cpu_seconds_used = Some(0.01);
        trust.cpu_seconds_attributed = Some(0.0);
        trust.coverage = None;
        trust.agreement = None;
    });
    assert!(
        facts.contains("nothing was lost") && notes.is_empty(),
        "{facts} {notes:?}"
    );
}
