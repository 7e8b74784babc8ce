//! The monitoring window, counted in UTC days, and the demands of verification. `now` is an argument.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use serde::Serialize;

use crate::model::text::{count, joined, moment};
use crate::model::{
    ArtifactFault, Class, CommandLine, CriterionResult, Fix, FixContext, Gate, MIN_DAYS, Policy, RecordedSnapshot, fix,
};
use crate::workflow::demand_fixes::{alarm, restore};
use crate::workflow::fixes::RefusalFixes;
use crate::workflow::{Change, World};

/// The default number of monitoring days, as in the Python tool.
pub const DEFAULT_MONITOR_DAYS: u32 = 5;

/// How far in the future a recorded time may be, as the clocks of two machines differ.
pub const CLOCK_TOLERANCE: Duration = Duration::minutes(10);

/// The longest time between a measurement and its event; measuring and judging take time.
pub(crate) const MEASURED_WITHIN: Duration = Duration::hours(6);

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    pub kind: DemandKind,
    pub met: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "demand", rename_all = "snake_case")]
pub enum DemandKind {
    FullRollout,
    /// The window has closed; the time is unknown before the rollout.
    Window {
        days: u32,
        closes: Option<DateTime<Utc>>,
    },
    /// Ticks on distinct UTC days of the window.
    Ticks {
        need: u32,
        have: Vec<NaiveDate>,
    },
    NoAlarm {
        open: Vec<CriterionResult>,
    },
    Attestation {
        stale: bool,
        /// Why the attestation of the present state does not count.
        #[serde(skip_serializing_if = "Option::is_none")]
        objection: Option<String>,
    },
    Artifacts {
        faults: Vec<ArtifactFault>,
    },
    Reproduced,
    /// The clock is not behind the last recorded time.
    Clock {
        latest: Option<DateTime<Utc>>,
    },
    CleanGit,
    FollowUp,
}

impl DemandKind {
    /// Whether it is met by waiting and measuring alone.
    pub fn comes_with_time(&self) -> bool {
        matches!(self, Self::Window { .. } | Self::Ticks { .. })
    }
}

impl Demand {
    /// A sentence for the present state of the demand; `alarm` formats an alarm.
    pub fn words(&self, alarm: &dyn Fn(&CriterionResult) -> String) -> String {
        let either = |met: &str, unmet: &str| if self.met { met } else { unmet }.to_owned();
        match &self.kind {
            DemandKind::FullRollout => either("fully rolled out", "not fully rolled out"),
            DemandKind::Window { days, closes } => {
                let days = count(*days, "day", "days");
                match closes {
                    None => format!("{days} of monitoring, counted from the full rollout"),
                    Some(at) => format!("{days} of monitoring {} {}", either("ended", "end"), moment(*at)),
                }
            }
            DemandKind::Ticks { need, have } => {
                let shown = if have.is_empty() { String::new() } else { format!(" ({})", joined(have)) };
                match have.len() {
                    more if more > *need as usize => {
                        format!("measured on {more} distinct UTC days, {need} of which are demanded{shown}")
                    }
                    days => format!("measured on {days} of {need} distinct UTC days{shown}"),
                }
            }
            DemandKind::NoAlarm { open } if open.is_empty() => either("no open alarm", "an alarm is open"),
            DemandKind::NoAlarm { open } => {
                format!("open alarm: {}", open.iter().map(alarm).collect::<Vec<_>>().join("; "))
            }
            DemandKind::Attestation { objection: Some(why), .. } => format!("the review does not count: {why}"),
            DemandKind::Attestation { stale: true, .. } => "the attested review is of an earlier state".to_owned(),
            DemandKind::Attestation { stale: false, .. } => {
                either("a review of the present state is attested", "no review of the present state is attested")
            }
            DemandKind::Artifacts { faults } if faults.is_empty() => {
                either("every evidence file is present and unaltered", "evidence files are missing or altered")
            }
            DemandKind::Artifacts { faults } => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                format!("evidence files are missing or altered: {}", lines.join("; "))
            }
            DemandKind::Reproduced => either(
                "the recorded verdicts follow from the evidence",
                "the recorded verdicts do not follow from the evidence",
            ),
            DemandKind::Clock { latest: None } => "no recorded time is in the future".to_owned(),
            DemandKind::Clock { latest: Some(at) } => format!("a recorded time is in the future: {}", moment(*at)),
            DemandKind::CleanGit => either("the work tree is clean", "the work tree has uncommitted changes"),
            DemandKind::FollowUp => either(
                "taken over by a promoted change that is in effect",
                "no promoted change that is in effect takes it over",
            ),
        }
    }

    /// The fixes; none if only time meets the demand.
    pub fn fixes(&self, change: &Change, ctx: &FixContext) -> Vec<Fix> {
        let id = change.id();
        match &self.kind {
            DemandKind::FullRollout => {
                let with = RefusalFixes { gate: Gate::Verify, change, ctx };
                vec![Fix::next("", with.pass(with.due(Gate::Rollout)))]
            }
            DemandKind::Window { .. } => Vec::new(),
            DemandKind::Ticks { .. } => {
                vec![Fix::next("measure once on every UTC day", fix::on(id, "monitor tick"))]
            }
            DemandKind::NoAlarm { .. } => alarm(change, &ctx.causes),
            DemandKind::Attestation { .. } => ctx.reviewed(id),
            DemandKind::Artifacts { faults } => restore(faults, change, ctx, None),
            DemandKind::Reproduced => vec![Fix::next("see which differ", CommandLine::tool("check"))],
            DemandKind::Clock { latest } => {
                let when = latest.map_or_else(String::new, |at| format!(" or wait until {}", moment(at)));
                vec![Fix::next(format!("set this machine's clock right{when}, then"), fix::verify(id))]
            }
            DemandKind::CleanGit => vec![Fix::next("commit or stash what this shows", CommandLine::git("status"))],
            DemandKind::FollowUp => {
                let follow_up = fix::on(id, "change follow-up").words(["--by", "CHANGE-ID"]);
                vec![Fix::next("name the promoted change that takes it over", follow_up)]
            }
        }
    }
}

pub(crate) fn unmet(demands: &[Demand]) -> String {
    let open = demands.iter().filter(|demand| !demand.met).count();
    format!("{open} of {} demands {} not met", demands.len(), if open == 1 { "is" } else { "are" })
}

pub fn demands(change: &Change, world: &World, now: DateTime<Utc>) -> Vec<Demand> {
    let days = verify_days(change, &world.policy);
    let rolled_out = change.fully_rolled_out_at();
    // If the change was reverted and brought back, the window starts over then.
    let from = rolled_out.map(|at| world.brought_back.map_or(at, |back| back.max(at)));
    let closes = from.map(|at| closes(at, days));
    let mut have = from.map(|at| ticked_days(change, at, now)).unwrap_or_default();
    have.retain(|day| !world.elsewhere.contains(day));
    let latest = latest_moment(change).filter(|at| *at > later(now, CLOCK_TOLERANCE));

    let alarms: Vec<CriterionResult> = change.open_alarms.iter().chain(&world.kpi_lost).cloned().collect();
    let mut list = vec![
        demand(rolled_out.is_some(), DemandKind::FullRollout),
        demand(closes.is_some_and(|at| now >= at), DemandKind::Window { days, closes }),
        demand(have.len() >= days as usize, DemandKind::Ticks { need: days, have }),
        demand(alarms.is_empty(), DemandKind::NoAlarm { open: alarms }),
        demand(world.faults.is_empty(), DemandKind::Artifacts { faults: world.faults.clone() }),
        demand(world.reproduced, DemandKind::Reproduced),
        demand(latest.is_none(), DemandKind::Clock { latest }),
    ];
    if demanded(change, &world.policy).require_attestation {
        let fresh = change.is_attested();
        let stale = change.attestation.is_some() && !fresh;
        let objection = world.review_objection.clone().filter(|_| fresh);
        list.push(demand(fresh && world.review_counts, DemandKind::Attestation { stale, objection }));
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

/// The earliest time at which a change that was rolled out at `from` can have been measured on `days` days: not before
/// the window closes, and one missing day per UTC day.
pub fn earliest(change: &Change, from: DateTime<Utc>, days: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let measured = ticked_days(change, from, now);
    let missing = u64::from(days).saturating_sub(measured.len() as u64);
    let today = u64::from(measured.contains(&now.date_naive()));
    let last = now.date_naive().checked_add_days(Days::new((missing + today).saturating_sub(1)));
    let last = last.and_then(|day| day.and_hms_opt(0, 0, 0)).filter(|_| missing > 0);
    closes(from, days).max(last.map_or(from, |at| at.and_utc()))
}

/// Adds `by`, saturating at the latest time that can be represented.
pub(crate) fn later(from: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    from.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The day of the window on which `date` falls: 0 is the day of the rollout; `None` before it.
pub fn day_of(rolled_out: DateTime<Utc>, date: NaiveDate) -> Option<u32> {
    u32::try_from((date - rolled_out.date_naive()).num_days()).ok()
}

/// The number of monitoring days under `policy`: as requested when monitoring was started, but at least as many as
/// verification demands.
pub fn monitor_days(change: &Change, policy: &Policy) -> u32 {
    change.monitor_days.unwrap_or(DEFAULT_MONITOR_DAYS).max(verify_days(change, policy))
}

/// The policy for verification: the frozen one, tightened by `policy`.
pub(crate) fn demanded(change: &Change, policy: &Policy) -> Policy {
    change.frozen_policy().unwrap_or(policy).clone().tightened_by(policy)
}

pub fn verify_days(change: &Change, policy: &Policy) -> u32 {
    demanded(change, policy).min_monitor_days.max(MIN_DAYS)
}

/// The distinct UTC days with a tick after the rollout and not in the future. A tick counts only if its date is that of
/// its recording, and if it has a measurement of its own, taken at about that time; of a clean work tree if that is
/// demanded.
pub fn ticked_days(change: &Change, rolled_out: DateTime<Utc>, now: DateTime<Utc>) -> Vec<NaiveDate> {
    let mut seen: BTreeSet<&str> = measured_before_ticks(change).map(|taken| taken.snapshot.sha256.as_str()).collect();
    let mut days = BTreeSet::new();
    let clean = change.frozen_policy().is_some_and(|policy| policy.require_clean_git == Some(true));
    for tick in change.ticks.iter().filter(|tick| !clean || tick.taken.revision.nothing_uncommitted()) {
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

fn measured_before_ticks(change: &Change) -> impl Iterator<Item = &RecordedSnapshot> {
    let before = change.baseline.iter().map(|baseline| &baseline.taken);
    let after = change.after.iter().map(|after| &after.taken);
    before.chain(after).chain(change.rollout.iter().map(|done| &done.taken))
}

/// Subtracts `by`, saturating at the earliest time that can be represented.
pub(crate) fn earlier(from: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    from.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// The latest time in the record, of its events and monitoring measurements.
fn latest_moment(change: &Change) -> Option<DateTime<Utc>> {
    let events = change.events.iter().map(|event| event.at);
    let measured = change.ticks.iter().map(|tick| tick.taken.taken_at);
    events.chain(measured).max()
}

fn demand(met: bool, kind: DemandKind) -> Demand {
    Demand { kind, met }
}
