//! `change contract` and the contract flags of `change start`.

use crate::support::Sandbox;

#[test]
fn an_error_in_a_criterion_points_at_its_column() {
    let s = Sandbox::new();
    s.start("x");
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", "kpi.ops <= -10parsec"]), @r"
    $ change contract --kpi kpi.ops <= -10parsec --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: kpi.ops <= -10parsec: kpi.ops is measured in plain numbers, which parsec does not convert to
    ");
    insta::assert_snapshot!(s.on(&["change", "contract", "--guardrail", "kpi.ops ~ 4"]), @r"
    $ change contract --guardrail kpi.ops ~ 4 --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --guardrail: no operator; write one of <= < >= > == between metric and bound
      kpi.ops ~ 4
                 ^
    ");
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", "kpi.ops <= NaN"]), @r#"
    $ change contract --kpi kpi.ops <= NaN --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: "NaN" is not a finite number
      kpi.ops <= NaN
                 ^
    "#);
    insta::assert_snapshot!(s.on(&["change", "contract", "--kpi", ""]), @r"
    $ change contract --kpi  --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: --kpi: it is empty; write METRIC OP BOUND, such as `timing.tests.wall <= +5%`
      
      ^
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
    refused at gate 1 (contract): the config measures no kpi.opps; did you mean kpi.ops?
    next: vibeship-optimizer snapshot --format json  # see what the config measures, or add the metric to it
    or:   vibeship-optimizer change contract --change-id chg-20260302-090000-x --kpi "METRIC <= -10%"  # name another metric
    "#);
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
