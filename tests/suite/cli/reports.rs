//! The output of measuring, from the view of a performance engineer.

use crate::support::{CONFIG, Sandbox, kpi};

#[test]
fn tokens_are_digests_in_the_snapshot_and_counts_of_tokens_are_not() {
    let s = Sandbox::new();
    s.config(&format!("{CONFIG}tuneables: {{files: [t.json]}}\n"));
    s.write("t.json", r#"{"api_token": "abcdefgh", "myToken": "tok", "cache": {"token": "abc"}, "max_tokens": 4096}"#);
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    let tuneables = &snapshot["snapshot"]["tuneables"];
    for name in ["api_token", "myToken", "cache.token"] {
        assert!(tuneables[name]["value"].as_str().unwrap().starts_with("sha256:"), "{tuneables:#}");
    }
    assert_eq!(tuneables["max_tokens"]["value"], 4096);
}

#[test]
fn a_watched_variable_that_changed_is_in_the_comparison() {
    let s = Sandbox::new();
    s.config(&format!("{CONFIG}tuneables: {{watch_env: [FOO]}}\n"));
    let path = |value: &str| {
        s.set("FOO", value);
        s.run(&["snapshot", "--label", value, "--format", "json"]).ok().json()["path"].as_str().unwrap().to_owned()
    };
    let (before, after) = (path("bar"), path("baz"));
    let report = s.run(&["compare", "--before", &before, "--after", &after]).ok();
    let _ = report.says(&["## Variables changed", "| `FOO` | `bar` | `baz` |", "The environment differed", "`FOO`"]);
}

#[test]
fn kpis_alone_have_the_reference_workload_beside_them() {
    let s = Sandbox::new();
    s.config("version: 1\nkpis: [{name: n, cmd: \"echo 3\", better: lower, runs: 4}]\n");
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    assert_eq!(snapshot["snapshot"]["reference_s"].as_array().map(Vec::len), Some(4), "{snapshot:#}");
}

#[test]
fn where_both_versions_fail_both_are_named_with_their_exit_codes() {
    let s = Sandbox::new();
    s.write("a", "1").commit_as("other", &[]);
    let _ = s.run(&["pair", "--", "exit 7"]).exits(2).says(&["before: exit code 7; after: exit code 7"]);
}

#[test]
fn a_revision_may_be_found_by_its_message() {
    let s = Sandbox::new();
    s.write("a", "1").commit_as("a telling name", &[]);
    s.write("a", "2").commit_as("other", &[]);
    let by_message = ["pair", "--before", ":/telling", "--runs", "6", "--", "exit 7"];
    let _ = s.run(&by_message).exits(2).says(&["exit code 7"]);
    let _ = s.run(&["pair", "--before", ":/nowhere", "--", "true"]).troubled(&[":/nowhere"]);
    let _ = s.run(&["pair", "--before=--help", "--", "true"]).troubled(&["--help"]);
}

#[test]
fn a_slowdown_of_nothing_is_no_proof() {
    let s = Sandbox::new();
    let _ = s.run(&["calibrate", "--inject", "0%"]).troubled(&["greater than zero", "--inject 5%"]);
}

#[test]
fn pairs_are_drawn_as_bars() {
    let s = Sandbox::new();
    s.write("a", "1").commit_as("other", &[]);
    let output = s.run(&["pair", "--runs", "6", "--", "true"]);
    assert!(output.stdout.contains('●') && output.stdout.contains("95 % interval,"), "{output}");
}

#[test]
fn a_report_that_is_no_evidence_has_one_picture_beside_it() {
    let s = Sandbox::new();
    let export = |name: &str, times: &str| {
        s.write(
            name,
            format!(r#"{{"results":[{{"command":"spin","times":[{times}]}},{{"command":"spin","times":[{times}]}}]}}"#),
        );
    };
    export("a.json", "1.0,1.1,1.2,1.15,1.05,1.1");
    export("b.json", "1.0,1.2,1.2,1.15,1.05,1.1");
    let out = s.outside().join("cmp.md");
    let out = out.to_str().unwrap();
    let _ = s.run(&["compare", "--before", "a.json", "--after", "b.json", "--out", out]).ok();
    let report = std::fs::read_to_string(out).unwrap();
    let linked: Vec<&str> = report.split("](cmp_").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert_eq!(linked, ["samples.svg"], "one for the comparison: {report}");
    let svg = std::fs::read_to_string(s.outside().join("cmp_samples.svg")).unwrap();
    assert!(svg.starts_with("<svg"), "{svg}");
    for result in ["timing.spin.wall", "timing.spin (2).wall"] {
        assert!(svg.contains(&format!(">{result}, ")), "each result of the same command: {svg}");
    }
}

#[test]
fn an_export_of_two_timings_of_one_command_is_read_back() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: one, cmd: \"true\", runs: 3}, {name: two, cmd: \"true\", runs: 3}]\n");
    for out in ["x.json", "y.json"] {
        let _ = s.run(&["snapshot", "--label", "x", "--export-hyperfine", out]).ok();
    }
    let compared = s.run(&["compare", "--before", "x.json", "--after", "y.json"]).ok();
    let _ = compared.says(&["timing.one.wall", "timing.two.wall"]);
    s.config_plus("timings: [{name: two, hyperfine: x.json}]\n");
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    let timings = &snapshot["snapshot"]["timings"];
    assert_eq!(timings[0]["samples"].as_array().map(Vec::len), Some(3), "{snapshot:#}");
}

#[test]
fn the_advice_checks_submodules_out_on_both_sides() {
    let s = Sandbox::new();
    let inner = s.outside().join("inner");
    std::fs::create_dir_all(&inner).unwrap();
    let inner_path = inner.to_str().unwrap();
    let _ = s.git(&["init", "-q", inner_path]);
    std::fs::write(inner.join("f"), "1").unwrap();
    let _ = s.git(&["-C", inner_path, "add", "-A"]);
    let _ = s.git(&["-C", inner_path, "commit", "-q", "-m", "inner"]);
    let _ = s.git(&["-c", "protocol.file.allow=always", "submodule", "-q", "add", inner_path, "sub"]);
    s.commit_as("with a submodule", &[]);
    s.write("a", "1").commit_as("other", &[]);
    let asked = ["pair", "--runs", "6", "--", "test -f sub/f"];
    let advice = "git -c protocol.file.allow=always submodule update --init --recursive";
    let _ = s.run(&asked).exits(2).says(&["submodules are not checked out", advice]);
    s.config(&CONFIG.replace("pair: {enabled: false}", &format!("pair: {{prepare: \"{advice}\"}}")));
    let output = s.run(&asked);
    assert!(!output.stderr.contains("submodule") && !output.stdout.contains("invalid"), "{output}");
    assert_eq!(s.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn changes_that_each_keep_their_guardrail_spend_a_budget_together() {
    let s = Sandbox::new();
    s.config_plus("budget: [{metric: size.src, since: v1, at_most: 50%}]\n");
    s.git(&["tag", "v1"]);
    let grown = |title: &str, bytes: usize| {
        s.start(title).contract().before().write("src/main.txt", "x".repeat(bytes));
        s.improve(50.0).validate().after().compare();
        let _ = s.on(&["change", "promote"]).ok();
        s.git(&["add", "-A"]);
        s.git(&["commit", "-qm", "evidence"]);
    };
    s.write("src/main.txt", "x".repeat(1000)).write("ops.json", kpi(200.0)).commit_as("sized", &[]);
    grown("one", 1300);
    let _ = s
        .run(&["check"])
        .ok()
        .says(&["size.src is 30.0 % worse than at v1 over 1 change (budget: at most 50.0 % worse)"]);
    s.write("ops.json", kpi(100.0)).commit_as("measured", &[]);
    grown("two", 1690);
    let _ = s.run(&["check"]).exits(1).says(&["BUDGET", "size.src is 69.0 % worse than at v1"]);
    let _ = s.run(&["report", "--format", "markdown"]).says(&["size.src is 69.0 % worse than at v1"]);
    // A change whose rollback was only recorded still counts.
    let _ = s.on(&["change", "rollback", "--reason", "r"]).ok();
    let _ = s.run(&["check"]).exits(1).says(&["BUDGET", "size.src is 69.0 % worse than at v1"]);
    for moving in ["HEAD~1", "main", "@"] {
        s.config_plus(&format!("budget: [{{metric: size.src, since: \"{moving}\", at_most: 50%}}]\n"));
        let _ = s.run(&["check"]).exits(2).says(&["moves, so that nothing would add up", "name a tag"]);
    }
    // A range that removes the budget is still checked against it.
    s.config(CONFIG);
    let _ = s.run(&["check"]).never_says(&["BUDGET"]);
    let _ = s.run(&["check", "--range", "v1..HEAD"]).exits(1).says(&["BUDGET", "size.src is 69.0 % worse than at v1"]);
}
