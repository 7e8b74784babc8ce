//! A made-up world around one change: the events and worlds in which every gate accepts, which tests then spoil.

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::verdict::*;
use vibeship_optimizer::model::{
    After, Artifact, Baseline, ChangeId, Class, Compared, Contract, Criterion, Digest, Kind, Opened, Promotion,
    Revision, RolloutStage, Tick, Trigger, Validation, WorkTree,
};
use vibeship_optimizer::workflow::{Change, Reason, Refusal, World, chain, gates};

pub(crate) const ID: &str = "chg-20260301-090000-cache";

pub(crate) fn id(text: &str) -> ChangeId {
    text.parse().unwrap()
}

pub(crate) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).unwrap()
}

/// One change, the clock and the code in the checkout.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) change: Change,
    pub(crate) now: DateTime<Utc>,
    pub(crate) policy: Policy,
    /// The number of the checked-out code; each commit increments it.
    pub(crate) head: u32,
    /// Commits since the baseline.
    pub(crate) commits: Vec<DeltaCommit>,
    /// Tuneables changed since the baseline.
    pub(crate) tuneables: Vec<TuneableChange>,
    files: u32,
}

/// A proposed event and the world that its gate sees.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) event: Kind,
    pub(crate) world: World,
}

/// An event whose gate requires nothing of the world.
pub(crate) fn plain(event: Kind) -> Ask {
    Ask { event, world: World::default() }
}

impl Ask {
    /// The measurement of the event.
    pub(crate) fn taken(&mut self) -> &mut RecordedSnapshot {
        match &mut self.event {
            Kind::BaselineTaken(baseline) => &mut baseline.taken,
            Kind::AfterTaken(after) => &mut after.taken,
            Kind::RolledOut(begun) => &mut begun.taken,
            Kind::Ticked(tick) => &mut tick.taken,
            other => panic!("nothing was measured for {other:?}"),
        }
    }

    pub(crate) fn contract(&mut self) -> &mut Contract {
        let Kind::ContractSet { contract } = &mut self.event else { panic!("another event") };
        contract
    }

    pub(crate) fn validation(&mut self) -> &mut Validation {
        let Kind::Validated(validation) = &mut self.event else { panic!("another event") };
        validation
    }

    pub(crate) fn begun(&mut self) -> &mut RolloutStage {
        let Kind::RolledOut(begun) = &mut self.event else { panic!("another event") };
        begun
    }

    pub(crate) fn tick(&mut self) -> &mut Tick {
        let Kind::Ticked(tick) = &mut self.event else { panic!("another event") };
        tick
    }

    /// Sets the revision that is checked out and measured.
    pub(crate) fn on(mut self, revision: Revision) -> Self {
        match &mut self.event {
            Kind::Validated(validation) => validation.revision = revision.clone(),
            _ => self.taken().revision = revision.clone(),
        }
        self.world.revision = revision;
        self
    }
}

pub(crate) fn opened(class: Class) -> Opened {
    let emergency = class == Class::Emergency;
    Opened {
        change_id: id(ID),
        title: "cache the parser's tables".to_owned(),
        class,
        risk: String::new(),
        validation_today: String::new(),
        validation_next_days: String::new(),
        from: None,
        incident: emergency.then(|| "queue stuck since 08:40".to_owned()),
        expires: emergency.then(|| start() + Duration::days(30)),
        imported: None,
    }
}

/// The world in which a change may be opened.
pub(crate) fn before_opening() -> World {
    World { tuneables_configured: true, max_emergency_days: Some(30), ..World::default() }
}

pub(crate) fn policy() -> Policy {
    let plan = |stage, soak_hours| StagePlan { stage, soak_hours };
    Policy {
        stages: vec![plan(Stage::Canary, 1.0), plan(Stage::Live, 24.0), plan(Stage::Full, 0.0)],
        min_monitor_days: 3,
        require_attestation: false,
        ..Policy::default()
    }
}

pub(crate) fn criterion(text: &str) -> Criterion {
    Criterion::parse(text).unwrap()
}

pub(crate) fn contract() -> Contract {
    Contract {
        hypothesis: "parsing takes a tenth less time".to_owned(),
        kpi: Some(criterion("timing.parse.wall <= -10%")),
        guardrails: vec![criterion("timing.tests.wall <= +5%"), criterion("size.lib <= +2%")],
        trigger: Some(Trigger::Measured(criterion("kpi.errors > 0.01"))),
        rollback: "git revert <sha>".to_owned(),
        min_effect: None,
    }
}

pub(crate) fn verdict(outcome: Outcome) -> Verdict {
    let estimate = Estimate { value: -0.12, low: -0.14, high: -0.101, confidence: 0.95 };
    let finding = Effect {
        estimate,
        design: Design::Paired,
        n_before: 12,
        n_after: 12,
        p_value: Some(0.0005),
        min_effect: 0.02,
        from_zero: false,
        unit: None,
    };
    match outcome {
        Outcome::Pass => Verdict::Pass(finding),
        Outcome::Fail => Verdict::Fail(finding),
        Outcome::Inconclusive => {
            Verdict::Inconclusive { finding: Some(finding), because: Doubt::Straddles, more_runs: Some(9) }
        }
        Outcome::Invalid => Verdict::Invalid { because: Flaw::SameCode },
    }
}

pub(crate) fn judged(criterion: &str, outcome: Outcome) -> CriterionResult {
    CriterionResult { criterion: criterion.to_owned(), verdict: verdict(outcome) }
}

/// Verdicts on [`contract`]: KPI, both guardrails, and whether the trigger fired.
pub(crate) fn verdicts(kpi: Outcome, guardrails: Outcome, trigger: Outcome) -> Verdicts {
    Verdicts {
        kpi: judged("timing.parse.wall <= -10%", kpi),
        guardrails: vec![judged("timing.tests.wall <= +5%", guardrails), judged("size.lib <= +2%", Outcome::Pass)],
        trigger: Some(judged("kpi.errors > 0.01", trigger)),
    }
}

pub(crate) fn all_well() -> Verdicts {
    verdicts(Outcome::Pass, Outcome::Pass, Outcome::Fail)
}

pub(crate) fn revision(code: u32) -> Revision {
    Revision {
        commit: Some(format!("{code:040x}")),
        tree: Some(format!("{:040x}", code + 1000)),
        code: Some(Digest::of_bytes(&code.to_be_bytes())),
        branch: Some("main".to_owned()),
        work_tree: WorkTree::Clean,
    }
}

pub(crate) fn dirty(code: u32) -> Revision {
    let work_tree = WorkTree::Dirty { paths: 2, digest: Digest::of_bytes(b"uncommitted") };
    Revision { work_tree, ..revision(code) }
}

pub(crate) fn unversioned(code: u32) -> Revision {
    Revision { commit: None, tree: None, branch: None, work_tree: WorkTree::Unversioned, ..revision(code) }
}

pub(crate) fn check(kind: CheckKind, passed: bool) -> Check {
    Check {
        name: "test".to_owned(),
        kind,
        passed,
        what: "cargo test".to_owned(),
        seconds: 1.25,
        failure: (!passed).then(|| "exit code 101".to_owned()),
        first_failure: None,
    }
}

pub(crate) fn commit(sha: u32, change_ids: &[&str]) -> DeltaCommit {
    DeltaCommit {
        sha: format!("{sha:040x}"),
        subject: "Cache the tables".to_owned(),
        change_ids: change_ids.iter().map(|id| (*id).to_owned()).collect(),
        evidence_only: false,
        merge: false,
        own_files: false,
    }
}

pub(crate) fn tuneable() -> TuneableChange {
    let (before, after) = (Some(serde_json::json!(30)), Some(serde_json::json!(12.5)));
    TuneableChange { key: "cache.ttl_s".to_owned(), before, after, layer: Some("base".to_owned()) }
}

impl Script {
    pub(crate) fn open(class: Class) -> Self {
        let opened = opened(class);
        gates::contract::may_open(&opened, &before_opening(), start()).unwrap();
        let first = chain::seal(None, Kind::Opened(opened), Some("Ada <ada@example.org>".to_owned()), start());
        let change = Change::replay([first]).unwrap();
        let (commits, tuneables) = (Vec::new(), Vec::new());
        Self { change, now: start(), policy: policy(), head: 1, commits, tuneables, files: 0 }
    }

    /// Advances the clock.
    pub(crate) fn after_hours(mut self, hours: i64) -> Self {
        self.now += Duration::hours(hours);
        self
    }

    /// Makes the one commit, as the class requires.
    pub(crate) fn commit(mut self) -> Self {
        self.head += 1;
        self.commits.push(commit(self.head, &[ID]));
        if self.change.opened.class == Class::Tuneable {
            self.tuneables.push(tuneable());
        }
        self
    }

    /// Proposes an event and records it if it is accepted. Returns the number of recorded events.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Result<usize, Refusal> {
        let event = gates::completed(&self.change, ask.event.clone());
        gates::check(&self.change, &event, &ask.world, self.now)?;
        let says_something = gates::says_something(&self.change, &event);
        if says_something {
            self.change.record(event, Some("Ada <ada@example.org>".to_owned()), self.now);
        }
        Ok(usize::from(says_something))
    }

    /// Records an event that must be accepted, one minute later.
    #[track_caller]
    pub(crate) fn does(mut self, ask: impl FnOnce(&mut Self) -> Ask) -> Self {
        self.now += Duration::minutes(1);
        let ask = ask(&mut self);
        let recorded = self.ask(&ask).unwrap_or_else(|refusal| panic!("{ask:?} was refused: {refusal:?}"));
        assert!(recorded > 0, "{ask:?} recorded nothing");
        self
    }

    /// Proposes an event that must be refused, and checks that the record stays identical.
    #[track_caller]
    pub(crate) fn refusal(&mut self, ask: impl FnOnce(&mut Self) -> Ask) -> Refusal {
        let ask = ask(self);
        let (before, text) = (self.change.clone(), self.text());
        let answer = self.ask(&ask);
        assert!(self.change == before && self.text() == text, "a refused event changed the record: {ask:?}");
        answer.err().unwrap_or_else(|| panic!("{ask:?} was allowed"))
    }

    /// Like [`Script::refusal`], and checks the reason.
    #[track_caller]
    pub(crate) fn refuses(mut self, ask: impl FnOnce(&mut Self) -> Ask, is: impl FnOnce(&Reason) -> bool) -> Self {
        let refusal = self.refusal(ask);
        assert!(is(&refusal.missing), "refused for another reason: {refusal:?}");
        self
    }

    /// The record's events as they are stored.
    pub(crate) fn text(&self) -> String {
        let events: Vec<_> = self.change.events.iter().map(chain::to_value).collect();
        serde_json::to_string_pretty(&events).unwrap()
    }

    pub(crate) fn artifact(&mut self, name: &str) -> Artifact {
        self.files += 1;
        let path = format!("reports/optimizer/{ID}_{name}_{}.json", self.files);
        Artifact { sha256: Digest::of_bytes(path.as_bytes()), path }
    }

    pub(crate) fn taken(&mut self, revision: Revision) -> RecordedSnapshot {
        let taken_at = self.now - Duration::seconds(5);
        RecordedSnapshot {
            snapshot: self.artifact("snapshot"),
            kpi_artifacts: vec![self.artifact("kpi")],
            revision,
            taken_at,
        }
    }

    fn rolls_out(&mut self, stage: Stage) -> Ask {
        let emergency = self.change.opened.class == Class::Emergency;
        let revision = revision(self.head);
        let begun = RolloutStage {
            stage,
            taken: self.taken(revision.clone()),
            verdicts: (!emergency).then(all_well),
            policy: emergency.then(|| self.policy.clone()),
            checked: None,
        };
        let world = World {
            policy: self.policy.clone(),
            revision,
            in_effect: InEffect::Yes,
            tuneables: self.tuneables.clone(),
            ..World::default()
        };
        Ask { event: Kind::RolledOut(begun), world }
    }

    /// The world in which the change is in effect.
    fn in_effect(&self) -> World {
        World { in_effect: InEffect::Yes, tuneables: self.tuneables.clone(), ..World::default() }
    }

    /// A comparison with these verdicts.
    pub(crate) fn compares(&mut self, verdicts: Verdicts) -> Ask {
        let (markdown, json, pair) = (self.artifact("compare_md"), self.artifact("compare"), self.artifact("pair"));
        let event = Kind::Compared(Compared { markdown, json, pair: Some(pair), verdicts });
        Ask { event, world: self.in_effect() }
    }
}

/// Events that every gate accepts.
pub(crate) mod ask {
    use super::*;

    pub(crate) fn contract(_: &mut Script) -> Ask {
        plain(Kind::ContractSet { contract: super::contract() })
    }
    pub(crate) fn baseline(script: &mut Script) -> Ask {
        let revision = revision(script.head);
        let baseline = Baseline { taken: script.taken(revision.clone()), strength: Strength::Full };
        Ask { event: Kind::BaselineTaken(baseline), world: World { revision, ..World::default() } }
    }
    pub(crate) fn validate(script: &mut Script) -> Ask {
        let delta = Delta {
            commits: script.commits.clone(),
            files: vec!["src/parse.rs".to_owned()],
            tuneables: script.tuneables.clone(),
            ..Delta::default()
        };
        let (checks, artifact) = (vec![check(CheckKind::Test, true)], script.artifact("validation"));
        let revision = revision(script.head);
        let world = World {
            revision: revision.clone(),
            delta: delta.clone(),
            descends: Some(true),
            has_tests: true,
            ..World::default()
        };
        Ask { event: Kind::Validated(Validation { revision, delta, checks, artifact }), world }
    }
    pub(crate) fn fail_validation(script: &mut Script, rejects: bool) -> Ask {
        let Ask { event, world } = validate(script);
        let Kind::Validated(Validation { delta, artifact, .. }) = event else { unreachable!() };
        let checks = vec![check(CheckKind::Test, false)];
        Ask { event: Kind::ValidationFailed { delta, checks, artifact, rejects }, world }
    }
    pub(crate) fn after(script: &mut Script) -> Ask {
        let revision = revision(script.head);
        let after = After { taken: script.taken(revision.clone()), rollback: String::new() };
        let world = World { revision, tuneables: script.tuneables.clone(), ..World::default() };
        Ask { event: Kind::AfterTaken(after), world }
    }
    pub(crate) fn compare(script: &mut Script) -> Ask {
        script.compares(all_well())
    }
    pub(crate) fn promote(script: &mut Script) -> Ask {
        let rehearsal = Rehearsal::Applies { commits: vec![format!("{:040x}", script.head)] };
        let promotion = Promotion { rehearsal, policy: script.policy.clone(), note: script.artifact("rollback") };
        let world = World { reproduced: true, in_effect: InEffect::Yes, ..World::default() };
        Ask { event: Kind::Promoted(promotion), world }
    }
    pub(crate) fn canary(script: &mut Script) -> Ask {
        script.rolls_out(Stage::Canary)
    }
    pub(crate) fn live(script: &mut Script) -> Ask {
        script.rolls_out(Stage::Live)
    }
    pub(crate) fn full(script: &mut Script) -> Ask {
        script.rolls_out(Stage::Full)
    }
    pub(crate) fn tick(script: &mut Script) -> Ask {
        let (taken, report) = (script.taken(revision(script.head)), script.artifact("day"));
        let utc_date = script.now.date_naive();
        let event = Kind::Ticked(Tick { utc_date, day: 0, taken, report, alarms: Vec::new() });
        Ask { event, world: script.in_effect() }
    }
    pub(crate) fn attest(script: &mut Script) -> Ask {
        let attestation = Attestation {
            artifact: script.artifact("review"),
            reviewed: script.change.review_digest(),
            tool: "other".to_owned(),
            reasoning_mode: "high".to_owned(),
        };
        plain(Kind::Attested { attestation })
    }
    pub(crate) fn verify(script: &mut Script) -> Ask {
        let policy = script.policy.clone();
        let world =
            World { policy, reproduced: true, review_counts: true, follow_up_promoted: true, ..script.in_effect() };
        Ask { event: Kind::Verified { summary: "a tenth faster on three days".to_owned() }, world }
    }
    pub(crate) fn hold(_: &mut Script) -> Ask {
        plain(Kind::Held { reason: "the gain is not worth the memory".to_owned() })
    }
    pub(crate) fn reject(_: &mut Script) -> Ask {
        plain(Kind::Rejected { reason: "slower on Windows".to_owned() })
    }
    pub(crate) fn rollback(_: &mut Script) -> Ask {
        plain(Kind::RolledBack { reason: "error rate doubled".to_owned(), commit: Some("f".repeat(40)) })
    }
    pub(crate) fn rollback_on_record(_: &mut Script) -> Ask {
        plain(Kind::RolledBack { reason: "error rate doubled".to_owned(), commit: None })
    }
    pub(crate) fn confirm(script: &mut Script, still: &[&str]) -> Ask {
        let still_in_effect = still.iter().map(ToString::to_string).collect();
        let event = Kind::RollbackConfirmed { taken: script.taken(revision(1)), not_back: Vec::new() };
        Ask { event, world: World { still_in_effect, ..World::default() } }
    }
    pub(crate) fn resolve(_: &mut Script) -> Ask {
        plain(Kind::AlarmResolved { reason: "a deploy of the neighbour service".to_owned() })
    }
    pub(crate) fn follow_up(_: &mut Script) -> Ask {
        plain(Kind::FollowedUp { by: id("chg-20260302-100000-proper-fix") })
    }
    pub(crate) fn note(_: &mut Script) -> Ask {
        plain(Kind::Noted { text: "seen".to_owned() })
    }
    pub(crate) fn decide_day(script: &mut Script) -> Ask {
        let (decision, reason) = ("hold".to_owned(), "quiet".to_owned());
        plain(Kind::DayDecided { utc_date: script.now.date_naive(), decision, reason })
    }
}

/// Scripts of a change of `class` that stop just before the named step.
pub(crate) mod at {
    use super::*;

    pub(crate) fn baseline(class: Class) -> Script {
        Script::open(class).does(ask::contract)
    }
    pub(crate) fn validate(class: Class) -> Script {
        baseline(class).does(ask::baseline).commit()
    }
    pub(crate) fn after(class: Class) -> Script {
        validate(class).does(ask::validate)
    }
    pub(crate) fn compare(class: Class) -> Script {
        after(class).does(ask::after)
    }
    pub(crate) fn promote(class: Class) -> Script {
        compare(class).does(ask::compare)
    }
    pub(crate) fn rollout(class: Class) -> Script {
        if class == Class::Emergency { baseline(class) } else { promote(class).does(ask::promote) }
    }
    pub(crate) fn monitor(class: Class) -> Script {
        if class == Class::Emergency {
            return rollout(class).does(ask::full);
        }
        rollout(class).does(ask::canary).after_hours(1).does(ask::live).after_hours(24).does(ask::full)
    }
    /// Just before verification: a tick a day, and the window is closed.
    pub(crate) fn verify(class: Class) -> Script {
        let mut script = monitor(class);
        for _ in 0..3 {
            script = script.after_hours(24).does(ask::tick);
        }
        if class == Class::Emergency { script.does(ask::follow_up) } else { script }
    }
}
