//! `snapshot`: the baseline, the state after, and snapshots without a change.

#[cfg(unix)]
use crate::support::CommandOutput;
use crate::support::{CONFIG, Sandbox, kpi};

#[test]
fn a_plain_snapshot_prints_its_path_alone() {
    let s = Sandbox::new();
    insta::assert_snapshot!(s.run(&["snapshot", "--label", "now"]), @r"
    $ snapshot --label now
    exit 0
    --- stdout
    .vibeship-optimizer/snapshots/20260302T090000_now.json
    ");
    assert_eq!(
        s.run(&["snapshot", "--label", "now"]).ok().stdout.lines().count(),
        1,
        "a second gets a name of its own"
    );
}

#[test]
fn a_dirty_tree_is_refused_for_a_baseline() {
    let s = Sandbox::new();
    s.start("x").contract().write("src/main.txt", "edited\n");
    insta::assert_snapshot!(s.on(&["snapshot", "--as", "before"]), @r#"
    $ snapshot --as before --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 2 (baseline): 1 uncommitted file outside the tool's own files
      src/main.txt
    # stash the work
    next: git stash push -u -- ':(top)src/main.txt'
    then: vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before
    # bring the work back
    then: git stash pop
    # commit it first, so that it becomes part of the baseline
    or:   git add -- ':(top)src/main.txt' && git commit -m "WHAT CHANGED" -- ':(top)src/main.txt'
    # measure it as it is, which can never be promoted
    or:   vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before --allow-dirty
    "#);
}

#[test]
fn the_tools_own_files_do_not_make_a_tree_dirty() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.write("reports/optimizer/notes.txt", "mine").before();
    let snapshot = s.json(s.evidence("before_snapshot.json"));
    assert_eq!(snapshot["git"]["dirty"], false);
}

#[test]
fn a_baseline_of_a_dirty_tree_is_indicative_and_never_promoted() {
    let s = Sandbox::new();
    s.start("x").contract().write("src/main.txt", "edited\n");
    let _ = s.on(&["snapshot", "--as", "before", "--allow-dirty"]).ok();
    s.improve(50.0).validate().after().compare();
    s.refuses(&["change", "promote"], 6, "only_indicative");
}

#[test]
fn a_baseline_after_the_change_is_too_late() {
    let s = Sandbox::new();
    s.start("x").contract().improve(50.0);
    insta::assert_snapshot!(s.on(&["snapshot", "--as", "before"]), @r#"
    $ snapshot --as before --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 2 (baseline): 1 commit carries this change's id already, and a baseline has to come before the change
      [SHORT] tune
    # save the commits on a branch and stash the change
    next: git branch made-too-early-chg-20260302-090000-x && git reset --soft [SHORT]~1 && git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md'
    # measure without it
    then: vibeship-optimizer snapshot --label before --change-id chg-20260302-090000-x --as before
    # bring it back as one commit
    then: git stash pop && git add -A && git commit --reset-author -C [SHORT] --trailer "Optimizer-Change: chg-20260302-090000-x"
    "#);
}

#[test]
fn a_metric_that_cannot_be_measured_makes_no_baseline() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.write("ops.json", "{\"ops\": \"many\"}").commit_as("break", &[]);
    s.refuses(&["snapshot", "--as", "before"], 2, "unmeasured");
}

#[test]
fn an_after_of_other_code_than_the_validated_is_refused() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate();
    s.write("src/main.txt", "more\n").commit_as("sneak in", &[]);
    s.refuses(&["snapshot", "--as", "after"], 4, "not_validated_code");
    s.git(&["reset", "-q", "--hard", "HEAD~1"]);
    s.write("src/main.txt", "uncommitted\n").refuses(&["snapshot", "--as", "after"], 4, "dirty");
}

#[test]
fn evidence_may_be_committed_between_validation_and_after() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s.after().compare();
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_missing_size_path_is_missing_and_not_zero() {
    let s = Sandbox::new();
    s.config(&crate::support::CONFIG.replace("[src]", "[src, gone]"));
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    let sizes = &snapshot["snapshot"]["sizes"];
    assert!(sizes["gone"]["bytes"].is_null(), "{sizes}");
    assert_eq!(sizes["src"]["bytes"], 5, "{sizes}");
}

#[test]
fn every_run_is_kept_in_order_with_its_exit_code() {
    let s = Sandbox::new();
    s.config_plus("timings:\n  - {name: fails, cmd: \"exit 3\", runs: 3}\n");
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    let timing = &snapshot["snapshot"]["timings"][0];
    assert_eq!(timing["last_rc"], 3, "{timing}");
    assert_eq!(timing["samples"].as_array().map(Vec::len), Some(3), "{timing}");
}

#[test]
fn a_hyperfine_file_cannot_overwrite_evidence() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let path = s.evidence("before_snapshot.json");
    let was = s.read(&path);
    let _ = s.run(&["snapshot", "--export-hyperfine", &path]).troubled(&["before_snapshot.json"]);
    assert_eq!(s.read(&path), was);
    s.write("ops.json", kpi(1.0));
}

#[test]
fn one_run_of_a_command_feeds_every_kpi_that_reads_it() {
    let s = Sandbox::new();
    s.write("bench.sh", "echo x >> runs\necho '{\"a\": 1, \"b\": [{\"n\": \"p\", \"ns\": [2, 4, 3]}]}'\n");
    s.config(
        "version: 1\nkpis:\n  - {name: a, cmd: sh bench.sh, pointer: /a, better: lower, runs: 3}\n  \
         - {name: b, cmd: sh bench.sh, pointer: /b/n=p/ns, better: lower, runs: 2}\n",
    );
    let taken = s.run(&["snapshot", "--format", "json"]).ok().json();
    assert_eq!(taken["snapshot"]["kpis"][0]["values"], serde_json::json!([1.0, 1.0, 1.0]));
    assert_eq!(taken["snapshot"]["kpis"][1]["values"], serde_json::json!([3.0, 3.0]), "a run counts once");
    assert_eq!(s.read("runs").lines().count(), 3);
}

#[test]
fn results_that_nobody_wrote_again_prove_nothing() {
    let walk = |rewritten: bool, stale_ok: &str| {
        let s = Sandbox::new();
        s.write(".gitignore", "bench.json\n").write("bench.json", "{\"errors\": 0}");
        let kpi =
            format!("  - {{name: errors, file: bench.json, pointer: /errors, better: lower, exact: true{stale_ok}}}\n");
        s.config(&CONFIG.replace("size_paths:", &format!("{kpi}size_paths:")));
        let bounds = ["--kpi", "kpi.ops <= -10%", "--guardrail", "kpi.errors <= 0", "--trigger", "kpi.ops > +5%"];
        s.start_with("stale", &[&["--hypothesis", "h"], &bounds[..]].concat());
        s.before().improve(50.0).validate();
        if rewritten {
            s.write("bench.json", "{\"errors\": 0}");
        }
        s.after().compare();
        s
    };
    let s = walk(false, "");
    let unwritten = "bench.json was not written again since the baseline";
    assert!(s.read(s.evidence("compare.md")).contains(unwritten));
    let _ = s.on(&["change", "promote"]).exits(1).says(&[unwritten]);
    // Comparing again would not read the file again.
    let again = "next: vibeship-optimizer snapshot --label after --change-id chg-20260302-090000-stale --as after";
    let _ = s.on(&["compare"]).says(&[again, "then: vibeship-optimizer compare"]);
    for s in [walk(true, ""), walk(false, ", stale_ok: it is a constant")] {
        let _ = s.on(&["change", "promote"]).ok();
    }
    let old = std::fs::File::options().append(true).open(s.path("bench.json")).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400)).unwrap();
    let _ = s.run(&["snapshot"]).ok().says(&["KPI errors has no usable value: bench.json was written before"]);
    s.start_with("y", &["--parallel"]).contract();
    let _ = s.on(&["change", "contract", "--kpi", "kpi.errors <= -10%"]).ok();
    s.refuses(&["snapshot", "--as", "before"], 2, "unmeasured");
}

/// A pipe, or `|| true`, hides that a program fails.
#[test]
fn a_kpi_whose_command_begins_to_complain_is_reported() {
    let s = Sandbox::new();
    s.config("version: 1\nkpis:\n  - {name: k, cmd: sh k.sh, better: lower, exact: true}\n");
    let taken = |label: &str, line: &str| {
        s.write("k.sh", line).commit_as(label, &[]);
        s.run(&["snapshot", "--label", label]).ok().stdout.trim().to_owned()
    };
    let (before, after) = (taken("a", "echo 2\n"), taken("b", "echo 'no such program' >&2; echo 1\n"));
    let _ = s.run(&["compare", "--before", &before, "--after", &after]).says(&["standard error", "no such program"]);
    let _ = s.run(&["compare", "--before", &after, "--after", &before]).never_says(&["standard error"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_built_before_the_code_changed_is_reported_as_stale() {
    let s = Sandbox::new();
    let set_days_old = |path: &str, days: u64| {
        let file = std::fs::File::options().append(true).open(s.path(path)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400)).unwrap();
    };
    s.write(".gitignore", "build/\nresult.json\n").write("run.sh", "sh build/ops.sh\n").commit_as("run", &[]);
    s.write("build/ops.sh", "echo 300\n").write("build/other.sh", "").write("result.json", "300");
    let kpis =
        [("direct", "sh build/ops.sh"), ("driven", "sh run.sh"), ("copied", "cat result.json"), ("none", "echo 1")];
    let kpi = |(name, cmd): (&str, &str)| format!("  - {{name: {name}, cmd: {cmd}, better: lower, exact: true}}\n");
    let kpis: String = kpis.into_iter().map(kpi).collect();
    let timing = "timings:\n  - {name: timed, cmd: sh build/ops.sh, runs: 2}\n";
    s.config(&format!("version: 1\n{timing}kpis:\n{kpis}"));
    let stale = |answer: CommandOutput| -> Vec<String> {
        let lines = answer.stderr.lines().filter(|line| line.contains("was written before"));
        lines.map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect()
    };
    s.git(&["ls-files"]).lines().for_each(|path| set_days_old(path, 3));
    ["build/ops.sh", "build/other.sh", "result.json"].iter().for_each(|path| set_days_old(path, 2));
    assert_eq!(stale(s.run(&["snapshot"]).ok()), Vec::<String>::new(), "built after the code");
    set_days_old("src/main.txt", 1);
    assert_eq!(stale(s.run(&["snapshot"]).ok()), ["timed", "direct", "copied"]);
    let taken = s.run(&["snapshot", "--format", "json"]).ok().json();
    let driven = &taken["snapshot"]["kpis"][1]["read_from"];
    assert_eq!(
        (&driven["path"], &driven["stale_ok"]),
        (&"build/ops.sh".into(), &"the command runs files that git tracks, too".into())
    );
    // A build that rewrote the other program had no reason to rewrite this one.
    s.write("build/other.sh", "\n");
    assert_eq!(stale(s.run(&["snapshot"]).ok()), ["copied"]);
}

#[test]
fn what_resets_a_command_is_run_around_each_of_its_runs_and_not_timed() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: mkdir out, prepare: \"sleep 0.2\", conclude: rmdir out, runs: 3}]\n");
    let timing = s.run(&["snapshot", "--format", "json"]).ok().json()["snapshot"]["timings"][0].clone();
    let codes: Vec<i64> =
        timing["samples"].as_array().unwrap().iter().map(|run| run["exit_code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [0, 0, 0]);
    assert!(timing["mean_s"].as_f64().unwrap() < 0.15, "{timing}");
    s.config_plus("timings: [{name: t, cmd: \"true\", prepare: \"exit 3\", runs: 1}]\n");
    let _ = s.run(&["snapshot"]).ok().says(&["timing t has no usable value", "exit code 3"]);
}

#[test]
fn a_committed_result_is_as_old_as_the_commit_that_wrote_it() {
    let s = Sandbox::new();
    let older_than = |label: &str| {
        let answer = s.run(&["snapshot", "--label", label, "--format", "json"]).ok().json();
        answer["snapshot"]["kpis"][0]["read_from"]["older_than"].clone()
    };
    assert!(older_than("fresh").is_null());
    s.write("src/main.txt", "other code\n").commit_as("code", &[]);
    // A checkout writes the file again with the same content.
    s.write("ops.json", kpi(100.0));
    assert_eq!(older_than("old"), "src/main.txt");
    s.write("ops.json", kpi(99.0));
    assert!(older_than("measured again").is_null());
    s.git(&["checkout", "-q", "HEAD~1", "--", "src/main.txt", "ops.json"]);
    s.commit_as("taken back", &[]);
    assert!(older_than("the same code").is_null());
}

#[test]
fn a_measured_command_that_changes_the_project_is_reported() {
    let s = Sandbox::new();
    s.config("version: 1\ntimings: [{name: t, cmd: 'echo x >> src/main.txt', runs: 2}]\n");
    let _ = s.run(&["snapshot", "--label", "x"]).ok().says(&["changed while they were measured"]);
}

#[test]
fn instructions_are_counted_where_they_can_be() {
    let s = Sandbox::new();
    s.config("version: 1\ntimings: [{name: t, cmd: git --version, runs: 2, instructions: cachegrind}]\n");
    let answer = s.run(&["snapshot", "--label", "x", "--format", "json"]).ok();
    let runs = answer.json()["snapshot"]["timings"][0]["samples"].clone();
    if std::process::Command::new("valgrind").arg("--version").output().is_ok_and(|found| found.status.success()) {
        let counts: Vec<f64> =
            runs.as_array().unwrap().iter().map(|run| run["instructions"].as_f64().unwrap()).collect();
        assert!(counts[0] > 1e4 && (counts[0] / counts[1] - 1.0).abs() < 0.01, "{counts:?}");
    } else {
        let _ = answer.says(&["no instructions were counted"]);
    }
}

#[test]
fn placeholders_are_found_below_the_directory_whose_attributes_name_the_filter() {
    let s = Sandbox::new();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "1".repeat(64));
    s.write("data/.gitattributes", "*.bin filter=lfs\n").write("data/a.bin", pointer).commit_as("data", &[]);
    let _ = s.run(&["doctor", "--format", "text"]).says(&["git lfs pull"]);
}

#[test]
fn placeholders_in_place_of_data_are_reported() {
    let s = Sandbox::new();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 52428800\n", "1".repeat(64));
    s.write(".gitattributes", "*.bin filter=lfs\n").write("data.bin", pointer);
    s.write("annexed.bin", "/annex/objects/SHA256E-s9--a.bin\n").write("hidden.bin", "\0GITCRYPT\0x");
    s.write("model.onnx.dvc", "outs:\n- path: model.onnx\n").commit_as("data", &[]);
    let head = s.git(&["rev-parse", "HEAD"]);
    s.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},vendor/lib", head.trim())]);
    std::fs::create_dir_all(s.path("vendor/lib")).unwrap();
    s.write(".gitmodules", "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib\n");
    s.git(&["add", ".gitmodules"]);
    s.git(&["commit", "-q", "-m", "submodule"]);
    let told = ["data.bin", "`git lfs pull`", "`git submodule update --init --recursive`"];
    let kept = [
        "annexed.bin, are",
        "`git annex get .`",
        "hidden.bin, are",
        "`git crypt unlock`",
        "model.onnx.dvc",
        "`dvc pull`",
    ];
    let _ = s.run(&["snapshot", "--label", "x"]).says(&told).says(&["vendor/lib"]).says(&kept);
    let _ = s.run(&["pair", "--runs", "6", "--", "git", "--version"]).says(&told).never_says(&["vendor/lib"]);
    let _ =
        s.run(&["preflight", "--format", "text"]).says(&["git lfs pull", "git submodule update --init --recursive"]);
}

/// Checking out or saving with other line ends does not change the size of the code.
#[test]
fn line_ends_of_a_checkout_do_not_change_the_size_of_the_code() {
    let s = Sandbox::new();
    s.git(&["config", "core.autocrlf", "true"]);
    s.write("src/main.txt", "a\r\n".repeat(50)).commit_as("lines", &[]);
    s.start("x").contract().before();
    s.write("src/main.txt", "a\n".repeat(50)).improve(50.0).validate().after();
    for side in ["before", "after"] {
        let size = &s.json(s.evidence(&format!("{side}_snapshot.json")))["sizes"]["src"];
        assert_eq!([&size["bytes"], &size["tracked_bytes"]], [100, 100], "{side}");
    }
}

#[test]
fn a_share_of_nothing_is_refused_before_the_work_and_not_after_it() {
    let s = Sandbox::new();
    s.write("ops.json", crate::support::kpi(0.0)).commit_as("none", &[]);
    s.start("x").contract();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
    let _ = refused.says(&["kpi.ops: it is 0 already", "--guardrail \"kpi.ops <= 0\""]);
}
