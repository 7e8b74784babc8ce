//! The checklists of a day, the timer's command, and the page of all changes.

use chrono::Duration;
use serde_json::json;

use crate::support::{Sandbox, kpi};

#[test]
fn a_day_does_not_end_with_a_change_that_nobody_decided_about() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve it");
    let record = sandbox.read(sandbox.record());
    let open = sandbox.run(&["day", "close"]).exits(1);
    assert!(open.stderr.contains(&sandbox.id()) && open.stderr.contains("--decide"), "{open}");
    assert_eq!(sandbox.read(sandbox.record()), record);
    let decide = |what: &str| {
        sandbox.run(&["day", "close", "--format", "json", "--decide", &format!("{}={what}", sandbox.id())])
    };
    let again = format!("day close --decide {}=undecided:WHY", sandbox.id());
    let _ = decide("undecided").exits(2).says(&["a decision has a reason", &again]);
    assert_eq!(decide("maybe:x").code, 2);
    assert_eq!(sandbox.run(&["day", "close", "--decide", "chg-nobody=hold:x"]).code, 2);
    let closed = decide("hold:one more day of data").ok().json();
    assert_eq!((&closed["stable"], &closed["decisions"][0]["decision"]), (&json!(true), &json!("hold")));
    let shown = sandbox.shown();
    let kinds: Vec<&str> =
        shown["events"].as_array().unwrap().iter().map(|it| it["what"]["kind"].as_str().unwrap()).collect();
    assert!(kinds.ends_with(&["ticked", "day_decided"]), "the day was measured, then decided: {kinds:?}");
    assert!(sandbox.read("VIBESHIP_OPTIMIZER.md").contains("one more day of data"));
    let again = sandbox.run(&["day", "close", "--format", "json"]).ok().json();
    assert_eq!((&again["stable"], &again["decisions"]), (&closed["stable"], &closed["decisions"]));
    let undecided = decide("undecided:wait for the canary").ok().json();
    let again = sandbox.run(&["day", "close", "--format", "json"]).ok().json();
    assert_eq!((&undecided["stable"], &again["stable"]), (&json!(false), &json!(false)), "nothing was settled");
    sandbox.later(Duration::days(1));
    let _ = sandbox.run(&["day", "close"]).exits(1);
}

#[test]
fn the_morning_names_tuneables_that_changed_unrecorded() {
    let sandbox = Sandbox::new();
    sandbox.config_plus("tuneables: {files: [tune.json], env: {limit: APP_LIMIT}, watch_env: [APP_MODE]}\n");
    sandbox.write("tune.json", "{\"limit\": 10}\n").commit_as("tune", &[]);
    sandbox.rolled_out("halve it");
    let well = sandbox.run(&["day", "open", "--format", "json"]).ok().json();
    assert_eq!((&well["well"], &well["tuneables"]["limit"]["layer"]), (&json!(true), &json!("tune.json")));
    assert_eq!(well["changes"][0]["change_id"], sandbox.id());
    sandbox.set("APP_LIMIT", "99");
    let moved = sandbox.run(&["day", "open", "--format", "json"]).exits(1).json();
    assert_eq!(moved["tuneables_moved"][0]["key"], "limit");
    let text = sandbox.run(&["day", "open"]).exits(1).says(&["set in this environment", "APP_LIMIT"]);
    assert!(text.stdout.contains("env:APP_LIMIT") && text.stdout.contains("it was"), "{text}");
    let found = sandbox.set("APP_MODE", "fast").run(&["preflight"]).ok().json();
    let code = |code: &str| found["findings"].as_array().unwrap().iter().find(|it| it["code"] == code).cloned();
    assert!(code("TUNEABLES_UNRECORDED").is_some(), "{found}");
    let overrides = code("ENV_OVERRIDES").unwrap()["message"].to_string();
    assert!(overrides.contains("APP_LIMIT") && overrides.contains("APP_MODE"), "{overrides}");
}

#[test]
fn the_morning_asks_the_health_probes() {
    let sandbox = Sandbox::new();
    // Nothing listens on port 9 (discard) of a test machine.
    sandbox.config_plus("http_probes: [{url: \"http://127.0.0.1:9/health\", timeout_s: 2}]\n");
    let morning = sandbox.run(&["day", "open", "--format", "json"]).exits(1).json();
    assert!(morning["health"][0]["failure"].is_string(), "{morning}");
}

#[test]
fn the_autopilot_ticks_and_says_what_is_pending() {
    let sandbox = Sandbox::new();
    let idle = sandbox.run(&["autopilot", "tick", "--format", "json"]).ok().json();
    assert_eq!(idle["schema"], "vibeship_optimizer.autopilot_tick.v1");
    assert_eq!((&idle["monitor"]["skipped"], &idle["monitor"]["reason"]), (&json!(true), &json!("no_active_monitor")));
    sandbox.rolled_out("halve it");
    let pending = sandbox.run(&["autopilot", "tick", "--format", "json"]).exits(3).json();
    assert_eq!((&pending["monitor"]["skipped"], &pending["verify"]["ok"]), (&json!(false), &json!(false)));
    assert_eq!(pending["verify"]["pending"], true);
    assert_eq!(pending["change_id"], sandbox.id());
    for _ in 0..2 {
        sandbox.later(Duration::days(1));
        let _ = sandbox.run(&["autopilot", "tick", "--ok-on-pending"]).ok();
    }
    let text = sandbox.run(&["autopilot", "tick", "--ok-on-pending", "--format", "text"]).ok();
    let _ = text.says(&["(TIMINGS_EMPTY, HTTP_PROBES_EMPTY"]);
    sandbox.later(Duration::hours(25));
    let ready = sandbox.run(&["autopilot", "tick", "--format", "json"]).ok().json();
    assert_eq!(ready["verify"]["ok"], true, "{ready}");
    assert_ne!(sandbox.shown()["status"], "verified", "calling it verified is a person's word");
    sandbox.write("ops.json", kpi(500.0));
    let alarm = sandbox.run(&["autopilot", "tick", "--force", "--ok-on-pending"]).exits(1);
    assert!(alarm.stderr.contains("To roll back: git revert"), "{alarm}");
}

#[test]
fn the_first_commit_of_all_needs_no_change() {
    let s = Sandbox::without_git();
    s.git(&["init", "-q"]);
    s.write("vibeship_optimizer.yml", crate::support::CONFIG);
    let _ = s.run(&["hooks", "install"]).ok();
    let _ = s.run(&["init", "--no-prompt"]).ok().says(&["enforcement.exempt"]);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Everything so far"]);
    s.write("src/main.txt", "faster\n");
    assert!(!s.command("git").args(["commit", "-qam", "No change"]).status().unwrap().success());
}

#[test]
fn of_several_watched_changes_the_one_with_all_its_days_is_verified() {
    let s = Sandbox::new();
    s.rolled_out("first");
    let first = s.id();
    for _ in 0..3 {
        let _ = s.run(&["monitor", "tick"]).ok();
        s.later(Duration::hours(24));
    }
    s.later(Duration::hours(1)).start("second").contract().before().improve(20.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    let verified = s.run(&["change", "verify", "--apply", "--summary", "it held"]).ok();
    assert!(
        s.read(format!(".vibeship-optimizer/changes/{first}.json")).contains("\"status\": \"verified\""),
        "{verified}"
    );
}

/// Two changes that are rolled out.
fn two_watched() -> Sandbox {
    let s = Sandbox::new();
    s.rolled_out("first");
    s.start_with("second", &["--parallel"]).contract().before().improve(20.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s
}

#[test]
fn several_monitored_changes_are_measured_together_if_no_decision_is_left() {
    let s = two_watched();
    s.later(Duration::hours(24));
    let tick = "next: vibeship-optimizer monitor tick";
    let _ = s.run(&["status", "--format", "text"]).ok().says(&[tick, "or:   vibeship-optimizer change use "]);
    let _ = s.run(&["next", "--run"]).ok().never_says(&["changes are open"]);
    let ticked = s.run(&["monitor", "status", "--format", "json"]).ok().json();
    let days: Vec<_> = ticked["changes"].as_array().unwrap().iter().map(|it| it["runs_completed"].clone()).collect();
    assert!(days.len() == 2 && days.iter().all(|days| *days == 1), "{ticked}");
    let _ = s.run(&["status", "--format", "text"]).ok().never_says(&[tick]);
}

#[test]
fn a_step_before_the_rollout_does_not_select_a_watched_change() {
    let s = Sandbox::new();
    s.rolled_out("first");
    let first = s.id();
    s.start_with("second", &["--parallel"]);
    let second = s.id();
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok();
    let again = format!("or:   vibeship-optimizer change start --from {second}");
    let told = format!("no change is open before its rollout; {first} is rolled out, and watched");
    for step in [
        &["validate"][..],
        &["snapshot", "--as", "before"],
        &["snapshot", "--as", "after"],
        &["compare"],
        &["change", "promote"],
        &["change", "contract", "--kpi", "kpi.ops <= -1%"],
    ] {
        let _ = s.run(step).exits(1).says(&[&told, &again]);
    }
    let _ = s.run(&["validate", "--change-id", &first]).exits(1).says(&["it was passed already"]);
}

/// The numbers in the README, which `examples/numbers.sh` measures.
#[test]
fn a_verdict_takes_three_commands_and_one_commit_and_verification_at_most_nine() {
    let s = Sandbox::new();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Set up"]);
    let _ = s.run(&["hooks", "install"]).ok();
    let mut typed = 0;
    let mut run = |arguments: &[&str]| {
        typed += 1;
        s.run(arguments).ok()
    };
    let start = ["change", "start", "--title", "halve it", "--hypothesis", "half the operations"];
    let contract = ["--kpi", "kpi.ops <= -10%", "--guardrail", "size.src <= +100%", "--trigger", "kpi.ops > +10%"];
    let _ = run(&[&start[..], &contract].concat()).says(&["next: vibeship-optimizer snapshot"]);
    let _ = run(&["next", "--run"]);
    s.later(Duration::minutes(5)).tune(50.0);
    s.git(&["add", "ops.json", "tuned.txt"]);
    s.git(&["commit", "-q", "-m", "Tune it"]);
    let _ = run(&["next", "--run"]).says(&["everything passes: promote it"]);
    let _ = run(&["change", "promote"]);
    let _ = run(&["change", "rollout", "full"]);
    for _ in 0..3 {
        // Run by the timer.
        let _ = s.run(&["monitor", "tick"]).ok();
        s.later(Duration::hours(24));
    }
    s.later(Duration::hours(1));
    let _ = run(&["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Bob"]);
    let _ = run(&["change", "verify", "--apply", "--summary", "it held"]);
    assert!(typed <= 9, "{typed} commands");
}

#[test]
fn the_page_stands_alone_and_the_summary_says_the_same() {
    let sandbox = Sandbox::new();
    sandbox.rolled_out("halve <b>it</b> & 'more'");
    let _ = sandbox.run(&["monitor", "tick"]).ok();
    let answer = sandbox.run(&["report"]).ok();
    let page = sandbox.read(".vibeship-optimizer/cache/report.html");
    assert!(answer.stdout.contains("report.html"), "{answer}");
    assert!(page.starts_with("<!doctype html>") && page.contains(&sandbox.id()), "{page}");
    assert!(!page.contains("<b>it</b>") && !page.contains("<script") && !page.contains("http-equiv=\"refresh"));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "nothing comes over the network");
    assert_eq!(
        sandbox.git(&["check-ignore", ".vibeship-optimizer/cache/report.html"]),
        ".vibeship-optimizer/cache/report.html"
    );
    let summary = sandbox.run(&["report", "--format", "markdown"]).ok();
    assert!(summary.stdout.contains(&sandbox.id()) && summary.stdout.contains("| "), "{summary}");
    let record = sandbox.record();
    let over = sandbox.run(&["report", "--out", &record]).exits(2);
    assert!(over.stderr.contains("in the state directory"), "{over}");
    let text = sandbox.read(&record).replacen("halve", "hulve", 1);
    sandbox.write(&record, text);
    let damaged = sandbox.run(&["report", "--out", "page.html"]).exits(2);
    assert!(damaged.stderr.contains("was altered"), "{damaged}");
    assert!(sandbox.read("page.html").contains("was altered"));
}

#[test]
fn evidence_that_a_reset_record_lacks_is_reported() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let early = s.read(s.record());
    s.improve(50.0).validate().after().compare();
    s.write(s.record(), early);
    let _ = s.run(&["check"]).says(&["EVIDENCE_SET_ASIDE", "the record was reset to an earlier version"]);
}

#[test]
fn earlier_decisions_of_the_day_count_when_it_is_closed_again() {
    let s = Sandbox::new();
    s.rolled_out("halve it");
    let decided = format!("{}=undecided:one more day", s.id());
    let _ = s.run(&["day", "close", "--decide", &decided, "--format", "text"]).ok().says(&["not stable"]);
    let _ = s.run(&["day", "close", "--format", "text"]).ok().says(&["not stable", "one more day"]);
}
