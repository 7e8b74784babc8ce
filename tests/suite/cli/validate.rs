//! `validate`: one commit after the baseline, and every check passes.

use chrono::Duration;

use crate::support::{CONFIG, Sandbox, kpi};

fn ready() -> Sandbox {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s
}

#[test]
fn nothing_changed_is_no_change() {
    let s = ready();
    insta::assert_snapshot!(s.on(&["validate"]), @r#"
    $ validate --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 3 (validate): nothing has changed since the baseline: no commit, tuneable or file of this change
    # make the one change, then commit it
    next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-20260302-090000-x"
    then: vibeship-optimizer validate --change-id chg-20260302-090000-x
    "#);
}

#[test]
fn two_commits_cannot_be_told_apart() {
    let s = ready();
    s.improve(50.0).improve(40.0);
    insta::assert_snapshot!(s.on(&["validate"]), @r#"
    $ validate --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 3 (validate): 2 commits since the baseline; a change is one commit, or effects cannot be told apart
      [SHORT] tune
      [SHORT] tune
    # make one commit of them
    next: git reset --soft [SHORT]~1 && git commit -C [SHORT] --trailer "Optimizer-Change: chg-20260302-090000-x"
    then: vibeship-optimizer validate --change-id chg-20260302-090000-x
    "#);
}

#[test]
fn a_commit_of_another_change_is_not_this_one() {
    let s = ready();
    s.write("ops.json", crate::support::kpi(50.0));
    s.commit_as("other", &["--trailer", "Optimizer-Change: chg-20260101-000000-other"]);
    insta::assert_snapshot!(s.on(&["validate"]), @r#"
    $ validate --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 3 (validate): the commit since the baseline belongs to another change (chg-20260101-000000-other)
      [SHORT] other
    # if its id is mistyped
    next: git -c trailer.ifexists=replace commit --amend --no-edit --trailer "Optimizer-Change: chg-20260302-090000-x" && vibeship-optimizer validate --change-id chg-20260302-090000-x
    # retake the baseline with it included
    or:   vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before
    # revert it, retake the baseline, and make it again with the right id
    or:   git revert --no-edit [SHORT] && vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before
    "#);
}

#[test]
fn uncommitted_work_is_not_validated() {
    let s = ready();
    s.improve(50.0).write("src/main.txt", "loose\n").refuses(&["validate"], 3, "dirty");
}

#[test]
fn a_baseline_that_is_no_ancestor_proves_nothing() {
    let s = ready();
    s.git(&["checkout", "-q", "--orphan", "elsewhere"]);
    s.improve(50.0).refuses(&["validate"], 3, "baseline_not_ancestor");
}

#[test]
fn an_empty_commit_changes_nothing() {
    let s = ready();
    s.git(&["commit", "-q", "--allow-empty", "-m", "empty", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.refuses(&["validate"], 3, "no_delta");
}

#[test]
fn a_config_without_a_test_validates_no_code() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("commands: {test: \"exit 0\"}\n", ""));
    s.start("x").contract().before().improve(50.0).refuses(&["validate"], 3, "no_tests");
}

#[test]
fn a_failing_test_rejects_the_change_and_prints_the_rollback() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "exit 7"));
    s.start("x").contract().before().improve(50.0);
    let failed = s.on(&["validate"]).exits(1);
    insta::assert_snapshot!(failed.stderr, @r#"
    checking test: exit 7
    test failed; it is run once more
    warning: test failed in a clean checkout of the baseline, too: the change may not be the reason
    The change is rejected. Roll back now:
      git revert [COMMIT]
      vibeship-optimizer change rollback --change-id chg-20260302-090000-x --reason "WHY"
    hint: first fix what fails without the change, too, in a commit of its own: until then every change is rejected
    # take it up again, with its contract and its commit
    or:   vibeship-optimizer change start --from chg-20260302-090000-x
    "#);
    assert!(!failed.stdout.contains("git revert"), "said once: {failed}");
    assert_eq!(s.shown()["status"], "rejected");
    s.refuses(&["snapshot", "--as", "after"], 4, "ended");
    // The change may not be the reason, so nobody is told that it is wrong.
    let again = s.run(&["change", "start", "--from", &s.id()]).ok();
    let _ = again.says(&["if its checks failed for what it changes"]);
}

#[test]
fn a_test_that_fails_once_and_then_passes_is_reported_as_flaky_and_rejects_nothing() {
    let s = Sandbox::new();
    s.write(".gitignore", "ran\n");
    s.config(&CONFIG.replace("exit 0", "test -e ran || { touch ran; exit 7; }"));
    s.start("x").contract().before().improve(50.0);
    let _ = s.on(&["validate"]).ok().says(&["warning: test is flaky: it failed, and passed when it was run once more"]);
    let shown = s.shown();
    let validated = shown["events"].as_array().unwrap().last().unwrap()["what"].clone();
    assert_eq!((validated["kind"].as_str(), &validated["checks"][0]["passed"]), (Some("validated"), &true.into()));
    assert!(validated["checks"][0]["first_failure"].as_str().is_some_and(|why| why.contains('7')), "{validated}");
    s.after();
}

#[test]
fn retry_keeps_a_failed_change_open() {
    let s = Sandbox::new();
    s.config(&format!("{}validation: {{on_failure: retry}}\n", CONFIG.replace("exit 0", "git grep -q 50 -- ops.json")));
    s.start("x").contract().before().improve(60.0);
    let _ = s.on(&["validate"]).exits(1);
    s.write("ops.json", crate::support::kpi(50.0));
    s.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    s.validate().after();
}

#[test]
fn a_contract_surface_needs_docs_and_tests_in_the_commit() {
    let s = Sandbox::new();
    s.config_plus("surfaces: {contracts: [src/main.txt]}\n");
    s.start("x").contract().before().write("src/main.txt", "other\n").improve(50.0);
    s.refuses(&["validate"], 3, "contract_docs");
    s.write("docs/api.md", "new\n").write("tests/api_test.py", "new\n");
    s.git(&["add", "docs", "tests"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    s.validate();
}

#[test]
fn a_commit_without_the_id_is_reported_while_it_can_be_amended() {
    let s = Sandbox::new();
    s.config_plus("enforcement: {trailer: Tuning}\n").start("x").contract().before();
    s.tune(50.0).commit_as("tune", &[]);
    let told = s.on(&["validate"]).ok();
    let amend = format!("git commit --amend --no-edit --trailer \"Tuning: {}\"", s.id());
    let _ = told.says(&["warning: the commit [SHORT] does not carry the change's id", &amend]);
    s.git(&["commit", "-q", "--amend", "--no-edit", "--trailer", &format!("Tuning: {}", s.id())]);
    let _ = s.on(&["validate"]).ok().never_says(&["does not carry", "--amend"]);
}

/// A commit that others have or built on is never amended, and neither is one of another change.
#[test]
fn only_the_last_commit_that_no_remote_has_is_amended() {
    let wrong = ["--trailer", "Optimizer-Change: chg-20260101-000000-other"];
    let early = ["--date", "2026-01-01T00:00:00Z"];
    for flags in [&wrong[..], &early[..], &[]] {
        let made = || {
            let s = ready();
            let id = format!("Optimizer-Change: {}", s.id());
            let own: &[&str] = if flags == early { &["--trailer", &id] } else { &[] };
            s.tune(50.0).commit_as("tune", &[flags, own].concat());
            s
        };
        let answers = |s: &Sandbox| format!("{}{}", s.run(&["status"]), s.on(&["validate"]));
        assert!(answers(&made()).contains("commit --amend"), "{flags:?}");
        let s = made();
        s.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let said = answers(&s);
        assert!(!said.contains("--amend"), "{flags:?}, pushed: {said}");
        let s = made();
        s.write("notes.txt", "theirs\n");
        s.git(&["add", "notes.txt"]);
        s.git(&["-c", "user.email=bob@example.org", "commit", "-q", "-m", "theirs"]);
        let said = answers(&s);
        assert!(!said.contains("--amend"), "{flags:?}, built on: {said}");
    }
    let s = ready();
    let first = s.id();
    s.start_with("other", &["--parallel"]).contract().before().improve(50.0).validate();
    let refused = s.run(&["validate", "--change-id", &first]).exits(1);
    let _ = refused.says(&["next: vibeship-optimizer snapshot"]).never_says(&["--amend"]);
}

/// The range check would report it when it is too late to fix.
#[test]
fn a_commit_that_was_written_before_the_baseline_is_dated_again() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0);
    let trailer = format!("Optimizer-Change: {}", s.id());
    s.commit_as("tune", &["--trailer", &trailer, "--date", "2026-01-01T00:00:00Z"]);
    let _ = s.on(&["validate"]).exits(1).says(&["written at 2026-01-01", "--amend --no-edit --date=now"]);
}

#[test]
fn advice_names_the_trailer_of_the_config() {
    let s = Sandbox::new();
    s.config_plus("enforcement: {trailer: Tuning}\n").start("x").contract();
    let trailer = format!("--trailer \"Tuning: {}\"", s.id());
    let _ = s.on(&["snapshot", "--as", "before"]).ok().says(&[&trailer]).never_says(&["Optimizer-Change"]);
    let _ = s.on(&["validate"]).exits(1).says(&[&trailer]).never_says(&["Optimizer-Change"]);
    let _ = s.on(&["status"]).ok().says(&[&trailer]).never_says(&["Optimizer-Change"]);
    let _ = s.run(&["llm", "prompt"]).ok().says(&["`Tuning: ID`"]);
    let _ = s.run(&["report", "--format", "markdown"]).ok().says(&[&trailer]).never_says(&["Optimizer-Change"]);
}

#[test]
fn a_rejected_commit_is_named_until_it_is_out_of_the_tree() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "git grep -q 100 ops.json")).start("x").contract().before();
    s.improve(50.0);
    let failed = s.on(&["validate"]).exits(1);
    assert!(failed.stderr.contains("git revert [COMMIT]"), "{failed}");
    let apply = format!("change rollback --change-id {} --reason \"WHY\" --apply", s.id());
    let status = s.run(&["status"]).ok();
    let _ = status.says(&["still in the tree: [SHORT] of the rejected change", &apply]);
    let json = s.run(&["status", "--format", "json"]).ok().json();
    assert_eq!(json["left_in_tree"], serde_json::json!([s.id()]));
    let _ = s.on(&["change", "rollback", "--reason", "the test fails", "--apply"]).ok();
    assert_eq!(s.read("ops.json"), kpi(100.0), "the commit that failed is the one that is taken back");
    let _ = s.run(&["status"]).ok().says(&["No change is open."]).never_says(&["still in the tree"]);
}

#[test]
fn a_rejection_says_that_it_ended_and_what_is_left() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let empty = s.on(&["change", "reject", "--reason", "no"]).ok();
    let _ = empty.says(&["hint: the change has ended: rejected"]).never_says(&["nothing: it", "still in the tree"]);
    s.start("y").contract().before().improve(50.0).validate();
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok().says(&["its commit is still in the tree", "--apply"]);
    let _ = s.on(&["change", "rollback", "--reason", "no", "--apply"]).ok();
    s.compared("z");
    let _ = s.on(&["change", "hold", "--reason", "later"]).ok().says(&["its commit is still in the tree", "--apply"]);
    let _ = s.run(&["status"]).ok().says(&["still in the tree: [SHORT] of the held change"]);
}

#[test]
fn a_star_of_a_surface_stays_within_one_directory() {
    let s = Sandbox::new();
    s.config_plus("surfaces: {contracts: ['src/*.txt']}\n");
    s.start("x").contract().before().write("src/deep/other.txt", "new\n").improve(50.0).validate();
    let touched = s.json(s.evidence("validation.json"))["delta"]["contract_surface"].clone();
    assert!(touched.as_array().is_none_or(Vec::is_empty), "{touched}");
}

#[test]
fn a_rebase_in_conflict_is_ended_before_anything_is_committed() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s.git(&["checkout", "-q", "-b", "mine"]);
    s.write("src/main.txt", "mine\n");
    s.improve(50.0);
    s.git(&["checkout", "-q", "main"]);
    s.write("src/main.txt", "theirs\n").commit_as("theirs", &[]);
    s.git(&["checkout", "-q", "mine"]);
    let _ = s.try_git(&["rebase", "-q", "main"]);
    let told = ["a rebase is in progress", "git -c core.editor=true rebase --continue", "git rebase --abort"];
    let refused = s.on(&["validate"]).exits(1).says(&told);
    assert!(!refused.stderr.contains("git add -A"), "{refused}");
    let _ = s.try_git(&["-c", "core.editor=true", "rebase", "--continue"]);
    assert!(!s.git(&["diff", "--name-only", "--diff-filter=U"]).is_empty(), "git goes on with no conflict");
    s.git(&["rebase", "--abort"]);
    let _ = s.on(&["validate"]).ok();
}

#[test]
fn a_check_that_cannot_run_rejects_nothing() {
    let no_program = CONFIG.replace("test: \"exit 0\"", "test: no-such-program --all");
    let no_service = format!("{CONFIG}http_probes: [{{name: health, url: \"http://127.0.0.1:9/\", requests: 1}}]\n");
    for (config, why) in [(no_program, "it cannot be started"), (no_service, "it failed at the baseline, too")] {
        let s = Sandbox::new();
        s.config(&config).start("x").contract();
        let baseline = s.on(&["snapshot", "--as", "before"]).ok();
        let _ = baseline.says(if why.contains("baseline") { &["HTTP probe health fails"] } else { &[] });
        s.improve(50.0);
        let _ = s.on(&["validate"]).troubled(&[why, "nothing was recorded", "next: vibeship-optimizer validate"]);
        let _ = s.on(&["status"]).ok().says(&["validate"]).never_says(&["rejected"]);
    }
}

#[test]
fn a_commit_of_a_clock_that_was_behind_is_dated_again_before_anything_is_measured() {
    let s = ready();
    s.later(Duration::minutes(-30)).improve(50.0).later(Duration::minutes(40));
    let refused = s.on(&["validate"]).exits(1).says(&["a clock was behind"]);
    let amend = refused.stderr.lines().find_map(|line| line.strip_prefix("next: git ")).unwrap();
    let amend = amend.split(" && ").next().unwrap();
    s.git(&amend.split(' ').collect::<Vec<_>>());
    s.validate();
}

#[test]
fn a_check_that_fails_without_the_change_too_is_reported_as_such() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "git grep -q 100 ops.json && test -f tests.ok")).start("x").contract().before();
    s.improve(50.0);
    let told = s.on(&["validate"]).exits(1);
    let _ = told.says(&["test failed in a clean checkout of the baseline, too", "hint: first fix what fails"]);
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "git grep -q 100 ops.json")).start("x").contract().before().improve(50.0);
    let _ = s.on(&["validate"]).exits(1).never_says(&["failed in a clean checkout"]);
}

#[test]
fn a_commit_older_than_the_change_is_never_part_of_it() {
    let s = Sandbox::new();
    for n in ["1", "2", "3"] {
        s.write("README", n).commit_as(n, &[]);
    }
    s.git(&["bisect", "start", "HEAD", "HEAD~3"]);
    s.later(Duration::minutes(5)).start("x").contract();
    let baseline = s.on(&["snapshot", "--as", "before"]).ok().says(&["a bisect is in progress"]);
    let _ = baseline.says(&["next: git bisect reset", "then: vibeship-optimizer snapshot"]);
    s.git(&["bisect", "reset"]);
    let _ = s.on(&["status"]).ok().never_says(&["--amend", "without its id"]);
    s.refuses(&["validate"], 3, "no_delta");
    s.tune(50.0).commit_as("the change", &[]);
    let _ = s.on(&["validate"]).ok();
    let shown = s.shown()["events"].to_string();
    assert!(shown.contains(r#""subject":"the change""#) && !shown.contains(r#""subject":"3""#), "{shown}");
}
