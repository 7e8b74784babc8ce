//! A made-up world around one change: what each command's facts would be if all were well, for scripts to spoil.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use vibeship_optimizer::model::Class;
use vibeship_optimizer::model::facts::*;
use vibeship_optimizer::model::verdict::*;
use vibeship_optimizer::model::{Artifact, ChangeId, Criterion, Digest, Revision, Trigger, WorkTree};
use vibeship_optimizer::model::{Contract, Opened};
use vibeship_optimizer::workflow::chain;
use vibeship_optimizer::workflow::command::*;
use vibeship_optimizer::workflow::decide::decide;
use vibeship_optimizer::workflow::{Change, Missing, Refusal, VerifyFacts, gates};

pub(crate) const ID: &str = "chg-20260301-090000-cache";

pub(crate) fn id(text: &str) -> ChangeId {
    text.parse().unwrap()
}

pub(crate) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).unwrap()
}

/// One change, the clock, and the code that is checked out.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) change: Change,
    pub(crate) now: DateTime<Utc>,
    pub(crate) policy: Policy,
    /// The number of the checked-out code; commits raise it.
    pub(crate) head: u32,
    /// Commits since the baseline.
    pub(crate) commits: Vec<DeltaCommit>,
    /// Tuneables changed since the baseline.
    pub(crate) tuneables: Vec<TuneableChange>,
    files: u32,
}

pub(crate) fn opened(class: Class) -> OpenFacts {
    let emergency = class == Class::Emergency;
    OpenFacts {
        opened: Opened {
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
        },
        others: Vec::new(),
        parallel: false,
        tuneables_configured: true,
        max_emergency_days: Some(30),
    }
}

pub(crate) fn policy() -> Policy {
    let plan = |stage, soak_hours| StagePlan { stage, soak_hours };
    Policy {
        stages: vec![plan(Stage::Canary, 1.0), plan(Stage::Live, 24.0), plan(Stage::Full, 0.0)],
        min_monitor_days: 3,
        require_attestation: false,
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
    let finding = Finding {
        estimate,
        design: Design::Paired,
        n_before: 12,
        n_after: 12,
        p_value: Some(0.0005),
        min_effect: 0.02,
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

pub(crate) fn judged(criterion: &str, outcome: Outcome) -> Judged {
    Judged { criterion: criterion.to_owned().into(), verdict: verdict(outcome) }
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

impl World {
    pub(crate) fn open(class: Class) -> Self {
        let kind = gates::open::decide(&opened(class), start()).unwrap();
        let first = chain::seal(None, kind, Some("Ada <ada@example.org>".to_owned()), start());
        let change = Change::replay(&[first]).unwrap();
        let (commits, tuneables) = (Vec::new(), Vec::new());
        Self { change, now: start(), policy: policy(), head: 1, commits, tuneables, files: 0 }
    }

    /// Lets time pass.
    pub(crate) fn after_hours(mut self, hours: i64) -> Self {
        self.now += Duration::hours(hours);
        self
    }

    /// Makes the one change, as a class makes it.
    pub(crate) fn commit(mut self) -> Self {
        self.head += 1;
        self.commits.push(commit(self.head, &[ID]));
        if self.change.opened.class == Class::Tuneable {
            self.tuneables.push(tuneable());
        }
        self
    }

    /// Asks; what is allowed is recorded.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<usize, Refusal> {
        let kinds = decide(&self.change, command, self.now)?;
        let count = kinds.len();
        for kind in kinds {
            self.change.record(kind, Some("Ada <ada@example.org>".to_owned()), self.now);
        }
        Ok(count)
    }

    /// Does what must be allowed, a minute after what was before.
    #[track_caller]
    pub(crate) fn does(mut self, command: impl FnOnce(&mut Self) -> Command) -> Self {
        self.now += Duration::minutes(1);
        let command = command(&mut self);
        let recorded = self.ask(&command).unwrap_or_else(|refusal| panic!("{command:?} was refused: {refusal:?}"));
        assert!(recorded > 0, "{command:?} recorded nothing");
        self
    }

    /// Asks for what must be refused; the refusal leaves the record as it was, to the byte.
    #[track_caller]
    pub(crate) fn refusal(&mut self, command: impl FnOnce(&mut Self) -> Command) -> Refusal {
        let command = command(self);
        let (before, text) = (self.change.clone(), self.text());
        let answer = self.ask(&command);
        assert!(self.change == before && self.text() == text, "a refused command changed the record: {command:?}");
        answer.err().unwrap_or_else(|| panic!("{command:?} was allowed"))
    }

    /// As [`World::refusal`], with the refusal held against what must be missing.
    #[track_caller]
    pub(crate) fn refuses(
        mut self,
        command: impl FnOnce(&mut Self) -> Command,
        is: impl FnOnce(&Missing) -> bool,
    ) -> Self {
        let refusal = self.refusal(command);
        assert!(is(&refusal.missing), "refused for another reason: {refusal:?}");
        self
    }

    /// The record's events as they are written.
    pub(crate) fn text(&self) -> String {
        let events: Vec<_> = self.change.events.iter().map(chain::to_value).collect();
        serde_json::to_string_pretty(&events).unwrap()
    }

    pub(crate) fn artifact(&mut self, name: &str) -> Artifact {
        self.files += 1;
        let path = format!("reports/optimizer/{ID}_{name}_{}.json", self.files);
        Artifact { sha256: Digest::of_bytes(path.as_bytes()), path }
    }

    pub(crate) fn taken(&mut self, revision: Revision) -> Taken {
        let taken_at = self.now - Duration::seconds(5);
        Taken { snapshot: self.artifact("snapshot"), kpi_artifacts: vec![self.artifact("kpi")], revision, taken_at }
    }

    pub(crate) fn measured(&mut self, revision: Revision) -> Measured {
        Measured { taken: self.taken(revision), unmeasured: Vec::new(), why: Vec::new() }
    }
}

/// The facts of each command as they are when all is well.
impl World {
    pub(crate) fn contract_facts(&mut self) -> ContractFacts {
        ContractFacts { parts: contract(), measurable: Vec::new(), better: BTreeMap::new(), unknown: Vec::new() }
    }

    pub(crate) fn baseline_facts(&mut self) -> BaselineFacts {
        let revision = revision(self.head);
        let measured = Some(self.measured(revision.clone()));
        BaselineFacts {
            revision,
            commits_with_id: Vec::new(),
            allow_dirty: false,
            unknown: Vec::new(),
            own_sources: Vec::new(),
            measured,
        }
    }

    pub(crate) fn validate_facts(&mut self) -> ValidateFacts {
        ValidateFacts {
            revision: revision(self.head),
            descends: Some(true),
            delta: Delta {
                commits: self.commits.clone(),
                files: vec!["src/parse.rs".to_owned()],
                tuneables: self.tuneables.clone(),
                outside: Vec::new(),
                code: Vec::new(),
                contract_surface: Vec::new(),
                contract_docs: false,
            },
            redefined: Vec::new(),
            has_tests: true,
            retry: false,
            outcome: Some((vec![check(CheckKind::Test, true)], self.artifact("validation"))),
        }
    }

    pub(crate) fn after_facts(&mut self) -> AfterFacts {
        let revision = revision(self.head);
        let measured = Some(self.measured(revision.clone()));
        AfterFacts { revision, tuneables: self.tuneables.clone(), redefined: Vec::new(), measured }
    }

    pub(crate) fn compare_facts(&mut self, verdicts: Verdicts) -> CompareFacts {
        let (markdown, json, pair) = (self.artifact("compare_md"), self.artifact("compare"), self.artifact("pair"));
        let compared = Some(Compared { markdown, json, pair: Some(pair), verdicts });
        CompareFacts { redefined: Vec::new(), faults: Vec::new(), compared }
    }

    pub(crate) fn promote_facts(&mut self) -> PromoteFacts {
        let rehearsal = Rehearsal::Applies { commits: vec![format!("{:040x}", self.head)] };
        let rehearsed = Some((rehearsal, self.artifact("rollback")));
        PromoteFacts { faults: Vec::new(), reproduced: true, policy: self.policy.clone(), rehearsed }
    }

    pub(crate) fn rollout_facts(&mut self, stage: Stage) -> RolloutFacts {
        let verdicts = (self.change.opened.class != Class::Emergency).then(all_well);
        let measured = Some((self.taken(revision(self.head)), verdicts));
        RolloutFacts {
            stage,
            policy: self.policy.clone(),
            revision: revision(self.head),
            in_effect: InEffect::Yes,
            tuneables: self.tuneables.clone(),
            faults: Vec::new(),
            measured,
        }
    }

    pub(crate) fn tick_facts(&mut self) -> TickFacts {
        let (taken, report) = (self.taken(revision(self.head)), self.artifact("day"));
        TickFacts { taken, report, alarms: Vec::new(), at: self.now }
    }

    pub(crate) fn verify_facts(&mut self) -> VerifyFacts {
        VerifyFacts {
            policy: self.policy.clone(),
            faults: Vec::new(),
            reproduced: true,
            clean_git: None,
            follow_up_promoted: true,
        }
    }

    pub(crate) fn attestation(&mut self) -> Attestation {
        Attestation {
            artifact: self.artifact("review"),
            reviewed: self.change.review_digest(),
            tool: "other".to_owned(),
            reasoning_mode: "high".to_owned(),
        }
    }
}

/// Commands with all well.
pub(crate) mod ask {
    use super::*;

    pub(crate) fn contract(world: &mut World) -> Command {
        Command::SetContract(world.contract_facts())
    }
    pub(crate) fn baseline(world: &mut World) -> Command {
        Command::Baseline(world.baseline_facts())
    }
    pub(crate) fn validate(world: &mut World) -> Command {
        Command::Validate(world.validate_facts())
    }
    pub(crate) fn after(world: &mut World) -> Command {
        Command::After(world.after_facts())
    }
    pub(crate) fn compare(world: &mut World) -> Command {
        Command::Compare(world.compare_facts(all_well()))
    }
    pub(crate) fn promote(world: &mut World) -> Command {
        Command::Promote(world.promote_facts())
    }
    pub(crate) fn canary(world: &mut World) -> Command {
        Command::Rollout(world.rollout_facts(Stage::Canary))
    }
    pub(crate) fn live(world: &mut World) -> Command {
        Command::Rollout(world.rollout_facts(Stage::Live))
    }
    pub(crate) fn full(world: &mut World) -> Command {
        Command::Rollout(world.rollout_facts(Stage::Full))
    }
    pub(crate) fn tick(world: &mut World) -> Command {
        Command::Tick(world.tick_facts())
    }
    pub(crate) fn attest(world: &mut World) -> Command {
        Command::Attest(world.attestation())
    }
    pub(crate) fn verify(world: &mut World) -> Command {
        Command::Verify { summary: "a tenth faster on three days".to_owned(), facts: world.verify_facts() }
    }
    pub(crate) fn hold(_: &mut World) -> Command {
        Command::Hold { reason: "the gain is not worth the memory".to_owned() }
    }
    pub(crate) fn reject(_: &mut World) -> Command {
        Command::Reject { reason: "slower on Windows".to_owned() }
    }
    pub(crate) fn rollback(_: &mut World) -> Command {
        Command::Rollback { reason: "error rate doubled".to_owned(), commit: Some("f".repeat(40)) }
    }
    pub(crate) fn rollback_on_record(_: &mut World) -> Command {
        Command::Rollback { reason: "error rate doubled".to_owned(), commit: None }
    }
    pub(crate) fn confirm(world: &mut World, still: &[&str]) -> Command {
        Command::ConfirmRollback(ConfirmFacts {
            still: still.iter().map(ToString::to_string).collect(),
            measured: Some((world.taken(revision(1)), Vec::new())),
        })
    }
    pub(crate) fn resolve(_: &mut World) -> Command {
        Command::ResolveAlarms { reason: "a deploy of the neighbour service".to_owned() }
    }
    pub(crate) fn follow_up(_: &mut World) -> Command {
        Command::FollowUp { by: id("chg-20260302-100000-proper-fix") }
    }
}

/// How far a script has come: a change of `class` just before the named step.
pub(crate) mod at {
    use super::*;

    pub(crate) fn baseline(class: Class) -> World {
        World::open(class).does(ask::contract)
    }
    pub(crate) fn validate(class: Class) -> World {
        baseline(class).does(ask::baseline).commit()
    }
    pub(crate) fn after(class: Class) -> World {
        validate(class).does(ask::validate)
    }
    pub(crate) fn compare(class: Class) -> World {
        after(class).does(ask::after)
    }
    pub(crate) fn promote(class: Class) -> World {
        compare(class).does(ask::compare)
    }
    pub(crate) fn rollout(class: Class) -> World {
        if class == Class::Emergency { baseline(class) } else { promote(class).does(ask::promote) }
    }
    pub(crate) fn monitor(class: Class) -> World {
        if class == Class::Emergency {
            return rollout(class).does(ask::full);
        }
        rollout(class).does(ask::canary).after_hours(1).does(ask::live).after_hours(24).does(ask::full)
    }
    /// Just before verification: a tick a day, the window closed.
    pub(crate) fn verify(class: Class) -> World {
        let mut world = monitor(class);
        for _ in 0..3 {
            world = world.after_hours(24).does(ask::tick);
        }
        if class == Class::Emergency { world.does(ask::follow_up) } else { world }
    }
}
