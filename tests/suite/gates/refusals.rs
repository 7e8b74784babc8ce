//! Every demand of every gate, violated individually: if a demand is removed, a row of this table fails.

use std::collections::BTreeSet;

use chrono::Duration;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::{
    Class, Contract, Kind, MetricId, Opened, Outcome, Part, Promotion, Revision, Surface, WorkTree,
};
use vibeship_optimizer::workflow::{Reason, Refusal, World, gates};

use crate::support::made_up::*;
use crate::support::variants;

type Case = (&'static str, Script, Ask);

/// A case: the expected code, the state of the change, and the proposed event.
fn case(code: &'static str, mut script: Script, ask: impl FnOnce(&mut Script) -> Ask) -> Case {
    script.now += Duration::minutes(1);
    let ask = ask(&mut script);
    (code, script, ask)
}

/// Proposes an event with something spoiled.
fn spoiled(ask: impl FnOnce(&mut Script) -> Ask, spoil: impl FnOnce(&mut Ask)) -> impl FnOnce(&mut Script) -> Ask {
    |script| {
        let mut ask = ask(script);
        spoil(&mut ask);
        ask
    }
}

fn unknown_state(code: u32) -> Revision {
    Revision { work_tree: WorkTree::Unknown { reason: "dubious ownership".to_owned() }, ..revision(code) }
}

fn fault() -> Vec<ArtifactFault> {
    vec![ArtifactFault {
        path: format!("reports/optimizer/{ID}_before_snapshot.json"),
        missing: false,
        committed: true,
        commit: Some("HEAD".to_owned()),
        kept: None,
    }]
}

fn metric() -> MetricId {
    MetricId::new("timing.parse.wall")
}

/// A baseline at this revision.
fn baseline_on(on: Revision) -> impl FnOnce(&mut Script) -> Ask {
    |script| {
        let mut ask = ask::baseline(script);
        ask.world.allow_dirty = !on.nothing_uncommitted();
        ask.on(on)
    }
}

fn contract_cases() -> Vec<Case> {
    let open = || Script::open(Class::Code);
    let part = |spoil: fn(&mut Contract)| open().does(spoiled(ask::contract, |ask| spoil(ask.contract())));
    let mut cases = vec![
        case("contract_parts", open(), ask::baseline),
        case("contract_parts", part(|c| c.hypothesis = " ".to_owned()), ask::baseline),
        case("contract_parts", part(|c| c.kpi = None), ask::baseline),
        case("contract_parts", part(|c| c.guardrails.clear()), ask::baseline),
        case("contract_parts", part(|c| c.trigger = None), ask::baseline),
        case("contract_parts", part(|c| c.rollback.clear()), ask::baseline),
        case("contract_parts", Script::open(Class::Emergency), ask::full),
        case("contract_parts", Script::open(Class::Experiment), ask::baseline),
        case("earlier", open(), ask::validate),
        case("unknown_metric", open(), spoiled(ask::contract, |ask| ask.world.unknown = vec![(metric(), None)])),
        case(
            "contract_sense",
            open(),
            spoiled(ask::contract, |ask| {
                let kpi = ask.contract().kpi.clone();
                ask.contract().guardrails.extend(kpi);
            }),
        ),
        case("frozen", at::validate(Class::Code), ask::contract),
        case("frozen", at::monitor(Class::Emergency), ask::contract),
        case("ended", at::validate(Class::Code).does(ask::hold), ask::contract),
    ];
    for effect in [-0.01, 1.0, f64::NAN, f64::INFINITY] {
        let spoiled = spoiled(ask::contract, |ask| ask.contract().min_effect = Some(effect));
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
            spoiled(ask::baseline, |ask| ask.world.commits_with_id = vec![commit(9, &[ID])]),
        ),
        case(
            "commits_before_baseline",
            at::validate(Class::Code),
            spoiled(ask::baseline, |ask| ask.world.commits_with_id = vec![commit(2, &[ID])]),
        ),
        case("dirty", ready(), spoiled(ask::baseline, |ask| ask.world.revision = dirty(1))),
        case("dirty", ready(), spoiled(ask::baseline, |ask| ask.taken().revision = dirty(1))),
        case("unknown_state", ready(), spoiled(ask::baseline, |ask| ask.world.revision = unknown_state(1))),
        case(
            "unknown_state",
            ready(),
            spoiled(ask::baseline, |ask| {
                ask.taken().revision = Revision { commit: revision(1).commit, ..unversioned(1) }
            }),
        ),
        case(
            "unknown_state",
            ready(),
            spoiled(ask::baseline, |ask| (ask.world.revision, ask.world.allow_dirty) = (unknown_state(1), true)),
        ),
        case("not_in_git", ready(), spoiled(ask::baseline, |ask| ask.world.not_in_git = vec!["out".to_owned()])),
        case(
            "config_uncommitted",
            ready(),
            spoiled(ask::baseline, |ask| {
                ask.world.uncommitted_config = Some(("config.yml".to_owned(), vec!["commands.test".to_owned()]));
            }),
        ),
        case(
            "own_source",
            ready(),
            spoiled(ask::baseline, |ask| ask.world.own_sources = vec!["kpi.ops (x.json)".to_owned()]),
        ),
        case(
            "unknown_metric",
            ready(),
            spoiled(ask::baseline, |ask| ask.world.unknown = vec![(metric(), Some(metric()))]),
        ),
        case(
            "unmeasured",
            ready(),
            spoiled(ask::baseline, |ask| ask.world.unmeasured = vec![(metric(), String::new())]),
        ),
        case("already_passed", at::after(Class::Code), ask::baseline),
        case("not_in_class", at::baseline(Class::Emergency), ask::baseline),
        case("ended", at::validate(Class::Code).does(ask::reject), ask::baseline),
    ]
}

/// The commit with the change's id touches no file of the project.
fn outside_cases() -> Vec<Case> {
    let ready = || at::validate(Class::Code);
    vec![case(
        "only_outside",
        ready(),
        spoiled(ask::validate, |ask| {
            let delta = &mut ask.validation().delta;
            delta.outside = vec![delta.commits.remove(0).sha];
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
        case("no_delta", ready(), spoiled(ask::validate, |ask| ask.validation().delta.commits.clear())),
        case(
            "no_delta",
            ready(),
            spoiled(ask::validate, |ask| {
                ask.validation().delta.files = vec!["out/ops.txt".to_owned()];
                ask.world.outputs = vec!["out/ops.txt".to_owned()];
            }),
        ),
        case("no_delta", ready(), spoiled(ask::validate, |ask| ask.validation().revision = revision(1))),
        case("no_delta", ready(), spoiled(ask::validate, |ask| ask.validation().delta.commits[0].evidence_only = true)),
        case("no_delta", indicative(), spoiled(ask::validate, |ask| ask.validation().revision = dirty(1))),
        case("no_delta", outside_git(), spoiled(ask::validate, |ask| ask.validation().revision = unversioned(1))),
        case("many_commits", ready().commit(), ask::validate),
        case(
            "foreign_commit",
            ready(),
            spoiled(ask::validate, |ask| {
                ask.validation().delta.commits = vec![commit(2, &["chg-20260301-090000-other"])];
            }),
        ),
        case(
            "others_committed",
            ready(),
            spoiled(ask::validate, |ask| {
                ask.validation().delta.base = Some("b".repeat(40));
                ask.world.unattributed = vec![criterion("http.a.ok >= 1").metric];
            }),
        ),
        case("baseline_not_ancestor", ready(), spoiled(ask::validate, |ask| ask.world.descends = Some(false))),
        case("baseline_not_ancestor", ready(), spoiled(ask::validate, |ask| ask.world.descends = None)),
        case("dirty", ready(), spoiled(ask::validate, |ask| ask.validation().revision = dirty(2))),
        case("dirty", outside_git(), spoiled(ask::validate, |ask| ask.validation().revision = dirty(2))),
        case("unknown_state", ready(), spoiled(ask::validate, |ask| ask.validation().revision = unknown_state(2))),
        case(
            "contract_docs",
            ready(),
            spoiled(ask::validate, |ask| ask.validation().delta.contract_surface = vec!["api.proto".to_owned()]),
        ),
        case("redefined", ready(), spoiled(ask::validate, |ask| ask.world.redefined = vec!["timing.tests".to_owned()])),
        case("no_commit", ready(), only_tuneables),
        case("no_tests", ready(), spoiled(ask::validate, |ask| ask.world.has_tests = false)),
        case("no_tests", ready(), spoiled(ask::validate, |ask| ask.validation().checks.clear())),
        case(
            "wrong_class",
            ready(),
            spoiled(ask::validate, |ask| {
                ask.world.not_of_class = Some((Surface::Tuneables, vec!["t.json".to_owned()]));
            }),
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
            spoiled(ask::validate, |ask| ask.validation().delta.tuneables.clear()),
        ),
        case(
            "code_beside",
            at::validate(Class::Tuneable),
            spoiled(ask::validate, |ask| ask.validation().delta.code = vec!["lib.py".to_owned()]),
        ),
    ]
}

fn after_and_compare_cases() -> Vec<Case> {
    let ready = || at::after(Class::Code);
    vec![
        case("earlier", at::validate(Class::Code), ask::after),
        case("dirty", ready(), spoiled(ask::after, |ask| ask.world.revision = dirty(2))),
        case("unknown_state", ready(), spoiled(ask::after, |ask| ask.world.revision = unknown_state(2))),
        case("redefined", ready(), spoiled(ask::after, |ask| ask.world.redefined = vec!["timing.tests".to_owned()])),
        case("other_tuneables", at::after(Class::Tuneable), spoiled(ask::after, |ask| ask.world.tuneables.clear())),
        case("not_validated_code", ready(), spoiled(ask::after, |ask| ask.world.revision = revision(3))),
        case("not_validated_code", ready(), spoiled(ask::after, |ask| ask.world.revision = revision(1))),
        case("not_validated_code", ready(), spoiled(ask::after, |ask| ask.world.revision.code = None)),
        case("not_validated_code", ready(), spoiled(ask::after, |ask| ask.taken().revision = revision(3))),
        case("unmeasured", ready(), spoiled(ask::after, |ask| ask.world.unmeasured = vec![(metric(), String::new())])),
        case("already_passed", at::rollout(Class::Code), ask::after),
        case("not_in_class", at::baseline(Class::Emergency), ask::after),
        case("earlier", ready(), ask::compare),
        case("already_passed", at::rollout(Class::Code), ask::compare),
        case("not_in_class", at::baseline(Class::Emergency), ask::compare),
        case("ended", at::compare(Class::Code).does(ask::hold), ask::compare),
        case("evidence", at::compare(Class::Code), spoiled(ask::compare, |ask| ask.world.faults = fault())),
    ]
}

fn compared(kpi: Outcome, guardrails: Outcome, trigger: Outcome) -> Script {
    at::compare(Class::Code).does(|script| script.compares(verdicts(kpi, guardrails, trigger)))
}

fn rehearsed(rehearsal: Rehearsal) -> impl FnOnce(&mut Script) -> Ask {
    spoiled(ask::promote, |ask| {
        let Kind::Promoted(Promotion { rehearsal: tried, .. }) = &mut ask.event else { unreachable!() };
        *tried = rehearsal;
    })
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
        case("evidence", ready(), spoiled(ask::promote, |ask| ask.world.faults = fault())),
        case("only_indicative", indicative, ask::promote),
        case("not_reproduced", ready(), spoiled(ask::promote, |ask| ask.world.reproduced = false)),
        case("trigger_fired", compared(Outcome::Pass, Outcome::Pass, Outcome::Pass), ask::promote),
        case("not_in_effect", ready(), spoiled(ask::promote, |ask| ask.world.in_effect = InEffect::Absent)),
        case("rollback", ready(), rehearsed(conflicts)),
        case("rollback", ready(), rehearsed(fails)),
        case("not_in_class", at::promote(Class::Experiment), ask::promote),
        case("ended", ready().does(ask::hold), ask::promote),
        case("reason", ready(), |_| plain(Kind::Held { reason: " \n".to_owned() })),
        case("reason", ready(), |_| plain(Kind::Rejected { reason: String::new() })),
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

fn staged(verdicts: Verdicts) -> impl FnOnce(&mut Script) -> Ask {
    spoiled(ask::canary, |ask| ask.begun().verdicts = Some(verdicts))
}

/// A delta of tuneables only.
fn only_tuneables(script: &mut Script) -> Ask {
    let tuneables = at::after(Class::Tuneable).tuneables;
    spoiled(ask::validate, |ask| ask.validation().delta = Delta { tuneables, ..Delta::default() })(script)
}

fn rollout_cases() -> Vec<Case> {
    let ready = || at::rollout(Class::Code);
    vec![
        case("earlier", at::promote(Class::Code), ask::canary),
        case("stage_order", ready(), ask::live),
        case("stage_order", ready(), ask::full),
        case("already_passed", ready().does(ask::canary), ask::canary),
        case("already_passed", at::monitor(Class::Code), ask::full),
        case("soak", ready().does(ask::canary), ask::live),
        case("soak", ready().does(ask::canary).after_hours(1).does(ask::live).after_hours(23), ask::full),
        case("no_such_stage", at::rollout(Class::Emergency), ask::canary),
        case("evidence", ready(), spoiled(ask::canary, |ask| ask.world.faults = fault())),
        case("dirty", ready(), spoiled(ask::canary, |ask| ask.world.revision = dirty(2))),
        case("dirty", ready(), spoiled(ask::canary, |ask| ask.taken().revision = dirty(2))),
        case("not_in_effect", ready(), spoiled(ask::canary, |ask| ask.world.in_effect = InEffect::Absent)),
        case("not_in_effect", ready(), spoiled(ask::canary, |ask| ask.world.in_effect = InEffect::Reverted)),
        case("other_tuneables", at::rollout(Class::Tuneable), spoiled(ask::canary, |ask| ask.world.tuneables.clear())),
        case("stage_guardrails", ready(), staged(verdicts(Outcome::Pass, Outcome::Fail, Outcome::Fail))),
        case("stage_guardrails", ready(), staged(verdicts(Outcome::Pass, Outcome::Invalid, Outcome::Fail))),
        case("trigger_fired", ready(), staged(verdicts(Outcome::Pass, Outcome::Pass, Outcome::Pass))),
        case("not_in_class", at::promote(Class::Experiment), ask::full),
        case("ended", ready().does(ask::rollback), ask::canary),
        case("nothing_to_roll_back", at::validate(Class::Code), ask::rollback_on_record),
        case("nothing_to_roll_back", at::rollout(Class::Emergency), ask::rollback_on_record),
        case("reason", ready(), |_| plain(Kind::RolledBack { reason: String::new(), commit: None })),
        case("ended", ready().does(ask::rollback), ask::rollback),
        case("nothing_to_roll_back", ready(), |world| ask::confirm(world, &[])),
        case("still_in_effect", ready().does(ask::rollback), |world| ask::confirm(world, &["abc"])),
    ]
}

fn verify_cases() -> Vec<Case> {
    let ready = || at::verify(Class::Code);
    let demand = |spoil: fn(&mut World)| case("unverified", ready(), spoiled(ask::verify, |ask| spoil(&mut ask.world)));
    vec![
        demand(|world| world.faults = fault()),
        demand(|world| world.reproduced = false),
        demand(|world| world.clean_git = Some(false)),
        demand(|world| world.policy.require_attestation = true),
        demand(|world| world.policy.min_monitor_days = 4),
        case("unverified", at::monitor(Class::Code), ask::verify),
        case("summary", ready(), spoiled(ask::verify, |ask| ask.event = Kind::Verified { summary: " ".to_owned() })),
        case("not_in_effect", ready(), spoiled(ask::verify, |ask| ask.world.in_effect = InEffect::Reverted)),
        case("not_in_effect", ready(), spoiled(ask::tick, |ask| ask.world.in_effect = InEffect::Absent)),
        case("not_as_committed", ready(), spoiled(ask::verify, |ask| ask.world.undone = vec!["a.txt".to_owned()])),
        case("not_as_committed", ready(), spoiled(ask::tick, |ask| ask.world.undone = vec!["a.txt".to_owned()])),
        case("other_tuneables", at::verify(Class::Tuneable), spoiled(ask::tick, |ask| ask.world.tuneables.clear())),
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
        case("follow_up", at::monitor(Class::Emergency), |_| plain(Kind::FollowedUp { by: id(ID) })),
        case("reason", ready(), |_| plain(Kind::Noted { text: "\t".to_owned() })),
        case(
            "reason",
            ready(),
            spoiled(ask::decide_day, |ask| {
                let Kind::DayDecided { reason, .. } = &mut ask.event else { unreachable!() };
                *reason = " ".to_owned();
            }),
        ),
        case("ended", ready().does(ask::verify), ask::decide_day),
    ]
}

fn code_of(missing: &Reason) -> String {
    serde_json::to_value(missing).unwrap()["code"].as_str().unwrap().to_owned()
}

/// Refusals of opening, which precede the change.
fn opening_cases() -> Vec<(&'static str, Opened, World)> {
    let emergency = |spoil: fn(&mut Opened)| {
        let mut opened = opened(Class::Emergency);
        spoil(&mut opened);
        opened
    };
    let beside = || World { undecided: vec![id("chg-20260228-120000-other")], ..before_opening() };
    let too_late = start() + Duration::days(30) + Duration::seconds(1);
    vec![
        ("other_open", opened(Class::Code), beside()),
        ("other_open", opened(Class::Tuneable), beside()),
        ("other_open", opened(Class::Experiment), beside()),
        ("incident_note", emergency(|opened| opened.incident = None), before_opening()),
        ("incident_note", emergency(|opened| opened.incident = Some(" ".to_owned())), before_opening()),
        ("expiry", emergency(|opened| opened.expires = None), before_opening()),
        ("expiry", emergency(|opened| opened.expires = Some(start())), before_opening()),
        ("expiry_too_late", Opened { expires: Some(too_late), ..opened(Class::Emergency) }, before_opening()),
        ("tuneables_unknown", opened(Class::Tuneable), World { tuneables_configured: false, ..before_opening() }),
    ]
}

#[test]
fn every_demand_refuses_with_its_own_code_and_every_code_has_a_case() {
    let mut provoked = BTreeSet::new();
    for (expected, opened, world) in opening_cases() {
        let refusal = gates::contract::may_open(&opened, &world, start()).expect_err(expected);
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
    for (expected, mut script, ask) in tables.into_iter().chain(later).flatten() {
        let shown = format!("{expected}: {ask:?}");
        let refusal = script.refusal(|_| ask);
        assert_eq!(code_of(&refusal.missing), expected, "{shown}");
        provoked.insert(expected.to_owned());
        count += 1;
    }
    assert!(count > 95, "{count} cases");
    assert_eq!(provoked, variants("src/workflow/reason.rs", "Reason").into_iter().collect());
}

#[test]
fn a_missing_contract_part_is_named() {
    Script::open(Class::Code).does(spoiled(ask::contract, |ask| ask.contract().trigger = None)).refuses(
        ask::baseline,
        |missing| matches!(missing, Reason::ContractParts { parts } if *parts == [Part::Trigger]),
    );
}

#[test]
fn an_emergency_may_be_opened_beside_an_undecided_change() {
    let beside = World { undecided: vec![id("chg-20260228-120000-other")], ..before_opening() };
    gates::contract::may_open(&opened(Class::Emergency), &beside, start()).unwrap();
    gates::contract::may_open(&opened(Class::Code), &before_opening(), start()).unwrap();
}

type MayEnter = fn(&Script, &World) -> Result<(), Refusal>;

/// How a script proposes an event to its gate.
type Propose = fn(&mut Script) -> Ask;

fn entrances() -> Vec<(Script, Propose, MayEnter)> {
    vec![
        (at::baseline(Class::Code), ask::baseline, |script, world| gates::may_take_baseline(&script.change, world)),
        (at::validate(Class::Code), ask::validate, |script, world| gates::may_validate(&script.change, world)),
        (at::after(Class::Code), ask::after, |script, world| gates::may_take_after(&script.change, world)),
        (at::promote(Class::Code), ask::promote, |script, world| gates::may_promote(&script.change, world)),
        (at::rollout(Class::Code), ask::canary, |script, world| {
            gates::may_roll_out(&script.change, Stage::Canary, world, script.now)
        }),
    ]
}

#[test]
fn a_gate_can_be_asked_before_anything_is_measured_for_it() {
    for (mut script, ask, may_enter) in entrances() {
        let world = ask(&mut script).world;
        assert_eq!(may_enter(&script, &world), Ok(()));
    }
}

#[test]
fn the_default_world_passes_no_gate() {
    for (script, _, may_enter) in entrances() {
        may_enter(&script, &World::default()).expect_err("a command that forgets to look is not let through");
    }
}
