//! Property tests with random events in a random world, in any order.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use clap::ValueEnum as _;
use proptest::prelude::*;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::{Class, Event, Kind, Outcome, Promotion, RolloutStage};
use vibeship_optimizer::workflow::next::next;
use vibeship_optimizer::workflow::{Change, End, Reason, Step, chain, gates, replay};

use crate::support::made_up::*;

/// One step of a random walk: the time that passes, the proposed event, and how it is spoiled.
#[derive(Debug, Clone, Copy)]
struct Move {
    hours: i64,
    /// `None`: the next step of the workflow.
    asked: Option<u8>,
    spoil: u8,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let hours = prop_oneof![4 => Just(0i64), 4 => 1i64..30, 1 => -80i64..0];
    let asked = prop_oneof![4 => Just(None), 2 => (0u8..20).prop_map(Some)];
    let spoil = prop_oneof![5 => Just(0u8), 2 => 1u8..8];
    prop::collection::vec((hours, asked, spoil).prop_map(|(hours, asked, spoil)| Move { hours, asked, spoil }), 0..45)
}

fn classes() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::value_variants().to_vec())
}

/// The next step of the workflow, as a number for [`asked`].
fn next_step(script: &mut Script) -> u8 {
    match next(&script.change, &script.policy, script.now) {
        Step::Contract { .. } => 0,
        Step::Baseline => 1,
        Step::Validate => {
            if script.commits.is_empty() {
                *script = script.clone().commit();
            }
            2
        }
        Step::After => 3,
        Step::Compare => 4,
        Step::Promote | Step::Decide { .. } => 5,
        Step::Rollout { stage: Stage::Canary, .. } => 6,
        Step::Rollout { stage: Stage::Live, .. } => 7,
        Step::Rollout { stage: Stage::Full, .. } => 8,
        Step::Attest => 10,
        Step::Alarms => 13,
        Step::FollowUp => 12,
        Step::Tick => 9,
        Step::Wait { .. } | Step::Verify => 11,
        Step::Hold => 14,
        Step::ConfirmRollback | Step::Ended { .. } => 16,
    }
}

/// Puts the contract's KPI into the verdicts.
fn on_contract(script: &Script, mut verdicts: Verdicts) -> Verdicts {
    verdicts.kpi.criterion = script.change.contract.kpi.as_ref().map(ToString::to_string).unwrap_or_default();
    verdicts
}

fn asked(script: &mut Script, number: u8, spoil: u8) -> Ask {
    match number {
        0 => {
            let mut ask = ask::contract(script);
            match spoil {
                1 => ask.contract().kpi = None,
                2 => ask.contract().guardrails.clear(),
                3 => ask.contract().kpi = Some(criterion("timing.parse.wall <= +90%")),
                4 => ask.contract().trigger = None,
                _ => {}
            }
            ask
        }
        1 => {
            let mut ask = ask::baseline(script);
            match spoil {
                1 => ask.world.revision = dirty(script.head),
                2 => {
                    ask.world.allow_dirty = true;
                    ask = ask.on(dirty(script.head));
                }
                3 => ask.world.commits_with_id = vec![commit(script.head, &[ID])],
                _ => {}
            }
            ask
        }
        2 => {
            if spoil == 2 || spoil == 7 {
                return ask::fail_validation(script, spoil == 7);
            }
            let mut ask = ask::validate(script);
            match spoil {
                1 => ask.validation().delta.commits.clear(),
                3 => ask.world.descends = None,
                _ => {}
            }
            ask
        }
        3 => {
            let mut ask = ask::after(script);
            if spoil == 1 {
                ask.world.revision = revision(script.head + 7);
            }
            ask
        }
        4..=9 => from_comparison(script, number, spoil),
        other => ending(script, other, spoil),
    }
}

fn from_comparison(script: &mut Script, number: u8, spoil: u8) -> Ask {
    let outcome = [Outcome::Pass, Outcome::Fail, Outcome::Inconclusive, Outcome::Invalid][usize::from(spoil) % 4];
    match number {
        4 => {
            let verdicts = on_contract(script, verdicts(outcome, Outcome::Pass, Outcome::Fail));
            script.compares(verdicts)
        }
        5 => {
            let mut ask = ask::promote(script);
            let Kind::Promoted(Promotion { policy, .. }) = &mut ask.event else { unreachable!() };
            match spoil {
                1 => ask.world.reproduced = false,
                2 => policy.min_monitor_days = 0,
                3 => policy.stages.retain(|plan| plan.stage == Stage::Full),
                4 => {
                    let fault = ArtifactFault {
                        path: "x".to_owned(),
                        missing: true,
                        committed: true,
                        commit: Some("HEAD".to_owned()),
                        kept: None,
                    };
                    ask.world.faults = vec![fault];
                }
                5 => ask.world.in_effect = InEffect::Absent,
                _ => {}
            }
            ask
        }
        6..=8 => {
            let mut ask = [ask::canary, ask::live, ask::full][usize::from(number) - 6](script);
            let verdicts = ask.begun().verdicts.take().filter(|_| spoil != 1);
            ask.begun().verdicts = verdicts.map(|verdicts| on_contract(script, verdicts));
            ask
        }
        _ => {
            let mut ask = ask::tick(script);
            match spoil {
                1 => ask.tick().alarms = vec![judged("kpi.errors > 0.01", Outcome::Pass)],
                2 => ask.tick().utc_date += Duration::days(1),
                3 => ask.tick().utc_date -= Duration::days(1),
                _ => {}
            }
            ask
        }
    }
}

fn ending(script: &mut Script, number: u8, spoil: u8) -> Ask {
    match number {
        10 => ask::attest(script),
        11 => {
            let mut ask = ask::verify(script);
            match spoil {
                1 => ask.world.reproduced = false,
                2 => ask.world.policy.min_monitor_days = 0,
                3 => ask.world.follow_up_promoted = false,
                _ => {}
            }
            ask
        }
        12 => ask::follow_up(script),
        13 => ask::resolve(script),
        14 if spoil > 3 => ask::hold(script),
        15 if spoil > 3 => ask::reject(script),
        16 if spoil > 3 => ask::rollback(script),
        17 => ask::confirm(script, &[]),
        18 => plain(Kind::Relinked { commits: vec![("a".repeat(40), "b".repeat(40))], by: "patch-id".to_owned() }),
        19 => ask::decide_day(script),
        _ => ask::note(script),
    }
}

/// Plays the moves and checks that every refusal leaves the record unchanged.
fn play(class: Class, moves: &[Move]) -> Script {
    let mut script = Script::open(class);
    for step in moves {
        script.now += Duration::hours(step.hours) + Duration::minutes(1);
        let number = step.asked.unwrap_or_else(|| next_step(&mut script));
        let ask = asked(&mut script, number, step.spoil);
        let before = script.change.clone();
        if script.ask(&ask).is_err() {
            assert!(before == script.change, "a refused event changed the record: {ask:?}");
        }
    }
    script
}

fn last(events: &[Event], is: impl Fn(&Kind) -> bool) -> Option<usize> {
    events.iter().rposition(|event| is(&event.what))
}

/// Checks what a verified record must contain, independently of the code of the gates.
fn earned(events: &[Event], class: Class, end: usize) -> Result<(), String> {
    let events = &events[..=end];
    let need = |found: Option<usize>, what: &str| found.ok_or(format!("no {what}"));
    if class == Class::Experiment {
        return Err("an experiment".to_owned());
    }
    let full = |kind: &Kind| matches!(kind, Kind::RolledOut(RolloutStage { stage: Stage::Full, .. }));
    let full = need(last(events, full), "full rollout")?;
    let contract = need(last(events, |kind| matches!(kind, Kind::ContractSet { .. })), "contract")?;
    let mut order = vec![contract];
    if class == Class::Emergency {
        need(last(events, |kind| matches!(kind, Kind::FollowedUp { .. })), "follow-up")?;
    } else {
        order.push(need(last(events, |kind| matches!(kind, Kind::BaselineTaken { .. })), "baseline")?);
        let first = events.iter().position(|event| matches!(event.what, Kind::BaselineTaken { .. }));
        if first < Some(contract) {
            return Err("the contract was edited after the first baseline".to_owned());
        }
        order.push(need(last(events, |kind| matches!(kind, Kind::Validated { .. })), "validation")?);
        order.push(need(last(events, |kind| matches!(kind, Kind::AfterTaken { .. })), "state after")?);
        order.push(need(last(events, |kind| matches!(kind, Kind::Compared { .. })), "comparison")?);
        order.push(need(last(events, |kind| matches!(kind, Kind::Promoted { .. })), "promotion")?);
    }
    order.extend([full, end]);
    if !order.is_sorted() {
        return Err(format!("out of order: {order:?}"));
    }
    let Kind::ContractSet { contract } = &events[contract].what else { return Err("no contract".to_owned()) };
    if !contract.missing().is_empty() {
        return Err("incomplete contract".to_owned());
    }
    monitored(events, full, end)
}

fn monitored(events: &[Event], full: usize, end: usize) -> Result<(), String> {
    let began: DateTime<Utc> = events[..=full].iter().map(|event| event.at).max().unwrap();
    if events[end].at - began < Duration::hours(72) {
        return Err(format!("a window of {}", events[end].at - began));
    }
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    let mut alarmed = false;
    for event in &events[full..] {
        match &event.what {
            Kind::Ticked(tick) => {
                alarmed |= !tick.alarms.is_empty();
                if event.at >= began {
                    days.insert(event.at.date_naive());
                }
            }
            Kind::AlarmResolved { .. } => alarmed = false,
            _ => {}
        }
    }
    match (days.len() >= 3, alarmed) {
        (false, _) => Err(format!("{} days", days.len())),
        (_, true) => Err("an open alarm".to_owned()),
        _ => Ok(()),
    }
}

/// Checks that the step proposed by `next` is in order.
fn in_order(script: &Script) -> Result<(), String> {
    let mut script = script.clone();
    let step = next(&script.change, &script.policy, script.now);
    if matches!(step, Step::Wait { .. } | Step::Decide { .. } | Step::Ended { .. }) {
        return Ok(());
    }
    if let Step::Rollout { not_before: Some(at), .. } = step {
        script.now = at;
    }
    let number = match step {
        Step::ConfirmRollback => 17,
        _ => next_step(&mut script),
    };
    let ask = if matches!(step, Step::Hold) { ask::hold(&mut script) } else { asked(&mut script, number, 0) };
    let event = gates::completed(&script.change, ask.event);
    match gates::check(&script.change, &event, &ask.world, script.now) {
        Ok(()) => Ok(()),
        // These reasons are due to the constructed world and not to the order.
        Err(refusal) => match refusal.missing {
            Reason::Unverified { .. } | Reason::NotValidatedCode { .. } | Reason::ManyCommits { .. } => Ok(()),
            Reason::NoDelta { .. } | Reason::Dirty { .. } => Ok(()),
            missing => Err(format!("{step:?} is refused: {missing:?}")),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_makes_an_invalid_record_or_an_unearned_verification(class in classes(), moves in moves()) {
        let world = play(class, &moves);
        let events = &world.change.events;

        let verified = events.iter().position(|event| matches!(event.what, Kind::Verified { .. }));
        if let Some(end) = verified {
            prop_assert_eq!(earned(events, class, end), Ok(()));
        }
        prop_assert_eq!(verified.is_some(), matches!(world.change.end, Some(End::Verified { .. }))
            || verified.is_some() && matches!(world.change.end, Some(End::RolledBack)));
        if class == Class::Experiment {
            prop_assert!(world.change.promotion.is_none() && world.change.rollout.is_empty());
        }

        let raw: Vec<serde_json::Value> = serde_json::from_str(&world.text()).unwrap();
        prop_assert_eq!(chain::verify(&raw), Ok(()));
        let read: Vec<Event> = serde_json::from_value(serde_json::Value::Array(raw)).unwrap();
        prop_assert_eq!(&Change::replay(read.clone()).unwrap(), &world.change);
        prop_assert_eq!(replay::check(&read), Ok(()));
        prop_assert_eq!(in_order(&world), Ok(()));
    }

    #[test]
    fn any_order_of_events_folds_without_a_panic(class in classes(), moves in moves(), seed in any::<u64>()) {
        let world = play(class, &moves);
        let (first, rest) = world.change.events.split_first().unwrap();
        let mut rest = rest.to_vec();
        let mut state = seed | 1;
        for index in (1..rest.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            rest.swap(index, (state >> 33) as usize % (index + 1));
        }
        let mut change = Change::replay([first.clone()]).unwrap();
        for event in &rest {
            change = change.followed_by(event.clone()).unwrap();
        }
        let _ = next(&change, &policy(), world.now);
        let _ = change.artifacts();
    }
}

#[test]
fn the_random_walks_do_reach_verified() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..600 {
        let (class, moves) = (classes(), moves()).new_tree(&mut runner).unwrap().current();
        let world = play(class, &moves);
        if matches!(world.change.end, Some(End::Verified { .. })) {
            reached.insert(class.name());
        }
        if reached.len() == 3 {
            break;
        }
    }
    assert_eq!(reached, BTreeSet::from(["code", "emergency", "tuneable"]), "the properties above would be empty words");
}
