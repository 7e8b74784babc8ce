//! The exact commands that help against a refusal. Must not repeat what is missing.

use crate::model::{ChangeId, Class, Criterion, DeltaCommit, Gate, MetricId, Part, Rehearsal, Stage, Trigger};
use crate::report::invocation::{self, PROGRAM};
use crate::report::refusal::restore::restore;
use crate::report::refusal::{anew, unmade};
use crate::report::values::moment;
use crate::report::{Around, Hint, Uncommitted};
use crate::workflow::{Change, Demand, DemandKind, Missing, Refusal, Senseless, gates};

/// What to run next; empty only where waiting is all that helps.
pub fn hints(refusal: &Refusal, change: Option<&Change>, around: &Around) -> Vec<Hint> {
    let Some(change) = change else { return anew::opening(&refusal.missing, &around.given) };
    let id = change.id();
    match &refusal.missing {
        Missing::Earlier { gate } if due(change, *gate) == Gate::Contract => {
            vec![Hint::next(invocation::contract_of(change, &change.contract.missing()))]
        }
        Missing::Earlier { gate } => vec![Hint::next(invocation::gate(id, due(change, *gate)))],
        Missing::ContractParts { parts } => vec![Hint::next(invocation::contract_of(change, parts))],
        Missing::UnknownMetric { .. } => vec![
            Hint::to(
                "see what the config measures, or add the metric to it",
                format!("{PROGRAM} doctor --format text"),
            ),
            Hint::to("or name another metric", anew::other_metric(id, &refusal.missing, &around.given)),
        ],
        Missing::ContractSense { why, .. } => {
            let flags = match why {
                Senseless::NoCommit => return vec![Hint::next(invocation::contract_of(change, &[Part::Rollback]))],
                Senseless::NoImprovement | Senseless::CannotHold { kpi: true } => "--kpi \"METRIC <= -10%\"",
                Senseless::FiresOnGood | Senseless::CannotFire => "--trigger \"METRIC > +10%\"",
                Senseless::NoShare => "--min-effect 2%",
                _ => "--guardrail \"METRIC <= +2%\"",
            };
            vec![Hint::next(invocation::on(id, "change contract", flags))]
        }
        Missing::Frozen => vec![
            Hint::to("go on with it", invocation::on(id, "status", "")),
            Hint::to("or start over with another contract", invocation::with_reason(id, "reject")),
        ],
        Missing::Ended { .. } | Missing::NotInClass { .. } => other_change(change),
        Missing::CommitsBeforeBaseline { commits } => {
            // Nothing is taken out of the work tree before the stash holds it, and the branch keeps the commits.
            let first = first_of(commits);
            let keep = format!("git branch made-too-early-{}", id.as_str());
            let aside = format!("{keep} && git reset --soft {first}~1 && {}", around.lying.stash_all());
            vec![
                Hint::to("set the commits aside, all that came since the first included", aside),
                Hint::to("then", invocation::baseline(id)),
                Hint::to("then, as one commit", format!("git stash pop && {}", invocation::commit(id))),
            ]
        }
        Missing::Reason => vec![Hint::next(reason(refusal.gate, id))],
        _ => measuring(refusal, change, &around.lying),
    }
}

/// The first gate that is still shut, up to the one that is missing: what comes before it is refused for it.
fn due(change: &Change, gate: Gate) -> Gate {
    let shut = |earlier: &&Gate| **earlier < gate && !gates::passed(change, **earlier);
    change.opened.class.gates().iter().find(shut).copied().unwrap_or(gate)
}

fn other_change(change: &Change) -> Vec<Hint> {
    let start = format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"");
    let experiment = change.opened.class == Class::Experiment;
    if change.is_open() && !experiment {
        return vec![Hint::next(invocation::on(change.id(), "status", ""))];
    }
    if !experiment {
        return vec![Hint::to("open another change", start)];
    }
    let from =
        Hint::to("open a change from the experiment", format!("{start} --class code --from {}", change.id().as_str()));
    let hold = Hint::to("end the experiment", invocation::with_reason(change.id(), "hold"));
    if change.is_open() { vec![hold, from] } else { vec![from] }
}

fn reason(gate: Gate, id: &ChangeId) -> String {
    match gate {
        Gate::Open => invocation::on(id, "change note", "\"WHAT HAPPENED\""),
        Gate::Rollout => invocation::with_reason(id, "rollback"),
        Gate::Verify => invocation::with_reason(id, "resolve"),
        _ => invocation::with_reason(id, "hold"),
    }
}

/// What helps from the baseline up to the comparison.
fn measuring(refusal: &Refusal, change: &Change, lying: &Uncommitted) -> Vec<Hint> {
    let id = change.id();
    let again = || Hint::to("then", invocation::gate(id, refusal.gate));
    let trailer = invocation::trailer(id);
    match &refusal.missing {
        Missing::Dirty { own, .. } => dirty(refusal.gate, change, own.as_deref(), lying),
        Missing::UnknownState { .. } => vec![Hint::to("see what git says", "git status".to_owned()), again()],
        Missing::OwnSource { .. } => {
            vec![Hint::to(
                "move the files elsewhere, name them there in the config, commit, then",
                invocation::baseline(id),
            )]
        }
        Missing::Unmeasured { metrics, .. } => {
            let mend = Hint::to("mend what gave no value", invocation::gate(id, refusal.gate));
            // The contract is frozen from the baseline on.
            let other = (refusal.gate == Gate::Baseline).then(|| on_other_metrics(change, metrics)).flatten();
            std::iter::once(mend).chain(other).collect()
        }
        Missing::OnlyOutside { .. } | Missing::NoDelta | Missing::NoTuneableChanged | Missing::CodeBeside { .. } => {
            unmade::hints(refusal, change)
        }
        Missing::ManyCommits { commits } => vec![
            Hint::to("make one commit of them", format!("git reset --soft {}~1", first_of(commits))),
            Hint::to("then", format!("git commit -m \"WHAT CHANGED\" {trailer}")),
            again(),
        ],
        Missing::ForeignCommit { commit } => {
            let sha: String = commit.sha.chars().take(12).collect();
            let baseline = invocation::baseline(id);
            let revert = format!("git revert --no-edit {sha} && {baseline}");
            vec![Hint::to("let it be part of the baseline", baseline), Hint::to("or take it out before that", revert)]
        }
        Missing::BaselineNotAncestor { baseline } => vec![
            // A rebase would meet its own logbook and evidence as conflicts.
            Hint::to(
                "if its commit was amended or rewritten: put all since onto it, as one commit",
                format!("git reset --soft {baseline} && {}", invocation::commit(id)),
            ),
            again(),
            Hint::to("or drop it and start over on this history", invocation::with_reason(id, "reject")),
        ],
        Missing::ContractDocs { .. } => {
            vec![Hint::to("add docs and tests to the commit", AMEND.to_owned()), again()]
        }
        Missing::NoTests => vec![Hint::to("find and enter the test command", format!("{PROGRAM} onboard")), again()],
        Missing::NotValidatedCode { .. } => vec![Hint::next(invocation::gate(id, Gate::Validate))],
        Missing::OnlyIndicative => vec![
            Hint::to("keep it as an experiment", invocation::with_reason(id, "hold")),
            Hint::to("or drop it and start over on a clean tree", invocation::with_reason(id, "reject")),
        ],
        Missing::Evidence { faults } => restore(faults, change, Some(again())),
        Missing::NotReproduced => vec![Hint::next(invocation::gate(id, Gate::Compare))],
        _ => changed_meanwhile(refusal, change),
    }
}

/// Holds the parts of the contract that name any of `metrics` to others; the guardrails are written as a whole.
fn on_other_metrics(change: &Change, metrics: &[MetricId]) -> Option<Hint> {
    let contract = &change.contract;
    let named = |criterion: &Criterion| metrics.contains(&criterion.metric);
    let kpi = contract.kpi.iter().any(named).then_some(Part::Kpi);
    let guardrails = contract.guardrails.iter().any(named).then_some(Part::Guardrails);
    let trigger = contract.trigger.iter().any(|trigger| matches!(trigger, Trigger::Measured(it) if named(it)));
    let parts: Vec<Part> = kpi.into_iter().chain(guardrails).chain(trigger.then_some(Part::Trigger)).collect();
    let purpose = "or write the contract on metrics that have a value";
    // Not one of those that the config names first: it may be what gave no value.
    let command = || invocation::contract(change.id(), &parts).replace("METRIC", "OTHER_METRIC");
    (!parts.is_empty()).then(|| Hint::to(purpose, command()))
}

/// What helps where something is no longer what it was when it was measured or validated.
fn changed_meanwhile(refusal: &Refusal, change: &Change) -> Vec<Hint> {
    let id = change.id();
    let again = || Hint::to("then", invocation::gate(id, refusal.gate));
    match &refusal.missing {
        Missing::Redefined { .. } => vec![
            Hint::to("see what changed", "git diff -- .vibeship-optimizer vibeship_optimizer.yml".to_owned()),
            Hint::to("put it back, then", invocation::gate(id, refusal.gate)),
            Hint::to(
                "or drop the change, commit the new config, and start over: the next baseline fixes it",
                invocation::with_reason(id, "reject"),
            ),
        ],
        Missing::NoCommit => vec![Hint::to("commit the change", invocation::commit(id)), again()],
        Missing::OtherTuneables { .. } => vec![
            Hint::to("set them to what was validated, then", invocation::gate(id, refusal.gate)),
            Hint::to("or validate the new values", invocation::gate(id, Gate::Validate)),
        ],
        Missing::NotInEffect { reverted } => not_in_effect(change, *reverted, again()),
        _ => deciding(refusal, change),
    }
}

fn not_in_effect(change: &Change, reverted: bool, again: Hint) -> Vec<Hint> {
    let id = change.id();
    let rollback = Hint::to("or record that it was taken out", invocation::with_reason(id, "rollback"));
    if reverted {
        return vec![Hint::to("take the revert back", "git log --oneline".to_owned()), rollback];
    }
    let sha: String = change.commits().last().map_or("", String::as_str).chars().take(12).collect();
    let relink = Hint::to("after a squash or rebase, find its commit again", invocation::on(id, "change relink", ""));
    let contains = format!("git branch --contains {sha}");
    vec![relink, again, Hint::to("or check out a branch that contains it", contains.trim_end().to_owned()), rollback]
}

fn first_of(commits: &[DeltaCommit]) -> String {
    commits.first().map_or("", |commit| &commit.sha).chars().take(12).collect()
}

/// Takes new files too.
const AMEND: &str = "git add -A && git commit --amend --no-edit";

/// `own` is the change's own commit. It is not amended where anything else may be the last commit: the baseline's
/// would be lost, and one of evidence would take the work in.
fn dirty(gate: Gate, change: &Change, own: Option<&str>, lying: &Uncommitted) -> Vec<Hint> {
    let id = change.id();
    let again = || Hint::to("then", invocation::gate(id, gate));
    let one = |sha: &str| {
        let sha: String = sha.chars().take(12).collect();
        format!("git reset --soft {sha}~1 && {}", invocation::commit(id))
    };
    match (gate, own) {
        (Gate::Baseline, _) => {
            let anyway = format!("{} --allow-dirty", invocation::baseline(id));
            let measured = Hint::to("or measure it as it is, which can never be promoted", anyway);
            let setup = lying.commit_setup().map(|it| Hint::to("commit the setup, it is measured by", it));
            let purpose = if setup.is_some() { "then, set the work aside" } else { "set the work aside" };
            let work = lying.holds_work().then(|| Hint::to(purpose, lying.stash()));
            let commit = lying.commit_work().map(|it| Hint::to("or commit it: it is no part of the change then", it));
            setup.into_iter().chain(work).chain([again()]).chain(commit).chain([measured]).collect()
        }
        (Gate::Validate, None) => {
            let commit = Hint::to("commit the work as the change", invocation::commit(id));
            vec![commit, Hint::to("or set it aside", lying.stash()), again()]
        }
        (Gate::Validate, Some(sha)) => {
            let take = Hint::to("take the work into the change's commit", one(sha));
            vec![take, Hint::to("or set it aside", lying.stash()), again()]
        }
        // What is rolled out is what was decided on: nothing is added to it any more.
        (Gate::Rollout, _) => vec![Hint::to("set the work aside", lying.stash()), again()],
        // What was validated is measured; with more in the commit it has to be validated again.
        (_, Some(sha)) => {
            let validated = format!("{} && {}", one(sha), invocation::gate(id, Gate::Validate));
            let take = Hint::to("or take it into the change's commit and validate that", validated);
            vec![Hint::to("set the work aside", lying.stash()), again(), take]
        }
        (_, None) => vec![Hint::to("set the work aside", lying.stash()), again()],
    }
}

/// What helps from the decision on.
fn deciding(refusal: &Refusal, change: &Change) -> Vec<Hint> {
    let id = change.id();
    let hold = || Hint::to("or keep it as an experiment", invocation::with_reason(id, "hold"));
    match &refusal.missing {
        Missing::Verdicts { .. } if refusal.is_not_yet() => {
            vec![
                Hint::to("measure more", invocation::more(change)),
                hold(),
                Hint::to("or drop it", invocation::with_reason(id, "reject")),
            ]
        }
        Missing::Verdicts { .. } => vec![
            Hint::to("drop it", invocation::with_reason(id, "reject")),
            hold(),
            Hint::to("or measure again", invocation::more(change)),
        ],
        Missing::TriggerFired { .. } | Missing::StageGuardrails { .. } => {
            vec![Hint::to("go back", invocation::with_reason(id, "rollback"))]
        }
        Missing::Rollback { rehearsal } => vec![
            Hint::to(unrehearsed(rehearsal), invocation::gate(id, Gate::Validate)),
            hold(),
            Hint::to("or drop it", invocation::with_reason(id, "reject")),
        ],
        Missing::NoSuchStage { planned } => {
            let next = planned.get(change.rollout.len()).or(planned.last());
            next.map(|stage| Hint::next(invocation::rollout(id, *stage))).into_iter().collect()
        }
        Missing::StageOrder { next } => vec![Hint::next(invocation::rollout(id, *next))],
        Missing::Soak { .. } => vec![
            Hint::to("watch it meanwhile", invocation::on(id, "status", "")),
            Hint::to("or go back", invocation::with_reason(id, "rollback")),
        ],
        Missing::Summary => vec![Hint::next(invocation::verify(id))],
        Missing::Unverified { demands } => {
            demands.iter().filter(|demand| !demand.met).flat_map(|demand| demand_hints(demand, change)).collect()
        }
        Missing::StillInEffect { .. } if change.commits_to_revert().is_empty() => {
            vec![Hint::to("put the old values back, then", invocation::after(id))]
        }
        Missing::StillInEffect { .. } => {
            let apply = format!("{} --apply", invocation::with_reason(id, "rollback"));
            vec![Hint::to("revert it", apply), Hint::to("then", invocation::after(id))]
        }
        Missing::NothingToRollBack => vec![Hint::to("end it instead", invocation::with_reason(id, "reject"))],
        Missing::NotRolledOut => vec![Hint::next(invocation::rollout(id, next_stage(change)))],
        _ => vec![Hint::next(invocation::on(id, "status", ""))],
    }
}

/// What makes the rehearsal of a rollback succeed.
fn unrehearsed(rehearsal: &Rehearsal) -> &'static str {
    match rehearsal {
        // They ran where git had put nothing but what it tracks.
        Rehearsal::ChecksFail { .. } => "let them pass on a bare checkout without the change, then",
        _ => "make the commit revert cleanly, then",
    }
}

/// The stage that has not begun, by the plan that was frozen; without one, the last.
fn next_stage(change: &Change) -> Stage {
    let plan = change.frozen_policy().map(|policy| policy.stages.as_slice()).unwrap_or_default();
    plan.get(change.rollout.len()).map_or(Stage::Full, |planned| planned.stage)
}

/// What meets a demand of verification; nothing where only time does.
pub fn demand_hints(demand: &Demand, change: &Change) -> Vec<Hint> {
    let id = change.id();
    let hint = match &demand.kind {
        DemandKind::FullRollout => Hint::to("roll it out", invocation::rollout(id, next_stage(change))),
        DemandKind::Window { .. } => return Vec::new(),
        DemandKind::Ticks { .. } => Hint::to("measure once on every UTC day", invocation::on(id, "monitor tick", "")),
        DemandKind::NoAlarm { .. } => {
            return vec![
                Hint::to("either go back", invocation::with_reason(id, "rollback")),
                Hint::to("or, if it is harmless", invocation::with_reason(id, "resolve")),
            ];
        }
        DemandKind::Attestation { .. } => {
            return vec![
                Hint::to("have it reviewed", invocation::on(id, "review bundle", "")),
                Hint::to("then", invocation::attest(id)),
            ];
        }
        DemandKind::Artifacts { faults } => return restore(faults, change, None),
        DemandKind::Reproduced => Hint::to("see which differ", format!("{PROGRAM} check")),
        DemandKind::Clock { latest } => {
            let when = latest.map_or_else(String::new, |at| format!(" or wait until {}", moment(at)));
            Hint::to(&format!("set this machine's clock right{when}, then ask again"), invocation::verify(id))
        }
        DemandKind::CleanGit => Hint::to("commit or stash what this shows", "git status".to_owned()),
        DemandKind::FollowUp => Hint::to(
            "name the promoted change that takes it over",
            invocation::on(id, "change follow-up", "--by CHANGE-ID"),
        ),
    };
    vec![hint]
}
