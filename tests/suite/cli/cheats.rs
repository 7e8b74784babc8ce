//! Attempts to get a change promoted or verified without earning it. Each is refused or reported with its place.

use chrono::Duration;
use serde_json::Value;

use crate::support::{CommandOutput, Sandbox};

fn edited(s: &Sandbox, edit: impl FnOnce(&mut Value)) -> CommandOutput {
    let mut record = s.json(s.record());
    edit(&mut record);
    s.write(s.record(), serde_json::to_string_pretty(&record).unwrap());
    s.on(&["change", "promote"])
}

fn compared() -> Sandbox {
    let s = Sandbox::new();
    s.compared("cheat");
    s
}

#[test]
fn an_edited_field_is_reported_with_its_place() {
    insta::assert_snapshot!(edited(&compared(), |record| record["title"] = "another".into()), @r#"
    $ change promote --change-id chg-20260302-090000-cheat
    exit 2
    --- stderr
    error: [PROJECT]/.vibeship-optimizer/changes/chg-20260302-090000-cheat.json was altered: field "title" says "another" where its events say "cheat"
    # see what is wrong with the records, and what helps
    next: vibeship-optimizer check
    "#);
}

#[test]
fn a_status_written_by_hand_is_reported() {
    let s = compared();
    insta::assert_snapshot!(edited(&s, |record| record["status"] = "verified".into()), @r#"
    $ change promote --change-id chg-20260302-090000-cheat
    exit 2
    --- stderr
    error: [PROJECT]/.vibeship-optimizer/changes/chg-20260302-090000-cheat.json was altered: field "status" says "verified" where its events say "compared"
    # see what is wrong with the records, and what helps
    next: vibeship-optimizer check
    "#);
    let _ = s.on(&["verify"]).exits(2);
}

#[test]
fn an_edited_event_is_reported_with_its_number() {
    insta::assert_snapshot!(edited(&compared(), |record| record["events"][1]["at"] = "2026-01-01T00:00:00Z".into()), @r"
    $ change promote --change-id chg-20260302-090000-cheat
    exit 2
    --- stderr
    error: [PROJECT]/.vibeship-optimizer/changes/chg-20260302-090000-cheat.json was altered: event 2 was altered after it was recorded
    # see what is wrong with the records, and what helps
    next: vibeship-optimizer check
    ");
}

#[test]
fn a_removed_event_is_reported() {
    insta::assert_snapshot!(edited(&compared(), |record| { record["events"].as_array_mut().unwrap().remove(2); }), @r"
    $ change promote --change-id chg-20260302-090000-cheat
    exit 2
    --- stderr
    error: [PROJECT]/.vibeship-optimizer/changes/chg-20260302-090000-cheat.json was altered: event 3 is missing or out of place (found number 4 there)
    # see what is wrong with the records, and what helps
    next: vibeship-optimizer check
    ");
}

#[test]
fn removing_the_last_events_contradicts_the_view() {
    let output = edited(&compared(), |record| {
        record["events"].as_array_mut().unwrap().pop();
    });
    let _ = output.troubled(&["chg-20260302-090000-cheat"]);
}

#[test]
fn reordered_events_are_reported() {
    let _ = edited(&compared(), |record| record["events"].as_array_mut().unwrap().swap(2, 3)).troubled(&["event"]);
}

#[test]
fn swapped_snapshots_are_altered_evidence() {
    let s = compared();
    let (before, after) = (s.read(s.evidence("before_snapshot.json")), s.read(s.evidence("after_snapshot.json")));
    s.write(s.evidence("before_snapshot.json"), after).write(s.evidence("after_snapshot.json"), before);
    insta::assert_snapshot!(s.on(&["change", "promote"]), @r#"
    $ change promote --change-id chg-20260302-090000-cheat
    exit 1
    --- stderr
    refused at gate 6 (decide): 2 evidence files are not what was recorded
      reports/optimizer/chg-20260302-090000-cheat_before_snapshot.json: altered since it was recorded
      reports/optimizer/chg-20260302-090000-cheat_after_snapshot.json: altered since it was recorded
    # no commit has them, and it is too late to measure them again: end it
    next: vibeship-optimizer change reject --change-id chg-20260302-090000-cheat --reason "WHY"
    "#);
    s.refuses(&["compare"], 5, "evidence");
}

#[test]
fn a_better_number_in_a_snapshot_is_altered_evidence() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(95.0).validate().after();
    let after = s.read(s.evidence("after_snapshot.json"));
    s.write(s.evidence("after_snapshot.json"), after.replace("95", "45"));
    s.refuses(&["compare"], 5, "evidence");
}

#[test]
fn a_replaced_comparison_is_altered_evidence() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(95.0).validate().after().compare();
    let data = s.read(s.evidence("compare.json"));
    s.write(s.evidence("compare.json"), data.replace("fail", "pass"));
    s.refuses(&["change", "promote"], 6, "evidence");
}

#[test]
fn removed_evidence_is_missed() {
    let s = compared();
    std::fs::remove_file(s.path(s.evidence("before_snapshot.json"))).unwrap();
    s.refuses(&["change", "promote"], 6, "evidence");
}

#[test]
fn a_record_under_another_name_is_not_another_change() {
    let s = compared();
    let record = s.read(s.record());
    s.write(".vibeship-optimizer/changes/chg-20260302-090000-copy.json", record);
    let _ = s.run(&["change", "show", "chg-20260302-090000-copy"]).troubled(&["chg-20260302-090000-copy"]);
}

#[test]
fn verify_at_once_waits_for_the_window() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.on(&["verify", "--apply", "--summary", "done"]).exits(3);
    let _ = s.on(&["verify", "--apply", "--summary", "done", "--min-monitor-days", "0"]).exits(3);
    assert_ne!(s.shown()["status"], "verified");
}

#[test]
fn a_config_that_demands_less_does_not_shorten_the_window() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.config_plus("verification: {min_monitor_days: 3}\n");
    s.later(Duration::hours(1));
    let _ = s.on(&["verify", "--apply", "--summary", "done"]).exits(3);
}

#[test]
fn a_clock_set_forward_brings_no_monitored_days() {
    let s = Sandbox::new();
    s.rolled_out("x").later(Duration::days(10));
    let answer = s.on(&["verify", "--apply", "--summary", "done"]).exits(3).json();
    assert_eq!(answer["applied"], false);
}

#[test]
fn a_baseline_taken_after_the_commit_cannot_be_backdated() {
    let s = Sandbox::new();
    s.start("x").contract().improve(50.0).later(Duration::days(-2));
    s.refuses(&["snapshot", "--as", "before"], 2, "commits_before_baseline");
}

#[test]
fn evidence_replaced_after_promotion_is_missed_by_verify() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.write(s.evidence("compare.md"), "# all is well\n");
    let answer = s.on(&["verify"]).exits(1);
    let _ = answer.says(&["compare.md"]);
}

#[test]
fn evidence_kept_beside_does_not_stand_in_for_the_newest_of_its_name() {
    let s = compared();
    // An honest repetition: measured and compared again, which replaces the first comparison.
    s.write("ops.json", crate::support::kpi(40.0)).commit_as("tune", &["--amend", "--no-edit"]);
    s.validate().after().compare();
    let _ = s.run(&["check"]).ok();
    let (report, beside) = (s.evidence("compare.md"), s.evidence("compare.superseded-1.md"));
    assert!(!s.path(&beside).exists(), "the record knows what was replaced");
    let recorded = s.read(&report);
    s.write(&beside, &recorded).write(&report, "# All is well\n");
    s.refuses(&["change", "promote"], 6, "evidence");
    let refused = s.on(&["change", "promote"]).exits(1);
    let _ = refused.says(&[&format!("cp {beside} {report}")]);
    let _ = s.run(&["check"]).exits(1).says(&["ARTIFACT_ALTERED"]);
    s.write(&report, recorded);
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn evidence_that_a_formatter_rewrote_is_brought_back_from_the_commit_that_has_it() {
    for committed in [false, true] {
        let s = Sandbox::new();
        s.rolled_out("x");
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "Evidence"]);
        for file in ["before_snapshot.json", "compare.md"] {
            s.write(s.evidence(file), s.read(s.evidence(file)).replace('\n', "\r\n"));
        }
        if committed {
            s.git(&["commit", "-qam", "Format"]);
        }
        let commit = if committed { "[SHORT]" } else { "HEAD" };
        let said =
            s.run(&["check"]).exits(1).says(&[&format!("git checkout {commit} -- {}", s.evidence("compare.md"))]);
        let _ = said.never_says(&["COMMIT --"]);
        let verify = s.on(&["change", "verify"]).exits(1).never_says(&["no commit has"]);
        let failures = verify.json()["failures"].to_string();
        let restore = failures.split("run git checkout ").nth(1).unwrap().split([',', '"']).next().unwrap();
        let restore = restore.replace("[SHORT]", "HEAD~1");
        s.git(&std::iter::once("checkout").chain(restore.split(' ')).collect::<Vec<_>>());
        let _ = s.run(&["check"]).ok();
    }
}

#[test]
fn json_that_a_formatter_laid_out_is_still_the_evidence_and_a_report_is_rendered_again() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let snapshot = s.evidence("before_snapshot.json");
    s.write(&snapshot, s.json(&snapshot).to_string());
    s.improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let report = s.evidence("compare.md");
    s.write(&report, s.read(&report).replace("| ", "|  "));
    let _ = s.run(&["check"]).exits(1).says(&["ARTIFACT_ALTERED", "next: vibeship-optimizer doctor --apply"]);
    let _ = s.run(&["doctor", "--apply"]).ok();
    let _ = s.run(&["check"]).ok();
    s.write(&snapshot, s.json(&snapshot).to_string().replace("100.0", "300.0"));
    let _ = s.run(&["check"]).exits(1).says(&["ARTIFACT_ALTERED", "before_snapshot.json"]);
}

#[test]
fn a_change_leaves_at_most_eight_files_and_forty_kilobytes_until_it_is_promoted() {
    let s = Sandbox::new();
    let timed = "timings: [{name: t, cmd: \"git --version\", runs: 10}]\npair: {min_pairs: 10, max_pairs: 20}\n";
    s.config(&format!("{}{timed}", crate::support::CONFIG.replace("pair: {enabled: false}\n", "")));
    s.compared("x");
    // Compared once more: no replaced files are kept.
    let _ = s.compare().on(&["change", "promote"]).ok();
    let files = std::fs::read_dir(s.path("reports/optimizer")).unwrap().map(|entry| entry.unwrap());
    let sizes: Vec<(String, u64)> = files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .filter(|(name, _)| name.starts_with("chg-"))
        .collect();
    let bytes: u64 = sizes.iter().map(|(_, size)| size).sum();
    assert!(sizes.len() <= 8 && bytes <= 40_000, "{bytes} bytes: {sizes:?}");
}

#[test]
fn a_measurement_that_a_reset_record_lacks_is_reported_and_a_repeated_one_is_not() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let told = |s: &Sandbox| s.run(&["check"]).ok().stdout.contains("EVIDENCE_SET_ASIDE");
    let _ = s.run(&["monitor", "tick"]).ok();
    s.later(Duration::minutes(1));
    let _ = s.run(&["monitor", "tick", "--force"]).ok();
    assert!(!told(&s), "each measurement of the day is recorded");
    s.git(&["checkout", "-q", "HEAD", "--", ".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md"]);
    s.later(Duration::minutes(1));
    let _ = s.run(&["monitor", "tick"]).ok();
    assert!(told(&s), "{}", s.run(&["check"]));
}
