//! `validate`: one commit after the baseline, and every check passes.

use crate::support::CONFIG;
use crate::support::Sandbox;

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
    refused at gate 3 (validate): nothing changed since the baseline: no commit, no tuneable, no file
    next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-20260302-090000-x"  # make the one change, then commit it
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
    next: git reset --soft HEAD~2  # make one commit of them
    then: git commit --trailer "Optimizer-Change: chg-20260302-090000-x"
    then: vibeship-optimizer validate --change-id chg-20260302-090000-x
    "#);
}

#[test]
fn a_commit_of_another_change_is_not_this_one() {
    let s = ready();
    s.write("ops.json", crate::support::kpi(50.0));
    s.commit_as("other", &["--trailer", "Optimizer-Change: chg-20260101-000000-other"]);
    insta::assert_snapshot!(s.on(&["validate"]), @r"
    $ validate --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 3 (validate): the commit since the baseline belongs to another change (chg-20260101-000000-other)
      [SHORT] other
    next: git revert [SHORT]  # take the other change out
    or:   vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before  # let it be part of the baseline
    ");
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
    insta::assert_snapshot!(failed.stderr, @r"
    checking test: exit 7
    The change is rejected. Roll back now:
      git revert [COMMIT]
    ");
    assert_eq!(s.shown()["status"], "rejected");
    s.refuses(&["snapshot", "--as", "after"], 4, "ended");
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
