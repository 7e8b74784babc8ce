//! Stores of every format version ever written can still be read. The fixtures are never regenerated.

use std::fs;
use std::path::Path;

use crate::support::{Sandbox, kpi};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Stored under a name without a dot, so that the fixture is not taken for a store of this repository.
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
        "path": "[PROJECT]/.vibeship_optimizer/changes/chg-20260218-123900.json",
        "legacy": true
      },
      {
        "change_id": "chg-advisory-source-roles-realignment",
        "title": "source roles",
        "status": "verified",
        "started_at": "2026-02-10T08:00:00Z",
        "path": "[PROJECT]/.vibeship_optimizer/changes/chg-advisory-source-roles-realignment.json",
        "legacy": true
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
fn the_record_that_a_change_continues_is_known_and_another_in_its_place_is_not() {
    let s = Sandbox::new();
    let id = "chg-20260218-123900";
    s.write(
        format!(".vibeship-optimizer/changes/{id}.json"),
        store("v1").read(format!(".vibeship_optimizer/changes/{id}.json")),
    );
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Records of the Python tool"]);
    let contract = ["--kpi", "kpi.ops <= -1%", "--guardrail", "size.src <= +50%", "--trigger", "words"];
    let _ = s.run(&[&["change", "contract", "--change-id", id], &contract[..]].concat()).ok();
    let commit = |message: &str| {
        s.write("src/code.sh", message).git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", message, "-m", &format!("Optimizer-Change: {id}")]);
        s.run(&["check", "--range", "HEAD~1..HEAD", "--format", "text"])
    };
    let _ = commit("Continue the record").never_says(&["EVIDENCE_UNKNOWN"]);
    s.write(format!(".vibeship-optimizer/legacy/{id}.json"), kpi(1.0));
    let _ = commit("Numbers in its place").says(&["EVIDENCE_UNKNOWN", &format!("legacy/{id}.json")]);
}

#[test]
fn verified_there_is_not_verified_here() {
    let s = store("v1");
    let id = "chg-advisory-source-roles-realignment";
    let claimed = s.run(&["verify", "--change-id", id]);
    assert_ne!(claimed.code, 0, "{claimed}");
    // Every command that meets it says the same.
    for command in [
        &["status", "--change-id", id][..],
        &["next", "--run", "--change-id", id],
        &["change", "show", id],
        &["doctor", "--format", "text"],
        &["monitor", "tick", "--change-id", id],
        &["change", "start", "--from", id],
        &["compare", "--change-id", id],
        &["validate", "--change-id", id],
    ] {
        let _ = s.run(command).says(&["was written by the Python tool, says \"verified\" and carries no evidence"]);
    }
}

#[test]
fn the_legacy_state_directory_is_used_and_the_legacy_logbook_renamed_by_init() {
    let s = store("v1");
    let old = s.read("OPTIMIZATION_CHECKER.md");
    // Whether the command is installed depends on the machine.
    let config = s.read(".vibeship_optimizer/config.yml");
    s.write(".vibeship_optimizer/config.yml", config.replace("python -m pytest", "git status"));
    insta::assert_snapshot!(s.run(&["init", "--no-prompt"]), @r#"
    $ init --no-prompt
    exit 0
    --- stdout
    Initialized: [PROJECT]/.vibeship_optimizer/config.yml
    Initialized: [PROJECT]/VIBESHIP_OPTIMIZER.md
    --- stderr
    Renamed OPTIMIZATION_CHECKER.md to VIBESHIP_OPTIMIZER.md.
    warning: the project is not under git
    # without commits nothing ties a measurement to a change
    next: git init
    # open a change
    next: vibeship-optimizer change start --title "SHORT HYPOTHESIS"
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
    // Its evidence is intact and reproduces its verdicts: only time and days are missing.
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
            .troubled(&["was written by the Python tool, says \"verified\"", "change start --title"]);
    }
    let here: Vec<_> = s.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains(id)).collect();
    let before: Vec<_> = files.into_iter().filter(|(path, _)| path.to_string_lossy().contains(id)).collect();
    assert_eq!(here, before);
    let _ = s.run(&["change", "show", id]).ok();
}

/// The repository written by version 0.2.0: fourteen changes in every state, with their evidence and history.
fn repository_of_0_2_0() -> Sandbox {
    let s = Sandbox::without_git();
    fs::remove_dir_all(s.path("src")).unwrap();
    fs::remove_file(s.path("ops.json")).unwrap();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stores/0.2.0.bundle");
    s.git(&["init", "-q"]);
    s.git(&["fetch", "-q", bundle.to_str().unwrap(), "main"]);
    s.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    s.later(chrono::Duration::days(5) + chrono::Duration::hours(3));
    s
}

#[test]
fn every_state_of_0_2_0_is_read_and_its_evidence_still_holds() {
    let s = repository_of_0_2_0();
    let list = s.run(&["change", "list", "--format", "json"]).ok().json();
    let states: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let id = change["change_id"].as_str().unwrap();
            format!("{} {}", change["status"].as_str().unwrap(), id.split_once("00-").unwrap().1)
        })
        .collect();
    insta::assert_snapshot!(states.join("\n"), @r"
    verified verified
    held held
    rejected rejected
    rolled_back rolled-back
    monitoring emergency
    compared experiment
    monitoring monitoring
    measured after
    compared compared
    planned contracted
    planned planned
    promoted promoted
    validated validated
    baseline tuneable
    ");
    let _ = s.run(&["check", "--format", "text"]).ok().says(&["no problems found in 0 commits and 14 records"]);
    let first = s.git(&["rev-list", "--max-parents=0", "HEAD"]);
    let range = format!("{first}..HEAD");
    let _ = s
        .run(&["check", "--range", &range, "--format", "text"])
        .ok()
        .says(&["warn) in 44 commits and 14 records", "written by vibeship-optimizer 0.2.0"]);
    let _ = s.run(&["verify", "--change-id", "chg-20260302-090000-verified"]).ok();
    assert_eq!(s.git(&["status", "--porcelain"]), "", "reading writes nothing");
}

#[test]
fn every_state_of_0_2_0_is_continued() {
    let s = repository_of_0_2_0();
    let id = |name: &str| {
        let list = s.run(&["change", "list", "--format", "json"]).ok().json();
        let ids = list.as_array().unwrap().iter().map(|change| change["change_id"].as_str().unwrap().to_owned());
        ids.into_iter().find(|id| id.ends_with(name)).unwrap()
    };
    let on = |words: &[&str], name: &str| s.run(&[words, &["--change-id", &id(name)]].concat());
    let _ = on(&["snapshot", "--as", "after"], "-validated").ok();
    let _ = on(&["compare"], "-after").ok();
    let _ = on(&["change", "rollout", "canary"], "-promoted").ok();
    let _ = on(&["change", "hold", "--reason", "not sure"], "-experiment").ok();
    let _ = on(&["snapshot", "--as", "before"], "-contracted").ok();
    let contract =
        ["change", "contract", "--hypothesis", "h", "--kpi", "kpi.ops <= -1%", "--guardrail", "size.src <= +50%"];
    let _ = on(&[&contract[..], &["--trigger", "words"]].concat(), "-planned").ok();
    s.later(chrono::Duration::days(1));
    let _ = on(&["monitor", "tick"], "-monitoring").ok();
    let _ = on(&["change", "follow-up", "--by", &id("-monitoring")], "-emergency").ok();
    let _ = on(&["review", "bundle"], "-monitoring").ok();
    let _ = s.run(&["report", "--out", "page.html"]).ok();
    let _ = s.run(&["check", "--format", "text"]).ok().says(&["no problems found"]);
}
