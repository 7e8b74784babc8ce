//! `verify` and `change verify`.

use crate::support::Sandbox;

#[test]
fn on_day_zero_only_time_and_days_are_missing() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let answer = s.run(&["change", "verify"]).exits(3).json();
    assert_eq!(answer["change_id"], s.id());
    assert_eq!(answer["ok"], false);
    assert!(answer["failures"].as_array().is_some_and(|failures| !failures.is_empty()), "{answer}");
    assert!(answer["warnings"].is_array());
    let applied = s.run(&["verify", "--apply", "--summary", "s"]).exits(3).json();
    assert_eq!(applied["schema"], "vibeship_optimizer.verify_apply.v1");
    assert_eq!(applied["applied"], false);
}

#[test]
fn both_spellings_answer_alike() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let (one, other) = (s.run(&["change", "verify"]).exits(3), s.run(&["verify"]).exits(3));
    assert_eq!((one.stdout, one.stderr), (other.stdout, other.stderr));
}

#[test]
fn before_the_rollout_it_is_refused() {
    let s = Sandbox::new();
    s.compared("x");
    insta::assert_snapshot!(s.on(&["verify", "--apply", "--summary", "s"]), @r"
    $ verify --apply --summary s --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 8 (verify): gate 6 (decide) has not been passed
    next: vibeship-optimizer change promote --change-id chg-20260302-090000-x
    ");
}

#[test]
fn a_clean_tree_can_be_demanded() {
    let s = Sandbox::new();
    s.rolled_out("x").write("src/main.txt", "loose\n");
    let loose = s.on(&["verify", "--require-clean-git"]).exits(3).json();
    assert!(loose["failures"].to_string().contains("a clean work tree"), "{loose}");
}
