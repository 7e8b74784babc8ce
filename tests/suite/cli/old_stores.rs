//! Stores of every format version ever written keep being read. The fixtures are never regenerated.

use std::fs;
use std::path::Path;

use crate::support::Sandbox;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Kept under a name without a dot, so that the fixture is no store of this repository.
        let name = entry.file_name().into_string().unwrap().replace("dot-", ".");
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn store(version: &str) -> Sandbox {
    let s = Sandbox::without_git();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stores").join(version), s.root());
    s
}

#[test]
fn changes_of_the_original_are_listed_as_they_stand() {
    let s = store("v1");
    insta::assert_snapshot!(s.run(&["change", "list"]), @r#"
    $ change list
    exit 0
    --- stdout
    [
      {
        "change_id": "chg-20260218-123900",
        "title": "smaller package",
        "status": "planned",
        "started_at": "2026-02-18T12:39:00Z",
        "path": "[PROJECT]/.vibeship_optimizer/changes/chg-20260218-123900.json"
      },
      {
        "change_id": "chg-advisory-source-roles-realignment",
        "title": "source roles",
        "status": "verified",
        "started_at": "2026-02-10T08:00:00Z",
        "path": "[PROJECT]/.vibeship_optimizer/changes/chg-advisory-source-roles-realignment.json"
      }
    ]
    "#);
}

#[test]
fn a_change_of_the_original_is_continued_and_its_record_kept() {
    let s = store("v1");
    let id = "chg-20260218-123900";
    let old = s.json(format!(".vibeship_optimizer/changes/{id}.json"));
    let files = s.files();
    let shown = s.run(&["change", "show", id, "--format", "json"]).ok().json();
    assert_eq!(shown["title"], old["title"]);
    assert_eq!(s.files(), files, "showing it continues nothing");
    let contract = ["--kpi", "size.lib <= -1%", "--guardrail", "size.docs <= +1%", "--trigger", "words"];
    let _ = s.run(&[&["change", "contract", "--change-id", id], &contract[..]].concat()).ok();
    let new = s.json(format!(".vibeship_optimizer/changes/{id}.json"));
    assert_eq!(new["schema"], "vibeship_optimizer.change.v2");
    assert_eq!((&new["title"], &new["hypothesis"]), (&old["title"], &old["hypothesis"]));
    assert_eq!(s.json(format!(".vibeship_optimizer/legacy/{id}.json")), old);
}

#[test]
fn verified_there_is_not_verified_here() {
    let s = store("v1");
    let claimed = s.run(&["verify", "--change-id", "chg-advisory-source-roles-realignment"]);
    assert_ne!(claimed.code, 0, "{claimed}");
}

#[test]
fn the_legacy_state_directory_is_used_and_the_legacy_logbook_renamed_by_init() {
    let s = store("v1");
    let old = s.read("OPTIMIZATION_CHECKER.md");
    insta::assert_snapshot!(s.run(&["init", "--no-prompt"]), @r#"
    $ init --no-prompt
    exit 0
    --- stdout
    Initialized: [PROJECT]/.vibeship_optimizer/config.yml
    Initialized: [PROJECT]/VIBESHIP_OPTIMIZER.md
    --- stderr
    Renamed OPTIMIZATION_CHECKER.md to VIBESHIP_OPTIMIZER.md.
    hint: open a change: vibeship-optimizer change start --title "<short hypothesis>"
    "#);
    assert!(s.read("VIBESHIP_OPTIMIZER.md").starts_with(&old), "the text is kept");
    assert!(!s.path("OPTIMIZATION_CHECKER.md").exists() && !s.path(".vibeship-optimizer").exists());
}

#[test]
fn snapshots_of_the_original_are_compared() {
    let s = store("v1");
    let file = |label: &str| format!(".vibeship_optimizer/snapshots/20260218T123{label}.json");
    let report = s.run(&["compare", "--before", &file("900_before"), "--after", &file("955_after")]).ok();
    let _ = report.says(&["`lib`", "-25.0 %", "timing.tests.wall"]);
}

#[test]
fn a_record_of_version_2_replays_to_the_same_state() {
    let s = store("v2");
    let id = "chg-20260302-090000-halve-the-operations";
    let shown = s.run(&["change", "show", id, "--format", "json"]).ok().json();
    assert_eq!(shown["status"], "monitoring");
    let list = s.run(&["change", "list"]).ok().json();
    let states: Vec<_> = list.as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["monitoring", "rejected"]);
    // Its evidence is whole and its verdicts come out again: only time and days are missing.
    let verify = s.run(&["verify", "--change-id", id]).exits(3).json();
    for demand in verify["demands"].as_array().unwrap() {
        let name = demand["kind"]["demand"].as_str().unwrap();
        assert_eq!(demand["met"] == true, !matches!(name, "window" | "ticks"), "{name}: {verify}");
    }
}

#[test]
fn snapshots_of_version_2_are_compared() {
    let s = store("v2");
    let file = |side: &str| format!("reports/optimizer/chg-20260302-090000-halve-the-operations_{side}_snapshot.json");
    let json =
        s.run(&["compare", "--before", &file("before"), "--after", &file("after"), "--format", "json"]).ok().json();
    assert!(json.to_string().contains("kpi.ops"), "{json}");
}

#[test]
fn what_the_original_calls_verified_is_not_reopened_by_writing_to_it() {
    let s = store("v1");
    let id = "chg-advisory-source-roles-realignment";
    let files = s.files();
    for verb in [
        &["change", "note", "a word"][..],
        &["change", "reject", "--reason", "no"],
        &["change", "contract", "--hypothesis", "h"],
        &["snapshot", "--as", "before"],
        &["validate"],
    ] {
        let _ = s
            .run(&[verb, &["--change-id", id]].concat())
            .troubled(&["a record of the original that says \"verified\"", "change start --title"]);
    }
    let here: Vec<_> = s.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains(id)).collect();
    let before: Vec<_> = files.into_iter().filter(|(path, _)| path.to_string_lossy().contains(id)).collect();
    assert_eq!(here, before);
    let _ = s.run(&["change", "show", id]).ok();
}
