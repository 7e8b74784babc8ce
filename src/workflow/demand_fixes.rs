//! Fixes for evidence, alarms and verdicts, shared by refusals, verification and `status`.

use std::collections::BTreeMap;

use crate::judge::decisive;
use crate::model::fix::WHY;
use crate::model::{
    Artifact, ArtifactFault, Causes, CommandLine, CriterionResult, Design, Fix, FixContext, Flaw, Gate, How, MetricId,
    MetricSource, RecordedSnapshot, Stage, Unusable, Verdict, fix, is_page, joined, short,
};
use crate::workflow::Change;

/// What helps against an alarm; where something else than the change may be its cause, that is looked at first.
pub fn alarm(change: &Change, causes: &Causes) -> Vec<Fix> {
    let (back, resolve) = (take_out(change, None), fix::with_reason(change.id(), "resolve"));
    let mut steps = causes.steps();
    if steps.is_empty() {
        return vec![Fix::next("go back", back), Fix::or("if it is harmless", resolve)];
    }
    let how = if causes.commits.is_empty() { How::Next } else { How::Or };
    let resolve = Fix { how, ..Fix::or("if that is the cause, and not the change", resolve) };
    steps.extend([resolve, Fix::or("if it is the change: go back", back)]);
    steps
}

/// The command that rolls a change back. It makes a reverting commit if that is the contract's rollback action.
pub fn take_out(change: &Change, reason: Option<&str>) -> CommandLine {
    let line = rollback(change, reason);
    let reverts = change.rollback_takes_it_out() && !change.commits_to_revert().is_empty();
    if reverts { line.word("--apply") } else { line }
}

/// Reverts the change's commits, with the reason that its record has, if any.
pub fn revert(change: &Change) -> CommandLine {
    rollback(change, None).word("--apply")
}

pub(crate) fn rollback(change: &Change, reason: Option<&str>) -> CommandLine {
    let line = fix::on(change.id(), "change rollback");
    let recorded = || change.rollback.as_ref().map(|rollback| rollback.reason.as_str());
    match reason.or_else(recorded) {
        Some(reason) => line.words(["--reason", reason]),
        None => line.ask("--reason", WHY),
    }
}

/// The options for a comparison that does not pass; if nothing failed, measuring more comes first.
pub fn decisions<'a>(
    change: &Change,
    judged: impl IntoIterator<Item = &'a CriterionResult>,
    ctx: &FixContext,
) -> Vec<Fix> {
    let judged: Vec<&CriterionResult> = judged.into_iter().collect();
    let is_any = |is: &dyn Fn(&CriterionResult) -> bool| judged.iter().any(|judged| is(judged));
    let id = change.id();
    let (hold, reject) = (fix::with_reason(id, "hold"), fix::with_reason(id, "reject"));
    if is_any(&|judged| matches!(judged.verdict, Verdict::Pass(_) | Verdict::Fail(_))) {
        // Another measurement of an exact number gives the same value.
        let is_exact =
            |it: &CriterionResult| matches!(&it.verdict, Verdict::Fail(found) if found.design == Design::Exact);
        let again = (!is_any(&is_exact)).then(|| Fix::or("measure again", more(change, None)));
        return [Fix::next("drop it", reject), Fix::or("keep it as an experiment", hold)]
            .into_iter()
            .chain(again)
            .collect();
    }
    let (hold, drop) = (Fix::or("keep it as an experiment", hold), Fix::or("drop it", reject.clone()));
    // A comparison does not read such a file again; only a new snapshot does.
    let stale = |judged: &CriterionResult| {
        matches!(&judged.verdict, Verdict::Invalid { because: Flaw::After { reason: Unusable::Stale { .. } } })
    };
    if is_any(&stale) {
        let again = Fix::next("build or write it again, then", fix::after(id));
        return vec![again, Fix::then("", fix::on(id, "compare")), hold, drop];
    }
    if is_any(&|judged| matches!(judged.verdict, Verdict::Invalid { .. })) {
        return vec![Fix::next("fix what gave no value, then measure again", more(change, None)), hold, drop];
    }
    // A snapshot takes as many runs and requests as the baseline, so without pairs nothing would measure more of them.
    let of_snapshots = |judged: &CriterionResult| {
        let paired =
            matches!(&judged.verdict, Verdict::Inconclusive { finding: Some(it), .. } if it.design == Design::Paired);
        let metric = judged.parsed().map(|it| it.metric);
        let source = metric.as_ref().and_then(MetricId::source);
        let is_imported = |name: &str| ctx.imported.iter().any(|it| it == name);
        let how = if source == Some(MetricSource::Http) {
            "with the command that serves it (start of the probe in the config), or with more requests"
        } else if source == Some(MetricSource::Timing)
            && metric.as_ref().and_then(MetricId::subject).is_some_and(is_imported)
        {
            "with the command itself (cmd in place of hyperfine in the config), which is measured in pairs"
        } else if !ctx.pairs && !change.has_no_commit() {
            "with pairs (pair.enabled in the config), or with more runs"
        } else {
            return None;
        };
        (!paired).then_some(how)
    };
    if let Some(how) = judged.iter().find_map(|it| of_snapshots(it)) {
        let again = Fix::then(format!("{how}, take it up again"), fix::start_from(id));
        return vec![Fix { how: How::Next, ..hold }, drop, again];
    }
    // More pairs would not decide it; only other bounds would.
    if is_any(&is_too_close) {
        return vec![
            Fix::next("no number of pairs decides it: drop it", reject),
            Fix::then("with the same contract, whose bounds can be other ones until its baseline", fix::start_from(id)),
            hold,
        ];
    }
    let pairs = pairs_needed(&judged);
    let purpose = pairs.map_or_else(|| "measure more".to_owned(), |pairs| format!("measure on, to {pairs} pairs"));
    vec![Fix::next(purpose, more(change, pairs)), hold, drop]
}

fn is_too_close(judged: &CriterionResult) -> bool {
    let Verdict::Inconclusive { finding: Some(finding), more_runs: None, .. } = &judged.verdict else { return false };
    finding.design == Design::Paired
}

/// The total number of pairs that would settle every criterion at the present noise, rounded up to the next look.
fn pairs_needed(judged: &[&CriterionResult]) -> Option<u32> {
    let needed = judged.iter().filter_map(|judged| match &judged.verdict {
        Verdict::Inconclusive { finding: Some(finding), more_runs: Some(more), .. } => Some(finding.n_before + more),
        Verdict::Inconclusive { .. } | Verdict::Pass(_) | Verdict::Fail(_) | Verdict::Invalid { .. } => None,
    });
    needed.max().map(decisive::look_with)
}

/// Measures more for a comparison: more pairs or, without commits to pair, another after snapshot.
fn more(change: &Change, pairs: Option<u32>) -> CommandLine {
    let compare = fix::on(change.id(), "compare");
    if change.has_no_commit() {
        return fix::after(change.id()).and(compare);
    }
    compare.words(pairs.iter().flat_map(|pairs| ["--pairs".to_owned(), pairs.to_string()]))
}

/// Says why a change is not in effect; `files` are the reverted files if only a part was reverted.
pub(crate) fn taken_out(reverted: bool, files: &[String]) -> String {
    match (reverted, files) {
        (false, _) => "the change's commit is not in the history of what is checked out".to_owned(),
        (true, []) => "a later commit took the change back".to_owned(),
        (true, files) => format!("a later commit took back part of the change: {}", joined(files)),
    }
}

/// The fixes for a change whose commit is not, or no longer, in the checked-out code.
pub fn not_in_effect(change: &Change, reverted: bool, files: &[String], again: Fix) -> Vec<Fix> {
    let id = change.id();
    let rollback = Fix::or("record that it was taken out", fix::with_reason(id, "rollback"));
    if reverted {
        let back = |sha: &String| {
            if files.is_empty() {
                let revert = CommandLine::git("revert --no-edit").word(format!(":/This reverts commit {sha}"));
                return Fix::or("if that was not meant, take the revert back", revert);
            }
            let since = format!("{}..HEAD", short(sha));
            let log = CommandLine::git("log -1 --format=%h").word(since).word("--").words(files);
            let revert = CommandLine::verbatim(format!("git revert --no-edit $({log})"));
            // Git names no merge that took one side whole.
            let what =
                "revert the last commit that touched it; where there is none, make the merge again that left it out";
            Fix::or(format!("if that was not meant, {what}"), revert)
        };
        let back = change.commits().last().map(back);
        return std::iter::once(Fix { how: How::Next, ..rollback }).chain(back).chain([again]).collect();
    }
    let contains = change.commits().last().map(|sha| short(sha));
    let contains = CommandLine::git("branch --contains").words(contains);
    vec![
        Fix::next("after a squash or rebase, find its commit again", fix::on(id, "change relink")),
        again,
        Fix::or("check out a branch that contains it", contains),
        rollback,
    ]
}

/// Restores evidence from a copy or a commit; else it is measured again or, if too late, the change ends. `again` retries.
pub(crate) fn restore(faults: &[ArtifactFault], change: &Change, ctx: &FixContext, again: Option<Fix>) -> Vec<Fix> {
    let id = change.id();
    let mut fixes = Vec::new();
    let moved = faults
        .iter()
        .filter(|fault| fault.commit.is_none())
        .filter_map(|fault| fault.kept.as_ref().map(|kept| CommandLine::new("cp").word(kept).word(&fault.path)));
    fixes.extend(moved.reduce(CommandLine::and).map(|line| Fix::next("put back what was recorded", line)));
    let mut by_commit: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for fault in faults {
        by_commit.entry(fault.commit.as_deref().unwrap_or_default()).or_default().push(&fault.path);
    }
    by_commit.remove("");
    let checkout =
        |(commit, paths): (&str, Vec<&String>)| CommandLine::git("checkout").words([commit, "--"]).words(paths);
    let restored = by_commit.into_iter().map(checkout).reduce(CommandLine::and);
    fixes.extend(restored.map(|line| Fix::next("restore the files", line)));
    let lost: Vec<_> = faults.iter().filter(|fault| fault.commit.is_none() && fault.kept.is_none()).collect();
    if lost.is_empty() {
        let elsewhere = faults.iter().any(|fault| fault.commit.is_some() && !fault.committed);
        let paths = faults.iter().map(|fault| fault.path.as_str());
        let commit = CommandLine::git("commit -m").words(["Restore the evidence", "--"]).words(paths);
        fixes.extend(elsewhere.then(|| Fix::then("", commit)));
        fixes.extend(again);
        return fixes;
    }
    if lost.iter().all(|fault| is_page(&fault.path)) {
        fixes.push(Fix::next("no commit has them: render them again", CommandLine::tool("doctor --apply")));
        let compare = change.promotion.is_none().then(|| Fix::or("compare again", ctx.gate(id, Gate::Compare)));
        fixes.extend(compare);
        fixes.extend(again);
        return fixes;
    }
    let is = |artifact: &Artifact| lost.iter().any(|fault| fault.path == artifact.path);
    let of_taken = |taken: &RecordedSnapshot| is(&taken.snapshot) || taken.kpi_artifacts.iter().any(is);
    if change.promotion.is_some() || change.baseline.as_ref().is_some_and(|baseline| of_taken(&baseline.taken)) {
        let why = "no commit has them, and it is too late to measure them again: end it";
        let reject = || fix::with_reason(id, "reject");
        let end = || if change.promotion.is_some() { take_out(change, None) } else { reject() };
        fixes.extend(change.is_open().then(|| Fix::next(why, end())));
        return fixes;
    }
    let (what, gate) = if change.validation.as_ref().is_some_and(|validation| is(&validation.artifact)) {
        ("validate", Gate::Validate)
    } else if change.after.as_ref().is_some_and(|after| of_taken(&after.taken)) {
        ("measure", Gate::After)
    } else {
        ("compare", Gate::Compare)
    };
    fixes.push(Fix::next(format!("no commit has them: {what} again"), ctx.gate(id, gate)));
    fixes.extend(again);
    fixes
}

/// The next stage of the frozen rollout plan; without a plan, the full rollout.
pub(crate) fn next_stage(change: &Change) -> Stage {
    let plan = change.frozen_policy().map(|policy| policy.stages.as_slice()).unwrap_or_default();
    plan.get(change.rollout.len()).map_or(Stage::Full, |planned| planned.stage)
}
