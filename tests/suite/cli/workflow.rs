//! The whole workflow, as documented and as guarded by its gates.

use chrono::Duration;

use crate::support::{Sandbox, kpi};

#[test]
fn the_commands_of_the_workflow_document_work_in_order() {
    let s = Sandbox::new();
    insta::assert_snapshot!(s.run(&["init", "--no-prompt"]), @r#"
    $ init --no-prompt
    exit 0
    --- stdout
    Initialized: [PROJECT]/vibeship_optimizer.yml
    Initialized: [PROJECT]/VIBESHIP_OPTIMIZER.md
    --- stderr
    # so that commits older than the set-up owe nothing: in the config, under enforcement:
    #   since: [SHORT]
    # commits of documents, licences and CI files need a change, too; to exempt them: in vibeship_optimizer.yml, under enforcement.exempt:
    #   - {paths: ["**/*.md", "docs/**", "LICENSE", ".github/**"], reason: they change nothing that runs}
    # open a change
    next: vibeship-optimizer change start --title "SHORT HYPOTHESIS"
    "#);
    let started = s.run(&["change", "start", "--title", "halve the operations"]);
    insta::assert_snapshot!(started, @r#"
    $ change start --title halve the operations
    exit 0
    --- stdout
    {
      "change_id": "chg-20260302-090000-halve-the-operations",
      "title": "halve the operations",
      "status": "planned",
      "started_at": "2026-03-02T09:00:00Z",
      "path": "[PROJECT]/.vibeship-optimizer/changes/chg-20260302-090000-halve-the-operations.json"
    }
    --- stderr
    hint: write the contract: hypothesis, primary KPI, guardrails, rollback trigger
    next: vibeship-optimizer change contract --change-id chg-20260302-090000-halve-the-operations --hypothesis "WHAT SHOULD IMPROVE, AND WHY" --kpi "kpi.ops <= -10%" --guardrail "size.src <= +2%" --trigger "kpi.ops > +10%"
    "#);
    let id = "chg-20260302-090000-halve-the-operations";
    let contract = s.run(&[
        "change",
        "contract",
        "--change-id",
        id,
        "--hypothesis",
        "half the operations",
        "--kpi",
        "kpi.ops <= -10%",
        "--guardrail",
        "size.src <= +100%",
        "--trigger",
        "kpi.ops > +10%",
    ]);
    let _ = contract.ok();
    let before = s.run(&["snapshot", "--label", "before", "--change-id", id, "--as", "before"]);
    insta::assert_snapshot!(before, @r#"
    $ snapshot --label before --change-id chg-20260302-090000-halve-the-operations --as before
    exit 0
    --- stdout
    reports/optimizer/chg-20260302-090000-halve-the-operations_before_snapshot.json
    --- stderr
    attached as before to chg-20260302-090000-halve-the-operations
    hint: make the one change, commit it, and validate it
    # with the id of the change
    next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-20260302-090000-halve-the-operations"
    then: vibeship-optimizer validate --change-id chg-20260302-090000-halve-the-operations
    "#);
    s.tune(50.0).git(&["add", "tuned.txt"]);
    s.git(&["commit", "-q", "-a", "-m", "halve", "--trailer", &format!("Optimizer-Change: {id}")]);
    let _ = s.run(&["validate"]).ok();
    let after = s.run(&["snapshot", "--label", "after", "--change-id", id, "--as", "after"]);
    insta::assert_snapshot!(after, @r"
    $ snapshot --label after --change-id chg-20260302-090000-halve-the-operations --as after
    exit 0
    --- stdout
    reports/optimizer/chg-20260302-090000-halve-the-operations_after_snapshot.json
    --- stderr
    attached as after to chg-20260302-090000-halve-the-operations
    hint: compare before and after
    next: vibeship-optimizer compare --change-id chg-20260302-090000-halve-the-operations
    ");
    let (before, after) =
        (format!("reports/optimizer/{id}_before_snapshot.json"), format!("reports/optimizer/{id}_after_snapshot.json"));
    let out = format!("reports/optimizer/{id}_compare.md");
    insta::assert_snapshot!(s.run(&["compare", "--before", &before, "--after", &after, "--out", &out]), @r#"
    $ compare --before reports/optimizer/chg-20260302-090000-halve-the-operations_before_snapshot.json --after reports/optimizer/chg-20260302-090000-halve-the-operations_after_snapshot.json --out reports/optimizer/chg-20260302-090000-halve-the-operations_compare.md
    exit 0
    --- stdout
    Wrote: reports/optimizer/chg-20260302-090000-halve-the-operations_compare.md
    --- stderr
    hint: everything passes: promote it
    next: vibeship-optimizer change promote --change-id chg-20260302-090000-halve-the-operations
    # commit the evidence
    then: git add .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md && git commit -m "Evidence of chg-20260302-090000-halve-the-operations" -- .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md
    "#);
    insta::assert_snapshot!(s.run(&["change", "promote"]), @r#"
    $ change promote
    exit 0
    --- stdout
    chg-20260302-090000-halve-the-operations promoted
    --- stderr
    rehearsing the rollback in a scratch worktree
    hint: begin the stage full
    next: vibeship-optimizer change rollout full --change-id chg-20260302-090000-halve-the-operations
    # commit the evidence
    then: git add .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md && git commit -m "Evidence of chg-20260302-090000-halve-the-operations" -- .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md
    "#);
    insta::assert_snapshot!(s.run(&["change", "rollout", "full"]), @r#"
    $ change rollout full
    exit 0
    --- stdout
    chg-20260302-090000-halve-the-operations monitoring
    --- stderr
    To roll back: git revert [COMMIT]
    hint: measure today
    next: vibeship-optimizer monitor tick --change-id chg-20260302-090000-halve-the-operations
    # commit the evidence
    then: git add .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md && git commit -m "Evidence of chg-20260302-090000-halve-the-operations" -- .vibeship-optimizer reports/optimizer VIBESHIP_OPTIMIZER.md
    "#);
    let early = s.run(&["change", "verify", "--change-id", id]).exits(3);
    assert_eq!(early.json()["ok"], false);
    let early = s.run(&["change", "verify", "--change-id", id, "--apply", "--summary", "half"]).exits(3).json();
    assert_eq!((&early["applied"], &early["ok"]), (&false.into(), &false.into()));
    for artifact in ["before_snapshot.json", "after_snapshot.json", "compare.md", "rollback.md"] {
        assert!(s.path(format!("reports/optimizer/{id}_{artifact}")).is_file(), "{artifact}");
    }
    let sha = s.git(&["rev-parse", "HEAD"]);
    assert_eq!(s.json(format!(".vibeship-optimizer/changes/{id}.json"))["rollback"], format!("git revert {sha}"));
}

#[test]
fn each_gate_refuses_what_comes_too_early_and_names_the_next_command() {
    let s = Sandbox::new();
    s.start("order");
    let before = ["snapshot", "--as", "before"];
    let after = ["snapshot", "--as", "after"];
    insta::assert_snapshot!(s.on(&before), @r#"
    $ snapshot --as before --change-id chg-20260302-090000-order
    exit 1
    --- stderr
    refused at gate 2 (baseline): 4 parts of the contract are missing: hypothesis, primary KPI, guardrails, rollback trigger
    next: vibeship-optimizer change contract --change-id chg-20260302-090000-order --hypothesis "WHAT SHOULD IMPROVE, AND WHY" --kpi "kpi.ops <= -10%" --guardrail "size.src <= +2%" --trigger "kpi.ops > +10%"
    "#);
    s.refuses(&after, 4, "earlier").refuses(&["validate"], 3, "earlier").refuses(&["compare"], 5, "earlier");
    s.refuses(&["change", "promote"], 6, "earlier").refuses(&["change", "rollout", "full"], 7, "earlier");
    s.refuses(&["verify"], 8, "earlier").refuses(&["change", "rollback", "--reason", "x"], 7, "nothing_to_roll_back");
    s.contract();
    insta::assert_snapshot!(s.on(&after), @r"
    $ snapshot --as after --change-id chg-20260302-090000-order
    exit 1
    --- stderr
    refused at gate 4 (after): gate 2 (baseline) has not been passed
    next: vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-order --as before
    ");
    s.before().refuses(&["change", "contract", "--kpi", "kpi.ops <= 1"], 1, "frozen");
    s.refuses(&["validate"], 3, "no_delta").refuses(&after, 4, "earlier").improve(50.0);
    s.refuses(&after, 4, "earlier").validate().refuses(&["compare"], 5, "earlier").after();
    s.refuses(&before, 2, "already_passed").refuses(&["change", "promote"], 6, "earlier").compare();
    s.refuses(&["change", "rollout", "full"], 7, "earlier");
    let _ = s.on(&["change", "promote"]).ok();
    s.refuses(&["change", "promote"], 6, "already_passed").refuses(
        &["change", "rollout", "canary"],
        7,
        "no_such_stage",
    );
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.refuses(&["change", "rollout", "full"], 7, "already_passed").later(Duration::days(30));
    let answer = s.on(&["verify", "--apply", "--summary", "x"]).exits(3).json();
    assert!(answer["failures"].to_string().contains("0 of 3"), "no day was monitored: {answer}");
}

#[test]
fn next_run_without_an_open_change_answers_like_status() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["change", "hold", "--reason", "later"]).ok();
    let ran = s.run(&["next", "--run"]).ok().says(&["No change is open.", "# commit the evidence\nnext: git add"]);
    let status = s.run(&["status"]).ok();
    assert_eq!((ran.stdout, ran.stderr), (status.stdout, status.stderr));
    s.write("vibeship_optimizer.yml", "version: one\n");
    let _ = s.run(&["next", "--run"]).troubled(&["vibeship_optimizer.yml:1:10"]);
}

#[test]
fn next_run_performs_what_needs_no_human() {
    let s = Sandbox::new();
    s.start("by itself").contract();
    let ran = s.run(&["next", "--run"]).ok();
    assert_eq!(ran.stderr.matches("make the one change").count(), 1, "{ran}");
    s.improve(40.0);
    let ran = s.run(&["status", "--run"]).ok().says(&["next: vibeship-optimizer change promote"]);
    let _ = ran.never_says(&["--as after", "compare --change-id"]);
    assert!(s.path(s.evidence("compare.md")).is_file(), "{}", s.on(&["status"]));
    assert_eq!(s.shown()["status"], "compared", "promotion is a decision");
}

#[test]
fn the_walk_is_the_same_outside_git_and_says_what_is_weaker() {
    let s = Sandbox::without_git();
    s.write("vibeship_optimizer.yml", crate::support::CONFIG);
    s.start("no git").contract();
    let measured = s.on(&["snapshot", "--as", "before"]).ok();
    let _ = measured.says(&["next: vibeship-optimizer validate"]).never_says(&["git add"]);
    let _ = s.on(&["validate"]).exits(1).never_says(&["git commit"]);
    s.write("ops.json", kpi(50.0)).validate().after();
    let compared = s.on(&["compare"]).ok();
    assert!(compared.stdout.to_lowercase().contains("git"), "{compared}");
    assert!(s.read(s.evidence("compare.md")).contains("cannot be proven by ancestry"));
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
}

#[test]
fn what_is_open_without_commits_is_measured_again_and_not_only_read_again() {
    let s = Sandbox::without_git();
    let config = crate::support::CONFIG.replace(", exact: true", ", cmd: cat ops.json").replace("file: ops.json, ", "");
    s.write("vibeship_optimizer.yml", config);
    s.start("no git").contract().before();
    s.write("ops.json", kpi(92.0)).validate().after();
    let again = "--as after && vibeship-optimizer compare --change-id";
    let _ = s.on(&["compare"]).ok().says(&[again]);
    let _ = s.on(&["change", "promote"]).exits(3).says(&[again]);
}

#[test]
fn the_first_commit_comes_before_the_baseline() {
    let s = Sandbox::without_git();
    s.git(&["init", "-q"]);
    s.write("vibeship_optimizer.yml", crate::support::CONFIG);
    s.start("unborn").contract();
    let commit = "next: git add -A && git commit -m Start\nthen: vibeship-optimizer snapshot";
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["there is no commit yet", commit]);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "Start"]);
    s.before().improve(50.0).validate().after();
    let _ = s.on(&["compare"]).ok().never_says(&["not under git"]);
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_change_that_is_watched_for_three_days_is_verified_and_stays_accountable() {
    let s = Sandbox::new();
    s.rolled_out("watched");
    for _ in 0..3 {
        let _ = s.later(Duration::days(1)).run(&["monitor", "tick"]).ok();
    }
    s.later(Duration::minutes(1));
    let _ = s.on(&["verify"]).ok();
    let _ = s.on(&["verify", "--apply"]).exits(1).says(&["summary"]);
    let verified = s.on(&["verify", "--apply", "--summary", "half the operations, for days"]).ok().json();
    assert_eq!((&verified["ok"], &verified["applied"]), (&true.into(), &true.into()));
    let record = s.json(s.record());
    assert_eq!(
        (&record["status"], &record["verified_summary"]),
        (&"verified".into(), &"half the operations, for days".into())
    );
    assert_eq!(record["verification_updates"].as_array().map(Vec::len), Some(3));
    let _ = s.on(&["verify"]).ok();
    s.write(s.evidence("compare.json"), "{}");
    let _ = s.on(&["verify"]).exits(1).says(&["compare.json"]);
}

#[cfg(unix)]
#[test]
fn a_rollback_that_git_cannot_sign_is_made_unsigned_as_printed() {
    let s = Sandbox::new();
    s.rolled_out("signed");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "evidence"]);
    s.git(&["config", "commit.gpgsign", "true"]);
    s.git(&["config", "gpg.program", "false"]);
    let told = s.on(&["change", "rollback", "--reason", "x", "--apply"]);
    let told = told.says(&["GIT_CONFIG_VALUE_0=false"]).never_says(&["stash", "git revert"]);
    let line = told.stderr.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
    let line = line.replace("vibeship-optimizer", env!("CARGO_BIN_EXE_vibeship-optimizer"));
    assert!(s.command("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    assert_eq!(s.git(&["status", "--porcelain", "--", "src", "ops.json"]), "");
    assert!(s.git(&["log", "-1", "--format=%s"]).starts_with("Revert"));
}
