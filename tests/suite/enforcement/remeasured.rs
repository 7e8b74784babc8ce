//! `check --remeasure` repeats the measurements of an author's machine on this one.

use crate::enforcement::slips::{self, since};
use crate::support::{KEY, Sandbox};

/// A change from 100 to `steps`, promoted on a machine where `fake` replaces the KPI's command.
fn promoted(steps: &str, fake: Option<&str>) -> (Sandbox, String, String) {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    let command = r#"sh -c "if [ -e $HOME/fake ]; then sh $HOME/fake; else sh kpi.sh; fi""#;
    sandbox.write("vibeship_optimizer.yml", config.replace("'git show :src/steps.txt'", &format!("'{command}'")));
    sandbox.write("kpi.sh", "cat src/steps.txt\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Measure by a script"]);
    let base = sandbox.head();
    if let Some(fake) = fake {
        std::fs::write(sandbox.home().join("fake"), fake).unwrap();
    }
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/steps.txt", steps);
    sandbox.git(&["commit", "-qam", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    slips::compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let _ = std::fs::remove_file(sandbox.home().join("fake"));
    (sandbox, id, since(&base))
}

#[test]
fn numbers_that_only_the_authors_machine_gives_are_caught_by_measuring_again() {
    let (sandbox, id, range) = promoted("95\n", Some("sed s/95/80/ src/steps.txt\n"));
    assert_eq!(sandbox.codes_with(&range, &["--require", "promoted"]), [""; 0], "the files agree with each other");
    assert_eq!(sandbox.codes_with(&range, &["--remeasure"]), ["REMEASURED_DIFFERENTLY"]);
    sandbox.run(&["check", "--range", &range, "--remeasure", "--format", "junit"]).exits(1).says(&[
        "REMEASURED_DIFFERENTLY",
        "-5",
        "-20",
    ]);
    // Without a range, the change has to be named.
    sandbox.run(&["check", "--remeasure", &id]).exits(1).says(&["REMEASURED_DIFFERENTLY"]);
    assert_eq!(sandbox.run(&["check", "--remeasure"]).code, 2);
}

#[test]
fn honest_numbers_come_out_again() {
    let (sandbox, id, range) = promoted("80\n", None);
    let answer = sandbox.run(&["check", "--range", &range, "--remeasure"]).ok();
    assert!(answer.stderr.contains(&format!("{id}: measured again, its verdicts hold")), "{}", answer.stderr);
    // Changes outside the range are not measured again.
    let answer = sandbox.run(&["check", "--range", "HEAD..HEAD", "--remeasure"]).ok();
    assert!(!answer.stderr.contains("measured again"), "{}", answer.stderr);
}

#[test]
fn what_cannot_be_measured_here_is_only_a_warning() {
    let (sandbox, _, range) = promoted("80\n", Some("cat src/steps.txt\n"));
    std::fs::write(sandbox.home().join("fake"), "exit 3\n").unwrap();
    assert_eq!(sandbox.codes_with(&range, &["--remeasure"]), ["NOT_REMEASURED"]);
}

#[test]
fn a_kpi_that_reads_the_history_is_the_same_on_both_sides_of_a_pair() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.write("vibeship_optimizer.yml", config.replace("git show :src/steps.txt", "sh kpi.sh"));
    sandbox.write("kpi.sh", "git log -1 --format=%s | grep -q Fewer && echo 80 || echo 100\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Measure the history"]);
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/steps.txt", "100\n\n");
    sandbox.git(&["commit", "-qam", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    let _ = sandbox.run(&["compare", "--change-id", &id]);
    sandbox.run(&["change", "promote", "--change-id", &id]).exits(1).says(&["changes otherwise in the pairs"]);
}

#[test]
fn a_change_that_only_undoes_another_commit_says_so() {
    let sandbox = Sandbox::enforced();
    let earlier = sandbox.head();
    sandbox.write("src/steps.txt", "200\n");
    sandbox.git(&["commit", "-qam", "Slower"]);
    let slower = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/steps.txt", "100\n");
    sandbox.git(&["commit", "-qam", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    let report = sandbox.read(format!("reports/optimizer/{id}_compare.md"));
    for commit in [&earlier[..12], &slower[..12]] {
        assert!(report.contains(commit), "{commit}: {report}");
    }
    assert!(report.contains("gives its files back"), "{report}");
}

/// A change that is repeated with the printed command starts from its own rollback; a revert by somebody else may have
/// left something else.
#[test]
fn only_a_recorded_rollback_of_the_repeated_change_raises_no_doubt() {
    for by_the_tool in [true, false] {
        let sandbox = Sandbox::enforced();
        let old = sandbox.ready("fewer steps");
        sandbox.improve_steps();
        sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {old}\n")]);
        slips::compare(&sandbox, &old);
        sandbox.run(&["change", "hold", "--change-id", &old, "--reason", "freeze"]).ok();
        sandbox.commit_evidence();
        let started = sandbox.run(&["change", "start", "--from", &old, "--title", "again", "--format", "json"]).ok();
        let id = started.json()["change_id"].as_str().unwrap().to_owned();
        let rollback = ["change", "rollback", "--change-id", &old, "--reason", "taken up again"];
        if by_the_tool {
            sandbox.run(&[&rollback[..], &["--apply"]].concat()).ok();
        } else {
            sandbox.run(&rollback).ok();
            sandbox.write("src/steps.txt", "100\n");
            sandbox.git(&["commit", "-qam", "Back"]);
        }
        sandbox.commit_evidence();
        sandbox.take_baseline(&id);
        sandbox.improve_steps();
        sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
        slips::compare(&sandbox, &id);
        let report = sandbox.read(format!("reports/optimizer/{id}_compare.md"));
        assert_eq!(report.contains("gives its files back"), !by_the_tool, "{report}");
    }
}

#[test]
fn a_change_is_not_remeasured_with_a_config_in_its_own_commit() {
    let (sandbox, _, range) = promoted("95\n", Some("sed s/95/80/ src/steps.txt\n"));
    sandbox.git(&["reset", "-q", "HEAD~1"]);
    let honest = sandbox.read("vibeship_optimizer.yml");
    sandbox.write("vibeship_optimizer.yml", honest.replace("sh kpi.sh", "sed s/95/80/ src/steps.txt"));
    sandbox.git(&["add", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
    sandbox.write("vibeship_optimizer.yml", &honest);
    let _ = sandbox.run(&["change", "relink", "HEAD"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Evidence"]);
    let found = sandbox.codes_with(&range, &["--remeasure"]);
    assert!(found.contains(&"REMEASURED_DIFFERENTLY".to_owned()), "{found:?}");
}

#[test]
fn a_size_that_others_made_larger_below_a_rebased_change_contradicts_nothing() {
    let sandbox = Sandbox::enforced();
    sandbox.write("src/data.txt", "d".repeat(1000));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Data"]);
    sandbox.git(&["checkout", "-q", "-b", "work"]);
    let id = sandbox.opened("code", "smaller");
    sandbox
        .run(&[
            "change",
            "contract",
            "--change-id",
            &id,
            "--kpi",
            "size.src <= -30%",
            "--guardrail",
            "kpi.steps <= +1%",
        ])
        .ok();
    sandbox.take_baseline(&id);
    sandbox.write("src/data.txt", "d".repeat(500));
    sandbox.git(&["commit", "-qam", &format!("Smaller\n\n{KEY}: {id}\n")]);
    slips::compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("src/other.txt", "o".repeat(90_000));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Others' work"]);
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "work"]);
    sandbox.git(&["rebase", "-q", "main"]);
    sandbox.run(&["change", "relink", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    // If the measured commits exist, they are measured again.
    assert_eq!(sandbox.codes_with(&since(&base), &["--remeasure"]), [""; 0]);
    // In another clone, the size decreases by the same amount, but of a larger total.
    let clone = sandbox.home().join("ci");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "-b", "work", &url, clone.to_str().unwrap()]);
    let answer = sandbox.run_in(&clone, &["check", "--range", &since(&base), "--remeasure"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.stdout.contains("NOT_REMEASURED") && answer.stdout.contains("size.src"), "{answer}");
}
