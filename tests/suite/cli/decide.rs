//! `change promote`, `hold`, `reject`, `rollout`, `rollback`, `note`.

use chrono::Duration;

use crate::support::{CONFIG, Sandbox, kpi};

#[test]
fn hold_and_reject_need_a_reason() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["change", "hold"]).exits(2);
    s.refuses(&["change", "hold", "--reason", "  "], 6, "reason").refuses(
        &["change", "reject", "--reason", ""],
        6,
        "reason",
    );
    let _ = s.on(&["change", "hold", "--reason", "later"]).ok();
    assert_eq!(s.shown()["status"], "held");
    s.refuses(&["change", "promote"], 6, "ended");
}

#[test]
fn an_experiment_is_never_promoted() {
    let s = Sandbox::new();
    s.start_with("x", &["--class", "experiment"]).contract().before().improve(50.0).validate().after().compare();
    s.refuses(&["change", "promote"], 6, "not_in_class");
    let _ = s.on(&["change", "hold", "--reason", "measured"]).ok();
    let experiment = s.id();
    s.start_with("for real", &["--from", &experiment]);
    assert!(s.json(s.record())["events"][0].to_string().contains(&experiment));
}

#[test]
fn an_emergency_says_what_happened_and_when_it_ends() {
    let s = Sandbox::new();
    let refused = s.run(&["change", "start", "--title", "x", "--class", "emergency"]);
    insta::assert_snapshot!(refused, @r#"
    $ change start --title x --class emergency
    exit 1
    --- stderr
    refused at gate 0 (open): an emergency needs a note on the incident
    next: vibeship-optimizer change start --title x --class emergency --incident "WHAT HAPPENED" --expires 24h
    "#);
    let refused = s.run(&["change", "start", "--title", "x", "--class", "emergency", "--incident", "down"]);
    let _ = refused.exits(1).says(&["expires"]);
}

#[test]
fn a_tuneable_change_needs_tuneables() {
    let refused = Sandbox::new().run(&["change", "start", "--title", "x", "--class", "tuneable"]);
    insta::assert_snapshot!(refused, @"
    $ change start --title x --class tuneable
    exit 1
    --- stderr
    refused at gate 0 (open): a change of class tuneable needs `tuneables` in the config, so that changed keys can be seen
    # add tuneables to the config, or open a change of code
    next: vibeship-optimizer change start --title x --class code
    ");
}

#[test]
fn a_tuneable_change_lists_the_keys_that_changed() {
    let s = Sandbox::new();
    s.write("tune.json", "{\"limit\": 5}\n").write("ops.json", crate::support::kpi(101.0));
    s.config_plus("tuneables: {files: [tune.json]}\n");
    s.start_with("lower", &["--class", "tuneable"]).contract().before();
    s.write("src/main.txt", "other\n").commit("no tuneable").refuses(&["validate"], 3, "no_tuneable_changed");
    s.write("tune.json", "{\"limit\": 3}\n").write("ops.json", crate::support::kpi(50.0));
    s.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    // Code changed along with the tuneable was not tested; prose is allowed.
    s.refuses(&["validate"], 3, "code_beside");
    s.git(&["checkout", "-q", "HEAD~1", "--", "src/main.txt"]);
    s.write("notes.md", "Why the limit is lower.\n").git(&["add", "notes.md"]);
    s.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    s.validate().after().compare();
    assert!(s.read("VIBESHIP_OPTIMIZER.md").contains("limit"), "{}", s.read("VIBESHIP_OPTIMIZER.md"));
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_rollback_on_which_the_checks_fail_is_no_way_back_where_the_config_wants_them_tried() {
    // Passes only with the change.
    let only_after = CONFIG.replace("exit 0", "grep -q 50 ops.json");
    let s = Sandbox::new();
    s.config(&format!("{only_after}validation: {{rehearse_checks: true}}\n")).compared("x");
    let refused = s.on(&["change", "promote"]).exits(1);
    let _ = refused.says(&["which holds only what git tracks, checks fail: test"]);
    assert_eq!(s.git(&["worktree", "list"]).lines().count(), 1);

    let s = Sandbox::new();
    s.config(&only_after).compared("x");
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn stages_come_in_order_and_soak() {
    let s = Sandbox::new();
    s.config(&format!(
        "{CONFIG}rollout: {{stages: [{{name: canary, soak_hours: 2}}, {{name: live}}, {{name: full}}]}}\n"
    ));
    s.compared("x");
    let _ = s.on(&["change", "promote"]).ok();
    s.refuses(&["change", "rollout", "full"], 7, "stage_order");
    let _ = s.on(&["change", "rollout", "canary"]).ok();
    insta::assert_snapshot!(s.on(&["change", "rollout", "live"]), @r#"
    $ change rollout live --change-id chg-20260302-090000-x
    exit 3
    --- stderr
    refused at gate 7 (rollout): the stage canary has to last until 2026-03-02 11:00 UTC
    # watch it meanwhile
    next: vibeship-optimizer status --change-id chg-20260302-090000-x
    # go back
    or:   vibeship-optimizer change rollback --change-id chg-20260302-090000-x --reason "WHY" --apply
    "#);
    s.later(Duration::hours(2));
    let _ = s.on(&["change", "rollout", "live"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    for stage in ["canary", "live", "full"] {
        assert!(s.path(s.evidence(&format!("{stage}.json"))).is_file());
    }
}

#[test]
fn a_stage_whose_guardrail_breaks_does_not_begin() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["change", "promote"]).ok();
    s.write("src/main.txt", "x".repeat(500)).commit("Grow");
    s.refuses(&["change", "rollout", "full"], 7, "stage_guardrails");
}

#[test]
fn a_rollback_reverts_and_a_snapshot_confirms_it() {
    let s = Sandbox::new();
    s.rolled_out("x");
    // A killed git leaves its lock file behind.
    let locked = || s.on(&["change", "rollback", "--reason", "users complain", "--apply"]);
    let lock = s.write(".git/index.lock", "").path(".git/index.lock");
    let _ =
        locked().exits(2).says(&["once no other git runs here", "next: rm ", "index.lock"]).never_says(&["git stash"]);
    std::fs::remove_file(lock).unwrap();
    let _ = locked().ok();
    assert_eq!(s.read("ops.json"), crate::support::kpi(100.0));
    assert!(s.git(&["log", "-1", "--format=%B"]).contains(&format!("Optimizer-Change: {}", s.id())));
    assert_eq!(s.shown()["status"], "rolled_back");
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
    assert!(s.path(s.evidence("rollback_snapshot.json")).is_file());
}

#[test]
fn a_rollback_works_if_git_requires_signatures_of_merged_commits() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.git(&["config", "merge.verifySignatures", "true"]);
    let _ = s.on(&["change", "rollback", "--reason", "users complain", "--apply"]).ok();
    assert_eq!(s.read("ops.json"), crate::support::kpi(100.0));
}

#[test]
fn the_measurement_after_a_rollback_is_refused_while_a_file_of_the_change_is_edited() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok();
    s.write("ops.json", kpi(40.0)).write("src/main.txt", "more\n");
    let _ = s.on(&["snapshot", "--as", "after"]).ok().says(&["measured with uncommitted work"]);
    let s = Sandbox::new();
    s.config(&CONFIG.replace("{name: ops, file: ops.json, pointer: /ops,", "{name: ops, cmd: cat tuned.txt,"));
    s.write("tuned.txt", "100\n").commit_as("tuned", &[]);
    s.rolled_out("x");
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok();
    s.write("tuned.txt", "70\n").refuses(&["snapshot", "--as", "after"], 7, "not_as_committed");
}

#[test]
fn a_rollback_during_a_merge_in_conflict_is_told_to_end_that_first() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.git(&["switch", "-q", "-c", "other", "HEAD~1"]);
    s.write("tuned.txt", "60\n").commit_as("other", &[]).git(&["switch", "-q", "main"]);
    assert_ne!(s.try_git(&["merge", "-q", "other"]).code, 0);
    let refused = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).exits(2);
    let _ = refused.says(&["a merge is in progress", "or:   git merge --abort"]).never_says(&["git stash"]);
    s.git(&["merge", "--abort"]);
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok();
}

#[test]
fn a_submodule_at_another_commit_is_checked_out_as_printed() {
    let s = Sandbox::new();
    let inner = s.outside().join("inner");
    std::fs::create_dir(&inner).unwrap();
    s.git_in(&inner, &["init", "-q"]);
    std::fs::write(inner.join("limit"), "5\n").unwrap();
    s.git_in(&inner, &["add", "-A"]);
    s.git_in(&inner, &["commit", "-q", "-m", "five"]);
    let allow = ["-c", "protocol.file.allow=always", "submodule", "-q", "add"];
    s.git(&[&allow[..], &[inner.to_str().unwrap(), "dep"]].concat());
    s.config(&CONFIG.replace("{name: ops, file: ops.json, pointer: /ops,", "{name: ops, cmd: cat dep/limit,"));
    s.start("x").contract().write("dep/limit", "4\n");
    s.git_in(&s.path("dep"), &["commit", "-q", "-a", "-m", "four"]);
    let update = "git restore --staged -- ':(top)dep' && git submodule update --init --recursive -- ':(top)dep'";
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1).never_says(&["git stash"]);
    let _ = refused.says(&[&format!("next: {update}"), "then: git -C dep checkout -"]);
    let take_away = || {
        s.git(&["restore", "--staged", "--", ":(top)dep"]);
        s.git(&["submodule", "update", "--init", "--recursive", "--", ":(top)dep"]);
    };
    take_away();
    s.before();
    s.git(&["-C", "dep", "checkout", "-"]);
    s.commit("bump").validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok().says(&[&format!("next: {update}")]);
    s.refuses(&["snapshot", "--as", "after"], 7, "not_as_committed");
    take_away();
    let _ = s.on(&["snapshot", "--as", "after"]).ok().says(&["not worse than at the baseline"]);
}

#[test]
fn the_measurement_after_a_rollback_needs_no_id_and_is_named_by_the_status_until_it_is_made() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.on(&["change", "rollback", "--reason", "users complain", "--apply"]).ok();
    let command = format!("vibeship-optimizer snapshot --label after --change-id {} --as after", s.id());
    let _ = s.run(&["status"]).ok().says(&["No change is open.", "rolled back", &command]);
    assert_eq!(s.run(&["status", "--format", "json"]).ok().json()["to_confirm"][0]["change_id"], s.id());
    let _ = s.run(&["snapshot", "--label", "after", "--as", "after"]).ok();
    assert!(s.path(s.evidence("rollback_snapshot.json")).is_file());
    let _ = s.run(&["status"]).ok().never_says(&[&command]);
    let _ = s.run(&["snapshot", "--label", "after", "--as", "after"]).troubled(&["no change is open"]);
}

#[test]
fn a_rollback_without_apply_prints_the_action() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let sha = s.git(&["rev-parse", "HEAD"]);
    let output = s.on(&["change", "rollback", "--reason", "users complain"]).ok();
    let _ = output.says(&["git revert [COMMIT]"]);
    assert!(s.read("VIBESHIP_OPTIMIZER.md").contains(&sha));
    assert_eq!(s.git(&["rev-parse", "HEAD"]), sha, "nothing was reverted");
}

#[test]
fn a_note_is_kept_in_the_record_and_the_logbook() {
    let s = Sandbox::new();
    s.start("x");
    let _ = s.on(&["change", "note", "the cache was cold"]).ok();
    assert!(s.read("VIBESHIP_OPTIMIZER.md").contains("the cache was cold"));
}

#[test]
fn the_snapshot_after_a_rollback_prints_its_path_alone() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.on(&["change", "rollback", "--reason", "users complain", "--apply"]).ok();
    let taken = s.on(&["snapshot", "--as", "after", "--export-hyperfine", "timings.json"]).ok();
    assert_eq!(taken.stdout, format!("{}\n", s.evidence("rollback_snapshot.json")), "{taken}");
    assert!(taken.stderr.contains("The KPI and the guardrails are not worse than at the baseline."), "{taken}");
    assert!(s.path("timings.json").is_file(), "every flag is heeded");
}

#[test]
fn the_rollback_of_a_change_without_a_commit_names_the_old_values() {
    let s = Sandbox::new();
    let tuneables = s.outside().join("home/tune.json");
    std::fs::write(&tuneables, "{\"limit\": 5}\n").unwrap();
    s.config_plus("tuneables: {files: [~/tune.json]}\n").start_with("lower", &["--class", "tuneable"]).contract();
    s.config(&s.read("vibeship_optimizer.yml").replace("file: ops.json", "cmd: 'cat ~/ops.json'"));
    std::fs::write(s.outside().join("home/ops.json"), crate::support::kpi(100.0)).unwrap();
    s.before();
    let nothing = s.on(&["validate"]).exits(1);
    let _ =
        nothing.says(&["next: vibeship-optimizer validate --change-id", "# set the tuneable to its new value, then"]);
    std::fs::write(&tuneables, "{\"limit\": 3}\n").unwrap();
    std::fs::write(s.outside().join("home/ops.json"), crate::support::kpi(50.0)).unwrap();
    s.validate().after().compare();
    assert!(!s.read(s.evidence("compare.md")).contains("in no commit"), "the tuneable explains the difference");
    let _ = s.on(&["change", "promote"]).ok();
    let rolled_out = s.on(&["change", "rollout", "full"]).ok();
    let back = "put the old values back: limit = 5 (now 3, in ~/tune.json)";
    let _ = rolled_out.says(&[back]).never_says(&["<sha>"]);
    assert!(s.read(s.evidence("rollback.md")).contains(back));
    assert_eq!(s.shown()["rollback"], back);
}

#[test]
fn a_plain_date_is_an_expiry_at_the_end_of_that_day() {
    let s = Sandbox::new();
    s.start_with("x", &["--class", "emergency", "--incident", "down", "--expires", "2026-03-07"]);
    assert!(s.read(s.record()).contains("\"expires\": \"2026-03-08T00:00:00Z\""), "{}", s.read(s.record()));
    let _ = s.on(&["status"]).ok().says(&["holds until 2026-03-08 00:00 UTC"]);
    s.later(chrono::Duration::days(7));
    let _ = s.on(&["status"]).ok().says(&["expired 2026-03-08 00:00 UTC; no change takes it over yet"]);
}

#[test]
fn uncommitted_work_at_a_rollout_is_stashed_and_never_added_to_the_change() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["change", "promote"]).ok();
    s.write("src/loose.txt", "late\n");
    let refused = s.on(&["change", "rollout", "full"]).exits(1);
    let _ = refused
        .says(&[
            "  src/loose.txt",
            "next: git stash push -u -- ':(top)src/loose.txt'",
            "then: vibeship-optimizer change rollout full",
        ])
        .never_says(&["--soft"]);
}

#[test]
fn lost_evidence_comes_back_from_git_only_where_git_has_it() {
    let s = Sandbox::new();
    s.compared("x");
    let (after, report) = (s.evidence("after_snapshot.json"), s.evidence("compare.md"));
    let lose = |file: &str| std::fs::remove_file(s.path(file)).unwrap();
    lose(&report);
    let refused = s.on(&["change", "promote"]).exits(1).never_says(&["git checkout"]);
    let _ = refused.says(&["or:   vibeship-optimizer compare --change-id", "no commit has them"]);
    let _ = s.run(&["doctor", "--apply"]).ok();
    assert!(s.path(&report).is_file(), "rendered again");
    lose(&after);
    let _ = s.on(&["change", "promote"]).exits(1).says(&["next: vibeship-optimizer snapshot --label after"]);
    s.after().compare().git(&["add", "reports"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    lose(&report);
    let refused = s.on(&["change", "promote"]).exits(1);
    let restore = format!("git checkout HEAD -- {report}");
    let _ = refused.says(&[&format!("next: {restore}")]);
    s.git(&restore.split(' ').skip(1).collect::<Vec<_>>());
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn an_emergency_that_would_hold_for_a_century_is_refused_with_the_longest_that_may() {
    let s = Sandbox::new();
    let start = |expires: &str| {
        s.run(&["change", "start", "--title", "x", "--class", "emergency", "--incident", "down", "--expires", expires])
    };
    insta::assert_snapshot!(start("2126-01-01"), @"
    $ change start --title x --class emergency --incident down --expires 2126-01-01
    exit 1
    --- stderr
    refused at gate 0 (open): an emergency's override may hold for 7 days (enforcement.max_emergency_days), which is until 2026-03-09 09:00 UTC
    next: vibeship-optimizer change start --title x --class emergency --incident down --expires 7d
    ");
    let _ = start("7d").ok();
    s.config_plus("enforcement: {max_emergency_days: 1}\n");
    let _ = start("7d").exits(1).says(&["1 day "]);
    let _ = start("24h").ok();
}

#[test]
fn evidence_left_out_of_the_commit_is_reported_with_the_command_that_commits_it() {
    let s = Sandbox::new();
    let base = s.git(&["rev-parse", "HEAD"]);
    s.compared("x");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let _ = s.on(&["change", "promote"]).ok();
    s.git(&["commit", "-q", "-a", "-m", "Promoted"]);
    let note = s.evidence("rollback.md");
    let range = format!("{base}..HEAD");
    let found = s.run(&["check", "--range", &range]).exits(1);
    let own = ".vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md";
    let commit = format!("git add {own} && git commit -m Evidence -- {own}");
    let _ = found.says(&["ARTIFACT_MISSING", "exists locally but is not committed", &format!("next: {commit}\n")]);
    assert!(s.command("sh").args(["-c", &commit]).output().unwrap().status.success());
    let _ = s.run(&["check", "--range", &range]).ok();
    // Files that HEAD lacks are found in the history.
    s.git(&["rm", "-q", &note]);
    s.git(&["commit", "-q", "-m", "Tidy up"]);
    let _ = s.run(&["check", "--range", &range]).exits(1).says(&[&format!("git checkout [SHORT] -- {note}")]);
}

#[test]
fn what_was_rewritten_with_the_same_content_is_linked_by_the_promotion() {
    let s = Sandbox::new();
    s.compared("x").git(&["commit", "-q", "--amend", "--allow-empty", "-m", "Better words"]);
    let _ = s.on(&["change", "promote"]).ok().says(&[" is now "]);
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let _ = s.run(&["check", "--range", "HEAD~2..HEAD", "--require", "promoted"]).ok();
}

#[test]
fn what_was_amended_after_the_comparison_is_validated_again_and_not_promoted() {
    let s = Sandbox::new();
    s.compared("x");
    s.write("src/main.txt", "note\n").git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let validate = format!("vibeship-optimizer validate --change-id {}", s.id());
    let _ = s.on(&["status"]).says(&["not in the history", &validate]).never_says(&["everything passes"]);
    s.refuses(&["change", "promote"], 6, "not_in_effect");
    let _ = s.on(&["change", "promote"]).says(&[&validate]);
    s.validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_lost_commit_is_not_measured_for_a_comparison() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate().after();
    s.write("src/main.txt", "note\n").git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let validate = format!("vibeship-optimizer validate --change-id {}", s.id());
    let _ = s.on(&["status"]).says(&["not in the history", &validate]);
    s.refuses(&["compare"], 5, "not_in_effect");
    let _ = s.on(&["compare"]).says(&[&validate]);
    s.validate().write("src/main.txt", "other\n").git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let _ = s.on(&["status"]).says(&["not in the history", &validate]);
    s.validate().after().compare();
}

#[test]
fn an_amended_message_is_the_same_change_and_may_be_promoted() {
    let s = Sandbox::new();
    s.compared("x");
    let trailer = format!("Optimizer-Change: {}", s.id());
    s.git(&["commit", "-q", "--amend", "-m", "In other words", "--trailer", &trailer]);
    let _ = s.on(&["status"]).says(&["everything passes"]);
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_decision_without_a_reason_is_asked_for_its_reason_only() {
    let s = Sandbox::new();
    s.start("x");
    for verb in ["reject", "hold"] {
        let next = format!("next: vibeship-optimizer change {verb} --change-id {} --reason \"WHY\"", s.id());
        let _ = s.on(&["change", verb, "--reason", " "]).exits(1).says(&[&next]);
    }
}

#[test]
fn a_refusal_gives_a_number_in_the_unit_of_its_metric() {
    let s = Sandbox::new();
    let of = |name: &str, unit: &str, better: &str| {
        format!("  - {{name: {name}, unit: {unit}, file: ops.json, pointer: /ops, better: {better}, exact: true}}\n")
    };
    let kpis = of("requests_per_s", "req/s", "higher") + &of("latency", "ms", "lower");
    let rest = "pair: {enabled: false}\nreview: {require_attestation: false}\n";
    s.config(&format!("version: 1\ncommands: {{test: \"exit 0\"}}\nkpis:\n{kpis}size_paths: [src]\n{rest}"));
    s.start("x");
    let criteria = ["--kpi", "kpi.requests_per_s >= 5000", "--guardrail", "kpi.latency <= 0.25s"];
    let parts = ["change", "contract", "--hypothesis", "h", "--trigger", "kpi.latency > +900%"];
    let _ = s.on(&[&parts[..], &criteria].concat()).ok();
    s.before().tune(312.0).commit("tune").validate().after().compare();
    let told = ["312 req/s violates ≥ 5000", "312 ms violates"];
    let _ = s.on(&["change", "promote"]).exits(1).says(&told);
    let _ = s.run(&["status"]).ok().says(&told[1..]);
}
