//! What the tool advises works when it is followed to the letter.

use crate::support::CONFIG;
use crate::support::CommandOutput;
use crate::support::Sandbox;
use crate::support::kpi;

fn ready() -> Sandbox {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s
}

/// Runs the first command that git gets in the advice, with the shell as a person would.
fn follow(s: &Sandbox, refused: &CommandOutput) {
    let line = refused.stderr.lines().find(|line| line.starts_with("next: git")).unwrap_or_else(|| panic!("{refused}"));
    let command = line
        .trim_start_matches("next: ")
        .split("  # ")
        .next()
        .unwrap()
        .replace("[SHORT]", &s.git(&["rev-parse", "--short=12", "HEAD"]));
    run(s, &command);
}

fn run(s: &Sandbox, command: &str) {
    let output = s.command("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[cfg(unix)]
fn work_that_was_never_committed_becomes_the_changes_commit() {
    let s = ready();
    s.write("ops.json", kpi(50.0)).write("src/new.txt", "untracked\n");
    follow(&s, &s.on(&["validate"]).exits(1));
    assert_eq!(s.git(&["log", "--format=%s", "-2"]), "WHAT CHANGED\nstart", "the baseline's commit is not amended");
    s.validate().after().compare();
}

#[test]
#[cfg(unix)]
fn work_that_came_late_is_taken_into_the_changes_commit() {
    let s = ready();
    s.improve(60.0).write("ops.json", kpi(50.0)).write("src/new.txt", "untracked\n");
    let refused = s.on(&["validate"]).exits(1);
    follow(&s, &refused);
    s.validate();
}

#[test]
#[cfg(unix)]
fn a_baseline_that_was_amended_away_is_put_back() {
    let s = ready();
    let baseline = s.git(&["rev-parse", "--short=12", "HEAD"]);
    s.write("ops.json", kpi(50.0));
    run(&s, "git add -A && git commit -q --amend --no-edit");
    let refused = s.on(&["validate"]).exits(1);
    assert!(!refused.stderr.contains("rebase"), "{refused}");
    run(&s, &format!("git reset --soft {baseline}"));
    run(&s, &format!("git commit -q -m tune --trailer 'Optimizer-Change: {}'", s.id()));
    s.validate().after().compare();
}

#[test]
fn what_could_not_be_measured_says_why() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("file: ops.json", "file: nowhere.json"));
    s.start("x").contract();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
    assert_eq!(refused.stderr.matches("  kpi.ops: ").count(), 1, "{refused}");
    assert!(refused.stderr.contains("nowhere.json"), "{refused}");
    let alone = s.run(&["snapshot"]).ok();
    assert!(alone.stderr.contains("KPI ops has no usable value"), "{alone}");
}

#[test]
fn a_failing_timing_is_told_with_its_code_and_its_words() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: 'echo no such flag >&2; exit 3', runs: 1}]\n");
    let alone = s.run(&["snapshot"]).ok();
    assert!(
        alone
            .stderr
            .contains("timing t has no usable value: 1 of 1 run failed, the last with exit code 3: no such flag"),
        "{alone}"
    );
}
