//! The monitoring window and the demands of verification: arithmetic on UTC days. `now` is an argument.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Serialize;

use crate::model::{ArtifactFault, Class, Judged, Policy, Taken};
use crate::workflow::{Change, World};

/// The workflow's rule: at least three days, whatever a config says.
pub const MIN_DAYS: u32 = 3;

/// For how many days a change is measured where nobody said so, as in the original.
pub const DEFAULT_MONITOR_DAYS: u32 = 5;

/// How far a recorded moment may lie in the future before the clock is not believed: clocks of two machines differ.
pub const CLOCK_TOLERANCE: Duration = Duration::minutes(10);

/// How long before it is recorded a day may have been measured; measuring and judging take their time.
pub(crate) const MEASURED_WITHIN: Duration = Duration::hours(6);

/// One demand of verification and whether it is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    pub kind: DemandKind,
    pub met: bool,
}

/// What verification demands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "demand", rename_all = "snake_case")]
pub enum DemandKind {
    /// The change passed every gate up to the full rollout.
    FullRollout,
    Window {
        days: u32,
        /// When it closes; `None` before the rollout.
        closes: Option<DateTime<Utc>>,
    },
    /// Ticks on distinct UTC days within it.
    Ticks {
        need: u32,
        have: Vec<NaiveDate>,
    },
    NoAlarm {
        open: Vec<Judged>,
    },
    /// A review of the present state is attested.
    Attestation {
        /// Whether there is one, but of another state.
        stale: bool,
        /// Why the one of this state does not count.
        #[serde(skip_serializing_if = "Option::is_none")]
        objection: Option<String>,
    },
    Artifacts {
        faults: Vec<ArtifactFault>,
    },
    /// The recorded verdicts come out of the evidence again.
    Reproduced,
    Clock {
        latest: Option<DateTime<Utc>>,
    },
    /// The work tree is clean, where the config or a flag demands it.
    CleanGit,
    /// An emergency was taken over by a promoted change.
    FollowUp,
}

impl DemandKind {
    /// Whether it is met by waiting and ticking, with nothing wrong meanwhile.
    pub fn comes_with_time(&self) -> bool {
        matches!(self, Self::Window { .. } | Self::Ticks { .. })
    }
}

/// Every demand on `change`, met or not.
pub fn demands(change: &Change, world: &World, now: DateTime<Utc>) -> Vec<Demand> {
    let days = verify_days(change, &world.policy);
    let rolled_out = change.fully_rolled_out_at();
    let closes = rolled_out.map(|at| closes(at, days));
    let have = rolled_out.map(|at| ticked_days(change, at, now)).unwrap_or_default();
    let latest = latest_moment(change).filter(|at| *at > later(now, CLOCK_TOLERANCE));

    let mut list = vec![
        demand(rolled_out.is_some(), DemandKind::FullRollout),
        demand(closes.is_some_and(|at| now >= at), DemandKind::Window { days, closes }),
        demand(have.len() >= days as usize, DemandKind::Ticks { need: days, have }),
        demand(change.open_alarms.is_empty(), DemandKind::NoAlarm { open: change.open_alarms.clone() }),
        demand(world.faults.is_empty(), DemandKind::Artifacts { faults: world.faults.clone() }),
        demand(world.reproduced, DemandKind::Reproduced),
        demand(latest.is_none(), DemandKind::Clock { latest }),
    ];
    if demanded(change, &world.policy).require_attestation {
        let fresh = change.is_attested();
        let stale = change.attestation.is_some() && !fresh;
        let objection = world.review_objection.clone().filter(|_| fresh);
        list.push(demand(fresh && objection.is_none(), DemandKind::Attestation { stale, objection }));
    }
    if let Some(clean) = world.clean_git {
        list.push(demand(clean, DemandKind::CleanGit));
    }
    if change.opened.class == Class::Emergency {
        list.push(demand(change.follow_up.is_some() && world.follow_up_promoted, DemandKind::FollowUp));
    }
    list
}

/// When a window of `days` that began at `from` closes: whole days of 24 hours.
pub fn closes(from: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    later(from, Duration::hours(24 * i64::from(days)))
}

/// `from` and `by` added; the last moment there is where that lies beyond it.
pub(crate) fn later(from: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    from.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The day of the window on which `date` falls: 0 is the rollout's own. `None` before it.
pub fn day_of(rolled_out: DateTime<Utc>, date: NaiveDate) -> Option<u32> {
    u32::try_from((date - rolled_out.date_naive()).num_days()).ok()
}

/// For how many days a change is to be measured under `policy`: as was said when its monitor was started, and never
/// for fewer than verification demands.
pub fn monitor_days(change: &Change, policy: &Policy) -> u32 {
    change.monitor_days.unwrap_or(DEFAULT_MONITOR_DAYS).max(verify_days(change, policy))
}

/// What verification demands: what was frozen, or `policy` where that is more.
pub(crate) fn demanded(change: &Change, policy: &Policy) -> Policy {
    change.frozen_policy().unwrap_or(policy).clone().tightened_by(policy)
}

/// For how many days verification demands that a change is monitored.
pub fn verify_days(change: &Change, policy: &Policy) -> u32 {
    demanded(change, policy).min_monitor_days.max(MIN_DAYS)
}

/// The distinct UTC days with a tick after the rollout and not in the future. A tick counts on the date of the
/// moment it was recorded, whatever date it claims, and only with a measurement of its own, made about then.
pub fn ticked_days(change: &Change, rolled_out: DateTime<Utc>, now: DateTime<Utc>) -> Vec<NaiveDate> {
    let mut seen: BTreeSet<&str> = measured_before_ticks(change).map(|taken| taken.snapshot.sha256.as_str()).collect();
    let mut days = BTreeSet::new();
    for tick in &change.ticks {
        let own = seen.insert(tick.taken.snapshot.sha256.as_str());
        let measured = tick.taken.taken_at;
        let then = measured >= earlier(rolled_out, CLOCK_TOLERANCE) && measured >= earlier(tick.at, MEASURED_WITHIN);
        let at_hand = tick.at >= rolled_out && tick.at <= later(now, CLOCK_TOLERANCE);
        if own && then && at_hand && tick.at.date_naive() == tick.utc_date {
            days.insert(tick.utc_date);
        }
    }
    days.into_iter().collect()
}

fn measured_before_ticks(change: &Change) -> impl Iterator<Item = &Taken> {
    let before = change.baseline.iter().map(|baseline| &baseline.taken);
    let after = change.after.iter().map(|after| &after.taken);
    before.chain(after).chain(change.rollout.iter().map(|done| &done.taken))
}

/// `from` less `by`; the first moment there is where that lies before it.
pub(crate) fn earlier(from: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    from.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// The latest moment that the record claims, of its events or its measurements.
fn latest_moment(change: &Change) -> Option<DateTime<Utc>> {
    let events = change.events.iter().map(|event| event.at);
    let measured = change.ticks.iter().map(|tick| tick.taken.taken_at);
    events.chain(measured).max()
}

fn demand(met: bool, kind: DemandKind) -> Demand {
    Demand { kind, met }
}
