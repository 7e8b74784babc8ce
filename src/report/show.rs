//! The list of all changes, and the reports on one: logbook section and events, contract, validation, and the demands
//! of verification.

use serde_json::{Map, Value, json};

use crate::model::text::joined;
use crate::model::{Check, Fix, FixContext, Gate, Trigger, Unit};
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, Tone, code, codes, logbook, mark, problem, rollback, values};
use crate::workflow::{Change, Demand, DemandKind, Refusal, view_v1};

pub(crate) fn document(change: &Change) -> Doc {
    let mut doc = logbook::document(change);
    doc.append(events(change));
    doc
}

/// A record of the Python tool: its fields, verbatim, and what they prove.
pub(crate) fn legacy(fields: &Map<String, Value>, sentence: &str, fixes: &[Fix]) -> Doc {
    let mut doc = Doc::new();
    doc.paragraph(problem::with_steps(
        mark(Tone::Unsure, "unproven").plain(format!(": {}", visible_line(sentence))),
        fixes,
    ));
    for (key, value) in fields {
        doc.field(key.as_str(), value.as_str().map_or_else(|| value.to_string(), visible_line));
    }
    doc
}

fn events(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(3, "Events");
    let rows = change.events.iter().map(|event| {
        let kind = serde_json::to_value(&event.what).ok();
        let kind = kind.as_ref().and_then(|value| value["kind"].as_str()).unwrap_or("event").replace('_', " ");
        let (seq, at) = (event.seq.to_string().into(), values::stamp(event.at).into());
        [seq, at, kind.into(), event.actor.clone().into(), code(event.digest.short())]
    });
    doc.table(Table::new("rllll", ["", "Recorded", "What", "By", "Digest"], rows));
    doc
}

/// The contract alone, and its missing parts.
pub(crate) fn contract(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("Contract of {}", change.opened.title));
    contract_fields(&mut doc, change);
    let missing = joined(change.contract.missing());
    doc.paragraph(if change.baseline.is_some() {
        mark(Tone::Good, "frozen").plain(" since the baseline")
    } else if missing.is_empty() {
        let is_frozen_later = change.opened.class.owes(Gate::Baseline);
        mark(Tone::Good, "complete").plain(if is_frozen_later { "; the baseline freezes it" } else { "" })
    } else {
        mark(Tone::Unsure, "incomplete").plain(format!(": {missing} missing"))
    });
    doc
}

pub(crate) fn trigger(trigger: &Trigger, holds: &str) -> Text {
    match trigger {
        Trigger::Measured(criterion) => code(criterion.text.as_str()).plain(holds),
        Trigger::Words(words) => Text::from(words.as_str()).plain(" (a person decides)"),
    }
}

/// The parts of a contract, each with its text or marked as missing.
pub(crate) fn contract_fields(doc: &mut Doc, change: &Change) {
    let contract = &change.contract;
    let given = |text: &str| !text.trim().is_empty();
    let guardrails = codes(contract.guardrails.iter().map(|guardrail| guardrail.text.as_str()));
    let parts = [
        ("Hypothesis", given(&contract.hypothesis).then(|| contract.hypothesis.as_str().into())),
        ("Primary KPI", contract.kpi.as_ref().map(|kpi| code(kpi.text.as_str()))),
        ("Guardrails", (!contract.guardrails.is_empty()).then_some(guardrails)),
        ("Rollback trigger", contract.trigger.as_ref().map(|it| trigger(it, ""))),
        ("Rollback", Some(rollback::action(change)).filter(|text| given(text)).map(code)),
    ];
    for (name, text) in parts {
        doc.field(name, text.unwrap_or_else(|| mark(Tone::Quiet, "missing")));
    }
    if let Some(share) = contract.min_effect {
        doc.field("Least effect that counts", values::plain_share(share));
    }
}

pub(crate) fn passed(passed: bool) -> Text {
    if passed { mark(Tone::Good, "passed") } else { mark(Tone::Bad, "failed") }
}

/// All changes, one line each, from the entries of the JSON answer (see [`entry`]); `damaged` is the number of
/// unreadable records.
pub(crate) fn list(entries: &[Value], damaged: usize) -> Doc {
    let rows = entries.iter().map(|entry| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let status = text("status");
        let legacy = entry["legacy"] == true;
        let tone = match status {
            _ if legacy => Tone::Quiet,
            "verified" => Tone::Good,
            "rejected" | "rolled_back" => Tone::Bad,
            "held" => Tone::Quiet,
            _ => Tone::Now,
        };
        let state = mark(tone, status.replace('_', " ")).plain(if legacy { " (Python tool, unproven)" } else { "" });
        [code(text("change_id")), state, text("started_at").into(), visible_line(text("title")).into()]
    });
    let table = Table::new("llll", ["Change", "State", "Opened", "Title"], rows);
    let mut doc = Doc::new();
    let records = values::count(damaged as u64, "record", "records");
    let unread = format!("{records} cannot be read, so it is not known which changes there are.");
    doc.table_or(table, if damaged == 0 { "There is no change yet." } else { &unread });
    doc
}

/// The demands of verification. `applied` is the result of `--apply`; `None` without that flag.
pub(crate) fn demands(change: &Change, demands: &[Demand], applied: Option<bool>, ctx: &FixContext) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("{} ({})", change.opened.title, change.id().as_str()));
    doc.list(demands.iter().map(|demand| demand_item(demand, change, ctx)));
    let open: Vec<&Demand> = demands.iter().filter(|demand| !demand.met).collect();
    let waiting = !open.is_empty() && open.iter().all(|demand| demand.kind.comes_with_time());
    let text = match (applied, open.len()) {
        (Some(true), _) => mark(Tone::Good, "VERIFIED"),
        (_, 0) => mark(Tone::Good, "every demand is met").plain("; verify it with --apply --summary"),
        (_, _) if waiting => mark(Tone::Unsure, "not yet").plain(": nothing is wrong, only time is missing"),
        (_, n) => {
            let demands = values::count(n as u64, "demand is not met", "demands are not met");
            mark(Tone::Bad, "not verified").plain(format!(": {demands}"))
        }
    };
    doc.paragraph(text);
    doc
}

fn demand_item(demand: &Demand, change: &Change, ctx: &FixContext) -> Text {
    let tone = match demand.met {
        true => Tone::Good,
        false if demand.kind.comes_with_time() => Tone::Unsure,
        false => Tone::Bad,
    };
    let text = mark(tone, problem::demand(demand));
    if demand.met {
        return text;
    }
    problem::with_steps(text, &demand.fixes(change, ctx))
}

/// The checks of a validation of `change`, as it is after the validation was recorded.
pub(crate) fn validation(change: &Change, checks: &[Check]) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("Validation of {}", change.opened.title));
    let rows = checks.iter().map(|check| {
        let time = values::quantity(check.seconds, &Unit::seconds());
        [code(check.name.as_str()), passed(check.passed), time.into(), code(check.what.as_str())]
    });
    let table = Table::new("llrl", ["Check", "Result", "Time", "Ran"], rows);
    doc.table_or(table, "No check is configured; the delta alone was looked at.");
    let mut failed = checks.iter().filter(|check| !check.passed).peekable();
    if failed.peek().is_none() {
        return doc;
    }
    for check in failed {
        doc.heading(3, code(check.name.as_str()).plain(" failed"));
        doc.code(check.failure.as_deref().unwrap_or("no output was kept"));
    }
    if change.is_open() {
        doc.paragraph("The change stays open: fix it and validate again.");
    }
    doc
}

/// One change in the JSON answer of `change start` and `change list`. `path` is that of the record.
pub(crate) fn entry(change: &Change, path: &str) -> Value {
    let (id, opened) = (change.id().as_str(), &change.opened);
    raw_entry(id, &opened.title, view_v1::status(change), &values::stamp(change.opened_at), path)
}

/// The entry of a record of the Python tool that was not imported.
pub(crate) fn raw_entry(change_id: &str, title: &str, status: &str, started_at: &str, path: &str) -> Value {
    json!({ "change_id": change_id, "title": title, "status": status, "started_at": started_at, "path": path })
}

/// The JSON answer of `change verify`. `applied` tells whether `--apply` verified the change; `None` for a dry run.
pub(crate) fn verify_answer(id: &str, failures: &[String], warnings: &[String], applied: Option<bool>) -> Value {
    let ok = failures.is_empty();
    match applied {
        None => json!({ "change_id": id, "ok": ok, "failures": failures, "warnings": warnings }),
        Some(applied) => json!({
            "schema": "vibeship_optimizer.verify_apply.v1", "change_id": id, "ok": ok, "failures": failures,
            "warnings": warnings, "applied": applied,
        }),
    }
}

/// The answer with every unmet demand as a failure, with its commands.
pub(crate) fn verify(change: &Change, demands: &[Demand], warnings: &[String], applied: Option<bool>) -> Value {
    let failures: Vec<String> = demands.iter().filter(|demand| !demand.met).map(|it| failure(it, change)).collect();
    verify_answer(change.id().as_str(), &failures, warnings, applied)
}

/// The answer if an earlier gate refuses, which is the first failure.
pub(crate) fn verify_refused(
    change: &Change,
    refused: &Refusal,
    demands: &[Demand],
    apply: bool,
    ctx: &FixContext,
) -> Value {
    let refused = problem::refused(refused, Some(change), ctx);
    let next = refused.fixes.iter().find_map(Fix::command);
    let next = next.map_or_else(String::new, |command| format!("; run {command}"));
    let reason = format!("{}{next}", visible_line(&refused.message));
    // The commands for the demands would be refused for the same reason, so they are left out.
    let unmet = demands.iter().filter(|demand| !demand.met).map(unmet);
    let failures: Vec<String> = std::iter::once(reason).chain(unmet).collect();
    verify_answer(change.id().as_str(), &failures, &[], apply.then_some(false))
}

fn failure(demand: &Demand, change: &Change) -> String {
    let fixes = demand.fixes(change, &FixContext::default());
    let commands: Vec<String> = fixes.iter().filter_map(Fix::command).map(ToString::to_string).collect();
    let run = if commands.is_empty() { String::new() } else { format!("; run {}", commands.join(", then ")) };
    format!("{}{run}", unmet(demand))
}

fn unmet(demand: &Demand) -> String {
    let words = original_words(&demand.kind).map(|words| format!("{words}; ")).unwrap_or_default();
    format!("{words}{}", problem::demand(demand))
}

/// The Python tool's wording of an unmet demand: jobs set up by it stay quiet if these are the only failures.
fn original_words(kind: &DemandKind) -> Option<String> {
    match kind {
        DemandKind::Ticks { need, have } => {
            Some(format!("insufficient monitor ticks: have {} need {need}", have.len()))
        }
        DemandKind::Window { days, .. } => {
            Some(format!("insufficient monitor ticks: the window of {days} days is open"))
        }
        DemandKind::Attestation { .. } => {
            Some("review attestation missing (review.require_attestation=true)".to_owned())
        }
        DemandKind::CleanGit => Some("git working tree is dirty (require_clean_git=true)".to_owned()),
        DemandKind::FullRollout
        | DemandKind::NoAlarm { .. }
        | DemandKind::Artifacts { .. }
        | DemandKind::Reproduced
        | DemandKind::Clock { .. }
        | DemandKind::FollowUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckKind, Class, Delta, DeltaCommit, Kind};
    use crate::report::{Terminal, fixture, terminal};
    use crate::workflow::{World, window};

    #[test]
    fn the_chain_of_events_is_shown() {
        let text = terminal::render(&document(&fixture::passed(2)), Terminal::default());
        let events = text.split("Events\n\n").nth(1).unwrap();
        insta::assert_snapshot!(events, @r"
           Recorded              What            By   Digest
        1  2026-02-01T09:00:00Z  opened          Ada  e0ca420aa1be
        2  2026-02-01T10:00:00Z  contract set    Ada  43e91cbfdc4e
        3  2026-02-01T10:00:00Z  baseline taken  Ada  e932459ccccc
        ");
    }

    #[test]
    fn a_contract_says_what_it_misses() {
        let show = |change: &Change| terminal::render(&contract(change), Terminal::default());
        let text = show(&fixture::opened("t", Class::Code));
        assert!(text.contains("Guardrails        · missing"), "{text}");
        assert!(text.contains("? incomplete: hypothesis, primary KPI, guardrails, rollback trigger, rollback action"));
        assert!(show(&fixture::passed(1)).contains("✓ complete"));
        assert!(show(&fixture::passed(2)).contains("✓ frozen since the baseline"));
    }

    #[test]
    fn every_change_has_a_line() {
        let hostile = raw_entry("chg-2", fixture::HOSTILE, "verified", "2026-02-18T12:39:00Z", "p");
        let doc = list(&[entry(&fixture::passed(3), "p"), hostile], 0);
        insta::assert_snapshot!(terminal::render(&doc, Terminal::default()), @r"
        Change  State        Opened                Title
        chg-1   ▸ validated  2026-02-01T09:00:00Z  Shorten the advisory cooldown
        chg-2   ✓ verified   2026-02-18T12:39:00Z  x | y ⏎ # z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e}
        ");
    }

    fn world() -> World {
        World { policy: fixture::policy(), reproduced: true, ..World::default() }
    }

    #[test]
    fn demands_are_listed_with_their_fixes() {
        let change = fixture::passed(7);
        let list = window::demands(&change, &world(), fixture::at(5, 12));
        let text = terminal::render(&demands(&change, &list, None, &FixContext::default()), Terminal::default());
        insta::assert_snapshot!(text, @r#"
        Shorten the advisory cooldown (chg-1)

        - ✓ fully rolled out
        - ? 3 days of monitoring end 2026-02-07 10:00 UTC
        - ? measured on 2 of 3 distinct UTC days (2026-02-04, 2026-02-05)
          measure once on every UTC day
          next: vibeship-optimizer monitor tick --change-id chg-1
        - ✗ open alarm: timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
          go back
          next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY" --apply
          if it is harmless
          or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        - ✓ every evidence file is present and unaltered
        - ✓ the recorded verdicts follow from the evidence
        - ✓ no recorded time is in the future
        - ✗ no review of the present state is attested
          have it reviewed
          next: vibeship-optimizer review bundle --change-id chg-1
          then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"

        ✗ not verified: 4 demands are not met
        "#);
    }

    #[test]
    fn waiting_is_no_failure() {
        let mut list = window::demands(&fixture::passed(7), &world(), fixture::at(5, 12));
        list.retain(|demand| demand.met || demand.kind.comes_with_time());
        let text =
            terminal::render(&demands(&fixture::passed(7), &list, None, &FixContext::default()), Terminal::default());
        assert!(text.contains("? not yet: nothing is wrong"), "{text}");
    }

    #[test]
    fn a_failed_check_shows_its_output_and_the_rollback() {
        let check = |name: &str, failure: Option<&str>| Check {
            name: name.to_owned(),
            kind: CheckKind::Test,
            passed: failure.is_none(),
            what: "cargo test".to_owned(),
            seconds: 12.345,
            failure: failure.map(str::to_owned),
            first_failure: None,
        };
        let checks = vec![check("test", Some("exit code 101\nassertion failed\u{1b}[0m")), check("smoke:health", None)];
        let mut change = fixture::passed(2);
        let artifact = fixture::artifact("validation.json");
        let commit = DeltaCommit {
            sha: "b".repeat(40),
            subject: "x".to_owned(),
            change_ids: Vec::new(),
            evidence_only: false,
            merge: false,
            own_files: false,
        };
        let delta = Delta { commits: vec![commit], ..Delta::default() };
        let failed = Kind::ValidationFailed { delta, checks: checks.clone(), artifact, rejects: true };
        change.record(failed, None, fixture::at(2, 9));
        insta::assert_snapshot!(terminal::render(&validation(&change, &checks), Terminal::default()), @r#"
        Validation of Shorten the advisory cooldown

        Check         Result       Time  Ran
        test          ✗ failed  12.35 s  cargo test
        smoke:health  ✓ passed  12.35 s  cargo test

        test failed

            exit code 101
            assertion failed\u{1b}[0m
        "#);
    }

    #[test]
    fn an_entry_has_the_fields_of_the_original() {
        insta::assert_snapshot!(entry(&fixture::passed(3), ".vibeship-optimizer/changes/chg-1.json"), @r#"{"change_id":"chg-1","title":"Shorten the advisory cooldown","status":"validated","started_at":"2026-02-01T09:00:00Z","path":".vibeship-optimizer/changes/chg-1.json"}"#);
    }

    #[test]
    fn an_unmet_demand_is_a_failure_with_its_commands() {
        let demands = [
            Demand { met: true, kind: DemandKind::FullRollout },
            Demand { met: false, kind: DemandKind::Ticks { need: 3, have: Vec::new() } },
        ];
        let change = fixture::passed(7);
        insta::assert_snapshot!(verify(&change, &demands, &["w".to_owned()], Some(false)), @r#"{"schema":"vibeship_optimizer.verify_apply.v1","change_id":"chg-1","ok":false,"failures":["insufficient monitor ticks: have 0 need 3; measured on 0 of 3 distinct UTC days; run vibeship-optimizer monitor tick --change-id chg-1"],"warnings":["w"],"applied":false}"#);
        assert_eq!(verify(&change, &demands[..1], &[], None)["ok"], true);
    }
}
