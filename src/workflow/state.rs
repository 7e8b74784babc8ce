//! The state of a change, computed by folding its events; it is never stored.

use std::ops::Deref;

use chrono::{DateTime, Utc};

use crate::model::{
    After, Attestation, Baseline, ChangeId, Class, Compared, Contract, CriterionResult, Event, Gate, Kind, Opened,
    Policy, Promotion, RecordedSnapshot, RolloutStage, Stage, Strength, Tick, Validation,
};
use crate::workflow::chain;

#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub opened: Opened,
    pub opened_at: DateTime<Utc>,
    /// The current contract; frozen once there is a baseline.
    pub contract: Contract,
    pub baseline: Option<Dated<Baseline>>,
    pub validation: Option<Dated<Validation>>,
    pub after: Option<Dated<After>>,
    pub comparison: Option<Dated<Compared>>,
    pub promotion: Option<Dated<Promotion>>,
    pub rollout: Vec<Dated<RolloutStage>>,
    /// The requested number of monitoring days, if any.
    pub monitor_days: Option<u32>,
    pub ticks: Vec<Dated<Tick>>,
    pub open_alarms: Vec<CriterionResult>,
    pub attestation: Option<Attestation>,
    pub follow_up: Option<ChangeId>,
    pub rollback: Option<RolledBack>,
    pub end: Option<End>,
    /// The latest time of any event so far. Later events are never dated earlier, so that a clock that was set back
    /// cannot open the monitoring window in the past.
    pub latest_at: DateTime<Utc>,
    pub events: Vec<Event>,
}

/// The content of an event with its time, which is never earlier than that of the event before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated<T> {
    pub at: DateTime<Utc>,
    pub what: T,
}

impl<T> Deref for Dated<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.what
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct RolledBack {
    pub reason: String,
    /// The reverting commit, if the tool made one.
    pub commit: Option<String>,
    pub at: DateTime<Utc>,
    /// The snapshot after the rollback and the criteria not back at the baseline; `None` until one is taken.
    pub confirmed: Option<(RecordedSnapshot, Vec<CriterionResult>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Verified { summary: String, at: DateTime<Utc> },
    Held { reason: String },
    Rejected { reason: String },
    RolledBack,
}

impl End {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verified { .. } => "verified",
            Self::Held { .. } => "held",
            Self::Rejected { .. } => "rejected",
            Self::RolledBack => "rolled_back",
        }
    }

    pub fn words(&self) -> &'static str {
        if matches!(self, Self::RolledBack) { "rolled back" } else { self.name() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    #[error("its first event does not open a change")]
    NotOpened,
    #[error("event {0} opens the change a second time")]
    OpenedTwice(u64),
}

impl Change {
    fn begun(event: Event) -> Result<Self, NotARecord> {
        let Kind::Opened(opened) = &event.what else { return Err(NotARecord::NotOpened) };
        Ok(Self {
            opened: opened.clone(),
            opened_at: event.at,
            contract: Contract::default(),
            baseline: None,
            validation: None,
            after: None,
            comparison: None,
            promotion: None,
            rollout: Vec::new(),
            monitor_days: None,
            ticks: Vec::new(),
            open_alarms: Vec::new(),
            attestation: None,
            follow_up: None,
            rollback: None,
            end: None,
            latest_at: event.at,
            events: vec![event],
        })
    }

    pub fn replay(events: impl IntoIterator<Item = Event>) -> Result<Self, NotARecord> {
        let mut events = events.into_iter();
        let begun = Self::begun(events.next().ok_or(NotARecord::NotOpened)?)?;
        events.try_fold(begun, Self::followed_by)
    }

    pub fn followed_by(mut self, event: Event) -> Result<Self, NotARecord> {
        if matches!(event.what, Kind::Opened(_)) {
            return Err(NotARecord::OpenedTwice(event.seq));
        }
        self.apply(event);
        Ok(self)
    }

    pub fn record(&mut self, what: Kind, actor: Option<String>, at: DateTime<Utc>) {
        let event = chain::seal(self.events.last(), what, actor, at);
        self.apply(event);
    }

    pub fn signed(&mut self, at: usize, signature: String) {
        if let Some(event) = self.events.get_mut(at) {
            event.signature = Some(signature);
        }
    }

    /// Applies one more event. Never panics: the gates check the order of events.
    fn apply(&mut self, event: Event) {
        let at = event.at.max(self.latest_at);
        self.latest_at = at;
        match &event.what {
            Kind::ContractSet { contract } => self.contract = contract.clone(),
            Kind::BaselineTaken(what) => {
                self.baseline = Some(Dated { at, what: what.clone() });
                self.forget_from_validation();
            }
            Kind::Validated(what) => {
                self.forget_from_validation();
                self.validation = Some(Dated { at, what: what.clone() });
            }
            Kind::ValidationFailed { rejects, .. } => {
                self.forget_from_validation();
                if *rejects {
                    self.end = Some(End::Rejected { reason: "validation failed".to_owned() });
                }
            }
            Kind::AfterTaken(what) => {
                self.after = Some(Dated { at, what: what.clone() });
                self.comparison = None;
            }
            Kind::Compared(what) => self.comparison = Some(Dated { at, what: what.clone() }),
            Kind::Promoted(what) => self.promotion = Some(Dated { at, what: what.clone() }),
            Kind::Held { reason } => self.end = Some(End::Held { reason: reason.clone() }),
            Kind::Rejected { reason } => self.end = Some(End::Rejected { reason: reason.clone() }),
            Kind::RolledOut(what) => self.rollout.push(Dated { at, what: what.clone() }),
            Kind::Ticked(what) => {
                self.open_alarms.extend(what.alarms.iter().cloned());
                // A day that another clone measured may be appended after later days.
                self.ticks.push(Dated { at: event.at, what: what.clone() });
            }
            Kind::MonitorStarted { days } => self.monitor_days = Some(*days),
            Kind::AlarmResolved { .. } => self.open_alarms.clear(),
            Kind::Attested { attestation } => self.attestation = Some(attestation.clone()),
            Kind::FollowedUp { by } => self.follow_up = Some(by.clone()),
            Kind::RolledBack { reason, commit } => {
                self.rollback =
                    Some(RolledBack { reason: reason.clone(), commit: commit.clone(), at, confirmed: None });
                self.end = Some(End::RolledBack);
            }
            Kind::RollbackConfirmed { taken, not_back } => {
                if let Some(rollback) = &mut self.rollback {
                    rollback.confirmed = Some((taken.clone(), not_back.clone()));
                }
            }
            Kind::Verified { summary } => self.end = Some(End::Verified { summary: summary.clone(), at }),
            Kind::Opened(_) | Kind::Noted { .. } | Kind::Relinked { .. } | Kind::DayDecided { .. } => {}
        }
        self.events.push(event);
    }

    fn forget_from_validation(&mut self) {
        self.validation = None;
        self.after = None;
        self.comparison = None;
    }

    pub fn id(&self) -> &ChangeId {
        &self.opened.change_id
    }

    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub fn is_indicative(&self) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.strength == Strength::Indicative)
    }

    /// The reason to roll it back, if that was the last decision of a day and the change is still open.
    pub fn decided_rollback(&self) -> Option<&str> {
        let decided = self.events.iter().rev().find_map(|event| {
            let Kind::DayDecided { decision, reason, .. } = &event.what else { return None };
            Some((decision.as_str(), reason.as_str()))
        });
        decided.filter(|(decision, _)| *decision == "rollback" && self.is_open()).map(|(_, reason)| reason)
    }

    /// When an emergency's override expired, if it is still in force (neither followed up nor ended).
    pub fn expired_override(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let in_force = self.opened.class == Class::Emergency && self.is_open() && self.follow_up.is_none();
        self.opened.expires.filter(|at| in_force && *at <= now)
    }

    pub fn passed(&self, gate: Gate) -> bool {
        match gate {
            Gate::Open => true,
            Gate::Contract => self.contract.missing().is_empty(),
            Gate::Baseline => self.baseline.is_some(),
            Gate::Validate => self.validation.is_some(),
            Gate::After => self.after.is_some(),
            Gate::Compare => self.comparison.is_some(),
            Gate::Decide => self.promotion.is_some(),
            Gate::Rollout => self.fully_rolled_out_at().is_some(),
            Gate::Verify => matches!(self.end, Some(End::Verified { .. })),
        }
    }

    /// Whether it was promoted or rolled out, or has ended.
    pub fn is_decided(&self) -> bool {
        !self.is_open() || self.promotion.is_some() || !self.rollout.is_empty()
    }

    pub fn stage(&self) -> Option<&Dated<RolloutStage>> {
        self.rollout.last()
    }

    pub fn fully_rolled_out_at(&self) -> Option<DateTime<Utc>> {
        self.rollout.iter().find(|done| done.stage == Stage::Full).map(|done| done.at)
    }

    /// The policy frozen at promotion (for an emergency, at rollout).
    pub fn frozen_policy(&self) -> Option<&Policy> {
        let promoted = self.promotion.as_ref().map(|promotion| &promotion.policy);
        promoted.or_else(|| self.rollout.iter().find_map(|done| done.policy.as_ref()))
    }

    pub fn comparisons_since_baseline(&self) -> u32 {
        let since = self.events.iter().rev().take_while(|event| !matches!(event.what, Kind::BaselineTaken(_)));
        u32::try_from(since.filter(|event| matches!(event.what, Kind::Compared(_))).count()).unwrap_or(u32::MAX)
    }
}
