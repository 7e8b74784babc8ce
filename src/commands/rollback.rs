//! `change rollback`: take a change out again. Never gated; with `--apply`, the tool makes the reverting commit. Here too:
//! which ended changes are still in the tree.

use clap::Args;

use crate::commands::{ChangeArg, Ctx, Measurement, commit, delta, measure, parse, rollout, show, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::Reverted;
use crate::model::{CommandLine, Fix, InEffect, Kind, Outcome, Taken, fix};
use crate::report::{self, problem};
use crate::store::Role;
use crate::workflow::{Change, End, World, gates};

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Reason, kept in the record
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: String,
    /// Revert the change's commits now, with one commit on the current branch
    #[arg(long)]
    apply: bool,
}

/// Records the rollback; without `--apply`, prints the action for a person to perform.
pub(crate) fn run(ctx: &Ctx, args: RollbackArgs) -> Result<Exit, CommandError> {
    let id = args.change.choose(ctx)?;
    let reason = parse::prose("--reason", &args.reason)?;
    let change = commit::load(ctx, &id)?;
    // One that was only written down may be performed, which the commit that is made then tells.
    let asked = Kind::RolledBack { reason: reason.clone(), commit: args.apply.then(String::new) };
    commit::ask(ctx, &change, gates::check(&change, &asked, &World::default(), ctx.now()))?;
    let commit = if args.apply { Some(revert(ctx, &change, &reason)?) } else { None };
    if let Some(made) = &commit {
        ctx.ui.status(&format!("reverted by commit {made}"));
    }
    let change = commit::record(ctx, &id, Kind::RolledBack { reason, commit })?;
    if !args.apply {
        ctx.ui.tell(&format!("Roll back now: {}", report::rollback::action(&change)));
    }
    show::state(ctx, &change)
}

fn revert(ctx: &Ctx, change: &Change, reason: &str) -> Result<String, CommandError> {
    let mut newest_first = delta::commits_to_revert(ctx, change)?;
    newest_first.reverse();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else {
        let action = CommandLine::verbatim(report::rollback::action(change));
        return Err(CommandError::trouble("there is no commit to revert").fixed_by([
            Fix::next("perform the contract's rollback by hand", action),
            Fix::then("record it", fix::with_reason(change.id(), "rollback")),
        ]));
    };
    let key = &ctx.config()?.enforcement.trailer;
    // In git's own words, so that every reader of the history sees what it takes back.
    let reverts: Vec<String> = newest_first.iter().map(|sha| format!("This reverts commit {sha}.")).collect();
    let (title, id) = (&change.opened.title, change.id());
    let message = format!("Revert \"{title}\"\n\n{}\n\n{reason}\n\n{key}: {id}\n", reverts.join("\n"));
    let own = delta::own(Some(repo));
    let again = Fix::then("", fix::on(id, "change rollback").words(["--reason", reason, "--apply"]));
    if !repo.can_commit() {
        let name = CommandLine::git("config user.name").placeholder("NAME");
        let name = name.and(CommandLine::git("config user.email").placeholder("ADDRESS"));
        return Err(CommandError::trouble("git does not know who makes the reverting commit; nothing was changed")
            .fixed_by([Fix::next("", name), again]));
    }
    let (outcome, made) = repo.perform_revert(&newest_first, &|path| own.is_own(path), &message).map_err(|error| {
        let stash = Fix::next("stash what is in the way, or commit it", uncommitted::paths(ctx).stash());
        CommandError::trouble(format!("the revert was not made, and nothing was changed: {error}"))
            .fixed_by([stash, again])
    })?;
    match (outcome, made) {
        (Reverted::Applies { .. }, Some(made)) => Ok(made),
        (Reverted::Conflicts { paths, .. }, _) => {
            let paths: Vec<String> = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            Err(CommandError::trouble(format!("the revert conflicts in {}", paths.join(", ")))
                .hinted("resolve it by hand with git revert, then record it without --apply"))
        }
        _ => Err(CommandError::trouble("the change's commits are reverted already")
            .hinted("record the rollback without --apply")),
    }
}

/// A snapshot after a rollback: are the baseline's values back? Gives what was measured, the file's path from the
/// root, and the exit code that says so.
pub(crate) fn confirm(ctx: &Ctx, change: &Change, label: &str) -> Result<(Measurement, String, Exit), CommandError> {
    let world = World { still_in_effect: delta::still_in_effect(ctx, change)?, ..World::default() };
    commit::ask(ctx, change, gates::may_confirm_rollback(change, &world))?;
    let revision = delta::revision(ctx)?;
    let ask = measure::Ask { label, role: Some("rollback"), change: Some(change.id()) };
    let measurement = measure::take(ctx, &ask, revision)?;
    let verdicts = rollout::against_baseline(ctx, change, &measurement)?;
    // Only what is proven to be worse than the baseline is "not back"; noise is not.
    let not_back: Vec<_> = verdicts
        .iter()
        .flat_map(|verdicts| &verdicts.guardrails)
        .filter(|judged| judged.verdict.outcome() == Outcome::Fail)
        .cloned()
        .collect();
    let mut path = String::new();
    let event = |taken: Taken| {
        path.clone_from(&taken.snapshot.path);
        Kind::RollbackConfirmed { taken, not_back: not_back.clone() }
    };
    let change = measurement.record(ctx, change.id(), Role::RollbackSnapshot, Vec::new(), &world, event)?;
    for judged in &not_back {
        ctx.ui.warn(&format!("not back at the baseline: {}", report::verdict::full_line(judged)));
    }
    if not_back.is_empty() {
        ctx.ui.status("Nothing is worse than the baseline.");
    }
    ctx.ui.hint(&ctx.next(&change)?.lines());
    Ok((measurement, path, if not_back.is_empty() { Exit::Yes } else { Exit::No }))
}

/// Only the newest of them are looked at: asking git takes a moment for each.
const LOOKED_AT: usize = 3;

/// Those of `changes` that are rejected or were rolled back without a commit, and are still in the code here; the newest
/// first. What git cannot tell is left out.
pub(crate) fn left_in_tree<'a>(ctx: &Ctx, changes: impl Iterator<Item = &'a Change>) -> Vec<&'a Change> {
    let ended = |change: &&Change| match &change.rollback {
        None => matches!(change.end, Some(End::Rejected { .. })),
        Some(rollback) => {
            change.end == Some(End::RolledBack) && rollback.commit.is_none() && rollback.confirmed.is_none()
        }
    };
    let mut found: Vec<&Change> = changes.filter(ended).collect();
    found.sort_by_key(|change| std::cmp::Reverse(change.latest_at));
    found.truncate(LOOKED_AT);
    found.retain(|change| {
        let commits = delta::commits_to_revert(ctx, change).unwrap_or_default();
        match change.rollback {
            Some(_) => !commits.is_empty() && delta::still_in_effect(ctx, change).is_ok_and(|still| !still.is_empty()),
            None => matches!(delta::commits_in_effect(ctx, commits), Ok(InEffect::Yes)),
        }
    });
    found
}

pub(crate) fn hint_left(ctx: &Ctx, change: &Change) {
    for change in left_in_tree(ctx, std::iter::once(change)) {
        let apply = fix::with_reason(change.id(), "rollback").word("--apply");
        let fixes = [Fix::next("its commit is still in the tree: take it out", apply)];
        ctx.ui.status(&problem::lines(&fixes).join("\n"));
    }
}
