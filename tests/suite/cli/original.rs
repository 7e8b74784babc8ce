//! The interface of the Python tool: its JSON under its schema names, its documented examples, and the intended
//! differences, which `docs/migrating.md` lists.

use serde_json::Value;

use crate::support::{CONFIG, Sandbox};

/// Asserts that an object has these fields of the Python tool; it may have more.
#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "no {field} in {value:#}");
    }
}

/// Evidence of the Python tool belongs to no change of ours: it is not reported as unknown and must not be removed.
#[test]
fn evidence_of_the_python_tool_is_left_alone() {
    let s = Sandbox::new();
    let snapshot = "{\"schema\": \"vibeship_optimizer.snapshot.v1\", \"generated_at\": \"2026-02-15T13:20:34Z\"}";
    s.write("reports/optimizer/chg-20260215-132034_before_snapshot.json", snapshot);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "Evidence"]);
    let _ = s.run(&["check"]).ok().never_says(&["EVIDENCE_UNKNOWN", "rm "]);
    s.write("reports/optimizer/chg-20260215-132034_after_snapshot.json", "{}");
    let _ = s.run(&["check"]).says(&["EVIDENCE_UNKNOWN", "132034_after_snapshot.json"]);
}

#[test]
fn json_under_the_original_s_schema_names_has_its_fields() {
    let s = Sandbox::new();
    let json = |arguments: &[&str]| s.run(arguments).json();
    let onboard = json(&["onboard", "--timing-cmd", "true", "--format", "json"]);
    has(&onboard, &["schema", "ok", "project_root", "config_path", "dry_run", "changes", "next_steps"]);
    has(&onboard["changes"][0], &["code", "value"]);
    s.commit_as("onboarded", &[]);
    let analyze = json(&["analyze"]);
    has(&analyze, &["project_root", "languages_detected", "intents", "largest_files", "questions"]);
    let dirs: Vec<&str> =
        analyze["dir_sizes"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(dirs, [".", "src"]);
    let preflight = json(&["preflight"]);
    has(&preflight, &["schema", "generated_at", "project_root", "worst_level", "git", "config_path", "findings"]);
    assert_eq!(preflight["analysis"]["schema"], analyze["schema"]);
    has(&preflight["findings"][0], &["level", "code", "message", "hint"]);
    let doctor = json(&["doctor"]);
    has(&doctor, &["schema", "apply", "config_path", "actions", "note"]);
    let bundle = json(&["llm", "bundle", "--format", "json"]);
    has(&bundle, &["schema", "project_root", "change_id", "git", "config_path", "config_summary", "note", "analyze"]);
    let cron = json(&["openclaw", "cron-setup", "--channel", "telegram"]);
    let spec = ["name", "cron", "tz", "project_root", "change_id", "thinking", "model", "announce", "channel", "to"];
    has(&cron["spec"], &spec);
    let failed = s.set("PATH", "").run(&["openclaw", "cron-setup", "--apply"]).exits(2).json();
    s.unset("PATH");
    assert_eq!(failed["result"]["ok"], false);
    has(&failed, &["spec"]);
    s.rolled_out("halve it");
    let tick = s.run(&["monitor", "tick"]).ok().json();
    has(&tick, &["skipped", "today_utc", "day", "snapshot", "report", "runs_completed", "days"]);
    let status = json(&["monitor", "status"]);
    let fields = ["active", "change_id", "days", "started_at", "runs_completed"];
    has(&status, &fields);
    assert_eq!(status["schema"], "vibeship_optimizer.monitor.v1");
    assert_eq!((&status["last_run_utc_date"], &status["baseline_snapshot"]), (&tick["today_utc"], &status["baseline"]));
}

#[test]
fn files_are_markdown_unless_their_name_says_json() {
    let s = Sandbox::new();
    for command in [&["analyze"][..], &["preflight"], &["llm", "bundle"]] {
        let _ = s.run(&[command, &["--out", "reports/vibeship_optimizer_x.md"]].concat()).ok();
        assert!(!s.read("reports/vibeship_optimizer_x.md").starts_with('{'), "{command:?}");
        let _ = s.run(&[command, &["--out", "x.json"]].concat()).ok();
        assert!(s.json("x.json").is_object(), "{command:?}");
    }
    std::fs::remove_file(s.path("x.json")).unwrap();
    let wrote = s.run(&["llm", "bundle"]).ok().json();
    assert!(s.read(wrote["wrote"].as_str().unwrap()).starts_with("# What is known"));
    s.start("halve it").contract().before();
    let snapshot = s.run(&["snapshot", "--lab", "x", "--change-id", "", "--as="]).ok().stdout;
    assert!(s.path(snapshot.trim()).is_file() && snapshot.starts_with(".vibeship-optimizer/snapshots/"), "{snapshot}");
    let unnamed = s.run(&["snapshot", "--label", ""]).ok().stdout;
    assert!(unnamed.trim().ends_with("_snapshot.json"), "{unnamed}");
    let compare =
        ["compare", "--before", snapshot.trim(), "--after", unnamed.trim(), "--out", "", "--json-out", "c.json"];
    let _ = s.run(&compare).ok().says(&["## Size deltas", "Wrote: c.json"]);
    let _ = s.run(&["report", "--format", "html"]).ok();
    let _ = s.run(&["status", "--format", "html"]).troubled(&["html is for `report`"]);
    s.go_to("src");
    let elsewhere = s.run(&["snapshot"]).ok().stdout;
    assert!(elsewhere.starts_with("[PROJECT]/.vibeship-optimizer"), "a relative path would lead nowhere: {elsewhere}");
}

#[test]
fn jobs_that_the_original_installed_read_the_answers_on() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("review: {require_attestation: false}\n", ""));
    let tick = ["autopilot", "tick", "--force", "--format", "json", "--ok-on-pending", "--change-id"];
    for nobody in ["chg-nobody", "nobody", "chg-", "x"] {
        let unknown = s.run(&[&tick[..], &[nobody]].concat()).exits(2).json();
        assert_eq!(unknown["monitor"]["reason"], "no_active_monitor");
        let failures = &unknown["verify"]["failures"];
        assert!(failures[0].as_str().unwrap().starts_with("change record not found: "), "{unknown}");
        let verify = s.run(&["change", "verify", "--change-id", nobody]).exits(2).json();
        assert_eq!((&verify["ok"], &verify["failures"]), (&unknown["verify"]["ok"], failures));
    }
    s.rolled_out("halve it");
    let failures = |value: &Value| -> Vec<String> {
        value["failures"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let missing = |value: &Value| failures(value).iter().any(|it| it.starts_with("review attestation missing"));
    assert!(missing(&s.on(&["change", "verify"]).exits(1).json()));
    // Codex in the mode high, as in the Python tool's defaults; other modes are refused here too.
    let _ = s.on(&["review", "attest", "--tool", "claude", "--reasoning-mode", "high"]).exits(1).says(&["plan"]);
    let _ = s.on(&["review", "attest", "--model", "gpt"]).ok();
    let pending = s.run(&[&tick[..], &[&s.id()]].concat()).ok().json();
    let left = failures(&pending["verify"]);
    assert!(!left.is_empty() && left.iter().all(|it| it.starts_with("insufficient monitor ticks: ")), "{left:?}");
    let text = s.run(&["autopilot", "tick", "--ok-on-pending"]).ok().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("vibeship-optimizer autopilot tick: {}", s.id()));
    assert!(lines[1].starts_with("- monitor: skipped (already_ran_today)"), "{text}");
    assert!(
        lines[2].starts_with("- preflight: worst=") && lines[3].starts_with("- verify: ok=False failures="),
        "{text}"
    );
}

/// The Python tool's documented examples in its order, with the contract and the validation added where they are
/// required here. Where an exit code differs, the list of differences gives the reason.
#[test]
fn its_documented_examples_end_as_there_or_as_the_list_of_differences_says() {
    let s = Sandbox::new();
    let id = |text: &str| text.replace("ID", &s.id());
    let run = |line: &str, original: i32, here: i32, reason: &str| {
        let words: Vec<String> = line.split(' ').map(|word| id(&word.replace('~', " "))).collect();
        let output = s.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.code, here, "{output}");
        let listed = include_str!("../../../docs/migrating.md");
        assert!(original == here || (!reason.is_empty() && listed.contains(reason)), "{line}: {reason}");
    };
    for line in ["--help", "onboard", "init --onboard --no-prompt", "init", "doctor", "analyze", "preflight"] {
        run(line, 0, 0, "");
    }
    s.start_with("Reduce memory usage", &["--risk", "low", "--rollback", "git revert <sha>"]);
    run("change start --title Second", 0, 1, "several open changes");
    run("snapshot --label before --change-id ID --as before", 0, 1, "any order of commands");
    s.contract();
    run("snapshot --label before --change-id ID --as before", 0, 0, "");
    s.improve(50.0).validate();
    for line in [
        "preflight --change-id ID --out reports/vibeship_optimizer_preflight.md",
        "analyze --out reports/vibeship_optimizer_analyze.md",
        "snapshot --label after --change-id ID --as after",
        "compare --before reports/optimizer/ID_before_snapshot.json --after reports/optimizer/ID_after_snapshot.json \
         --out reports/vibeship_optimizer_compare.md",
    ] {
        run(line, 0, 0, "");
    }
    for row in ["`snapshot --as` writes to `snapshots/`", "the markdown of `compare` has four sections"] {
        assert!(include_str!("../../../docs/migrating.md").contains(row), "{row}");
    }
    let compared = s.read("reports/vibeship_optimizer_compare.md");
    let places = ["## Verdicts", "## Git", "## Size deltas", "## Timing deltas", "## HTTP probes"];
    assert!(places.map(|title| compared.find(title).unwrap()).is_sorted(), "{compared}");
    run("monitor start --change-id ID --days 5", 0, 1, "any order of commands");
    run("monitor tick", 0, 2, "a change is monitored from its full rollout on");
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    for line in [
        "monitor start --change-id ID --days 5",
        "monitor tick",
        "monitor tick --force",
        "monitor status",
        "review bundle --change-id ID --out reports/vibeship_optimizer_review_bundle.md",
        "review attest --change-id ID --tool codex --reasoning-mode high --model M --reviewer Ada",
        "review attest --change-id ID --tool codex --reasoning-mode xhigh --model M --reviewer Ada",
        "openclaw cron-setup --change-id ID --cron 0~7~*~*~* --tz Asia/Dubai --channel telegram --to 1",
        "autopilot tick --change-id ID --force --format json --ok-on-pending",
        "llm prompt",
        "llm bundle --change-id ID",
        "change list",
    ] {
        run(line, 0, 0, "");
    }
    run("autopilot tick --change-id ID", 2, 3, "3 while only time is missing");
    run("change verify --change-id ID", 2, 3, "3 while only time is missing");
    run("change verify --change-id ID --apply --summary fine", 2, 3, "3 while only time is missing");
    let record = s.json(s.record());
    assert_eq!(record["verification_updates"].as_array().unwrap().len(), 1, "a day measured again is one day");
}
