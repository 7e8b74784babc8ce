//! `change contract` and the contract flags of `change start`.

use crate::support::{CONFIG, Sandbox};

#[test]
fn an_error_in_a_criterion_points_at_its_column() {
    let s = Sandbox::new();
    s.start("x");
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", "kpi.ops <= -10parsec"]), @r"
    $ change contract --kpi kpi.ops <= -10parsec --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: kpi.ops is measured in plain numbers, which parsec does not convert to
      kpi.ops <= -10parsec
                 ^
    ");
    insta::assert_snapshot!(s.on(&["change", "contract", "--guardrail", "kpi.ops ~ 4"]), @r"
    $ change contract --guardrail kpi.ops ~ 4 --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --guardrail: no operator; use one of <= < >= > == between metric and bound
      kpi.ops ~ 4
                 ^
    # see how a criterion is written
    next: vibeship-optimizer help criteria
    ");
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", "kpi.ops <= NaN"]), @r#"
    $ change contract --kpi kpi.ops <= NaN --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: "NaN" is not a finite number
      kpi.ops <= NaN
                 ^
    # see how a criterion is written
    next: vibeship-optimizer help criteria
    "#);
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", ""]), @r"
    $ change contract --kpi  --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: it is empty; write METRIC OP BOUND, such as `timing.tests.wall <= +5%`
      
      ^
    # see how a criterion is written
    next: vibeship-optimizer help criteria
    ");
}

#[test]
fn a_metric_that_the_config_does_not_measure_is_refused_with_the_nearest() {
    let s = Sandbox::new();
    s.start("x");
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", "kpi.opps <= -10%"]), @r#"
    $ change contract --kpi kpi.opps <= -10% --change-id chg-20260302-090000-x
    exit 1
    --- stderr
    refused at gate 1 (contract): unknown metric `kpi.opps`; did you mean `kpi.ops`?
    # see what the config measures, or add the metric to it
    next: vibeship-optimizer doctor --format text
    # name another metric
    or:   vibeship-optimizer change contract --change-id chg-20260302-090000-x --kpi "kpi.ops <= -10%"
    "#);
    let several = ["change", "contract", "--kpi", "kpi.opps <= -10%", "--guardrail", "kpi.opss <= 0"];
    let _ = s
        .on(&several)
        .exits(1)
        .says(&["`kpi.opps`; did you mean `kpi.ops`?, and unknown metric `kpi.opss`", "--guardrail \"kpi.ops <= 0\""]);
}

#[test]
fn a_refused_start_is_repeated_with_its_own_words_and_an_early_review_names_the_gate_that_is_due() {
    let s = Sandbox::new();
    s.start("x");
    let start = ["change", "start", "--title", "it's b", "--risk", "none"];
    let _ = s.run(&start).exits(1).says(&["change start --title \"it's b\" --risk none --parallel"]);
    let early = ["review", "attest", "--tool", "other", "--reasoning-mode", "human"];
    let _ = s.on(&early).exits(1).says(&["next: vibeship-optimizer change contract"]);
    let _ = s.run(&[&start[..], &["--parallel"]].concat()).ok();
    let _ = s
        .run(&["status"])
        .ok()
        .says(&["next: vibeship-optimizer change use chg-", "or:   vibeship-optimizer change use"]);
}

#[test]
fn an_unknown_metric_at_the_start_opens_no_change() {
    let s = Sandbox::new();
    let _ = s.run(&["change", "start", "--title", "x", "--kpi", "kpi.opps <= -10%"]).troubled(&["kpi.opps", "kpi.ops"]);
    assert_eq!(s.run(&["change", "list"]).ok().stdout.trim(), "[]");
}

#[test]
fn parts_come_together_over_several_calls_and_one_says_what_is_missing() {
    let s = Sandbox::new();
    s.start_with("x", &["--hypothesis", "h"]);
    let first = s.on(&["change", "contract", "--kpi", "kpi.ops <= -10%", "--format", "json"]).exits(1);
    assert_eq!(first.json()["missing"], serde_json::json!(["guardrails", "trigger"]));
    let rest =
        ["change", "contract", "--guardrail", "size.src <= +1%", "--trigger", "users complain", "--format", "json"];
    let last = s.on(&rest).ok().json();
    assert_eq!(last["missing"], serde_json::json!([]));
    assert_eq!(last["contract"]["rollback"], "git revert <sha>");
}

#[test]
fn a_guardrail_that_is_the_kpi_guards_nothing() {
    let s = Sandbox::new();
    s.start("x");
    s.refuses(
        &["change", "contract", "--kpi", "kpi.ops <= -10%", "--guardrail", "kpi.ops <= -10%"],
        1,
        "contract_sense",
    );
}

#[test]
fn all_flags_at_the_start_leave_nothing_to_ask() {
    let s = Sandbox::new();
    s.start_with(
        "all at once",
        &[
            "--hypothesis",
            "h",
            "--kpi",
            "kpi.ops <= -10%",
            "--guardrail",
            "size.src <= +1%",
            "--trigger",
            "kpi.ops > +1%",
            "--rollback",
            "git revert <sha>",
            "--risk",
            "none",
            "--validation-today",
            "tests",
            "--validation-next-days",
            "watch",
        ],
    );
    s.before();
    let record = s.json(s.record());
    assert_eq!((&record["risk"], &record["validation_today"]), (&"none".into(), &"tests".into()));
}

#[test]
fn a_unit_that_does_not_fit_is_pointed_at() {
    let s = Sandbox::new();
    s.start("x");
    let wrong = s.on(&["change", "contract", "--guardrail", "size.src <= 5s"]);
    insta::assert_snapshot!(wrong, @r"
    $ change contract --guardrail size.src <= 5s --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --guardrail: size.src is measured in B, which s does not convert to
      size.src <= 5s
                  ^
    ");
}

#[test]
fn imported_timings_are_found_and_promise_no_more_than_they_hold() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: imported, hyperfine: bench.json}, {name: empty}]\n");
    let _ = s.run(&["init", "--no-prompt"]).ok();
    s.write("Cargo.toml", "[package]\nname = \"x\"\n").commit_as("rust", &[]);
    let found = s.run(&["doctor"]).ok().json();
    let measures: Vec<_> =
        found["measures"].as_array().unwrap().iter().map(|it| it["metric"].as_str().unwrap()).collect();
    assert!(measures.contains(&"timing.imported.wall") && !measures.contains(&"timing.imported.cpu"), "{found}");
    assert!(!s.run(&["preflight"]).stdout.contains("TIMINGS_NO_CMDS"));
    s.start("x");
    let none = s.on(&["change", "contract", "--kpi", "timing.empty.wall <= -10%"]).exits(1);
    let _ = none.says(&["timing empty has neither `cmd` nor `hyperfine`", "vibeship-optimizer doctor --format text"]);
    let cpu = s.on(&["change", "contract", "--kpi", "timing.imported.cpu <= -10%"]).exits(1);
    let _ = cpu.says(&["unknown metric `timing.imported.cpu`; did you mean `timing.imported."]);
    // The file count of a single file is always one.
    s.config(&CONFIG.replace("[src]", "[src, ops.json]"));
    let of_one = s.on(&["change", "contract", "--guardrail", "size.ops.json.files <= +2%"]).exits(1);
    let _ = of_one.says(&["unknown metric `size.ops.json.files`; did you mean `size.ops.json`"]);
}

#[test]
fn a_criterion_that_nothing_can_meet_is_refused_before_the_baseline() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: \"exit 0\", runs: 5}]\n").start("x");
    for flags in [["--kpi", "timing.t.wall < 0"], ["--kpi", "timing.t.wall <= -200%"], ["--trigger", "size.src < 0"]] {
        let refused = s.on(&["change", "contract", flags[0], flags[1]]).exits(1);
        let _ = refused.says(&["can never", &format!("change contract --change-id {} {} ", s.id(), flags[0])]);
    }
    s.refuses(&["change", "contract", "--guardrail", "size.src <= -150%"], 1, "contract_sense");
}

#[test]
fn a_rate_that_no_number_of_runs_here_can_prove_is_reported_at_the_contract() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: \"exit 0\", runs: 5}]\n").start("x");
    let _ = s.on(&["change", "contract", "--guardrail", "timing.t.ok >= 99%"]).says(&["would stay inconclusive"]);
    let _ = s.on(&["change", "contract", "--guardrail", "timing.t.ok >= 100%"]).never_says(&["would stay"]);
    s.config_plus("http_probes: [{name: api, url: \"http://127.0.0.1:9/\"}]\n");
    let _ = s.on(&["change", "contract", "--guardrail", "http.api.latency <= +2%"]).says(&["stay inconclusive"]);
    let _ = s.on(&["change", "contract", "--guardrail", "http.api.latency < 2s"]).never_says(&["inconclusive"]);
    s.config("version: 1\nhttp_probes: [{name: api, url: \"http://127.0.0.1:9/\", start: serve}]\n");
    let _ = s.on(&["change", "contract", "--guardrail", "http.api.latency <= +2%"]).never_says(&["inconclusive"]);
}

#[test]
fn a_service_is_proposed_criteria_on_its_answers_and_not_on_the_size_of_its_source() {
    let s = Sandbox::new();
    let served = "http_probes: [{name: api, url: \"http://127.0.0.1:9/\", start: serve}]";
    s.config(&format!("version: 1\nsize_paths: [src]\n{served}\n")).start("x");
    let proposed = ["--kpi \"http.api.latency <= -10%\"", "--guardrail \"http.api.ok >= 100%\""];
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).says(&proposed);
}

#[test]
fn an_emergency_states_its_own_rollback() {
    let s = Sandbox::new();
    let parts = [
        "--hypothesis",
        "h",
        "--kpi",
        "kpi.ops <= 500",
        "--guardrail",
        "kpi.ops <= 200",
        "--trigger",
        "it still burns",
    ];
    // Without a baseline only absolute bounds are judged, and the fix asks for them without inventing a number.
    let emergency = ["--class", "emergency", "--incident", "down", "--expires", "24h"];
    s.start_with("z", &emergency);
    let proposed = s.on(&["change", "rollout", "full"]).exits(1).says(&["\"kpi.ops <= N\"", "\"size.src <= NMB\""]);
    let _ = proposed.never_says(&["%"]);
    let _ = s.on(&["change", "contract", "--kpi", "kpi.ops <= N"]).exits(2).says(&["is not a number"]);
    let _ = s.on(&["change", "contract", "--kpi", "kpi.ops <= -10%"]).says(&["would never be judged"]);
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok();
    s.start_with("x", &[&emergency[..], &parts].concat());
    let refused = s.on(&["change", "rollout", "full"]).exits(1);
    let _ = refused.says(&["rollback action", "--rollback \"HOW TO REMOVE THE OVERRIDE\""]).never_says(&["<sha>"]);
    s.refuses(&["change", "contract", "--rollback", "git revert <sha>"], 1, "contract_sense");
    let _ = s.on(&["change", "contract", "--rollback", "unset LIMIT"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok().says(&["To roll back: unset LIMIT"]);
    let _ = s.run(&["preflight"]).ok().never_says(&["nothing was measured yet"]);
}

#[test]
fn a_contract_is_proposed_on_what_gave_a_value_alone() {
    let s = Sandbox::new();
    let kpis = "kpis:\n  - {name: bad, cmd: echo n/a, better: lower, exact: true}\n  - {name: zero, cmd: echo 0, better: lower, exact: true}\n  \
                - {name: good, cmd: echo 5, better: lower, exact: true}\n  - {name: other, cmd: echo 7, better: lower, exact: true}\n";
    s.config(&format!("version: 1\ncommands: {{test: \"true\"}}\n{kpis}"));
    s.start("x");
    let parts = ["--hypothesis", "h", "--kpi", "kpi.zero <= -10%", "--guardrail", "kpi.good <= +5%"];
    let _ = s.on(&[&["change", "contract"], &parts[..], &["--trigger", "kpi.good > +10%"]].concat()).ok();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["--kpi \"kpi.other <= -10%\""]);
    let _ = refused.never_says(&["kpi.bad <="]);

    // Guardrails are set together, so those that were measured are printed again.
    let guards = ["--guardrail", "kpi.bad <= +5%", "--guardrail", "kpi.other <= +7%"];
    let _ = s.on(&[&["change", "contract", "--kpi", "kpi.good <= -10%"], &guards[..]].concat()).ok();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
    let _ = refused.says(&["change contract --change-id", "--guardrail \"kpi.other <= +7%\""]).never_says(&["--kpi"]);
}

#[test]
fn imported_results_are_reported_to_decide_no_relative_bound() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: x, hyperfine: out/x.json}]\n");
    let of = |seconds: [f64; 6]| format!("{{\"results\": [{{\"command\": \"x\", \"times\": {seconds:?}}}]}}\n");
    s.write("out/x.json", of([2.0, 2.1, 1.9, 2.2, 1.8, 2.0])).write(".gitignore", "out/\n").commit_as("set up", &[]);
    s.start("x").contract();
    let told = s.on(&["change", "contract", "--kpi", "timing.x.wall <= -5%"]).ok();
    let _ = told.says(&["the results in out/x.json, which cannot be measured in pairs"]);
    s.before();
    s.write("out/x.json", of([1.9, 2.1, 1.7, 2.2, 1.8, 1.9]))
        .write("src/main.txt", "faster\n")
        .commit("tune")
        .validate();
    s.after();
    let undecided = s.on(&["compare"]).ok();
    let _ = undecided
        .says(&["next: vibeship-optimizer change hold", "cmd in place of hyperfine"])
        .never_says(&["measure more"]);
}

#[test]
fn a_kpi_that_the_baseline_already_meets_is_refused_and_a_stricter_one_proposed() {
    let s = Sandbox::new();
    s.start("x");
    let given = ["--hypothesis", "h", "--guardrail", "size.src <= +100%", "--trigger", "kpi.ops > +10%"];
    let _ = s.on(&[&["change", "contract", "--kpi", "kpi.ops <= 500"], &given[..]].concat()).ok();
    let before = ["snapshot", "--as", "before"];
    let told = ["kpi.ops <= 500 is met by the baseline already", "next: ", "--kpi \"kpi.ops <= -10%\""];
    let _ = s.on(&before).exits(1).says(&told);
    let _ = s.on(&["change", "contract", "--kpi", "kpi.ops <= 60"]).ok();
    let _ = s.on(&before).ok();
}

#[test]
fn criteria_may_have_a_space_in_the_metric_and_no_bare_sign_in_the_bound() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: unit tests, cmd: \"exit 0\"}]\n").start("x");
    let same = ["--kpi", "kpi.ops <= -10%", "--guardrail", "kpi.ops <= -5%"];
    let refused = s.on(&[&["change", "contract"], &same[..]].concat()).exits(1);
    let _ = refused.says(&["--guardrail \"timing.unit tests.wall <= +2%\""]);
    // All criteria are read alike.
    for flag in ["--kpi", "--guardrail", "--trigger"] {
        let _ = s.on(&["change", "contract", flag, "kpi.ops > +5"]).exits(2).says(&["write `+5%`"]);
    }
}
