//! How commands select a change.

use crate::support::Sandbox;

fn two() -> (Sandbox, String, String) {
    let s = Sandbox::new();
    let first = s.start("first").id();
    let second = s.start_with("second", &["--parallel"]).id();
    (s, first, second)
}

#[test]
fn the_only_open_change_is_meant_without_an_id() {
    let s = Sandbox::new();
    s.start("only");
    let shown = s.run(&["change", "show", "--format", "json"]).ok().json();
    assert_eq!(shown["change_id"], s.id());
}

#[test]
fn two_open_changes_are_listed_instead_of_guessed() {
    let (s, first, second) = two();
    insta::assert_snapshot!(s.run(&["validate"]), @"
    $ validate
    exit 2
    --- stderr
    error: 2 changes are open: chg-20260302-090000-first, chg-20260302-090000-second
    hint: name one with --change-id, or select one
    next: vibeship-optimizer change use chg-20260302-090000-first
    or:   vibeship-optimizer change use chg-20260302-090000-second
    ");
    let _ = s.run(&["change", "note", "x"]).troubled(&[&first, &second]);
}

#[test]
fn the_variable_precedes_the_selected_change_and_the_flag_precedes_both() {
    let (s, first, second) = two();
    let _ = s.run(&["change", "use", &first]).ok();
    let shown = |arguments: &[&str]| {
        let mut all = vec!["change", "show", "--format", "json"];
        all.extend(arguments);
        s.run(&all).ok().json()["change_id"].clone()
    };
    assert_eq!(shown(&[]), first);
    s.set("VIBESHIP_CHANGE_ID", &second);
    assert_eq!(shown(&[]), second);
    assert_eq!(shown(&["--change-id", &first]), first);
}

#[test]
fn an_ended_selection_is_ignored() {
    let (s, first, second) = two();
    let _ = s.run(&["change", "use", &first]).ok();
    let _ = s.run(&["change", "reject", "--change-id", &first, "--reason", "no"]).ok();
    assert_eq!(s.run(&["change", "show", "--format", "json"]).ok().json()["change_id"], second);
}

#[test]
fn without_an_open_change_the_command_to_open_one_is_printed() {
    insta::assert_snapshot!(Sandbox::new().run(&["validate"]), @r#"
    $ validate
    exit 2
    --- stderr
    error: no change is open
    hint: an ended one can be named with --change-id
    next: vibeship-optimizer change start --title "SHORT HYPOTHESIS"
    # see the ended ones
    or:   vibeship-optimizer change list
    "#);
}

#[test]
fn a_bad_variable_names_itself() {
    let s = Sandbox::new();
    s.start("x");
    s.set("VIBESHIP_CHANGE_ID", "../../etc/passwd");
    insta::assert_snapshot!(s.run(&["validate"]), @r#"
    $ validate
    exit 2
    --- stderr
    error: invalid change id "../../etc/passwd": ids begin with "chg-" and hold at most 120 letters, digits, '-' and '_', like chg-20260218-123900-faster-cache
    hint: did you mean chg-20260302-090000-x?
    # see the changes
    next: vibeship-optimizer change list
    hint: it is the value of VIBESHIP_CHANGE_ID: unset it or give --change-id
    "#);
}

#[test]
fn an_unknown_id_is_trouble_and_not_a_refusal() {
    let s = Sandbox::new();
    s.start("x");
    insta::assert_snapshot!(s.run(&["validate", "--change-id", "chg-20260101-000000-nobody"]), @"
    $ validate --change-id chg-20260101-000000-nobody
    exit 2
    --- stderr
    error: unknown change `chg-20260101-000000-nobody` (looked for [PROJECT]/.vibeship-optimizer/changes/chg-20260101-000000-nobody.json)
    # see the changes
    next: vibeship-optimizer change list
    ");
}

#[test]
fn a_second_undecided_change_needs_parallel() {
    let s = Sandbox::new();
    s.start("first");
    let refused = s.run(&["change", "start", "--title", "second"]);
    insta::assert_snapshot!(refused, @"
    $ change start --title second
    exit 1
    --- stderr
    refused at gate 0 (open): another change is open and undecided: chg-20260302-090000-first
    # continue with that one
    next: vibeship-optimizer status --change-id chg-20260302-090000-first
    # open a second one; their effects may mix
    or:   vibeship-optimizer change start --title second --parallel
    ");
    assert_eq!(s.run(&["change", "list"]).ok().json().as_array().unwrap().len(), 1);
}

#[test]
fn twenty_started_in_one_second_have_twenty_ids_and_twenty_sections() {
    let s = Sandbox::new();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let start = ["change", "start", "--title", "same", "--parallel"];
    let running: Vec<_> =
        (0..20).map(|_| s.tool(&start).stdout(std::process::Stdio::piped()).spawn().unwrap()).collect();
    for child in running {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let list = s.run(&["change", "list"]).ok().json();
    let ids: std::collections::BTreeSet<String> =
        list.as_array().unwrap().iter().map(|entry| entry["change_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 20);
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    for id in ids {
        assert!(logbook.contains(&format!("<!-- vibeship-optimizer:begin {id} -->")), "{id} is missing");
    }
}

#[test]
fn an_ended_change_cannot_be_selected_and_an_ended_selection_is_reported() {
    let s = Sandbox::new();
    s.start("first");
    let first = s.id();
    s.start_with("second", &["--parallel"]);
    let second = s.id();
    let _ = s.run(&["change", "use", &first]).ok();
    let _ = s.run(&["change", "show"]).ok().says(&[&first]).never_says(&["is not open any more"]);
    let _ = s.run(&["change", "reject", "--change-id", &first, "--reason", "no"]).ok();
    let other = s.run(&["change", "show"]).ok();
    let _ = other.says(&[&format!("selected change {first} is no longer open; using {second}")]);
    let refused = s.run(&["change", "use", &first]).exits(1);
    let _ = refused.says(&["has ended (rejected)", "change list", &format!("change show --change-id {first}")]);
}

#[test]
fn the_only_open_change_is_meant_and_of_several_the_chosen_one() {
    let s = Sandbox::new();
    s.start("first");
    let first = s.id();
    let _ = s.run(&["change", "show"]).ok().says(&[&first]);
    s.start_with("second", &["--parallel"]);
    let _ = s.run(&["change", "show"]).troubled(&["2 changes are open", "change use"]);
    let _ = s.run(&["change", "use", &first]).ok();
    let _ = s.run(&["change", "show"]).ok().says(&[&first]);
    let readme = include_str!("../../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let order = "in `VIBESHIP_CHANGE_ID`, else the open one selected with";
    assert!(readme.contains(order), "the README says it in the order of --help");
    let _ = s.run(&["change", "show", "--help"]).ok().says(&["VIBESHIP_CHANGE_ID, the one selected with `change use`"]);
}

#[test]
fn a_beginning_or_a_part_of_an_id_is_enough_and_a_watched_change_does_not_interfere() {
    let s = Sandbox::new();
    s.rolled_out("halve the limit");
    let watched = s.id();
    s.start("cache the tables");
    for part in ["cache", "Cache the", "tables", &s.id()[..s.id().len() - 2]] {
        let _ = s.run(&["change", "use", part]).ok().says(&[&s.id()]);
    }
    let _ = s.run(&["change", "use", "--clear"]).ok();
    let _ = s.run(&["change", "note", "x", "--change-id", "chg-2026"]).troubled(&["is ambiguous", &watched]);
    let _ = s.run(&["change", "note", "x", "--change-id", "cahce-the-tables"]).troubled(&["change list"]);
    // Without an id, the undecided change is selected, and after the rollout the one that is rolled out.
    let _ = s.run(&["change", "note", "x"]).ok().says(&[&s.id()]);
    let _ = s.run(&["monitor", "start", "--days", "4", "--format", "text"]).ok().says(&[&watched]);
}
