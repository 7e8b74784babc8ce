//! Complete paths through the gates: those that succeed, and the order that no step may violate.

use vibeship_optimizer::model::{Class, Gate, Kind, Stage};
use vibeship_optimizer::workflow::next::next;
use vibeship_optimizer::workflow::{Change, End, Reason, Step, replay};

use crate::support::made_up::*;

const VERIFIABLE: [Class; 3] = [Class::Tuneable, Class::Code, Class::Emergency];

#[test]
fn each_class_but_the_experiment_reaches_verified_through_all_its_gates() {
    for class in VERIFIABLE {
        let world = at::verify(class).does(ask::verify);
        assert!(matches!(world.change.end, Some(End::Verified { .. })), "{class:?}");
        assert_eq!(Change::replay(world.change.events.clone()).unwrap(), world.change);
        replay::check(&world.change.events).unwrap();
    }
}

#[test]
fn an_experiment_is_measured_and_held_and_never_promoted() {
    let world = at::promote(Class::Experiment);
    assert_eq!(next(&world.change, &policy(), world.now), Step::Hold);
    let not_in_class = |missing: &Reason| matches!(missing, Reason::NotInClass { class: Class::Experiment });
    let world = world
        .refuses(ask::promote, not_in_class)
        .refuses(ask::full, not_in_class)
        .refuses(ask::tick, not_in_class)
        .refuses(ask::verify, not_in_class)
        .does(ask::hold);
    assert!(matches!(world.change.end, Some(End::Held { .. })));
}

#[test]
fn no_step_is_allowed_before_the_previous_one() {
    let earlier = |gate: Gate| move |missing: &Reason| matches!(missing, Reason::Earlier { gate: g } if *g == gate);
    for class in [Class::Tuneable, Class::Code] {
        Script::open(class)
            .refuses(ask::baseline, |missing| matches!(missing, Reason::ContractParts { parts } if parts.len() == 5))
            .refuses(ask::validate, earlier(Gate::Contract))
            .refuses(ask::verify, earlier(Gate::Contract))
            .does(ask::contract)
            .refuses(ask::validate, earlier(Gate::Baseline))
            .refuses(ask::after, earlier(Gate::Baseline))
            .does(ask::baseline)
            .commit()
            .refuses(ask::after, earlier(Gate::Validate))
            .refuses(ask::compare, earlier(Gate::Validate))
            .does(ask::validate)
            .refuses(ask::compare, earlier(Gate::After))
            .refuses(ask::promote, earlier(Gate::After))
            .does(ask::after)
            .refuses(ask::promote, earlier(Gate::Compare))
            .does(ask::compare)
            .refuses(ask::canary, earlier(Gate::Decide))
            .refuses(ask::full, earlier(Gate::Decide))
            .does(ask::promote)
            .refuses(ask::verify, earlier(Gate::Rollout))
            .refuses(ask::live, |missing| matches!(missing, Reason::StageOrder { next: Stage::Canary }));
    }
}

#[test]
fn the_rollback_action_names_the_commit_once_there_is_one() {
    let world = at::after(Class::Code);
    assert_eq!(world.change.rollback_action(), "git revert <sha>");
    let world = world.does(ask::after);
    assert_eq!(world.change.rollback_action(), format!("git revert {:040x}", 2));
}

#[test]
fn validating_again_discards_the_after_snapshot_and_the_comparison() {
    let world = at::promote(Class::Code).does(ask::validate);
    assert!(world.change.after.is_none() && world.change.comparison.is_none());
    world.refuses(ask::promote, |missing| matches!(missing, Reason::Earlier { gate: Gate::After }));
}

#[test]
fn a_new_state_after_needs_a_new_comparison() {
    at::promote(Class::Code)
        .does(ask::after)
        .refuses(ask::promote, |missing| matches!(missing, Reason::Earlier { gate: Gate::Compare }));
}

#[test]
fn a_failed_validation_ends_the_change_unless_it_may_be_retried() {
    let ended = at::validate(Class::Code).does(|script| ask::fail_validation(script, true));
    assert!(matches!(ended.change.end, Some(End::Rejected { .. })));
    ended
        .refuses(ask::validate, |missing| matches!(missing, Reason::Ended { end: "rejected" }))
        .does(ask::rollback)
        .refuses(ask::rollback, |missing| matches!(missing, Reason::Ended { end: "rolled_back" }));
    at::validate(Class::Code).does(|script| ask::fail_validation(script, false)).does(ask::validate).does(ask::after);
}

#[test]
fn a_rolled_back_change_goes_no_further_and_can_be_confirmed() {
    let ended = |missing: &Reason| matches!(missing, Reason::Ended { end: "rolled_back" });
    let world = at::monitor(Class::Code).does(ask::rollback);
    assert_eq!(next(&world.change, &policy(), world.now), Step::ConfirmRollback);
    let world = world
        .refuses(ask::tick, ended)
        .refuses(ask::verify, ended)
        .refuses(ask::promote, ended)
        .refuses(ask::full, ended)
        .refuses(ask::baseline, ended)
        .refuses(ask::contract, ended)
        .refuses(ask::hold, ended)
        .refuses(ask::attest, ended)
        .does(|world| ask::confirm(world, &[]));
    assert_eq!(next(&world.change, &policy(), world.now), Step::Ended { end: "rolled_back" });
}

#[test]
fn a_rollback_on_record_alone_is_confirmed_only_once_it_is_performed() {
    let still = |missing: &Reason| matches!(missing, Reason::StillInEffect { .. });
    let world = at::monitor(Class::Code).does(ask::rollback_on_record);
    let world = world
        .refuses(|world| ask::confirm(world, &["abc"]), still)
        .refuses(ask::rollback_on_record, |missing| matches!(missing, Reason::Ended { end: "rolled_back" }))
        .does(ask::rollback)
        .refuses(ask::rollback, |missing| matches!(missing, Reason::Ended { end: "rolled_back" }))
        .does(|world| ask::confirm(world, &[]));
    assert_eq!(next(&world.change, &policy(), world.now), Step::Ended { end: "rolled_back" });
}

#[test]
fn a_held_or_rejected_change_is_not_promoted_after_all() {
    for end in [ask::hold, ask::reject] {
        at::promote(Class::Code)
            .does(end)
            .refuses(ask::promote, |missing| matches!(missing, Reason::Ended { .. }))
            .refuses(ask::full, |missing| matches!(missing, Reason::Ended { .. }))
            .refuses(ask::verify, |missing| matches!(missing, Reason::Ended { .. }));
    }
}

#[test]
fn even_a_verified_change_can_be_rolled_back() {
    let world = at::verify(Class::Code).does(ask::verify).does(ask::rollback);
    assert!(matches!(world.change.end, Some(End::RolledBack)));
}

#[test]
fn the_next_steps_lead_from_the_start_to_the_end_without_a_refusal() {
    for class in VERIFIABLE {
        let mut world = Script::open(class);
        world.policy.require_attestation = true;
        for _ in 0..40 {
            let step = next(&world.change, &world.policy, world.now);
            let ask: fn(&mut Script) -> _ = match step {
                Step::Contract { .. } => ask::contract,
                Step::Baseline => ask::baseline,
                Step::Validate => {
                    world = world.commit();
                    ask::validate
                }
                Step::After => ask::after,
                Step::Compare => ask::compare,
                Step::Promote => ask::promote,
                Step::Rollout { stage, not_before } => {
                    world.now = not_before.unwrap_or(world.now);
                    match stage {
                        Stage::Canary => ask::canary,
                        Stage::Live => ask::live,
                        Stage::Full => ask::full,
                    }
                }
                Step::Tick => ask::tick,
                Step::Attest => ask::attest,
                Step::FollowUp => ask::follow_up,
                Step::Verify => ask::verify,
                Step::Wait { until } => {
                    world.now = until;
                    continue;
                }
                Step::Ended { end } => {
                    assert_eq!(end, "verified");
                    break;
                }
                other => panic!("{class:?} is stuck at {other:?}"),
            };
            world = world.does(ask);
        }
        assert!(matches!(world.change.end, Some(End::Verified { .. })), "{class:?}: {:?}", world.change.end);
        assert!(matches!(world.change.events.last().unwrap().what, Kind::Verified { .. }));
    }
}
