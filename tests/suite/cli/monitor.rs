//! Monitoring over simulated days: ticks, missed days, clocks, alarms, rollbacks, and fabricated days.

use chrono::Duration;
use serde_json::{Value, json};
use vibeship_optimizer::model::{Policy, Rehearsal};

use crate::support::{CONFIG, Sandbox, kpi};

fn tick(sandbox: &Sandbox) -> Value {
    sandbox.run(&["monitor", "tick"]).ok().json()
}

/// Three days of ticks after the rollout, and the end of the window.
fn three_days(sandbox: &Sandbox) {
    for _ in 0..3 {
        assert_eq!(tick(sandbox)["skipped"], false);
        sandbox.later(Duration::hours(24));
    }
    sandbox.later(Duration::hours(1));
}

#[test]
fn a_change_is_verified_after_three_days_of_ticks_and_not_before() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    let first = tick(&sandbox);
    assert_eq!((first["day"].as_u64(), first["runs_completed"].as_u64()), (Some(0), Some(1)));
    assert_eq!(first["report"], sandbox.evidence("day0.md"));
    let verify = ["change", "verify", "--apply", "--summary", "it held"];
    assert_eq!(sandbox.on(&verify).code, 3);
    sandbox.later(Duration::hours(24));
    tick(&sandbox);
    sandbox.later(Duration::hours(24));
    tick(&sandbox);
    assert_eq!(sandbox.on(&verify).code, 3, "three days are measured, but the window is open");
    sandbox.later(Duration::hours(25));
    let answer = sandbox.on(&verify).ok().json();
    assert_eq!(answer["applied"], true, "{answer}");
    let status = sandbox.run(&["monitor", "status"]).ok().json();
    assert_eq!(status["active"], false, "a verified change is monitored no more");
}

#[test]
#[cfg(target_os = "linux")]
fn a_checkout_that_lacks_what_a_command_needs_records_no_day_and_every_day_is_to_be_committed() {
    let s = Sandbox::new();
    s.write(".gitignore", "built/\n").write("built/lag.sh", "echo 5\n");
    let lag = "kpis:\n  - {name: lag, cmd: sh built/lag.sh, better: lower, exact: true}";
    s.config(&crate::support::CONFIG.replace("kpis:", lag));
    s.start("x").contract();
    let _ = s.on(&["change", "contract", "--guardrail", "kpi.lag <= 9"]).ok();
    s.before().improve(50.0).write("built/lag.sh", "echo 5\n").validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    let record = s.read(s.record());
    std::fs::rename(s.path("built"), s.path(".git/built")).unwrap();
    let _ = s.run(&["monitor", "tick"]).exits(1).says(&["could not measure kpi.lag here", "no day was recorded"]);
    // Nor does a checkout with a build of older code.
    let old = std::time::SystemTime::now() - Duration::days(3).to_std().unwrap();
    std::fs::create_dir(s.path("built")).unwrap();
    s.write("built/lag.sh", "echo 5\n");
    std::fs::File::options().append(true).open(s.path("built/lag.sh")).unwrap().set_modified(old).unwrap();
    let _ = s.run(&["monitor", "tick"]).exits(1).says(&["could not measure kpi.lag here", "lag.sh was written before"]);
    std::fs::remove_dir_all(s.path("built")).unwrap();
    assert_eq!(s.read(s.record()), record);
    std::fs::rename(s.path(".git/built"), s.path("built")).unwrap();
    let _ = s.run(&["monitor", "tick"]).ok().says(&["# commit the evidence\nnext: git add"]);
    // A command that gives a bad number, or fails by itself, is an alarm.
    s.later(Duration::days(1)).write("built/lag.sh", "echo boom >&2; exit 3\n");
    let _ = s.run(&["monitor", "tick"]).exits(1).says(&["alarm"]);
}

#[test]
fn a_change_reverted_after_its_days_is_not_verified() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    three_days(&s);
    let _ = s.run(&["monitor", "tick"]).ok();
    s.git(&["revert", "--no-edit", "HEAD"]);
    let verify = ["change", "verify", "--apply", "--summary", "it held"];
    s.refuses(&verify, 8, "not_in_effect").refuses(&["change", "verify"], 8, "not_in_effect");
    s.refuses(&["autopilot", "tick"], 8, "not_in_effect");
    s.git(&["reset", "-q", "--hard", "HEAD~1"]);
    s.write("src/other.txt", "others' work\n").commit_as("Other work", &[]);
    let _ = s.on(&verify).ok().says(&["the code here is not what was measured last, at "]);
}

#[test]
fn a_kpi_that_failed_on_every_day_is_an_alarm() {
    let s = Sandbox::new();
    s.rolled_out("halve it").write("ops.json", kpi(99.0)).commit_as("Other work", &[]);
    three_days(&s);
    let verify = ["change", "verify", "--apply", "--summary", "it held"];
    let _ = s.on(&verify).exits(1).says(&["open alarm: kpi.ops <= -10% is fail"]);
    let _ = s.on(&["change", "resolve", "--reason", "what others added is wanted"]).ok();
    let _ = s.on(&verify).ok();
}

#[test]
fn a_file_that_a_later_commit_restored_is_reported_and_other_work_is_named() {
    let s = Sandbox::new();
    s.start("x").contract().before().write("src/main.txt", "faster\n").improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    three_days(&s);
    let verify = ["change", "verify", "--apply", "--summary", "it held"];
    for (text, subject) in [("slow \r\n", "line ends"), ("slow\n", "tidy up")] {
        s.write("src/main.txt", text).commit_as(subject, &[]);
        let _ = s.on(&verify).exits(1).says(&["took back part of the change: src/main.txt"]);
    }
    s.refuses(&["monitor", "tick", "--force"], 8, "not_in_effect");
    s.write("src/main.txt", "faster still\n").commit_as("go on", &[]);
    let here = s.git(&["rev-parse", "HEAD"]);
    // A commit that restores nothing leaves nothing of the change in the file; or all of it moved to another file.
    let _ = s.write("src/main.txt", "\n").write("src/z.txt", "slow\n").commit_as("empty it", &[]);
    let _ = s
        .on(&verify)
        .exits(1)
        .says(&["took back part of the change: src/main.txt", "git revert --no-edit $(git log -1 "]);
    for (path, text, code) in
        [("src/main.txt/a", "slow\n", 1), ("src/z.txt", "slow\n", 1), ("src/z.txt", "\tfaster\n", 0)]
    {
        s.git(&["reset", "-q", "--hard", &here]);
        s.git(&["rm", "-q", "src/main.txt"]);
        s.write(path, text).commit_as("move it", &[]);
        let _ = s.on(&["change", "verify"]).exits(code);
    }
    s.git(&["reset", "-q", "--hard", &here]);
    let _ = s.on(&verify).ok().says(&["the code here is not what was measured last, at ", ": src/main.txt"]);
}

#[test]
fn what_is_undone_in_the_work_tree_is_not_verified() {
    let s = Sandbox::new();
    s.start("x").contract().before().write("src/main.txt", "faster\n").improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    three_days(&s);
    s.write("src/main.txt", "as it was\n");
    s.refuses(&["change", "verify", "--apply", "--summary", "it held"], 8, "not_as_committed");
}

#[test]
fn a_day_counts_once_however_often_it_is_forced() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    let again = tick(&sandbox);
    assert_eq!((&again["skipped"], &again["reason"]), (&json!(true), &json!("already_ran_today")));
    for _ in 0..3 {
        let forced = sandbox.run(&["monitor", "tick", "--force"]).ok().json();
        assert_eq!((&forced["skipped"], &forced["runs_completed"]), (&json!(false), &json!(1)));
    }
    let verify = sandbox.on(&["change", "verify", "--apply", "--summary", "three forced ticks"]);
    assert_eq!(verify.code, 3, "{verify}");
    assert!(!sandbox.path(sandbox.evidence("day0_snapshot.superseded-1.json")).exists(), "the newest stands");
    let _ = sandbox.run(&["check"]).ok();
}

#[test]
fn a_missed_day_and_a_week_without_ticks_cost_days_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    sandbox.later(Duration::days(7));
    let late = tick(&sandbox);
    assert_eq!((late["day"].as_u64(), late["runs_completed"].as_u64()), (Some(7), Some(2)));
    assert_eq!(sandbox.on(&["change", "verify"]).code, 3, "the window is over, but one day of three is missing");
    sandbox.later(Duration::days(1));
    tick(&sandbox);
    let _ = sandbox.on(&["change", "verify"]).ok();
}

#[test]
fn days_are_utc_days_wherever_the_clock_hangs() {
    // Rolled out at 09:00 UTC; the sandbox's time zone is UTC+12:45.
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    sandbox.later(Duration::minutes(14 * 60 + 59));
    assert_eq!(tick(&sandbox)["reason"], "already_ran_today", "23:59 UTC is the same day");
    sandbox.later(Duration::minutes(2));
    let next = tick(&sandbox);
    assert_eq!((next["today_utc"].as_str(), next["day"].as_u64()), (Some("2026-03-03"), Some(1)));
}

#[test]
fn a_clock_that_went_backwards_measures_nothing_and_adds_no_day() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    let record = sandbox.read(sandbox.record());
    sandbox.later(Duration::days(-1));
    for flags in [&["monitor", "tick"][..], &["monitor", "tick", "--force"]] {
        let output = sandbox.run(flags).exits(3);
        assert_eq!(output.json()["reason"], "clock_backwards", "{output}");
    }
    assert_eq!(sandbox.read(sandbox.record()), record);
    let status = sandbox.run(&["status"]).ok().says(&["set this machine's clock right", "or:   git checkout HEAD --"]);
    let _ = status.never_says(&["monitor tick"]);
    sandbox.later(Duration::days(2));
    assert_eq!(tick(&sandbox)["runs_completed"], 2);
}

#[test]
fn a_fired_trigger_is_an_alarm_that_blocks_verification_until_it_is_resolved() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    sandbox.write("ops.json", kpi(150.0));
    let output = sandbox.run(&["monitor", "tick"]).exits(1);
    assert_eq!(output.json()["raised"][0]["criterion"], "kpi.ops > +10%", "{output}");
    let sha = sandbox.git(&["rev-parse", "HEAD"]);
    assert!(output.stderr.contains("trigger kpi.ops > +10% fired"), "{output}");
    assert!(output.stderr.contains(&format!("To roll back: git revert {sha}")) || output.stderr.contains("git revert"));
    assert!(sandbox.read(sandbox.evidence("day0.md")).contains("**fired**"));
    sandbox.write("ops.json", kpi(50.0)).later(Duration::hours(24));
    assert_eq!(sandbox.run(&["monitor", "tick"]).code, 1, "the alarm stays open on a calm day");
    for _ in 0..2 {
        sandbox.later(Duration::hours(24));
        assert_eq!(sandbox.run(&["monitor", "tick"]).code, 1);
    }
    assert_eq!(sandbox.on(&["change", "verify", "--apply", "--summary", "x"]).code, 1);
    sandbox.refuses(&["change", "resolve", "--reason", " "], 8, "reason");
    let _ = sandbox.on(&["change", "resolve", "--reason", "a load test"]).ok();
    sandbox.refuses(&["change", "resolve", "--reason", "again"], 8, "no_alarm");
    let _ = sandbox.on(&["change", "verify", "--apply", "--summary", "it held"]).ok();
}

#[test]
fn a_rollback_is_confirmed_by_a_measurement() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "evidence"]);
    let _ = sandbox.on(&["change", "rollback", "--reason", "it hurt", "--apply"]).ok();
    assert!(sandbox.read("ops.json").contains("100"), "the revert is made");
    let _ = sandbox.on(&["snapshot", "--as", "after"]).ok();
    assert_eq!(sandbox.shown()["status"], "rolled_back");
    let tick = sandbox.run(&["monitor", "tick"]).exits(2).json();
    assert_eq!((&tick["ok"], &tick["reason"]), (&json!(false), &json!("no_active_monitor")));
    sandbox.refuses(&["monitor", "tick"], 8, "ended");
}

#[test]
fn metrics_that_are_not_back_after_a_rollback_are_named() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    let _ = s.on(&["change", "rollback", "--reason", "it hurt", "--apply"]).ok();
    s.write("src/main.txt", "slow ".repeat(100));
    let _ =
        s.on(&["snapshot", "--as", "after"]).exits(1).says(&["not back to the baseline: size.src <= +100% is fail"]);
}

#[test]
fn only_a_measurement_that_is_comparable_with_the_baseline_confirms_a_rollback() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    let _ = s.on(&["change", "rollback", "--reason", "it hurt", "--apply"]).ok();
    s.write("ops.json", "none");
    let told = "not back to the baseline: kpi.ops <= -10% is invalid";
    let _ = s.on(&["snapshot", "--as", "after"]).exits(1).says(&[told]);

    s.git(&["checkout", "-q", "ops.json"]);
    s.start("no baseline").contract().improve(50.0);
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok();
    let _ = s.on(&["change", "rollback", "--reason", "it hurt", "--apply"]).ok();
    let _ = s.on(&["snapshot", "--as", "after"]).exits(1).says(&["the change has no baseline"]);
}

#[test]
fn a_rollback_over_later_work_is_made_by_the_printed_steps_and_a_worse_kpi_is_told() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s.tune(500.0).commit_as("five times slower", &[]);
    let refused = s.on(&["change", "rollback", "--reason", "slow", "--apply"]).troubled(&["the revert conflicts in"]);
    let steps: Vec<&str> = refused.stderr.lines().filter_map(|line| line.split_once(": ")).map(|step| step.1).collect();
    let [_, begin, _, go_on, record] = steps[..] else { panic!("{refused}") };
    let begin = begin.replace("[COMMIT]", "HEAD~2");
    assert!(!s.command("sh").args(["-c", &begin]).output().unwrap().status.success());
    s.tune(400.0);
    let done = s.command("sh").args(["-c", go_on]).output().unwrap();
    assert!(done.status.success(), "{go_on}: {}", String::from_utf8_lossy(&done.stderr));
    let record = record.strip_prefix("vibeship-optimizer ").unwrap();
    let _ = s.run(&record.split(' ').collect::<Vec<_>>()).ok();
    let _ = s.on(&["snapshot", "--as", "after"]).exits(1).says(&["not back to the baseline: kpi.ops <= +0% is fail"]);
}

/// Later work in the same files hides neither that the commit is still there, nor what takes it out.
#[test]
fn a_rollback_on_record_that_conflicts_is_still_to_be_made() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    s.commit_evidence();
    s.tune(500.0).commit_as("five times slower", &[]);
    let _ = s.on(&["change", "rollback", "--reason", "slow"]).ok().says(&["Roll back now: "]);
    let _ = s.run(&["status", "--change-id", &s.id()]).says(&["rolled back on record: revert the commit"]);
}

#[test]
fn several_changes_are_monitored_at_once_with_one_measurement() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    let first = sandbox.id();
    sandbox.start("halve it again").contract().before().improve(20.0).validate().after().compare();
    let _ = sandbox.on(&["change", "promote"]).ok();
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    let answer = tick(&sandbox);
    let mut ids: Vec<&str> =
        answer["changes"].as_array().unwrap().iter().map(|it| it["change_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let (one, other) = (first.as_str(), sandbox.id());
    assert_eq!(ids, if one < other.as_str() { [one, &other] } else { [&other, one] });
    assert!(sandbox.path(format!("reports/optimizer/{first}_day0_snapshot.json")).exists());
    assert!(sandbox.path(sandbox.evidence("day0_snapshot.json")).exists());
    let status = sandbox.run(&["monitor", "status"]).ok().json();
    assert_eq!((status["active"].as_bool(), status["changes"].as_array().unwrap().len()), (Some(true), 2));
}

#[test]
fn the_monitor_starts_with_the_full_rollout_and_with_the_recorded_baseline_only() {
    let sandbox = Sandbox::new();
    sandbox.compared("halve it");
    sandbox.refuses(&["monitor", "start"], 8, "earlier");
    let _ = sandbox.on(&["change", "promote"]).ok();
    sandbox.refuses(&["monitor", "start"], 8, "not_rolled_out");
    sandbox.refuses(&["monitor", "tick"], 8, "not_rolled_out");
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    let after = sandbox.evidence("after_snapshot.json");
    let other = sandbox.on(&["monitor", "start", "--baseline", &after]).exits(2);
    assert!(other.stderr.contains("not the change's recorded baseline"), "{other}");
    let before = sandbox.evidence("before_snapshot.json");
    let answer = sandbox.on(&["monitor", "start", "--baseline", &before, "--days", "1"]).ok().json();
    assert_eq!(answer["monitor"], format!("[PROJECT]/{}", sandbox.record()));
    let days = sandbox.run(&["monitor", "status"]).ok().json()["days"].clone();
    assert_eq!(days, 3, "fewer days than verification demands are not enough");
}

#[test]
fn the_python_tools_monitor_is_shown_and_not_continued() {
    let sandbox = Sandbox::new();
    let _ = sandbox.run(&["init", "--no-prompt"]).ok();
    let state = json!({"schema": "vibeship_optimizer.monitor.v1", "change_id": "chg-1", "active": true, "days": 5});
    sandbox.write(".vibeship-optimizer/monitor.json", state.to_string());
    let status = sandbox.run(&["monitor", "status"]).ok().json();
    assert_eq!((&status["active"], &status["legacy"], &status["days"]), (&json!(false), &json!(true), &json!(5)));
    for command in [&["monitor", "tick"][..], &["monitor", "status"], &["status"], &["doctor", "--format", "text"]] {
        let told = sandbox.run(command).says(&["the Python tool's monitor of chg-1, which is not continued"]);
        assert_eq!(told.code == 2, command == ["monitor", "tick"], "{told}");
    }
}

#[test]
fn a_checkout_without_the_change_is_not_measured_for_it() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    sandbox.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    let output = sandbox.run(&["monitor", "tick"]).exits(1);
    assert!(output.stderr.contains("not in the history of what is checked out"), "{output}");
}

#[test]
fn a_change_that_cannot_be_measured_does_not_cost_another_its_day() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    let first = sandbox.id();
    sandbox.start("a third of it").contract().before().improve(30.0).validate().after().compare();
    let _ = sandbox.on(&["change", "promote"]).ok();
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    // The checkout has the first change and not the second.
    sandbox.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    let _ = sandbox.run(&["monitor", "tick"]).exits(1);
    assert!(sandbox.path(format!("reports/optimizer/{first}_day0.md")).exists());
    assert!(!sandbox.path(sandbox.evidence("day0.md")).exists());
}

/// Edits the record's events and seals the chain again, as somebody with an editor and a script could.
fn forge(sandbox: &Sandbox, edit: impl FnOnce(&mut Vec<vibeship_optimizer::model::Event>)) {
    use vibeship_optimizer::workflow::{Change, chain};
    let record = sandbox.json(sandbox.record());
    let mut events: Vec<vibeship_optimizer::model::Event> = serde_json::from_value(record["events"].clone()).unwrap();
    edit(&mut events);
    let mut sealed: Vec<vibeship_optimizer::model::Event> = Vec::new();
    for event in events {
        sealed.push(chain::seal(sealed.last(), event.what, event.actor, event.at));
    }
    let change = Change::replay(sealed).unwrap();
    let bytes = vibeship_optimizer::store::record::bytes(&change);
    sandbox.write(sandbox.record(), bytes);
}

#[test]
fn backdated_events_do_not_verify() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    tick(&sandbox);
    // The rollout and its tick claim to be four days old.
    forge(&sandbox, |events| {
        for event in events.iter_mut() {
            event.at -= Duration::days(4);
        }
    });
    let verify = sandbox.on(&["change", "verify", "--apply", "--summary", "x"]).exits(1);
    assert!(verify.stderr.contains("not when it was recorded"), "{verify}");
}

#[test]
fn a_day_that_was_made_up_from_another_does_not_verify() {
    use vibeship_optimizer::model::{Kind, Tick};
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    three_days(&sandbox);
    let _ = sandbox.on(&["change", "verify"]).ok();
    // Day 2 is replaced by a copy of day 1, with every digest and time in the record adapted.
    let copied = sandbox.json(sandbox.evidence("day1_snapshot.json"));
    let real = sandbox.json(sandbox.evidence("day2_snapshot.json"));
    let write = |id: &Value, role: &str| {
        let mut snapshot = copied.clone();
        snapshot["generated_at"] = real["generated_at"].clone();
        snapshot["started_at"] = real["started_at"].clone();
        snapshot["id"] = id.clone();
        snapshot["role"] = json!(role);
        let text = format!("{snapshot:#}\n");
        sandbox.write(sandbox.evidence("day2_snapshot.json"), &text);
        let digest = vibeship_optimizer::model::Digest::of_bytes(text.as_bytes());
        forge(&sandbox, |events| {
            let last = events.last_mut().unwrap();
            let Kind::Ticked(Tick { taken, .. }) = &mut last.what else { panic!("the last event is a tick") };
            taken.snapshot.sha256 = digest;
        });
        sandbox.on(&["change", "verify", "--apply", "--summary", "x"])
    };
    let stale = write(&copied["id"], "day2").exits(1);
    assert!(stale.stderr.contains("its id was made at another moment"), "{stale}");
    let other = write(&real["id"], "day1").exits(1);
    assert!(other.stderr.contains("its role is not what the record says"), "{other}");
}

#[test]
fn an_alarm_cannot_be_taken_out_of_a_day() {
    use vibeship_optimizer::model::{Kind, Tick};
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    sandbox.write("ops.json", kpi(150.0));
    let _ = sandbox.run(&["monitor", "tick"]).exits(1);
    forge(&sandbox, |events| {
        let Kind::Ticked(Tick { alarms, .. }) = &mut events.last_mut().unwrap().what else { panic!("a tick") };
        alarms.clear();
    });
    let verify = sandbox.on(&["change", "verify"]).exits(1);
    assert!(verify.stderr.contains("recomputing the verdicts from it gives other results"), "{verify}");
}

#[test]
fn an_emergency_is_watched_by_its_absolute_criteria_and_has_to_be_followed_up() {
    let sandbox = Sandbox::new();
    sandbox.start_with("stop it", &["--class", "emergency", "--incident", "it burns", "--expires", "48h"]);
    let _ = sandbox
        .on(&[
            "change",
            "contract",
            "--hypothesis",
            "less load",
            "--kpi",
            "kpi.ops <= 500",
            "--guardrail",
            "kpi.ops <= 200",
            "--trigger",
            "kpi.ops > +10%",
            "--rollback",
            "unset LIMIT",
        ])
        .ok();
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    let emergency = sandbox.id();
    let calm = tick(&sandbox);
    assert_eq!(calm["raised"], json!([]));
    sandbox.write("ops.json", kpi(300.0)).later(Duration::days(1));
    let alarm = sandbox.run(&["monitor", "tick"]).exits(1).json();
    assert_eq!(alarm["raised"][0]["criterion"], "kpi.ops <= 200");
    sandbox.later(Duration::days(2));
    let preflight = sandbox.run(&["preflight"]).ok().json();
    let codes: Vec<&str> =
        preflight["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"ENV_OVERRIDE_EXPIRED"), "{preflight}");
    sandbox.refuses(&["change", "follow-up", "--by", &emergency], 8, "follow_up");
    assert_eq!(sandbox.on(&["change", "follow-up", "--by", "chg-nobody"]).code, 2);
}

#[test]
fn a_follow_up_whose_promotion_was_made_up_takes_no_emergency_over() {
    use vibeship_optimizer::model::{Artifact, Digest, Kind, Promotion};
    let sandbox = Sandbox::new();
    sandbox.start_with("stop it", &["--class", "emergency", "--incident", "it burns", "--expires", "6d"]);
    let contract = ["--hypothesis", "less load", "--kpi", "kpi.ops <= 500", "--guardrail", "kpi.ops <= 200"];
    let rest = ["--trigger", "kpi.ops > 900", "--rollback", "unset LIMIT"];
    let _ = sandbox.on(&[&["change", "contract"][..], &contract, &rest].concat()).ok();
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    let emergency = sandbox.id();
    for _ in 0..3 {
        sandbox.write("ops.json", kpi(100.0));
        assert_eq!(tick(&sandbox)["skipped"], false);
        sandbox.later(Duration::hours(24));
    }
    sandbox.later(Duration::hours(1)).start_with("for good", &["--parallel"]).contract().before();
    let by = sandbox.id();
    let _ = sandbox.run(&["change", "follow-up", "--change-id", &emergency, "--by", &by]).ok();
    let honest = sandbox.read(sandbox.record());
    let note = Artifact { path: sandbox.evidence("rollback.md"), sha256: Digest::of_bytes(b"undo it") };
    sandbox.write(&note.path, "undo it");
    forge(&sandbox, |events| {
        let mut made_up = events.last().unwrap().clone();
        let policy = Policy::default();
        made_up.what = Kind::Promoted(Promotion { rehearsal: Rehearsal::NotApplicable, policy, note });
        events.push(made_up);
    });
    let verify = || sandbox.run(&["change", "verify", "--change-id", &emergency]);
    assert_eq!(verify().code, 1, "a copied promotion");
    sandbox.write(sandbox.record(), honest).improve(50.0).validate().after().compare();
    let _ = sandbox.on(&["change", "promote"]).ok();
    let _ = verify().ok();
    for (in_effect, code) in [("taken back", 1), ("brought back", 0)] {
        sandbox.git(&["revert", "--no-edit", "HEAD"]);
        assert_eq!(verify().code, code, "{in_effect}");
    }
    // Its evidence also has to be intact.
    sandbox.write(sandbox.evidence("after_snapshot.json"), "{}");
    assert_eq!(verify().code, 1, "altered evidence");
}

#[test]
fn a_monitor_before_the_rollout_is_refused_with_what_comes_first() {
    let s = Sandbox::new();
    s.config_plus("rollout: {stages: [{name: canary}, {name: full}]}\n").compared("x");
    let _ = s.on(&["monitor", "start"]).exits(1).says(&["next: vibeship-optimizer change promote --change-id"]);
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["monitor", "start"]).exits(1).says(&["next: vibeship-optimizer change rollout canary --change-id"]);
    let _ = s.on(&["change", "rollout", "canary"]).ok();
    let _ = s.on(&["monitor", "tick"]).exits(1).says(&["next: vibeship-optimizer change rollout full --change-id"]);
    let all = s.run(&["monitor", "tick"]).exits(2);
    let _ = all.says(&["x is at the stage canary, and is measured daily from its full rollout on"]);
}

#[test]
fn one_commit_holds_the_evidence_of_all_measured_changes() {
    let s = Sandbox::new();
    s.rolled_out("one").start("two").contract().before().improve(40.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    for command in [&["monitor", "tick"][..], &["autopilot", "tick"]] {
        let ticked = s.run(command);
        assert_eq!(ticked.stderr.matches("git commit -m").count(), 1, "{ticked}");
    }
}

#[test]
fn the_earliest_verification_and_the_planned_end_are_distinguished() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let state = s.on(&["monitor", "status"]).ok().json();
    assert_eq!(state["verify_from"], "2026-03-05T09:00:00Z", "{state}");
    assert_eq!((&state["closes_at"], &state["days"]), (&"2026-03-07T09:00:00Z".into(), &5.into()), "{state}");
    let text = s.on(&["monitor", "status", "--format", "text"]).ok();
    let _ = text.says(&["Verified from", "2026-03-05 09:00 UTC", "Measured until", "2026-03-07 09:00 UTC"]);
    s.later(Duration::days(10));
    let late = s.on(&["monitor", "status", "--format", "text"]).ok();
    let _ = late.says(&["2026-03-14 00:00 UTC", "2026-03-16 00:00 UTC"]).never_says(&["2026-03-05"]);
}

#[test]
fn a_timer_never_passes_over_a_damaged_or_missing_record() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "evidence"]);
    let record = sandbox.record();
    let whole = sandbox.read(&record);
    for code in ["RECORD_UNREADABLE", "RECORD_MISSING"] {
        match code {
            "RECORD_MISSING" => std::fs::remove_file(sandbox.path(&record)).unwrap(),
            _ => drop(sandbox.write(&record, "{")),
        }
        let tick = sandbox.run(&["monitor", "tick"]).exits(2);
        assert_eq!(tick.json()["reason"], "records_not_known", "{tick}");
        assert_eq!(tick.json()["records_not_known"][0]["path"], record, "{tick}");
        for command in [&["monitor", "status"][..], &["doctor"], &["doctor", "--apply"]] {
            let _ = sandbox.run(command).exits(2).says(&[&record]);
        }
        let pilot = sandbox.run(&["autopilot", "tick", "--ok-on-pending", "--format", "json"]).exits(1);
        let answer = pilot.json();
        assert_eq!(answer["verify"]["ok"], false, "{pilot}");
        assert_eq!(answer["preflight"]["findings"][0]["code"], code, "{pilot}");
        assert!(answer["preflight"]["findings"][0]["message"].as_str().unwrap().contains(&record), "{pilot}");
        let status = sandbox.run(&["status"]).exits(2);
        assert!(status.stderr.contains(&record), "{status}");
        let check = sandbox.run(&["check"]).exits(1);
        assert!(check.stdout.contains(code) && check.stdout.contains(&record), "{check}");
        assert!(!check.stdout.contains("EVIDENCE_UNKNOWN"), "its evidence is known: {check}");
        sandbox.write(&record, &whole);
    }
    std::fs::remove_file(sandbox.path(&record)).unwrap();
    let fix = format!("git restore --source=HEAD --staged --worktree -- {record}");
    let _ = sandbox.run(&["check"]).exits(1).says(&[&fix]);
    sandbox.git(&["restore", "--source=HEAD", "--staged", "--worktree", "--", &record]);
    assert_eq!(tick(&sandbox)["skipped"], false);
}

#[test]
#[cfg(unix)]
fn a_foreign_file_among_the_records_is_moved_away_and_a_range_with_it_fails() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "Evidence"]);
    let record = s.record();
    let copy = record.replace(".json", " (1).json");
    s.write(&copy, s.read(&record));
    let away = format!("mv '{copy}' ..");
    for command in [&["status"][..], &["monitor", "tick"], &["check"]] {
        assert_ne!(s.run(command).says(&[&copy]).code, 0);
    }
    let _ = s.run(&["check"]).exits(1).says(&["no commit has it as a record", &format!("next: {away}")]);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "Evidence"]);
    let range = ["check", "--range", "HEAD~1..HEAD"];
    let _ = s.run(&range).exits(1).says(&["RECORD_UNREADABLE", &copy, &away]);
    s.take(&[away]).unwrap();
    let _ = s.run(&["status"]).ok();
    s.git(&["commit", "-qam", "Move it away"]);
    let _ = s.run(&["check", "--range", "HEAD~2..HEAD"]).ok();
}

#[test]
fn a_damaged_record_is_restored_from_a_commit_or_moved_away_if_none_has_it() {
    let s = Sandbox::new();
    s.start("halve it").git(&["add", "-A"]);
    s.git(&["commit", "-qm", "open"]);
    let record = s.record();
    s.write(&record, s.read(&record).replace("halve", "double"));
    let _ = s.run(&["check"]).exits(1).says(&[&format!("next: git checkout HEAD -- {record}")]);
    s.git(&["commit", "-qam", "spoil it"]);
    let back = format!("next: git checkout [SHORT] -- {record}");
    let _ = s.run(&["check"]).exits(1).says(&[&back]).never_says(&["error: "]);
    let other = ".vibeship-optimizer/changes/chg-other.json";
    s.write(other, s.read(&record));
    let _ =
        s.run(&["monitor", "tick"]).exits(2).says(&["no commit has it as a record", &format!("next: mv {other} ..")]);
}

#[test]
fn what_no_day_could_judge_is_said_by_the_stage_the_status_and_the_verification() {
    let sandbox = Sandbox::new();
    // Without `exact`, the value is a single run, which decides nothing.
    sandbox.write("lag.json", "{\"lag\": 5}\n");
    let kpis = "  - {name: lag, file: lag.json, pointer: /lag, better: lower}\nsize_paths";
    sandbox.config(&crate::support::CONFIG.replace("size_paths", kpis));
    sandbox.start("halve it").contract();
    let _ = sandbox.on(&["change", "contract", "--trigger", "kpi.lag > +10%"]).ok();
    sandbox.before().write("lag.json", "{ \"lag\": 5 }\n").improve(50.0).validate().after().compare();
    let _ = sandbox.on(&["change", "promote"]).ok();
    let stage = sandbox.on(&["change", "rollout", "full"]).ok();
    assert!(stage.stderr.contains("full: begun although kpi.lag > +10% is undecided"), "{stage}");
    let logbook = sandbox.read("VIBESHIP_OPTIMIZER.md");
    let line = logbook.lines().find(|line| line.contains("Rollout full")).unwrap();
    assert!(line.contains("undecided") && line.contains("kpi.lag > +10%"), "{line}");
    three_days(&sandbox);
    let said = "no monitored day could judge kpi.lag > +10%";
    let _ = sandbox.run(&["status"]).ok().says(&[said]).never_says(&["nothing of the contract"]);
    let answer = sandbox.on(&["change", "verify", "--apply", "--summary", "it held"]).ok();
    assert_eq!(answer.json()["warnings"], json!([said]), "{answer}");
    assert!(answer.stderr.contains(said), "{answer}");
}

#[test]
fn a_day_measured_again_is_one_day() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.run(&["monitor", "tick"]).ok();
    s.later(Duration::minutes(1));
    let _ = s.run(&["monitor", "tick", "--force"]).ok();
    let status = s.run(&["status"]).ok();
    assert_eq!(status.stdout.matches("2026-03-02").count(), 2, "the rollout and its one day: {status}");
}

#[test]
fn next_run_measures_the_day_and_tells_once_what_comes_then() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let ran = s.run(&["next", "--run"]).ok().says(&["wait until"]);
    assert!(s.path(s.evidence("day0_snapshot.json")).is_file(), "{ran}");
}

#[test]
fn no_day_counts_while_the_change_is_undone_in_the_work_tree_and_other_work_is_told() {
    let s = Sandbox::new();
    s.start("x").contract().before().write("src/main.txt", "faster\n").improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.write("src/main.txt", "as it was\n");
    let _ = s.run(&["monitor", "tick"]).exits(1).says(&["not in effect", "src/main.txt"]);
    assert!(s.shown()["events"].as_array().unwrap().iter().all(|event| event["kind"] != "ticked"));
    s.git(&["checkout", "-q", "HEAD", "--", "src/main.txt"]);
    s.write("idea.txt", "next idea\n");
    assert_eq!(tick(&s)["runs_completed"], 1);
    assert!(s.read(s.evidence("day0.md")).contains("with uncommitted work"));
}

#[test]
fn a_change_that_has_commits_is_not_measured_out_of_gits_sight() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    std::fs::rename(s.path(".git"), s.outside().join("away")).unwrap();
    s.refuses(&["monitor", "tick"], 8, "not_in_effect");
    let _ = s.run(&["check"]).troubled(&["no git repository"]);
    std::fs::rename(s.outside().join("away"), s.path(".git")).unwrap();
    let _ = s.run(&["monitor", "tick"]).ok();
    // A baseline without git says nothing about what a commit changed.
    let s = Sandbox::new();
    s.start("x").contract();
    std::fs::rename(s.path(".git"), s.outside().join("away")).unwrap();
    s.before();
    std::fs::rename(s.outside().join("away"), s.path(".git")).unwrap();
    s.improve(50.0).refuses(&["validate"], 3, "baseline_not_ancestor");
}

/// Reverting the emergency would also revert what replaces it.
#[test]
fn an_emergency_is_not_rolled_back_while_its_follow_up_is_in_effect() {
    let sandbox = Sandbox::new();
    sandbox.start_with("stop it", &["--class", "emergency", "--incident", "it burns", "--expires", "6d"]);
    let contract = ["--hypothesis", "less load", "--kpi", "kpi.ops <= 500", "--guardrail", "kpi.ops <= 200"];
    let rest = ["--trigger", "kpi.ops > 900", "--rollback", "echo 100 > tuned.txt"];
    let _ = sandbox.on(&[&["change", "contract"][..], &contract, &rest].concat()).ok();
    sandbox.improve(90.0);
    let _ = sandbox.on(&["change", "rollout", "full"]).ok();
    let emergency = sandbox.id();
    sandbox.compared("for good");
    let by = sandbox.id();
    let _ = sandbox.run(&["change", "follow-up", "--change-id", &emergency, "--by", &by]).ok();
    let rollback = ["change", "rollback", "--change-id", &emergency, "--reason", "replaced"];
    for flags in [&[][..], &["--apply"]] {
        let refused = sandbox.run(&[&rollback[..], flags].concat()).exits(1);
        let _ = refused.says(&[&by, "took it over", "change verify --change-id", "change rollback --change-id"]);
    }
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    let _ = sandbox.run(&[&rollback[..], &["--apply"]].concat()).ok();
}

#[test]
fn a_later_commit_of_what_is_measured_is_named_before_a_rollback_is_offered() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("file: ops.json, pointer: /ops", "cmd: cat ops.txt"));
    s.write("ops.txt", "100\n").commit_as("ops", &[]).start("x").contract().before();
    s.write("ops.txt", "50\n").commit("tune").validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.write("README", "prose\n").commit_as("Prose", &[]);
    s.write("src/main.txt", "slower, and slower, and slower\n").commit_as("Bob's feature", &[]);
    s.later(Duration::days(1));
    let tick = s.run(&["monitor", "tick"]).exits(1);
    for told in [tick, s.on(&["status"]).ok()] {
        let _ = told
            .says(&["the later commits that touch what it is measured by: ", "Bob's feature", "next: git show --stat "])
            .says(&["or:   vibeship-optimizer change resolve", "or:   vibeship-optimizer change rollback"])
            .never_says(&["Prose", "next: vibeship-optimizer change rollback", "To roll back"]);
    }
    // The same cause on the next day is told once.
    s.later(Duration::days(1));
    let told = s.run(&["monitor", "tick"]).exits(1);
    assert_eq!(told.stderr.matches("alarm: size.src").count(), 1, "{told}");
}

#[test]
fn an_alarm_because_the_config_measures_in_another_way_names_the_key() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.config(&CONFIG.replace("file: ops.json, pointer: /ops", "cmd: cat tuned.txt")).later(Duration::days(1));
    let told = s.run(&["monitor", "tick"]).exits(1).says(&["kpis.ops.cmd (", "cat tuned.txt", "configure"]);
    let _ = told.never_says(&["next: vibeship-optimizer change rollback"]);
}
