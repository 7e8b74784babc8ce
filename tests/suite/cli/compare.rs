//! `compare`, for a change and for any two files.

use crate::support::Sandbox;

/// Two plain snapshots of a project, before and after an improvement.
fn pair() -> (Sandbox, String, String) {
    let s = Sandbox::new();
    let path = |s: &Sandbox, label: &str| {
        let answer = s.run(&["snapshot", "--label", label, "--format", "json"]).ok().json();
        answer["path"].as_str().unwrap().to_owned()
    };
    let before = path(&s, "before");
    s.tune(50.0).commit_as("tune", &[]);
    let after = path(&s, "after");
    (s, before, after)
}

#[test]
fn any_two_files_are_compared_and_nothing_is_recorded() {
    let (s, before, after) = pair();
    let files = s.files();
    let report = s.run(&["compare", "--before", &before, "--after", &after]).ok();
    let json = s.run(&["compare", "--before", &before, "--after", &after, "--format", "json"]).ok().json();
    assert_eq!(json["schema"], "vibeship_optimizer.compare.v2");
    assert!(report.stdout.contains("kpi.ops"), "{report}");
    assert_eq!(s.files(), files, "a comparison of files writes nothing");
}

#[test]
fn the_files_asked_for_are_written_and_named() {
    let (s, before, after) = pair();
    let out = s.run(&["compare", "--before", &before, "--after", &after, "--out", "c.md", "--json-out", "c.json"]);
    insta::assert_snapshot!(out, @r"
    $ compare --before .vibeship-optimizer/snapshots/20260302T090000_before.json --after .vibeship-optimizer/snapshots/20260302T090000_after.json --out c.md --json-out c.json
    exit 0
    --- stdout
    Wrote: c.md
    Wrote: c.json
    ");
    let json = s.json("c.json");
    assert_eq!(json["deltas"]["sizes"]["src"]["delta_bytes"], 0, "the original's fields stay");
    assert!(s.read("c.md").contains("kpi.ops"));
}

#[test]
fn out_never_overwrites_evidence_a_record_the_logbook_the_config_or_an_input() {
    let (s, before, after) = pair();
    s.start("x").contract();
    s.before();
    let evidence = s.evidence("before_snapshot.json");
    let kept = [evidence.as_str(), &s.record(), "VIBESHIP_OPTIMIZER.md", "vibeship_optimizer.yml", &before, &after];
    for (path, flag) in kept.iter().flat_map(|path| [(path, "--out"), (path, "--json-out")]) {
        let was = s.read(path);
        let name = path.rsplit('/').next().unwrap();
        let _ = s.run(&["compare", "--before", &before, "--after", &after, flag, path]).troubled(&[name]);
        assert_eq!(s.read(path), was, "{path}");
    }
}

#[test]
fn out_sees_through_dots_and_another_working_directory() {
    let (s, before, after) = pair();
    s.go_to("src");
    let (before, after) = (format!("../{before}"), format!("../{after}"));
    for out in ["../VIBESHIP_OPTIMIZER.md", "./../src/../vibeship_optimizer.yml"] {
        let _ = s.run(&["compare", "--before", &before, "--after", &after, "--out", out]).exits(2);
    }
}

#[test]
fn exit_code_answers_pass_fail_and_inconclusive() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["compare", "--exit-code"]).exits(0);
    let s = Sandbox::new();
    s.start("y").contract().before().improve(95.0).validate().after();
    let _ = s.on(&["compare"]).exits(0);
    let _ = s.on(&["compare", "--exit-code"]).exits(1);
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: \"exit 0\", runs: 1}]\n");
    s.start_with(
        "one run",
        &[
            "--hypothesis",
            "h",
            "--kpi",
            "timing.t.wall <= -10%",
            "--guardrail",
            "size.src <= +1%",
            "--trigger",
            "words",
        ],
    );
    s.before().improve(50.0).validate().after();
    let _ = s.on(&["compare", "--exit-code"]).exits(3);
    s.refuses(&["change", "promote"], 6, "verdicts");
}

#[test]
fn a_guardrail_that_fails_cannot_be_promoted() {
    let s = Sandbox::new();
    s.start("x").contract().before().write("src/main.txt", "x".repeat(1000)).improve(50.0).validate().after().compare();
    let refused = s.on(&["change", "promote"]).exits(1);
    insta::assert_snapshot!(refused, @r#"
    $ change promote --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 6 (decide): 1 criterion does not pass
      size.src <= +100% is fail: +19900.0 % violates ≤ +100 % (exact)
    # drop it
    next: vibeship-optimizer change reject --change-id chg-20260302-090000-x --reason "WHY"
    # keep it as an experiment
    or:   vibeship-optimizer change hold --change-id chg-20260302-090000-x --reason "WHY"
    "#);
}

#[test]
fn a_missing_file_is_named() {
    let s = Sandbox::new();
    insta::assert_snapshot!(s.run(&["compare", "--before", "a.json", "--after", "b.json"]), @r"
    $ compare --before a.json --after b.json
    exit 2
    --- stderr
    error: a.json does not exist
    # take a snapshot, which prints its path
    next: vibeship-optimizer snapshot
    ");
    let _ = s.run(&["compare", "--before", "a.json"]).exits(2);
}

#[test]
fn files_that_are_not_the_changes_own_are_not_taken_for_it() {
    let (s, before, after) = pair();
    s.start("x").contract().before();
    let _ = s.on(&["compare", "--before", &before, "--after", &after]).troubled(&[&s.id()]);
}

#[test]
fn a_timing_that_fails_on_a_side_is_invalid() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: \"git grep -q 100 -- ops.json\", runs: 3}]\n");
    s.start_with(
        "breaks",
        &["--hypothesis", "h", "--kpi", "timing.t.wall <= 60s", "--guardrail", "size.src <= +1%", "--trigger", "words"],
    );
    s.before().improve(50.0).validate();
    s.refuses(&["snapshot", "--as", "after"], 4, "unmeasured");
}

#[test]
#[cfg(unix)]
fn uncommitted_evidence_is_reported_with_a_command_that_works() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate().after();
    let told = "# commit the evidence\n";
    let compared = s.on(&["compare"]).ok().says(&[told]);
    let (_, steps) = compared.stderr.split_once(told).unwrap();
    let line = steps.lines().find_map(|line| line.strip_prefix("then: ")).unwrap_or_else(|| panic!("{compared}"));
    let status = s.on(&["status"]).ok();
    assert_eq!(status.stdout.matches(told).count(), 1, "{status}");
    s.write("src/loose.txt", "not evidence\n").git(&["add", "src/loose.txt"]);
    let done = s.command("sh").args(["-c", line]).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(s.git(&["status", "--porcelain", "src"]), "A  src/loose.txt", "nothing else was committed");
    let _ = s.on(&["status"]).ok().never_says(&[told]);
    s.git(&["rm", "-q", "-f", "src/loose.txt"]);
    let promoted = s.on(&["change", "promote"]).ok();
    let _ = promoted.says(&[told]);
    let elsewhere = s.go_to("src").on(&["status"]).ok();
    assert!(elsewhere.stdout.contains(&format!("{told}    then: cd [PROJECT] && git add ")), "{elsewhere}");
    // Committing would record the lost file as deleted.
    std::fs::remove_file(s.path(format!("reports/optimizer/{}_compare.json", s.id()))).unwrap();
    let lost = s.go_to(".").on(&["status"]).ok().says(&["evidence is not what was recorded", "git checkout HEAD -- "]);
    let _ = lost.never_says(&[told]);
}

#[test]
fn evidence_that_git_ignores_is_not_asked_for() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate().after();
    s.write(".git/info/exclude", "reports/\n").compare();
    let _ = s.on(&["status"]).ok().never_says(&["not committed yet"]);
    let bare = Sandbox::without_git();
    bare.write("vibeship_optimizer.yml", crate::support::CONFIG).start("x").contract().before();
    let _ = bare.on(&["status"]).ok().never_says(&["not committed yet"]);
}

#[test]
fn a_comparison_that_is_repeated_says_so() {
    let s = Sandbox::new();
    s.compared("x");
    assert!(!s.read(s.evidence("compare.md")).contains("since the baseline"));
    s.compare();
    assert!(s.read(s.evidence("compare.md")).contains("This is comparison 2 since the baseline"));
    let _ = s.run(&["check"]).ok();
}

#[test]
fn a_file_compared_with_itself_does_not_pass() {
    let (s, before, _) = pair();
    std::fs::copy(s.path(&before), s.path("copy.json")).unwrap();
    for other in [before.as_str(), "copy.json"] {
        let arguments = ["compare", "--before", &before, "--after", other];
        let _ = s.run(&arguments).ok().says(&["nothing was compared"]).never_says(&["**pass**"]);
        assert_eq!(s.run(&[&arguments[..], &["--format", "json"]].concat()).ok().json()["outcome"], "invalid");
        let _ = s.run(&[&arguments[..], &["--exit-code"]].concat()).exits(1);
    }
}

#[test]
fn swapped_snapshots_of_a_change_are_reported_and_never_replace_its_report() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate().after();
    let (before, after, report) =
        (s.evidence("before_snapshot.json"), s.evidence("after_snapshot.json"), s.evidence("compare.md"));
    let swapped = ["compare", "--before", &after, "--after", &before];
    let _ = s.run(&[&swapped[..], &["--out", &report]].concat()).troubled(&["they are swapped", "compare --change-id"]);
    assert!(!s.path(&report).exists());
    let _ = s.run(&swapped).ok().says(&["they are swapped"]);
}

#[test]
fn a_tuneable_that_only_another_reader_sees_change_is_told_and_several_documents_are_refused() {
    let s = Sandbox::new();
    s.config("version: 1\ntuneables: {files: [t.yml]}\n");
    let snapshot = |label: &str, text: &str| {
        s.write("t.yml", text).commit_as(label, &[]);
        s.run(&["snapshot", "--label", label]).ok().stdout.trim().to_owned()
    };
    let (a, b) = (snapshot("a", "enabled: off\n"), snapshot("b", "enabled: \"off\"\n"));
    let _ = s.run(&["compare", "--before", &a, "--after", &b]).ok().says(&["t.yml", "changed, but no value in it did"]);
    s.write("t.yml", "a: 1\n---\na: 2\n");
    let several = "it holds several documents (separated by `---`)";
    let _ = s.run(&["snapshot", "--label", "c"]).troubled(&["t.yml", several]);
    s.config("version: 1\n---\nkpis: []\n");
    let _ = s.run(&["snapshot", "--label", "d"]).troubled(&[several]);
}

#[test]
fn the_size_of_a_submodule_is_that_of_the_commit_it_is_at() {
    let s = Sandbox::new();
    let (inner, lib) = (s.outside().join("inner"), s.path("lib"));
    std::fs::create_dir_all(&inner).unwrap();
    s.git_in(&inner, &["init", "-q"]);
    for (tag, bytes) in [("small", 10), ("large", 4000)] {
        std::fs::write(inner.join("lim.sh"), "x".repeat(bytes)).unwrap();
        std::fs::write(inner.join(".gitignore"), "built\n").unwrap();
        s.git_in(&inner, &["add", "-A"]);
        s.git_in(&inner, &["commit", "-qm", tag]);
        s.git_in(&inner, &["tag", tag]);
    }
    s.git(&["-c", "protocol.file.allow=always", "submodule", "-q", "add", inner.to_str().unwrap(), "lib"]);
    s.git_in(&lib, &["checkout", "-q", "small"]);
    s.config(&crate::support::CONFIG.replace("[src]", "[src, lib]"));
    let bounds = ["--kpi", "kpi.ops <= -10%", "--guardrail", "size.lib <= +20%", "--trigger", "kpi.ops > +10%"];
    s.start_with("larger", &[&["--hypothesis", "h"], &bounds[..]].concat()).before();
    s.write("lib/built", "x".repeat(90_000));
    s.git_in(&lib, &["checkout", "-q", "large"]);
    s.improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).exits(1).says(&["size.lib <= +20%"]);
    assert!(s.read(s.evidence("compare.md")).contains("+24937.5 %"), "what the submodule ignores is not counted");
    std::fs::remove_dir_all(&lib).unwrap();
    std::fs::create_dir(&lib).unwrap();
    let empty = s.run(&["snapshot", "--label", "x", "--format", "json"]).ok().json()["snapshot"].clone();
    assert_eq!(empty["missing_sizes"], serde_json::json!(["lib"]));
    assert!(empty["warnings"].to_string().contains("lib is not checked out"), "{empty:#}");
}

/// The table measures a size as the criterion does.
#[test]
fn what_git_ignores_makes_no_size_worse_in_the_table() {
    let s = Sandbox::new();
    s.write(".gitignore", "src/cache/\n").commit_as("ignore", &[]);
    s.start("x")
        .contract()
        .before()
        .improve(50.0)
        .write("src/cache/x", "x".repeat(10_000))
        .validate()
        .after()
        .compare();
    let rows = s.json(s.evidence("compare.json"))["metrics"].clone();
    let row = rows.as_array().unwrap().iter().find(|row| row["metric"] == "size.src").unwrap().clone();
    assert_eq!(row["before"]["value"], row["after"]["value"], "{row}");
}
