//! Random commands with random facts. Whatever is asked, in whatever order: the properties hold.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use proptest::prelude::*;
use vibeship_optimizer::model::Class;
use vibeship_optimizer::model::Outcome;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::{Event, Kind};
use vibeship_optimizer::workflow::chain;
use vibeship_optimizer::workflow::command::*;
use vibeship_optimizer::workflow::decide::decide;
use vibeship_optimizer::workflow::next::next;
use vibeship_optimizer::workflow::{Change, End, Missing, Step, replay};

use crate::gates::world::*;

/// One thing that happens: how much time passes, what is asked for, and how its facts are spoiled.
#[derive(Debug, Clone, Copy)]
struct Move {
    hours: i64,
    /// `None`: whatever comes next.
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
    prop::sample::select(Class::ALL.to_vec())
}

/// The step that comes next, as a number of [`command`].
fn following(world: &mut World) -> u8 {
    match next(&world.change, &world.policy, world.now) {
        Step::Contract { .. } => 0,
        Step::Baseline => 1,
        Step::Validate => {
            if world.commits.is_empty() {
                *world = world.clone().commit();
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

/// Verdicts on the KPI that this contract has.
fn on_contract(world: &World, mut verdicts: Verdicts) -> Verdicts {
    verdicts.kpi.criterion = world.change.contract.kpi.as_ref().map(ToString::to_string).unwrap_or_default().into();
    verdicts
}

fn command(world: &mut World, asked: u8, spoil: u8) -> Command {
    match asked {
        0 => {
            let mut facts = world.contract_facts();
            match spoil {
                1 => facts.parts.kpi = None,
                2 => facts.parts.guardrails.clear(),
                3 => facts.parts.kpi = Some(criterion("timing.parse.wall <= +90%")),
                4 => facts.parts.trigger = None,
                _ => {}
            }
            Command::SetContract(facts)
        }
        1 => {
            let mut facts = world.baseline_facts();
            match spoil {
                1 => facts.revision = dirty(world.head),
                2 => {
                    facts.measured = Some(world.measured(dirty(world.head)));
                    (facts.revision, facts.allow_dirty) = (dirty(world.head), true);
                }
                3 => facts.commits_with_id = vec![commit(world.head, &[ID])],
                4 => facts.measured = None,
                _ => {}
            }
            Command::Baseline(facts)
        }
        2 => {
            let mut facts = world.validate_facts();
            match spoil {
                1 => facts.delta.commits.clear(),
                2 => facts.outcome = facts.outcome.map(|(_, file)| (vec![check(CheckKind::Test, false)], file)),
                3 => facts.descends = None,
                4 => facts.outcome = None,
                _ => {}
            }
            facts.retry = spoil.is_multiple_of(2);
            Command::Validate(facts)
        }
        3 => {
            let mut facts = world.after_facts();
            if spoil == 1 {
                facts.revision = revision(world.head + 7);
            }
            Command::After(facts)
        }
        4..=9 => from_comparison(world, asked, spoil),
        other => ending(world, other, spoil),
    }
}

fn from_comparison(world: &mut World, asked: u8, spoil: u8) -> Command {
    let outcome = [Outcome::Pass, Outcome::Fail, Outcome::Inconclusive, Outcome::Invalid][usize::from(spoil) % 4];
    match asked {
        4 => {
            let verdicts = on_contract(world, verdicts(outcome, Outcome::Pass, Outcome::Fail));
            Command::Compare(world.compare_facts(verdicts))
        }
        5 => {
            let mut facts = world.promote_facts();
            match spoil {
                1 => facts.reproduced = false,
                2 => facts.policy.min_monitor_days = 0,
                3 => facts.policy.stages.retain(|plan| plan.stage == Stage::Full),
                4 => {
                    facts.faults =
                        vec![ArtifactFault { path: "x".to_owned(), missing: true, committed: true, kept: None }]
                }
                _ => {}
            }
            Command::Promote(facts)
        }
        6..=8 => {
            let mut facts = world.rollout_facts(Stage::ALL[usize::from(asked) - 6]);
            facts.measured = facts.measured.map(|(taken, verdicts)| {
                let verdicts = verdicts.filter(|_| spoil != 1).map(|verdicts| on_contract(world, verdicts));
                (taken, verdicts)
            });
            Command::Rollout(facts)
        }
        _ => {
            let mut facts = world.tick_facts();
            match spoil {
                1 => facts.alarms = vec![judged("kpi.errors > 0.01", Outcome::Pass)],
                2 => facts.at += Duration::days(1),
                3 => facts.at -= Duration::days(1),
                _ => {}
            }
            Command::Tick(facts)
        }
    }
}

fn ending(world: &mut World, asked: u8, spoil: u8) -> Command {
    match asked {
        10 => ask::attest(world),
        11 => {
            let mut facts = world.verify_facts();
            match spoil {
                1 => facts.reproduced = false,
                2 => facts.policy.min_monitor_days = 0,
                3 => facts.follow_up_promoted = false,
                _ => {}
            }
            Command::Verify { summary: "seen".to_owned(), facts }
        }
        12 => ask::follow_up(world),
        13 => ask::resolve(world),
        14 if spoil > 3 => ask::hold(world),
        15 if spoil > 3 => ask::reject(world),
        16 if spoil > 3 => ask::rollback(world),
        17 => ask::confirm(world, &[]),
        18 => Command::Relink { commits: vec![("a".repeat(40), "b".repeat(40))], by: "patch-id".to_owned() },
        19 => Command::DecideDay { decision: "hold".to_owned(), reason: "quiet".to_owned() },
        _ => Command::Note { text: "seen".to_owned() },
    }
}

/// Plays the moves; every refusal on the way leaves the record untouched.
fn play(class: Class, moves: &[Move]) -> World {
    let mut world = World::open(class);
    for step in moves {
        world.now += Duration::hours(step.hours) + Duration::minutes(1);
        let asked = step.asked.unwrap_or_else(|| following(&mut world));
        let command = command(&mut world, asked, step.spoil);
        let before = world.change.clone();
        if world.ask(&command).is_err() {
            assert!(before == world.change, "a refused command changed the record: {command:?}");
        }
    }
    world
}

fn last(events: &[Event], is: impl Fn(&Kind) -> bool) -> Option<usize> {
    events.iter().rposition(|event| is(&event.what))
}

/// What must be in a record that says verified, looked for without the code that decides.
fn earned(events: &[Event], class: Class, end: usize) -> Result<(), String> {
    let events = &events[..=end];
    let need = |found: Option<usize>, what: &str| found.ok_or(format!("no {what}"));
    if class == Class::Experiment {
        return Err("an experiment".to_owned());
    }
    let full = |kind: &Kind| matches!(kind, Kind::RolledOut { stage: Stage::Full, .. });
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
            Kind::Ticked { alarms, .. } => {
                alarmed |= !alarms.is_empty();
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

/// No command that `next` proposes is out of order.
fn in_order(world: &World) -> Result<(), String> {
    let mut world = world.clone();
    let step = next(&world.change, &world.policy, world.now);
    if matches!(step, Step::Wait { .. } | Step::Decide { .. } | Step::Ended { .. }) {
        return Ok(());
    }
    if let Step::Rollout { not_before: Some(at), .. } = step {
        world.now = at;
    }
    let asked = match step {
        Step::ConfirmRollback => 17,
        _ => following(&mut world),
    };
    let command = if matches!(step, Step::Hold) { ask::hold(&mut world) } else { command(&mut world, asked, 0) };
    match decide(&world.change, &command, world.now) {
        Ok(_) => Ok(()),
        // What the facts of this made-up world lack is no question of order.
        Err(refusal) => match refusal.missing {
            Missing::Unverified { .. } | Missing::NotValidatedCode { .. } | Missing::ManyCommits { .. } => Ok(()),
            Missing::NoDelta | Missing::Dirty { .. } => Ok(()),
            missing => Err(format!("{step:?} is refused: {missing:?}")),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_the_record_stays_true(class in classes(), moves in moves()) {
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
        prop_assert_eq!(&Change::replay(&read).unwrap(), &world.change);
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
        let mut change = Change::replay(std::slice::from_ref(first)).unwrap();
        for event in &rest {
            change = change.followed_by(event).unwrap();
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
