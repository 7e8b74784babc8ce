//! `verify` and `change verify`.

use crate::support::{CONFIG, Sandbox};

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
fn a_missing_review_is_not_a_matter_of_time() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("require_attestation: false", "require_attestation: true")).rolled_out("x");
    let _ = s.run(&["verify"]).exits(1).says(&["attested"]);
    let _ = s.on(&["verify", "--format", "text"]).exits(1).says(&["--tool other --reasoning-mode human --reviewer"]);
    let _ = s.on(&["review", "attest", "--tool", "other", "--reasoning-mode", "human"]).ok();
    let _ = s.run(&["verify"]).exits(3);
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
    insta::assert_snapshot!(s.on(&["verify", "--apply", "--summary", "s"]), @r#"
    $ verify --apply --summary s --change-id chg-20260302-090000-x
    exit 1
    --- stdout
    {
      "schema": "vibeship_optimizer.verify_apply.v1",
      "change_id": "chg-20260302-090000-x",
      "ok": false,
      "failures": [
        "refused at gate 8 (verify): gate 6 (decide) has not been passed; run vibeship-optimizer change promote --change-id chg-20260302-090000-x",
        "not fully rolled out",
        "insufficient monitor ticks: the window of 3 days is open; 3 days of monitoring, counted from the full rollout",
        "insufficient monitor ticks: have 0 need 3; measured on 0 of 3 distinct UTC days"
      ],
      "warnings": [],
      "applied": false
    }
    --- stderr
    refused at gate 8 (verify): gate 6 (decide) has not been passed
    next: vibeship-optimizer change promote --change-id chg-20260302-090000-x
    "#);
}

#[test]
fn a_refused_dry_run_answers_scripts_of_the_original_too() {
    let s = Sandbox::new();
    s.compared("x");
    let refused = s.on(&["change", "verify"]).exits(1).says(&["refused at gate 8 (verify)"]);
    let answer = refused.json();
    assert_eq!((&answer["change_id"], &answer["ok"]), (&serde_json::json!(s.id()), &serde_json::json!(false)));
    let failures = answer["failures"].as_array().unwrap();
    assert!(failures[0].as_str().unwrap().contains("gate 6 (decide) has not been passed"), "{answer}");
    assert!(failures.len() > 1 && answer["warnings"].is_array(), "{answer}");
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok();
    assert_eq!(s.on(&["change", "verify"]).exits(1).json()["ok"], false, "what has ended is not verified");
    assert_eq!(s.on(&["verify", "--format", "text"]).exits(1).stdout, "");
    assert_eq!(s.on(&["verify", "--format", "json"]).exits(1).json()["refused"], true);
}

#[test]
fn a_clean_tree_can_be_demanded() {
    let s = Sandbox::new();
    s.rolled_out("x").write("src/main.txt", "loose\n");
    let loose = s.on(&["verify", "--require-clean-git"]).exits(1).json();
    assert!(loose["failures"].to_string().contains("the work tree has uncommitted changes"), "{loose}");
}

#[test]
fn where_a_clean_tree_is_demanded_a_day_of_uncommitted_work_is_none() {
    let s = Sandbox::new();
    s.config_plus("verification: {require_clean_git: true}\n");
    s.rolled_out("x").write("idea.txt", "next idea\n");
    let ticked = || s.run(&["monitor", "tick", "--format", "json"]).ok().json()["runs_completed"].clone();
    assert_eq!(ticked(), 0);
    std::fs::remove_file(s.path("idea.txt")).unwrap();
    assert_eq!(ticked(), 1, "it is measured again on the same day");
}
