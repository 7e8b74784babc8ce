//! Pairs that several machines measured, joined to one measurement.

use std::path::PathBuf;

use crate::commands::Ctx;
use crate::commands::compare::files;
use crate::error::{Result, trouble};
use crate::measure::CommandPlan;
use crate::model::scrub::scrub;
use crate::model::{CommandLine, Fix, PairSession, PairedCommand, ingest};
use crate::workflow::Change;

/// The files as one measurement.
pub(super) fn read(paths: &[PathBuf]) -> Result<PairSession> {
    let make = || {
        let pair = CommandLine::tool("pair").ask("--before", "REV").ask("--after", "REV").ask("--json-out", "FILE");
        Fix::next("measure pairs into a file on each machine", pair)
    };
    let wrong = |path: &PathBuf, error: &dyn std::fmt::Display| {
        trouble(format!("{}: {error}", path.display())).fixed_by([make()])
    };
    let one = |path: &PathBuf| ingest::parse_pair(&files::read_or(path, make)?).map_err(|error| wrong(path, &error));
    let sessions = paths.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    PairSession::joined(sessions).map_err(|(at, problem)| trouble(format!("{} {problem}", paths[at].display())))
}

/// The same as the pairs of a change: of its two commits, by the commands that the config names, after its state after was
/// recorded.
pub(super) fn of_change(ctx: &Ctx, change: &Change, paths: &[PathBuf]) -> Result<PairSession> {
    let session = read(paths)?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(trouble("the change has no snapshots to compare"));
    };
    if change.commit_and_parent().is_some() {
        return Err(trouble(
            "others committed since the baseline, so the pairs have to be measured here: leave out --machines",
        ));
    }
    let commits = [&baseline.taken.revision.commit, &after.taken.revision.commit];
    let named = commits.map(|commit| commit.clone().unwrap_or_default());
    let again = CommandLine::tool("pair").words(["--before", &named[0], "--after", &named[1], "--json-out"]);
    let again = Fix::next("measure on each machine", again.placeholder("FILE"));
    let configured: Vec<CommandPlan> = ctx.config()?.timings.iter().filter_map(CommandPlan::of).collect();
    let is_other = |command: &&PairedCommand| {
        !configured.iter().any(|plan| plan.name == command.name && scrub(&plan.cmd) == command.cmd)
    };
    for (path, machine) in paths.iter().zip(std::iter::once(&session).chain(&session.others)) {
        let problem = if commits != [&machine.before.commit, &machine.after.commit] {
            "measured other commits than the change's baseline and state after".to_owned()
        } else if machine.started_at < after.at {
            "was measured before the state after was recorded".to_owned()
        } else if let Some(command) = machine.commands.iter().find(is_other) {
            format!("timed `{}` as {}, which the config does not", command.cmd, command.name)
        } else {
            continue;
        };
        return Err(trouble(format!("{} {problem}", path.display())).fixed_by([again]));
    }
    Ok(PairSession { change_id: Some(change.id().to_string()), ..session })
}
