//! `change rollout`: begins a stage of the rollout: measures, judges against the baseline, records. `change rollback`:
//! takes a change back; never gated; with `--apply`, makes the reverting commit.

use clap::Args;

use crate::commands::{
    ChangeArg, Ctx, DecisionArgs, Measurement, choose, collect, commit, delta, evidence, measure, parse, relink,
    status, tick, uncommitted, validate,
};
use crate::config::Config;
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::git::{self, GitError, LogWalk, Reverted};
use crate::judge::compare;
use crate::model::{
    ChangeId, CommandLine, Fix, Gate, How, InEffect, Kind, PROGRAM, Proposed, RolloutStage, Snapshot, SnapshotPurpose,
    Stage, Verdicts, fix, fix::HEAD, scrub, text,
};
use crate::report::{self, verdict};
use crate::store::Record;
use crate::workflow::{Change, End, World, demand_fixes, gates};

#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    /// Stage to start
    #[arg(value_enum)]
    stage: Stage,
    #[command(flatten)]
    change: ChangeArg,
}

/// Exits with 0 if the stage began, 1 if refused, 3 if the stage before still soaks.
pub(crate) fn run(ctx: &Ctx, args: RolloutArgs) -> Result<Exit> {
    let change = args.change.load(ctx)?;
    let proposed = Proposed { stage: Some(args.stage), ..Proposed::default() };
    begin(ctx, change, args.stage).map_err(|error| error.proposing(proposed))
}

fn begin(ctx: &Ctx, change: Change, stage: Stage) -> Result<Exit> {
    let id = change.id().clone();
    let demanded = collect::demanded(ctx)?;
    let policy = collect::policy_of(&demanded);
    let world = World { policy, ..collect::world(ctx, &change, Gate::Rollout)? };
    commit::ask(ctx, &change, gates::may_roll_out(&change, stage, &world, ctx.now()))?;
    let checked = stage_check(ctx, &demanded, &change, stage)?;
    // A check may have changed the code; without one, nothing ran since the revision was determined.
    let revision = if checked.is_empty() { world.revision.clone() } else { delta::revision(ctx)? };
    let mut measurement =
        measure::take(ctx, stage.name(), Some(SnapshotPurpose::Stage(stage)), Some(&id), Some(revision))?;
    if is_elsewhere(ctx, &change, &measurement.snapshot)? {
        measurement.snapshot.pair = tick::in_pairs(ctx, &change, &measurement.snapshot)?.map(Box::new);
    }
    // An emergency has no baseline to be compared with.
    let watched = if change.baseline.is_some() { evidence::watched(ctx, &change)? } else { None };
    let verdicts = watched.and_then(|it| compare::verdicts(&it.watch(&change, &measurement.snapshot)));
    let policy = Some(world.policy.clone());
    let (of, checked) = (verdicts.clone(), Some(checked));
    let event = |taken| Kind::RolledOut(RolloutStage { stage, taken, verdicts: of, policy, checked });
    let entered = measurement.record(ctx, &id, SnapshotPurpose::Stage(stage), Vec::new(), &world, event);
    // Refused or not, the user should see how to roll back.
    ctx.ui.status(&format!("To roll back: {}", report::rollback::action(&change)));
    let change = entered?;
    for judged in verdicts.iter().flat_map(Verdicts::not_passing) {
        ctx.ui.status(&verdict::alone(&verdict::full_line(judged)));
    }
    for criterion in verdicts.iter().flat_map(Verdicts::inconclusive_guards) {
        ctx.ui.warn(&format!("{}: {}", stage.name(), verdict::goes_on(criterion)));
    }
    status::state(ctx, &change)
}

/// Whether the baseline was measured on another machine, so that times can only be compared in pairs.
fn is_elsewhere(ctx: &Ctx, change: &Change, today: &Snapshot) -> Result<bool> {
    let Some(baseline) = &change.baseline else { return Ok(false) };
    let baseline = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let machines = baseline.machine.as_ref().zip(today.machine.as_ref());
    Ok(machines.is_some_and(|(one, other)| !one.differences(other).is_empty()))
}

/// Runs the stage's own check, if the config names one. Returns the command with secrets masked, or an empty text.
fn stage_check(ctx: &Ctx, config: &Config, change: &Change, stage: Stage) -> Result<String> {
    let planned = config.rollout.stages.iter().find(|planned| planned.name == stage);
    let Some(cmd) = planned.and_then(|planned| planned.check.as_deref()) else { return Ok(String::new()) };
    let shown = scrub(cmd);
    ctx.ui.status(&format!("checking {}: {shown}", stage.name()));
    let run = validate::run_command(ctx.project.root(), cmd, config.commands.timeout_s, ctx.interrupt()?);
    let Some(failure) = run else { return Ok(shown) };
    Err(failed(format!("the check of stage {} failed: {failure}", stage.name())).fixed_by([
        Fix::next("fix it and try again", fix::rollout(change.id(), stage)),
        Fix::or("roll back", CommandLine::verbatim(report::rollback::action(change))),
    ]))
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    decision: DecisionArgs,
    /// Revert the change's commits now, each by a commit on the current branch
    #[arg(long)]
    apply: bool,
}

/// Records the rollback; without `--apply`, prints the action for a person to perform.
pub(crate) fn roll_back(ctx: &Ctx, args: RollbackArgs) -> Result<Exit> {
    let typed = args.decision.change.typed();
    // A rollback that was only written down is still to be made, though the change has ended with it.
    let written = if args.apply { choose::rolled_back(ctx, typed, fix::take_out)? } else { None };
    let id = written.map_or_else(|| choose::change(ctx, typed, false), Ok)?;
    let reason = parse::prose("--reason", &args.decision.reason)?;
    let change = commit::load(ctx, &id)?;
    // A rollback that was only recorded may still be performed; the empty text stands for the commit to be made.
    let asked = Kind::RolledBack { reason: reason.clone(), commit: args.apply.then(String::new) };
    commit::ask(ctx, &change, gates::check(&change, &asked, &World::default(), ctx.now()))?;
    if let Some(by) = replaced_by(ctx, &change)? {
        let why = format!("{by} took it over and changed the same files: rolling it back would undo that change, too");
        return Err(failed(why).fixed_by([
            Fix::next("end it once its days are measured", fix::verify(&id)),
            Fix::or("take that change out first", fix::take_out(&by)),
        ]));
    }
    let mut commit = None;
    if args.apply {
        collect::require_no_conflict(ctx, &change)?;
        let made = revert(ctx, &relink::again(ctx, change)?, &reason)?;
        ctx.ui.status(&format!("reverted by commit {made}"));
        if let Some(update) = uncommitted::paths(ctx).update_submodules() {
            ctx.advise(&[Fix::next("check out the submodules of that commit", update)]);
        }
        commit = Some(made);
    }
    let change = commit::record(ctx, &id, Kind::RolledBack { reason, commit })?;
    if !args.apply && !delta::is_out(ctx, &change) {
        ctx.ui.tell(&format!("Roll back now: {}", report::rollback::action(&change)));
        // For a validated change, the next step says so.
        if change.newest_delta().is_none() {
            hint_left(ctx, &change);
        }
    }
    status::state(ctx, &change)
}

fn revert(ctx: &Ctx, change: &Change, reason: &str) -> Result<String> {
    let newest_first: Vec<String> = delta::commits_to_revert(ctx, change)?.into_iter().rev().collect();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else {
        let by_hand = format!("perform the rollback of the contract by hand: {}", report::rollback::action(change));
        return Err(trouble("there is no commit to revert").fixed_by([
            Fix::decide(How::Next, by_hand),
            Fix::then("record it", fix::with_reason(change.id(), "rollback")),
        ]));
    };
    let key = &ctx.config()?.enforcement.trailer;
    // In git's own words, so that every reader of the history sees what is reverted.
    let (title, id) = (&change.opened.title, change.id());
    let message = |sha: &str| format!("Revert \"{title}\"\n\nThis reverts commit {sha}.\n\n{reason}\n\n{key}: {id}\n");
    let again = fix::on(id, "change rollback").words(["--reason", reason, "--apply"]);
    newest_first.iter().try_for_each(|sha| repo.resolve(sha).map(drop))?;
    if delta::head_with(repo, &newest_first)?.is_none() {
        let shas = text::joined(newest_first.iter().map(|sha| text::short(sha)));
        let why = format!("the change is not in what is checked out: {shas} is not in its history");
        return Err(failed(why).fixed_by([
            Fix::next("if it was squashed or rebased, find it again", fix::on(id, "change relink")),
            Fix::or("record the rollback alone", fix::on(id, "change rollback").words(["--reason", reason])),
            Fix::decide(How::Or, "check out the branch that has it"),
        ]));
    }
    if !repo.can_commit() {
        let name = CommandLine::git("config user.name").placeholder("NAME");
        let name = name.and(CommandLine::git("config user.email").placeholder("ADDRESS"));
        return Err(trouble("git does not know who makes the reverting commit; nothing was changed")
            .fixed_by([Fix::next("", name), Fix::then("", again)]));
    }
    let made =
        repo.perform_revert(&newest_first, &message).map_err(|error| revert_not_made(ctx, &error, id, reason))?;
    match made {
        (Reverted::Applies { .. }, Some(made)) => Ok(made),
        (Reverted::Conflicts { paths, .. }, _) => {
            let paths: Vec<String> = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            let by_hand = CommandLine::git("revert --no-edit").words(newest_first.iter().map(String::as_str));
            let go_on = CommandLine::git("-c core.editor=true revert --continue");
            Err(trouble(format!("the revert conflicts in {}", paths.join(", "))).fixed_by([
                Fix::next("begin it", by_hand),
                Fix::decide(How::Then, "resolve the conflicts"),
                Fix::then("", CommandLine::git("add").words(&paths).and(go_on)),
                Fix::then("record it", fix::on(id, "change rollback").words(["--reason", reason])),
            ]))
        }
        (Reverted::Nothing | Reverted::Applies { .. }, _) => {
            Err(trouble("the change's commits are reverted already").hinted("record the rollback without --apply"))
        }
    }
}

fn revert_not_made(ctx: &Ctx, error: &GitError, id: &ChangeId, reason: &str) -> CommandError {
    let trouble = trouble(format!("the revert was not made, and nothing was changed: {error}"));
    let words = ["--reason", reason, "--apply"];
    let again = fix::on(id, "change rollback").words(words);
    // The last line of git if it could not sign.
    if error.to_string().contains("failed to write commit object") {
        // A plain `git revert` would also revert the record and its evidence.
        let unsigned = ["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=commit.gpgsign", "GIT_CONFIG_VALUE_0=false"];
        let unsigned = CommandLine::new("env").words(unsigned).words([PROGRAM, "change", "rollback"]);
        let unsigned = unsigned.words(["--change-id", id.as_str()]).words(words);
        let steps = [Fix::next("revert without a signature", unsigned), Fix::or("once the key can be used", again)];
        return trouble.fixed_by(steps);
    }
    let message = error.to_string();
    // Left behind by a killed git, or held by a running one.
    let lock = message.split_once("Unable to create '").and_then(|(_, rest)| rest.split_once(".lock'"));
    let remove = |lock: &str| CommandLine::new("rm").word(format!("{lock}.lock"));
    let unlock = |(lock, _): (&str, &str)| vec![Fix::next("once no other git runs here", remove(lock))];
    let first = lock.map_or_else(|| git::missing_filter(&message), unlock);
    if !first.is_empty() {
        return trouble.fixed_by(first.into_iter().chain([Fix::then("", again)]));
    }
    let work = uncommitted::paths(ctx);
    if let Some(operation) = work.operation {
        return trouble.fixed_by(operation.end_first(Fix::then("", again)));
    }
    let stash = Fix::next("stash what is in the way, or commit it", work.stash());
    trouble.fixed_by([stash, Fix::then("", again), Fix::then("bring the work back", work.bring_back())])
}

/// Measures after a rollback whether the baseline's values are back, which the exit code answers.
pub(crate) fn confirm(ctx: &Ctx, change: &Change, label: &str) -> Result<(Measurement, Change, Exit)> {
    let undone = uncommitted::of_change(ctx, change)?;
    let world = World { still_in_effect: delta::still_in_effect(ctx, change)?, undone, ..World::default() };
    commit::ask(ctx, change, gates::may_confirm_rollback(change, &world))?;
    let Some(watched) = evidence::watched(ctx, change)? else {
        return Err(failed("the change has no baseline, so there is nothing to compare its rollback with"));
    };
    let revision = delta::revision(ctx)?;
    if !revision.nothing_uncommitted() {
        ctx.ui.warn("measured with uncommitted work");
    }
    let measurement = measure::take(ctx, label, Some(SnapshotPurpose::Rollback), Some(change.id()), Some(revision))?;
    let not_back = watched.not_back(change, &measurement.snapshot);
    let event = |taken| Kind::RollbackConfirmed { taken, not_back: not_back.clone() };
    let change = measurement.record(ctx, change.id(), SnapshotPurpose::Rollback, Vec::new(), &world, event)?;
    for judged in &not_back {
        ctx.ui.warn(&format!("not back to the baseline: {}", report::verdict::full_line(judged)));
    }
    if not_back.is_empty() {
        ctx.ui.status("The KPI and the guardrails are not worse than at the baseline.");
    }
    ctx.hint_next(&change)?;
    Ok((measurement, change, if not_back.is_empty() { Exit::Yes } else { Exit::No }))
}

/// The number of changes that are examined, the newest ones: asking git takes a moment for each.
pub(crate) const LOOKED_AT: usize = 3;

/// Whether a change is rejected or held, or was rolled back and may still be here, or again.
pub(crate) fn may_be_left(change: &Change) -> bool {
    match &change.rollback {
        None => matches!(change.end, Some(End::Held { .. } | End::Rejected { .. })),
        Some(rollback) => {
            change.end == Some(End::RolledBack) && (rollback.commit.is_some() || rollback.confirmed.is_none())
        }
    }
}

/// The change that took an emergency over, if it is in effect and changed a file that the emergency had changed.
fn replaced_by(ctx: &Ctx, change: &Change) -> Result<Option<ChangeId>> {
    let Some(by) = &change.follow_up else { return Ok(None) };
    let (Ok(Record::Tracked(by)), Some(history)) = (Record::read(&ctx.project, by), ctx.history()?) else {
        return Ok(None);
    };
    let Some(validation) = by.validation.as_ref().filter(|_| !history.is_taken_out(HEAD, &by)) else { return Ok(None) };
    let files = history.files_in_effect(HEAD, change.id());
    Ok(validation.delta.files.iter().any(|file| files.contains(file)).then(|| by.id().clone()))
}

/// Those of `changes` that are still in the code here, newest first, each with what takes it out; none if git fails.
pub(crate) fn left_in_tree<'a>(ctx: &Ctx, changes: impl Iterator<Item = &'a Change>) -> Vec<(&'a Change, CommandLine)> {
    let mut found: Vec<&Change> = changes.filter(|change| may_be_left(change)).collect();
    found.sort_by_key(|change| std::cmp::Reverse(change.latest_at));
    found.truncate(LOOKED_AT);
    let left = |change: &'a Change| {
        let out = way_out(ctx, change, None).ok()??;
        if matches!(replaced_by(ctx, change), Ok(Some(_))) {
            return None;
        }
        let commits = delta::commits_to_revert(ctx, change).unwrap_or_default();
        // An emergency is not validated; its commits carry its id.
        let was_seen = change.rollback.is_some() && change.newest_delta().is_some();
        let is_left = match was_seen {
            _ if commits.is_empty() => false,
            true => delta::still_in_effect(ctx, change).is_ok_and(|still| !still.is_empty()),
            false => matches!(delta::commits_in_effect(ctx, commits), Ok(InEffect::Yes)),
        };
        is_left.then_some((change, out))
    };
    found.into_iter().filter_map(left).collect()
}

/// The command that takes out what is in effect of an ended change. Where the reverting commit is here, only what brought
/// the change back is reverted: what else differs from the state before the change is work of others.
pub(crate) fn way_out(ctx: &Ctx, change: &Change, reason: Option<&str>) -> Result<Option<CommandLine>> {
    let reverted = change.rollback.as_ref().and_then(|rollback| rollback.commit.as_ref());
    let (Some(repo), Some(revert)) = (ctx.repo()?, reverted) else {
        return Ok(Some(demand_fixes::rollback(change, reason).word("--apply")));
    };
    if delta::head_with(repo, std::slice::from_ref(revert))?.is_none() {
        return Ok(delta::commits_to_revert(ctx, change)?.last().map(|commit| ctx.take_back(commit)));
    }
    let says = format!("This reverts commit {revert}");
    let walk = LogWalk::naming(&ctx.config()?.enforcement.trailer, &[&says]);
    let mut back = repo.commits(Some(revert), "HEAD", &walk)?;
    // As the work of another change, it is that one's to answer for.
    back.retain(|it| it.ids.iter().all(|id| id == change.id().as_str()));
    Ok(back.last().map(|commit| ctx.take_back(&commit.id)))
}

pub(crate) fn hint_left(ctx: &Ctx, change: &Change) {
    for (_, out) in left_in_tree(ctx, std::iter::once(change)) {
        ctx.advise(&[Fix::next("its commit is still in the tree: take it out", out)]);
    }
}
