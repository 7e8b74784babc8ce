//! Every demand of every gate, provoked on its own: take one away, and a line of this table fails.

use std::collections::BTreeSet;

use chrono::Duration;
use vibeship_optimizer::model::Class;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::{Contract, Part};
use vibeship_optimizer::model::{MetricId, Outcome, Revision, WorkTree};
use vibeship_optimizer::workflow::command::*;
use vibeship_optimizer::workflow::{Missing, gates};

use crate::gates::world::*;

type Case = (&'static str, World, Command);

/// A case: the code expected, where the change stands, and the facts that are spoiled.
fn case(code: &'static str, mut world: World, command: impl FnOnce(&mut World) -> Command) -> Case {
    world.now += Duration::minutes(1);
    let command = command(&mut world);
    (code, world, command)
}

macro_rules! spoiled {
    ($facts:ident, $command:ident, |$name:ident| $spoil:expr) => {
        |world: &mut World| {
            let mut $name = world.$facts();
            $spoil;
            Command::$command($name)
        }
    };
}

fn unknown_state(code: u32) -> Revision {
    Revision { work_tree: WorkTree::Unknown { reason: "dubious ownership".to_owned() }, ..revision(code) }
}

fn fault() -> Vec<ArtifactFault> {
    vec![ArtifactFault {
        path: format!("reports/optimizer/{ID}_before_snapshot.json"),
        missing: false,
        committed: true,
        kept: None,
    }]
}

fn metric() -> MetricId {
    MetricId::new("timing.parse.wall")
}

/// A baseline on other code than the checked-out one.
fn baseline_on(on: Revision) -> impl FnOnce(&mut World) -> Command {
    |world: &mut World| {
        let mut facts = world.baseline_facts();
        facts.allow_dirty = !on.is_settled();
        facts.measured = Some(world.measured(on.clone()));
        facts.revision = on;
        Command::Baseline(facts)
    }
}

fn contract_cases() -> Vec<Case> {
    let open = || World::open(Class::Code);
    let part = |spoil: fn(&mut Contract)| {
        let mut world = open();
        let mut parts = contract();
        spoil(&mut parts);
        world
            .ask(&Command::SetContract(ContractFacts {
                parts,
                measurable: Vec::new(),
                better: std::collections::BTreeMap::new(),
                unknown: Vec::new(),
            }))
            .unwrap();
        world
    };
    let mut cases = vec![
        case("contract_parts", open(), ask::baseline),
        case("contract_parts", part(|c| c.hypothesis = " ".to_owned()), ask::baseline),
        case("contract_parts", part(|c| c.kpi = None), ask::baseline),
        case("contract_parts", part(|c| c.guardrails.clear()), ask::baseline),
        case("contract_parts", part(|c| c.trigger = None), ask::baseline),
        case("contract_parts", part(|c| c.rollback.clear()), ask::baseline),
        case("contract_parts", World::open(Class::Emergency), ask::full),
        case("contract_parts", World::open(Class::Experiment), ask::baseline),
        case("earlier", open(), ask::validate),
        case(
            "unknown_metric",
            open(),
            spoiled!(contract_facts, SetContract, |facts| facts.unknown = vec![(metric(), None)]),
        ),
        case(
            "contract_sense",
            open(),
            spoiled!(contract_facts, SetContract, |facts| facts.parts.guardrails.extend(facts.parts.kpi.clone())),
        ),
        case("frozen", at::validate(Class::Code), ask::contract),
        case("frozen", at::monitor(Class::Emergency), ask::contract),
        case("ended", at::validate(Class::Code).does(ask::hold), ask::contract),
    ];
    for effect in [-0.01, 1.0, f64::NAN, f64::INFINITY] {
        let spoiled = spoiled!(contract_facts, SetContract, |facts| facts.parts.min_effect = Some(effect));
        cases.push(case("contract_sense", open(), spoiled));
    }
    cases
}

fn baseline_cases() -> Vec<Case> {
    let ready = || at::baseline(Class::Code);
    vec![
        case(
            "commits_before_baseline",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| facts.commits_with_id = vec![commit(9, &[ID])]),
        ),
        case(
            "commits_before_baseline",
            at::validate(Class::Code),
            spoiled!(baseline_facts, Baseline, |facts| facts.commits_with_id = vec![commit(2, &[ID])]),
        ),
        case("dirty", ready(), spoiled!(baseline_facts, Baseline, |facts| facts.revision = dirty(1))),
        case(
            "dirty",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| facts.measured.as_mut().unwrap().taken.revision = dirty(1)),
        ),
        case("unknown_state", ready(), spoiled!(baseline_facts, Baseline, |facts| facts.revision = unknown_state(1))),
        case(
            "unknown_state",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| (facts.revision, facts.allow_dirty) = (unknown_state(1), true)),
        ),
        case(
            "own_source",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| facts.own_sources = vec!["kpi.ops (x.json)".to_owned()]),
        ),
        case(
            "unknown_metric",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| facts.unknown = vec![(metric(), Some(metric()))]),
        ),
        case(
            "unmeasured",
            ready(),
            spoiled!(baseline_facts, Baseline, |facts| facts.measured.as_mut().unwrap().unmeasured = vec![metric()]),
        ),
        case("already_passed", at::after(Class::Code), ask::baseline),
        case("not_in_class", at::baseline(Class::Emergency), ask::baseline),
        case("ended", at::validate(Class::Code).does(ask::reject), ask::baseline),
    ]
}

/// Nothing of this project was made, though a commit claims to be the change.
fn outside_cases() -> Vec<Case> {
    let ready = || at::validate(Class::Code);
    vec![case(
        "only_outside",
        ready(),
        spoiled!(validate_facts, Validate, |facts| {
            facts.delta.outside = vec![facts.delta.commits.remove(0).sha];
        }),
    )]
}

fn validate_cases() -> Vec<Case> {
    let ready = || at::validate(Class::Code);
    let indicative = || at::baseline(Class::Code).does(baseline_on(dirty(1)));
    let outside_git = || at::baseline(Class::Code).does(baseline_on(unversioned(1)));
    vec![
        case("earlier", at::baseline(Class::Code), ask::validate),
        case("no_delta", at::baseline(Class::Code).does(ask::baseline), ask::validate),
        case("no_delta", ready(), spoiled!(validate_facts, Validate, |facts| facts.delta.commits.clear())),
        case("no_delta", ready(), spoiled!(validate_facts, Validate, |facts| facts.revision = revision(1))),
        case(
            "no_delta",
            ready(),
            spoiled!(validate_facts, Validate, |facts| facts.delta.commits[0].evidence_only = true),
        ),
        case("no_delta", indicative(), spoiled!(validate_facts, Validate, |facts| facts.revision = dirty(1))),
        case("no_delta", outside_git(), spoiled!(validate_facts, Validate, |facts| facts.revision = unversioned(1))),
        case("many_commits", ready().commit(), ask::validate),
        case(
            "foreign_commit",
            ready(),
            spoiled!(validate_facts, Validate, |facts| {
                facts.delta.commits = vec![commit(2, &["chg-20260301-090000-other"])];
            }),
        ),
        case(
            "baseline_not_ancestor",
            ready(),
            spoiled!(validate_facts, Validate, |facts| facts.descends = Some(false)),
        ),
        case("baseline_not_ancestor", ready(), spoiled!(validate_facts, Validate, |facts| facts.descends = None)),
        case("dirty", ready(), spoiled!(validate_facts, Validate, |facts| facts.revision = dirty(2))),
        case("dirty", outside_git(), spoiled!(validate_facts, Validate, |facts| facts.revision = dirty(2))),
        case("unknown_state", ready(), spoiled!(validate_facts, Validate, |facts| facts.revision = unknown_state(2))),
        case(
            "contract_docs",
            ready(),
            spoiled!(validate_facts, Validate, |facts| facts.delta.contract_surface = vec!["api.proto".to_owned()]),
        ),
        case(
            "redefined",
            ready(),
            spoiled!(validate_facts, Validate, |facts| facts.redefined = vec!["timing.tests".to_owned()]),
        ),
        case("no_commit", ready(), only_tuneables),
        case("no_tests", ready(), spoiled!(validate_facts, Validate, |facts| facts.has_tests = false)),
        case(
            "no_tests",
            ready(),
            spoiled!(validate_facts, Validate, |facts| facts.outcome.as_mut().unwrap().0.clear()),
        ),
        case("already_passed", at::rollout(Class::Code), ask::validate),
        case("not_in_class", at::baseline(Class::Emergency), ask::validate),
    ]
}

fn tuneable_cases() -> Vec<Case> {
    vec![
        case(
            "no_tuneable_changed",
            at::validate(Class::Tuneable),
            spoiled!(validate_facts, Validate, |facts| facts.delta.tuneables.clear()),
        ),
        case(
            "code_beside",
            at::validate(Class::Tuneable),
            spoiled!(validate_facts, Validate, |facts| facts.delta.code = vec!["lib.py".to_owned()]),
        ),
    ]
}

fn after_and_compare_cases() -> Vec<Case> {
    let ready = || at::after(Class::Code);
    vec![
        case("earlier", at::validate(Class::Code), ask::after),
        case("dirty", ready(), spoiled!(after_facts, After, |facts| facts.revision = dirty(2))),
        case("unknown_state", ready(), spoiled!(after_facts, After, |facts| facts.revision = unknown_state(2))),
        case(
            "redefined",
            ready(),
            spoiled!(after_facts, After, |facts| facts.redefined = vec!["timing.tests".to_owned()]),
        ),
        case(
            "other_tuneables",
            at::after(Class::Tuneable),
            spoiled!(after_facts, After, |facts| facts.tuneables.clear()),
        ),
        case("not_validated_code", ready(), spoiled!(after_facts, After, |facts| facts.revision = revision(3))),
        case("not_validated_code", ready(), spoiled!(after_facts, After, |facts| facts.revision = revision(1))),
        case("not_validated_code", ready(), spoiled!(after_facts, After, |facts| facts.revision.code = None)),
        case(
            "not_validated_code",
            ready(),
            spoiled!(after_facts, After, |facts| facts.measured.as_mut().unwrap().taken.revision = revision(3)),
        ),
        case(
            "unmeasured",
            ready(),
            spoiled!(after_facts, After, |facts| facts.measured.as_mut().unwrap().unmeasured = vec![metric()]),
        ),
        case("already_passed", at::rollout(Class::Code), ask::after),
        case("not_in_class", at::baseline(Class::Emergency), ask::after),
        case("earlier", ready(), ask::compare),
        case("already_passed", at::rollout(Class::Code), ask::compare),
        case("not_in_class", at::baseline(Class::Emergency), ask::compare),
        case("ended", at::compare(Class::Code).does(ask::hold), ask::compare),
        case("evidence", at::compare(Class::Code), |world| {
            Command::Compare(CompareFacts { faults: fault(), ..world.compare_facts(all_well()) })
        }),
    ]
}

fn compared(kpi: Outcome, guardrails: Outcome, trigger: Outcome) -> World {
    at::compare(Class::Code).does(|world| Command::Compare(world.compare_facts(verdicts(kpi, guardrails, trigger))))
}

fn rehearsed(rehearsal: Rehearsal) -> impl FnOnce(&mut World) -> Command {
    |world: &mut World| {
        let mut facts = world.promote_facts();
        facts.rehearsed = facts.rehearsed.map(|(_, note)| (rehearsal, note));
        Command::Promote(facts)
    }
}

fn promote_cases() -> Vec<Case> {
    let ready = || at::promote(Class::Code);
    let indicative = at::baseline(Class::Code)
        .does(baseline_on(dirty(1)))
        .commit()
        .does(ask::validate)
        .does(ask::after)
        .does(ask::compare);
    let conflicts = Rehearsal::Conflicts { paths: vec!["src/parse.rs".to_owned()] };
    let fails = Rehearsal::ChecksFail { names: vec!["test".to_owned()] };
    let mut cases = vec![
        case("earlier", at::compare(Class::Code), ask::promote),
        case("already_passed", at::rollout(Class::Code), ask::promote),
        case("evidence", ready(), spoiled!(promote_facts, Promote, |facts| facts.faults = fault())),
        case("only_indicative", indicative, ask::promote),
        case("not_reproduced", ready(), spoiled!(promote_facts, Promote, |facts| facts.reproduced = false)),
        case("trigger_fired", compared(Outcome::Pass, Outcome::Pass, Outcome::Pass), ask::promote),
        case("rollback", ready(), rehearsed(conflicts)),
        case("rollback", ready(), rehearsed(fails)),
        case("not_in_class", at::promote(Class::Experiment), ask::promote),
        case("ended", ready().does(ask::hold), ask::promote),
        case("reason", ready(), |_| Command::Hold { reason: " \n".to_owned() }),
        case("reason", ready(), |_| Command::Reject { reason: String::new() }),
        case("already_passed", at::monitor(Class::Code), ask::hold),
        case("already_passed", at::monitor(Class::Code), ask::reject),
        case("ended", ready().does(ask::hold), ask::reject),
    ];
    for bad in [Outcome::Fail, Outcome::Inconclusive, Outcome::Invalid] {
        cases.push(case("verdicts", compared(bad, Outcome::Pass, Outcome::Fail), ask::promote));
        cases.push(case("verdicts", compared(Outcome::Pass, bad, Outcome::Fail), ask::promote));
    }
    cases
}

fn staged(verdicts: Verdicts) -> impl FnOnce(&mut World) -> Command {
    |world: &mut World| {
        let mut facts = world.rollout_facts(Stage::Canary);
        facts.measured = facts.measured.map(|(taken, _)| (taken, Some(verdicts)));
        Command::Rollout(facts)
    }
}

/// A delta of tuneables alone.
fn only_tuneables(world: &mut World) -> Command {
    let tuneables = at::after(Class::Tuneable).tuneables;
    let delta = Delta { tuneables, ..Delta::default() };
    Command::Validate(ValidateFacts { delta, ..world.validate_facts() })
}

fn spoilt_stage(spoil: fn(&mut RolloutFacts)) -> impl Fn(&mut World) -> Command {
    move |world| {
        let mut facts = world.rollout_facts(Stage::Canary);
        spoil(&mut facts);
        Command::Rollout(facts)
    }
}

fn rollout_cases() -> Vec<Case> {
    let ready = || at::rollout(Class::Code);
    let faulty =
        |world: &mut World| Command::Rollout(RolloutFacts { faults: fault(), ..world.rollout_facts(Stage::Canary) });
    vec![
        case("earlier", at::promote(Class::Code), ask::canary),
        case("stage_order", ready(), ask::live),
        case("stage_order", ready(), ask::full),
        case("already_passed", ready().does(ask::canary), ask::canary),
        case("already_passed", at::monitor(Class::Code), ask::full),
        case("soak", ready().does(ask::canary), ask::live),
        case("soak", ready().does(ask::canary).after_hours(1).does(ask::live).after_hours(23), ask::full),
        case("no_such_stage", at::rollout(Class::Emergency), ask::canary),
        case("evidence", ready(), faulty),
        case("dirty", ready(), spoilt_stage(|facts| facts.revision = dirty(2))),
        case("not_in_effect", ready(), spoilt_stage(|facts| facts.in_effect = InEffect::Absent)),
        case("not_in_effect", ready(), spoilt_stage(|facts| facts.in_effect = InEffect::Reverted)),
        case("other_tuneables", at::rollout(Class::Tuneable), spoilt_stage(|facts| facts.tuneables.clear())),
        case("stage_guardrails", ready(), staged(verdicts(Outcome::Pass, Outcome::Fail, Outcome::Fail))),
        case("stage_guardrails", ready(), staged(verdicts(Outcome::Pass, Outcome::Invalid, Outcome::Fail))),
        case("trigger_fired", ready(), staged(verdicts(Outcome::Pass, Outcome::Pass, Outcome::Pass))),
        case("not_in_class", at::promote(Class::Experiment), ask::full),
        case("ended", ready().does(ask::rollback), ask::canary),
        case("nothing_to_roll_back", at::validate(Class::Code), ask::rollback),
        case("nothing_to_roll_back", at::rollout(Class::Emergency), ask::rollback),
        case("reason", ready(), |_| Command::Rollback { reason: String::new(), commit: None }),
        case("ended", ready().does(ask::rollback), ask::rollback),
        case("nothing_to_roll_back", ready(), |world| ask::confirm(world, &[])),
        case("still_in_effect", ready().does(ask::rollback), |world| ask::confirm(world, &["abc"])),
    ]
}

fn verify_cases() -> Vec<Case> {
    let ready = || at::verify(Class::Code);
    let demand = |spoil: fn(&mut vibeship_optimizer::workflow::VerifyFacts)| {
        case("unverified", ready(), |world| {
            let mut facts = world.verify_facts();
            spoil(&mut facts);
            Command::Verify { summary: "faster".to_owned(), facts }
        })
    };
    vec![
        demand(|facts| facts.faults = fault()),
        demand(|facts| facts.reproduced = false),
        demand(|facts| facts.clean_git = Some(false)),
        demand(|facts| facts.policy.require_attestation = true),
        demand(|facts| facts.policy.min_monitor_days = 4),
        case("unverified", at::monitor(Class::Code), ask::verify),
        case("summary", ready(), |world| Command::Verify { summary: " ".to_owned(), facts: world.verify_facts() }),
        case("ended", ready().does(ask::verify), ask::verify),
        case("ended", ready().does(ask::verify), ask::tick),
        case("not_rolled_out", at::rollout(Class::Code).does(ask::canary), ask::tick),
        case("not_rolled_out", at::rollout(Class::Emergency), ask::tick),
        case("not_in_class", at::promote(Class::Experiment), ask::tick),
        case("no_alarm", ready(), ask::resolve),
        case("earlier", at::compare(Class::Code), ask::attest),
        case("earlier", at::rollout(Class::Emergency), ask::attest),
        case("ended", ready().does(ask::verify), ask::attest),
        case("follow_up", ready(), ask::follow_up),
        case("follow_up", at::monitor(Class::Emergency), |_| Command::FollowUp { by: id(ID) }),
        case("reason", ready(), |_| Command::Note { text: "\t".to_owned() }),
        case("reason", ready(), |_| Command::DecideDay { decision: "hold".to_owned(), reason: " ".to_owned() }),
        case("ended", ready().does(ask::verify), |_| Command::DecideDay {
            decision: "hold".to_owned(),
            reason: "quiet".to_owned(),
        }),
    ]
}

fn code_of(missing: &Missing) -> String {
    serde_json::to_value(missing).unwrap()["code"].as_str().unwrap().to_owned()
}

/// Opening has a world of its own: there is no change yet.
fn opening_cases() -> Vec<(&'static str, OpenFacts)> {
    let with = |class, spoil: fn(&mut OpenFacts)| {
        let mut facts = opened(class);
        spoil(&mut facts);
        facts
    };
    let undecided = |facts: &mut OpenFacts| {
        facts.others = vec![Other { id: id("chg-20260228-120000-other"), decided: false }];
    };
    vec![
        ("other_open", with(Class::Code, undecided)),
        ("other_open", with(Class::Tuneable, undecided)),
        ("other_open", with(Class::Experiment, undecided)),
        ("incident_note", with(Class::Emergency, |facts| facts.opened.incident = None)),
        ("incident_note", with(Class::Emergency, |facts| facts.opened.incident = Some(" ".to_owned()))),
        ("expiry", with(Class::Emergency, |facts| facts.opened.expires = None)),
        ("expiry", with(Class::Emergency, |facts| facts.opened.expires = Some(start()))),
        (
            "expiry_too_late",
            with(Class::Emergency, |facts| {
                facts.opened.expires = Some(start() + Duration::days(30) + Duration::seconds(1))
            }),
        ),
        ("tuneables_unknown", with(Class::Tuneable, |facts| facts.tuneables_configured = false)),
    ]
}

#[test]
fn every_demand_refuses_with_its_own_code_and_every_code_has_a_case() {
    let mut provoked = BTreeSet::new();
    for (expected, facts) in opening_cases() {
        let refusal = gates::open::decide(&facts, start()).expect_err(expected);
        assert_eq!(code_of(&refusal.missing), expected);
        provoked.insert(expected.to_owned());
    }
    let tables = [
        contract_cases(),
        baseline_cases(),
        outside_cases(),
        validate_cases(),
        tuneable_cases(),
        after_and_compare_cases(),
    ];
    let later = [promote_cases(), rollout_cases(), verify_cases()];
    let mut count = 0;
    for (expected, mut world, command) in tables.into_iter().chain(later).flatten() {
        let shown = format!("{expected}: {command:?}");
        let refusal = world.refusal(|_| command);
        assert_eq!(code_of(&refusal.missing), expected, "{shown}");
        provoked.insert(expected.to_owned());
        count += 1;
    }
    assert!(count > 95, "{count} cases");
    assert_eq!(provoked, every_code());
}

/// The codes of `Missing` as its source lists them, so that a new one without a case is noticed.
fn every_code() -> BTreeSet<String> {
    let source = include_str!("../../../src/workflow/refusal.rs");
    let body = source.split_once("pub enum Missing {").unwrap().1.split_once("\n}\n").unwrap().0;
    let names =
        body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
    names.map(|line| snake(line.trim_end_matches([' ', '{', ',']))).collect()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn a_missing_contract_part_is_named() {
    let mut world = World::open(Class::Code);
    let parts = Contract { trigger: None, ..contract() };
    world
        .ask(&Command::SetContract(ContractFacts {
            parts,
            measurable: Vec::new(),
            better: std::collections::BTreeMap::new(),
            unknown: Vec::new(),
        }))
        .unwrap();
    world.refuses(
        ask::baseline,
        |missing| matches!(missing, Missing::ContractParts { parts } if *parts == [Part::Trigger]),
    );
}

#[test]
fn an_emergency_may_be_opened_beside_an_undecided_change_and_others_when_asked_for() {
    let other = Other { id: id("chg-20260228-120000-other"), decided: false };
    let emergency = OpenFacts { others: vec![other.clone()], ..opened(Class::Emergency) };
    gates::open::decide(&emergency, start()).unwrap();
    let parallel = OpenFacts { others: vec![other.clone()], parallel: true, ..opened(Class::Code) };
    gates::open::decide(&parallel, start()).unwrap();
    let decided = OpenFacts { others: vec![Other { decided: true, ..other }], ..opened(Class::Code) };
    gates::open::decide(&decided, start()).unwrap();
}

#[test]
fn asking_whether_a_gate_would_open_records_nothing() {
    let dry: Vec<(World, Command)> = vec![
        (at::baseline(Class::Code), {
            let mut world = at::baseline(Class::Code);
            Command::Baseline(BaselineFacts { measured: None, ..world.baseline_facts() })
        }),
        (at::validate(Class::Code), {
            let mut world = at::validate(Class::Code);
            Command::Validate(ValidateFacts { outcome: None, ..world.validate_facts() })
        }),
        (at::after(Class::Code), {
            let mut world = at::after(Class::Code);
            Command::After(AfterFacts { measured: None, ..world.after_facts() })
        }),
        (at::promote(Class::Code), {
            let mut world = at::promote(Class::Code);
            Command::Promote(PromoteFacts { rehearsed: None, ..world.promote_facts() })
        }),
        (at::rollout(Class::Code), {
            let mut world = at::rollout(Class::Code);
            Command::Rollout(RolloutFacts { measured: None, ..world.rollout_facts(Stage::Canary) })
        }),
    ];
    for (mut world, command) in dry {
        let before = world.text();
        assert_eq!(world.ask(&command), Ok(0));
        assert_eq!(world.text(), before);
    }
}
