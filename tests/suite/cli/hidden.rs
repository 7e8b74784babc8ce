//! Changes hidden from git, or under the tool's own names. All of them are detected, and honest uses still work.

use crate::support::{CONFIG, Sandbox, kpi};

/// A change with its baseline.
fn begun() -> Sandbox {
    let s = Sandbox::new();
    s.start("hide").contract().before();
    s
}

#[cfg(unix)]
#[test]
fn a_metric_edited_behind_a_clean_filter_is_not_measured() {
    let s = Sandbox::new();
    s.write(".gitattributes", "ops.json filter=hide\n").commit_as("attributes", &[]);
    s.git(&["config", "filter.hide.clean", "sed s/50/100/"]);
    s.start("filter").contract().before();
    s.write("src/main.txt", "a comment\n").commit("tune").validate();
    s.write("ops.json", kpi(50.0)).git(&["add", "ops.json"]);
    assert_eq!(s.git(&["status", "--porcelain", "--", "ops.json"]), "", "git calls it unchanged");
    s.refuses(&["snapshot", "--as", "after"], 4, "unknown_state");
    let _ = s.on(&["snapshot", "--as", "after"]).exits(1).says(&["ops.json", ".gitattributes"]);
    s.write("ops.json", kpi(100.0)).git(&["add", "ops.json"]);
    s.after();
}

#[cfg(unix)]
#[test]
fn a_script_edited_behind_a_clean_filter_is_seen_and_an_honest_filter_is_accepted() {
    let s = Sandbox::new();
    s.write("bench.sh", "echo 100\n").write(".gitattributes", "*.sh filter=swap\n*.json text eol=crlf\n");
    s.git(&["config", "filter.swap.clean", "tr 15 51"]);
    s.git(&["config", "filter.swap.smudge", "tr 15 51"]);
    s.git(&["config", "core.autocrlf", "true"]);
    s.config(&CONFIG.replace("pair:", "timings: [{name: bench, cmd: sh bench.sh, runs: 2}]\npair:"));
    s.compared("honest");
    s.git(&["config", "filter.swap.clean", "sed 's/.*/echo 500/'"]);
    s.write("bench.sh", "echo 1\n");
    s.start_with("filter", &["--parallel"]).contract();
    s.git(&["add", "bench.sh"]);
    assert_eq!(s.git(&["status", "--porcelain", "--", "bench.sh"]), "", "git calls it unchanged");
    s.refuses(&["snapshot", "--as", "before"], 2, "unknown_state");
}

#[test]
fn a_metric_among_the_tools_own_files_is_refused_before_it_is_measured() {
    let s = Sandbox::new();
    let own = |path: &str| CONFIG.replace("file: ops.json", &format!("file: {path}"));
    s.write("reports/optimizer/ops.json", kpi(100.0)).write(".vibeship-optimizer/legacy/ops.json", kpi(100.0));
    s.config(&own("reports/optimizer/ops.json")).start("own").contract();
    insta::assert_snapshot!(s.on(&["snapshot", "--as", "before"]), @"
    $ snapshot --as before --change-id chg-20260302-090000-own
    exit 1
    --- stderr
    refused at gate 2 (baseline): the config measures from the tool's own files, whose changes do not count: kpi.ops (reports/optimizer/ops.json)
    # move the files elsewhere, name them there in the config, commit, then
    next: vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-own --as before
    ");
    for path in [".vibeship-optimizer/legacy/ops.json", "src/../reports/optimizer/ops.json"] {
        s.config(&own(path)).refuses(&["snapshot", "--as", "before"], 2, "own_source");
    }
    for (from, to) in [
        ("exit 0", "sh reports/optimizer/test.txt"),
        ("size_paths", "tuneables: {files: [reports/optimizer/t.json]}\nsize_paths"),
        ("enabled: false", "enabled: false, share: [reports/optimizer]"),
    ] {
        s.config(&CONFIG.replace(from, to)).refuses(&["snapshot", "--as", "before"], 2, "own_source");
    }
    // Reading next to them and writing to them is harmless.
    let beside = CONFIG.replace("exit 0", "git status reports/optimizer > .vibeship-optimizer/cache/log.txt");
    s.config(&beside).before();
}

#[cfg(unix)]
#[test]
fn a_metric_that_a_link_leads_to_among_the_tools_own_files_is_refused() {
    let s = Sandbox::new();
    s.write("reports/optimizer/ops.json", kpi(100.0));
    std::fs::remove_file(s.path("ops.json")).unwrap();
    std::os::unix::fs::symlink("reports/optimizer/ops.json", s.path("ops.json")).unwrap();
    s.commit_as("link", &[]).start("own").contract();
    s.refuses(&["snapshot", "--as", "before"], 2, "own_source");
}

#[test]
fn code_committed_under_the_name_of_a_temporary_file_or_in_the_cache_is_the_change() {
    for path in ["reports/optimizer/.vibeship-write-a.tmp", ".vibeship-write-a.tmp", ".vibeship-optimizer/cache/run.py"]
    {
        let s = begun();
        s.improve(50.0);
        s.write(path, "code").git(&["add", "-f", path]);
        s.git(&["commit", "-q", "-m", "evidence"]);
        s.refuses(&["validate"], 3, "many_commits");
        s.write(path, "other code");
        s.refuses(&["validate"], 3, "dirty");
    }
    // A leftover of a killed write is not a change.
    let s = begun();
    s.improve(50.0).write("reports/optimizer/.vibeship-write-a.tmp", "left").validate();
}

#[cfg(unix)]
#[test]
fn a_link_among_the_tools_own_files_is_the_change() {
    let s = begun();
    s.improve(50.0);
    std::os::unix::fs::symlink("../../src/main.txt", s.path("reports/optimizer/x.json")).unwrap();
    s.refuses(&["validate"], 3, "dirty");
    s.git(&["add", "reports/optimizer/x.json"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s.refuses(&["validate"], 3, "many_commits");
}

#[cfg(unix)]
#[test]
fn a_size_behind_a_link_that_leaves_the_project_is_refused() {
    let s = Sandbox::new();
    let elsewhere = s.outside().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("big"), "12345").unwrap();
    std::os::unix::fs::symlink(&elsewhere, s.path("link")).unwrap();
    s.config(&CONFIG.replace("size_paths: [src]", "size_paths: [link]")).start("less");
    let contract = ["--hypothesis", "h", "--kpi", "size.link <= -10%", "--guardrail", "kpi.ops <= +5%"];
    let way_out = ["--trigger", "kpi.ops >= +50%", "--rollback", "git revert <sha>"];
    let _ = s.on(&[&["change", "contract"], &contract[..], &way_out].concat()).ok();
    s.refuses(&["snapshot", "--as", "before"], 2, "not_in_git");
}

#[test]
#[cfg(unix)]
fn a_filter_whose_program_is_missing_is_named_where_a_clean_checkout_is_needed() {
    let s = Sandbox::new();
    for (key, value) in [("smudge", "no-such-program"), ("clean", "cat"), ("required", "true")] {
        s.git(&["config", &format!("filter.foo.{key}"), value]);
    }
    s.write(".gitattributes", "*.bin filter=foo\n").write("a.bin", "1").commit_as("binary", &[]);
    s.compared("x");
    let names = ["next: git config --get-regexp '^filter[.]foo[.]'", "the program that the filter foo runs"];
    let _ = s.on(&["change", "promote"]).exits(2).says(&names);
}
