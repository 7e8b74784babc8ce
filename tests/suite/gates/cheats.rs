//! Attempts to get a change verified without meeting the demands. Each must fail.

use chrono::Duration;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::{After, Baseline, Class, Compared, Contract, Event, Gate, Kind, Outcome};
use vibeship_optimizer::workflow::{Change, Demand, DemandKind, InvalidEvent, Reason, chain, replay};

use crate::support::made_up::*;

/// The unmet demands of verification.
#[track_caller]
fn unmet(script: &mut Script) -> Vec<DemandKind> {
    match script.refusal(ask::verify).missing {
        Reason::Unverified { demands } => {
            demands.into_iter().filter(|demand: &Demand| !demand.met).map(|demand| demand.kind).collect()
        }
        other => panic!("refused for another reason: {other:?}"),
    }
}

#[test]
fn three_forced_ticks_in_one_second_are_one_day_and_no_window() {
    let mut world = at::monitor(Class::Code).does(ask::tick).does(ask::tick).does(ask::tick);
    let unmet = unmet(&mut world);
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Ticks { need: 3, have } if have.len() == 1)));
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Window { days: 3, closes: Some(_) })));
    assert!(world.refusal(ask::verify).is_not_yet(), "waiting would heal it");
}

#[test]
fn a_window_that_closes_in_a_minute_is_not_closed() {
    let mut world = at::monitor(Class::Code);
    let full = world.now;
    for _ in 0..3 {
        world = world.after_hours(23).does(ask::tick);
    }
    world.now = full + Duration::hours(72) - Duration::seconds(1);
    assert!(matches!(unmet(&mut world)[..], [DemandKind::Window { .. }]));
    world.now = full + Duration::hours(72);
    let ask = ask::verify(&mut world);
    world.ask(&ask).unwrap();
}

#[test]
fn waiting_alone_is_no_monitoring() {
    let mut world = at::monitor(Class::Code).after_hours(24 * 30);
    assert!(matches!(&unmet(&mut world)[..], [DemandKind::Ticks { have, .. }] if have.is_empty()));
}

#[test]
fn a_tick_with_a_date_other_than_that_of_its_time_does_not_count() {
    let mut world = at::monitor(Class::Code).after_hours(72);
    for back in 0..3 {
        world = world.does(|script| {
            let mut ask = ask::tick(script);
            ask.tick().utc_date -= Duration::days(back);
            ask
        });
    }
    assert!(matches!(&unmet(&mut world)[..], [DemandKind::Ticks { have, .. }] if have.len() == 1));
}

/// A tick with another tick's measurement.
fn ticked_with(script: &mut Script, taken: RecordedSnapshot) -> Ask {
    let mut ask = ask::tick(script);
    *ask.taken() = taken;
    ask
}

#[test]
fn one_measurement_ticked_on_three_days_is_one_day() {
    let mut world = at::monitor(Class::Code).after_hours(24);
    let taken = world.taken(revision(2));
    for _ in 0..3 {
        let taken = taken.clone();
        world = world.does(move |script| ticked_with(script, taken)).after_hours(24);
    }
    assert!(matches!(&unmet(&mut world)[..], [DemandKind::Ticks { have, .. }] if have.len() == 1));
}

#[test]
fn one_measurement_around_midnight_is_one_day() {
    let mut world = at::monitor(Class::Code).after_hours(24);
    world.now =
        (world.now.date_naive() + Duration::days(1)).and_time(chrono::NaiveTime::MIN).and_utc() - Duration::minutes(9);
    let taken = world.taken(revision(2));
    for _ in 0..2 {
        let taken = taken.clone();
        world = world.does(move |script| ticked_with(script, taken));
        world.now += Duration::minutes(10);
    }
    let unmet = unmet(&mut world);
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Ticks { have, .. } if have.len() == 1)), "{unmet:?}");
}

#[test]
fn a_measurement_of_yesterday_is_no_tick_of_today() {
    let mut world = at::monitor(Class::Code);
    for _ in 0..3 {
        world = world.after_hours(24).does(|script| {
            let mut ask = ask::tick(script);
            ask.taken().taken_at -= Duration::hours(20);
            ask
        });
    }
    assert!(matches!(&unmet(&mut world)[..], [DemandKind::Ticks { have, .. }] if have.is_empty()));
}

#[test]
fn a_clock_set_back_for_the_rollout_and_the_ticks_opens_no_window_in_the_past() {
    let world = at::rollout(Class::Code);
    let today = world.now;
    let mut world = world.after_hours(-24 * 5).does(ask::canary).after_hours(1);
    assert!(matches!(world.refusal(ask::live).missing, Reason::Soak { .. }), "the soak counts from today");
    world.policy.stages.retain(|plan| plan.stage == Stage::Full);
    let mut world = at::promote(Class::Code);
    world.policy.stages.retain(|plan| plan.stage == Stage::Full);
    let mut world = world.does(ask::promote).after_hours(-24 * 5).does(ask::full);
    for _ in 0..3 {
        world = world.after_hours(24).does(ask::tick);
    }
    world.now = today + Duration::hours(1);
    let unmet = unmet(&mut world);
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Window { .. })), "{unmet:?}");
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Ticks { have, .. } if have.is_empty())), "{unmet:?}");
}

#[test]
fn events_in_the_future_prevent_verification() {
    let mut world = at::verify(Class::Code);
    world.now -= Duration::hours(24 * 3 + 30);
    let unmet = unmet(&mut world);
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Clock { latest: Some(_) })), "{unmet:?}");
}

#[test]
fn a_policy_lowered_after_promotion_lowers_no_demand() {
    let mut world = at::promote(Class::Code);
    world.policy.min_monitor_days = 5;
    world.policy.require_attestation = true;
    let mut world = world.does(ask::promote).does(ask::canary).after_hours(1).does(ask::live).after_hours(24);
    world = world.does(ask::full);
    world.policy = policy();
    for _ in 0..4 {
        world = world.after_hours(24).does(ask::tick);
    }
    let unmet = unmet(&mut world);
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Window { days: 5, .. })), "{unmet:?}");
    assert!(unmet.iter().any(|kind| matches!(kind, DemandKind::Attestation { stale: false, .. })), "{unmet:?}");
}

#[test]
fn a_policy_of_no_days_still_demands_three() {
    let mut world = at::promote(Class::Code);
    world.policy.min_monitor_days = 0;
    let mut world = world.does(ask::promote).does(ask::canary).after_hours(1).does(ask::live).after_hours(24);
    world = world.does(ask::full).does(ask::tick);
    assert!(unmet(&mut world).iter().any(|kind| matches!(kind, DemandKind::Window { days: 3, .. })));
}

#[test]
fn a_policy_raised_later_demands_more() {
    let mut world = at::verify(Class::Code);
    world.policy.min_monitor_days = 30;
    assert!(unmet(&mut world).iter().any(|kind| matches!(kind, DemandKind::Ticks { need: 30, .. })));
    world.policy.min_monitor_days = u32::MAX;
    assert!(unmet(&mut world).iter().any(|kind| matches!(kind, DemandKind::Window { days: u32::MAX, .. })));
}

#[test]
fn stages_dropped_from_the_config_after_promotion_are_still_required() {
    let mut world = at::rollout(Class::Code);
    world.policy.stages.retain(|plan| plan.stage == Stage::Full);
    world.refuses(ask::full, |missing| matches!(missing, Reason::StageOrder { next: Stage::Canary }));
}

#[test]
fn a_stage_without_a_verdict_on_every_guardrail_does_not_begin() {
    let unmeasured = |missing: &Reason| matches!(missing, Reason::Unmeasured { .. });
    let with = |verdicts: Option<Verdicts>| {
        move |script: &mut Script| {
            let mut ask = ask::canary(script);
            ask.begun().verdicts = verdicts;
            ask
        }
    };
    let fewer = Verdicts { guardrails: all_well().guardrails.into_iter().take(1).collect(), ..all_well() };
    at::rollout(Class::Code).refuses(with(None), unmeasured).refuses(with(Some(fewer)), unmeasured);
}

#[test]
fn verdicts_on_criteria_other_than_the_contracts_do_not_promote() {
    let mut softer = all_well();
    softer.kpi.criterion = "timing.parse.wall <= +50%".to_owned();
    let fewer = Verdicts { guardrails: Vec::new(), ..all_well() };
    let silent = Verdicts { trigger: None, ..all_well() };
    for verdicts in [softer, fewer, silent] {
        at::compare(Class::Code)
            .does(|script| script.compares(verdicts))
            .refuses(ask::promote, |missing| matches!(missing, Reason::NotReproduced));
    }
}

#[test]
fn the_contract_is_frozen_by_the_baseline_and_stays_so() {
    let softer = |script: &mut Script| {
        let mut ask = ask::contract(script);
        ask.contract().kpi = Some(criterion("timing.parse.wall <= +50%"));
        ask
    };
    for world in [at::validate, at::after, at::compare, at::promote, at::rollout, at::monitor, at::verify] {
        world(Class::Code).refuses(softer, |missing| matches!(missing, Reason::Frozen));
    }
    at::monitor(Class::Emergency).refuses(softer, |missing| matches!(missing, Reason::Frozen));
    at::baseline(Class::Emergency).does(softer);
}

#[test]
fn no_new_baseline_once_something_was_validated_against_the_old_one() {
    for world in [at::after, at::compare, at::promote, at::rollout, at::monitor] {
        world(Class::Code).refuses(ask::baseline, |missing| matches!(missing, Reason::AlreadyPassed));
    }
}

#[test]
fn a_repository_hidden_after_the_baseline_proves_no_ancestry() {
    let hidden = |script: &mut Script| {
        let mut ask = ask::validate(script).on(unversioned(7));
        ask.world.descends = None;
        ask.validation().delta.commits.clear();
        ask
    };
    at::validate(Class::Code).refuses(hidden, |missing| matches!(missing, Reason::BaselineNotAncestor { .. }));
}

#[test]
fn an_empty_commit_is_no_change() {
    let mut world = at::validate(Class::Code);
    world.head = 1;
    world.refuses(ask::validate, |missing| matches!(missing, Reason::NoDelta { .. }));
}

#[test]
fn code_passes_validation_only_with_a_test_that_ran() {
    let without = |script: &mut Script| {
        let mut ask = ask::validate(script);
        ask.validation().checks = vec![check(CheckKind::Lint, true)];
        ask
    };
    at::validate(Class::Code).refuses(without, |missing| matches!(missing, Reason::NoTests));
}

#[test]
fn an_emergency_is_not_verified_before_a_proper_change_took_it_over() {
    let mut world = at::monitor(Class::Emergency);
    for _ in 0..3 {
        world = world.after_hours(24).does(ask::tick);
    }
    assert!(matches!(unmet(&mut world)[..], [DemandKind::FollowUp]));
    let mut world = world.does(ask::follow_up);
    let unpromoted = |script: &mut Script| {
        let mut ask = ask::verify(script);
        ask.world.follow_up_promoted = false;
        ask
    };
    assert!(matches!(world.refusal(unpromoted).missing, Reason::Unverified { .. }));
    world.does(ask::verify);
}

#[test]
fn an_emergency_has_no_canary_and_is_not_promoted() {
    at::rollout(Class::Emergency)
        .refuses(ask::canary, |missing| matches!(missing, Reason::NoSuchStage { planned } if *planned == [Stage::Full]))
        .refuses(ask::promote, |missing| matches!(missing, Reason::NotInClass { class: Class::Emergency }))
        .refuses(ask::baseline, |missing| matches!(missing, Reason::NotInClass { .. }));
}

#[test]
fn an_attestation_of_another_state_is_stale() {
    let mut world = at::compare(Class::Code).does(ask::compare).does(ask::attest).does(ask::compare);
    world.policy.require_attestation = true;
    let mut world = world.does(ask::promote).does(ask::canary).after_hours(1).does(ask::live).after_hours(24);
    world = world.does(ask::full);
    for _ in 0..3 {
        world = world.after_hours(24).does(ask::tick);
    }
    assert!(matches!(unmet(&mut world)[..], [DemandKind::Attestation { stale: true, .. }]));
    world.does(ask::attest).does(ask::verify);
}

#[test]
fn an_alarm_blocks_until_a_reason_is_on_record() {
    let alarmed = |script: &mut Script| {
        let mut ask = ask::tick(script);
        ask.tick().alarms = vec![judged("kpi.errors > 0.01", Outcome::Pass)];
        ask
    };
    let mut world = at::verify(Class::Code).does(alarmed);
    assert!(matches!(unmet(&mut world)[..], [DemandKind::NoAlarm { .. }]));
    assert!(!world.refusal(ask::verify).is_not_yet(), "waiting does not heal it");
    world
        .refuses(
            |_| plain(Kind::AlarmResolved { reason: " \t".to_owned() }),
            |missing| matches!(missing, Reason::Reason { .. }),
        )
        .does(ask::resolve)
        .does(ask::verify);
}

/// Changes events and reseals the hash chain, as a forger with this tool's sources can.
fn forged(events: &[Event], change: impl FnOnce(&mut Vec<Kind>)) -> Vec<Event> {
    let mut kinds: Vec<Kind> = events.iter().map(|event| event.what.clone()).collect();
    change(&mut kinds);
    let mut sealed: Vec<Event> = Vec::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        let at = events.get(index).or(events.last()).unwrap().at;
        sealed.push(chain::seal(sealed.last(), kind, None, at));
    }
    let raw: Vec<_> = sealed.iter().map(chain::to_value).collect();
    chain::verify(&raw).unwrap();
    sealed
}

fn place(kinds: &[Kind], is: impl Fn(&Kind) -> bool) -> usize {
    kinds.iter().position(is).unwrap()
}

#[test]
fn a_forged_record_with_a_valid_chain_is_invalid() {
    let honest = at::verify(Class::Code).does(ask::verify).change.events;
    replay::check(&honest).unwrap();
    let refused = |events: Vec<Event>| match replay::check(&events) {
        Err(InvalidEvent::Refused { refusal, .. }) => *refusal,
        other => panic!("{other:?}"),
    };
    let one = forged(&honest, |kinds| {
        kinds.drain(1..kinds.len() - 1);
    });
    assert_eq!(refused(one).gate, Gate::Verify);
    let no_baseline = forged(&honest, |kinds| {
        kinds.remove(place(kinds, |kind| matches!(kind, Kind::BaselineTaken { .. })));
    });
    assert!(matches!(refused(no_baseline).missing, Reason::Earlier { gate: Gate::Baseline }));
    let failing = forged(&honest, |kinds| {
        let at = place(kinds, |kind| matches!(kind, Kind::Compared { .. }));
        let Kind::Compared(Compared { verdicts, .. }) = &mut kinds[at] else { unreachable!() };
        verdicts.kpi = judged("timing.parse.wall <= -10%", Outcome::Fail);
    });
    assert!(matches!(refused(failing).missing, Reason::Verdicts { .. }));
    let softened = forged(&honest, |kinds| {
        let softer = Contract { kpi: Some(criterion("timing.parse.wall <= +50%")), ..contract() };
        let at = place(kinds, |kind| matches!(kind, Kind::Validated { .. }));
        kinds.insert(at, Kind::ContractSet { contract: softer });
    });
    assert!(matches!(refused(softened).missing, Reason::Frozen));
    let rollback = forged(&honest, |kinds| {
        let at = place(kinds, |kind| matches!(kind, Kind::AfterTaken { .. }));
        let Kind::AfterTaken(After { rollback, .. }) = &mut kinds[at] else { unreachable!() };
        *rollback = "true".to_owned();
    });
    assert!(matches!(replay::check(&rollback), Err(InvalidEvent::Differs { .. })));
}

#[test]
fn a_rollback_recorded_as_in_the_contract_stays_valid_without_a_commit() {
    let mut world = at::baseline(Class::Tuneable).does(ask::baseline);
    world.tuneables.push(tuneable());
    let honest = world.does(ask::validate).does(ask::after).change;
    assert_eq!(honest.rollback_action(), "put the old values back: cache.ttl_s = 30 (now 12.5, in base)");
    let with_rollback = |text: &str| {
        forged(&honest.events, |kinds| {
            let at = place(kinds, |kind| matches!(kind, Kind::AfterTaken { .. }));
            let Kind::AfterTaken(After { rollback, .. }) = &mut kinds[at] else { unreachable!() };
            *rollback = text.to_owned();
        })
    };
    replay::check(&honest.events).unwrap();
    let old = with_rollback("git revert <sha>");
    replay::check(&old).unwrap();
    let shown = Change::replay(old).unwrap().known_rollback();
    assert_eq!(shown, honest.rollback_action(), "whoever reads the old record is told the values");
    assert!(matches!(replay::check(&with_rollback("true")), Err(InvalidEvent::Differs { .. })));
    let committed = forged(&at::compare(Class::Code).change.events, |kinds| {
        let at = place(kinds, |kind| matches!(kind, Kind::AfterTaken { .. }));
        let Kind::AfterTaken(After { rollback, .. }) = &mut kinds[at] else { unreachable!() };
        *rollback = "git revert <sha>".to_owned();
    });
    assert!(matches!(replay::check(&committed), Err(InvalidEvent::Differs { .. })));
}

#[test]
fn a_baseline_measured_before_the_change_was_opened_is_invalid() {
    let honest = at::verify(Class::Code).does(ask::verify).change.events;
    let old = forged(&honest, |kinds| {
        let at = place(kinds, |kind| matches!(kind, Kind::BaselineTaken { .. }));
        let Kind::BaselineTaken(Baseline { taken, .. }) = &mut kinds[at] else { unreachable!() };
        taken.taken_at -= Duration::days(2);
    });
    assert!(matches!(replay::check(&old), Err(InvalidEvent::MeasuredAtOtherTime { seq: 3, .. })));
    let early = forged(&honest, |kinds| {
        let at = place(kinds, |kind| matches!(kind, Kind::AfterTaken { .. }));
        let Kind::AfterTaken(After { taken, .. }) = &mut kinds[at] else { unreachable!() };
        taken.taken_at -= Duration::hours(1);
    });
    assert!(matches!(replay::check(&early), Err(InvalidEvent::MeasuredAtOtherTime { seq: 5, .. })));
}
