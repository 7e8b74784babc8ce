//! `pair`: measures two revisions in alternating pairs, without a change. Also reads the pairs that several machines
//! measured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::commands::{Ask, Ctx, Pairing, Probes, calibrate, delta, pairing, parse};
use crate::config::{Config, TimingConfig};
use crate::error::{Exit, Result, trouble};
use crate::judge::compare::pair_rows;
use crate::judge::{MetricChange, PairRow, Settings, effect};
use crate::measure::command;
use crate::measure::pair::{PairBudget, Versions};
use crate::model::{CommandLine, Fix, Flaw, IngestError, Pair, PairSession, PairedCommand, Unusable, ingest, scrub};
use crate::report;
use crate::stats::looks;
use crate::store::{atomic, guard};
use crate::workflow;

// How many pairs are measured, and for how long.
#[derive(Debug, Default, Args)]
pub(crate) struct BudgetArgs {
    /// Maximum number of pairs [default: pair.max_pairs of the config]
    #[arg(long, value_name = "N", visible_alias = "pairs")]
    pub(crate) runs: Option<u32>,
    /// Start no further pair of a command after this many seconds [default: pair.max_time_s of the config, without a
    /// limit where --runs is given]
    #[arg(long, value_name = "SECONDS")]
    max_time: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct PairArgs {
    /// Revision to compare against
    #[arg(long, value_name = "REV", default_value = "HEAD~1")]
    before: String,
    /// Revision to measure
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    after: String,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Smallest change that counts, such as 2% [default: the noise floor, or pair.min_effect of the config]
    #[arg(long, value_name = "SHARE")]
    min_effect: Option<String>,
    /// Allow both revisions to have the same code, to see the noise alone
    #[arg(long)]
    same: bool,
    /// Also write the pairs as JSON to this file
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Command that prepares each side, such as a build [default: pair.prepare of the config, or its build command]
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    prepare: Option<String>,
    /// Path that git ignores and both sides need, such as node_modules (can be repeated)
    #[arg(long, value_name = "PATH")]
    share: Vec<String>,
    /// Command to measure; a single argument with spaces runs in a shell [default: the configured timings]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn settings(ctx: &Ctx, min_effect: Option<&str>) -> Result<Settings> {
    let mut settings = calibrate::settings(ctx, None)?;
    if let Some(text) = min_effect {
        settings.min_effect = parse::share("--min-effect", text)?;
        settings.noise_floors.clear();
    }
    Ok(settings)
}

/// Exits with 0 if nothing got worse, 1 if something did or fails on the after side only, 2 if it cannot be measured, 3
/// if it cannot be decided yet.
pub(crate) fn run(ctx: &Ctx, args: PairArgs) -> Result<Exit> {
    if let Some(out) = &args.json_out {
        guard::guard_out_path(&ctx.project, out, &[])?;
    }
    let mut settings = settings(ctx, args.min_effect.as_deref())?;
    let probes = if args.command.is_empty() {
        Probes::of(ctx.config()?)
    } else {
        Probes { commands: vec![typed(ctx, &args.command, &mut settings)?], ..Probes::default() }
    };
    if probes.is_empty() {
        return Err(trouble("no timed command, no KPI command and no `start` of an endpoint is configured")
            .fixed_by([Fix::next("give a command", of_revisions(&args).words(["--", "COMMAND"]))]));
    }
    if delta::revision(ctx)?.dirty_digest().is_some() {
        ctx.ui.warn("there is uncommitted work, which is not measured: both sides are commits");
    }
    let mut config = ctx.config()?.clone();
    config.pair.prepare = args.prepare.or(config.pair.prepare);
    config.pair.share.extend(args.share);
    let versions = Versions { same_allowed: args.same, ..Versions::of(&args.before, &args.after) };
    let budget = args.budget.of(&config)?;
    let ask = Ask::new(&config, versions, &settings, budget);
    let session = match pairing::run(ctx, Ask { probes, profile: true, ..ask })? {
        Pairing::Measured(session) => session,
        Pairing::Impossible(reason) => return Err(trouble(reason)),
        Pairing::SameCode(reason) => {
            return Err(
                trouble(reason).hinted("to see what noise alone looks like, measure it against itself with --same")
            );
        }
    };
    tell(ctx, args.json_out.as_deref(), &session, &settings)
}

const LIMIT: u64 = 64 * 1024 * 1024;

pub(crate) fn read_or(path: &Path, make: impl Fn() -> Fix) -> Result<Vec<u8>> {
    let missing = || trouble(format!("{} does not exist", path.display()));
    atomic::read(path, LIMIT)?.ok_or_else(|| missing().fixed_by([make()]))
}

/// The pairs that several machines measured, joined to one session.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<PairSession> {
    let make = || {
        let pair = CommandLine::tool("pair").ask("--before", "REV").ask("--after", "REV").ask("--json-out", "FILE");
        Fix::next("measure pairs into a file on each machine", pair)
    };
    let one = |path: &PathBuf| {
        let wrong = |error: IngestError| trouble(format!("{}: {error}", path.display())).fixed_by([make()]);
        ingest::parse_pair(&read_or(path, make)?).map_err(wrong)
    };
    let sessions = paths.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    PairSession::joined(sessions).map_err(|(at, problem)| trouble(format!("{} {problem}", paths[at].display())))
}

/// The same as the pairs of a change: they must be of its two commits, by the commands in the config, and measured
/// after its state after was recorded.
pub(crate) fn of_change(ctx: &Ctx, change: &workflow::Change, paths: &[PathBuf]) -> Result<PairSession> {
    let session = read_all(paths)?;
    if change.commit_and_parent().is_some() {
        return Err(trouble(
            "others committed since the baseline, so the pairs have to be measured here: leave out --machines",
        ));
    }
    let after = change.after.as_ref();
    let commits = [change.baseline_commit(), after.and_then(|after| after.taken.revision.commit.as_deref())];
    let named = commits.map(Option::unwrap_or_default);
    let again = CommandLine::tool("pair").words(["--before", named[0], "--after", named[1], "--json-out"]);
    let again = Fix::next("measure on each machine", again.placeholder("FILE"));
    let configured = &ctx.config()?.timings;
    let is_other = |command: &&PairedCommand| {
        !configured.iter().any(|timing| timing.name == command.name && scrub(timing.command()) == command.cmd)
    };
    for (path, machine) in paths.iter().zip(std::iter::once(&session).chain(&session.others)) {
        let problem = if commits != [machine.before.commit.as_deref(), machine.after.commit.as_deref()] {
            "measured other commits than the change's baseline and state after".to_owned()
        } else if after.is_some_and(|after| machine.started_at < after.at) {
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

/// The command line with the revisions that were typed.
fn of_revisions(args: &PairArgs) -> CommandLine {
    let typed = [("--before", &args.before, "HEAD~1"), ("--after", &args.after, "HEAD")].into_iter();
    let typed = typed.filter(|(_, rev, default)| rev != default);
    typed.fold(CommandLine::tool("pair"), |line, (flag, rev, _)| line.words([flag, rev]))
}

pub(crate) fn tell(ctx: &Ctx, out: Option<&Path>, session: &PairSession, settings: &Settings) -> Result<Exit> {
    pairing::warn(ctx, session);
    if let Some(out) = out {
        atomic::write_free(out, format!("{:#}\n", serde_json::to_value(session)?).as_bytes())?;
    }
    let failed_on_both = |pair: &Pair| !pair.before.succeeded() && !pair.after.succeeded();
    if session.commands.iter().any(|command| command.pairs.iter().any(failed_on_both)) {
        ctx.hint(
            "each side runs in a clean checkout: --prepare COMMAND builds on each, --share PATH links what git ignores",
        );
    }
    let rows = pair_rows(session, settings);
    let answer = json!({ "pair": session, "results": rows });
    let timed = pairing::timings(ctx.config()?);
    let calibrates = session.commands.iter().any(|it| timed.iter().any(|plan| plan.command() == it.cmd));
    ctx.answer(false, &answer, &report::pair::document(session, &rows, settings, calibrates))?;
    Ok(exit_of(&rows))
}

/// A command that is configured word for word keeps its name and so its noise floors; any other has none.
pub(crate) fn typed(ctx: &Ctx, words: &[String], settings: &mut Settings) -> Result<TimingConfig> {
    let shell = words.len() == 1;
    let cmd = match words {
        [line] => line.clone(),
        words => {
            shlex::try_join(words.iter().map(String::as_str)).map_err(|_| trouble("an argument holds a NUL byte"))?
        }
    };
    if cmd.trim().is_empty() {
        return Err(trouble("the command is empty"));
    }
    let known = pairing::timings(ctx.config()?).into_iter().find(|plan| plan.command() == cmd && plan.shell == shell);
    if let Some(plan) = known {
        return Ok(plan);
    }
    settings.noise_floors.clear();
    let timeout_s = ctx.config()?.commands.timeout_s;
    Ok(TimingConfig { shell, ..TimingConfig::once(name_of(&cmd), cmd, timeout_s) })
}

fn name_of(cmd: &str) -> String {
    let program = cmd.split_whitespace().next().and_then(|word| word.rsplit(['/', '\\']).next()).unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = program.chars().filter(plain).collect();
    if name.is_empty() { "command".to_owned() } else { name }
}

/// The exit code for the decisive time of each command and the KPIs. A regression outweighs anything undecided.
fn exit_of(rows: &[PairRow]) -> Exit {
    let exits: Vec<Exit> = rows.iter().filter(|row| row.decisive).map(|row| exit_of_one(&row.change)).collect();
    [Exit::No, Exit::Trouble, Exit::NotYet].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Yes)
}

fn exit_of_one(change: &MetricChange) -> Exit {
    let because = match change {
        MetricChange::Regressed(_) => return Exit::No,
        MetricChange::Inconclusive { .. } => return Exit::NotYet,
        MetricChange::Improved(_) | MetricChange::NoDifference(_) => return Exit::Yes,
        MetricChange::Invalid { because } => because,
    };
    let (Flaw::Before { reason } | Flaw::After { reason }) = because else { return Exit::Trouble };
    let is_after = matches!(because, Flaw::After { .. });
    match reason {
        // Time ran out before the first pair.
        Unusable::NotMeasured => Exit::NotYet,
        // A shell exits with 126 or 127 if the command does not exist or cannot be run.
        Unusable::CommandFailed { code: Some(code), .. } if is_after && !matches!(code, 126 | 127) => Exit::No,
        Unusable::TimedOut { .. } if is_after => Exit::No,
        Unusable::CommandFailed { .. }
        | Unusable::TimedOut { .. }
        | Unusable::Redefined
        | Unusable::MissingPath { .. }
        | Unusable::MissingOrEmpty { .. }
        | Unusable::NoValue { .. }
        | Unusable::Stale { .. }
        | Unusable::DidNothing { .. } => Exit::Trouble,
    }
}

impl BudgetArgs {
    /// Combines the options with the config. A number of pairs that is given has no default time limit. Fewer pairs
    /// than any test can decide on are refused; counts of instructions need fewer than times.
    pub(crate) fn of(&self, config: &Config) -> Result<PairBudget> {
        let counts = config.timings.iter().any(|timing| timing.instructions.is_some());
        let least = u32::try_from(if counts { effect::FEWEST_REPEATED } else { looks::FEWEST }).unwrap_or(u32::MAX);
        if let Some(runs) = self.runs.filter(|runs| *runs < least) {
            return Err(trouble(format!(
                "--runs {runs}: with fewer than {least} pairs no test can reach the 5 % level, so nothing could ever be concluded"
            )));
        }
        let seconds = self.max_time.or(self.runs.is_none().then_some(config.pair.max_time_s));
        if let Some(seconds) = seconds.filter(|seconds| seconds.is_nan() || *seconds <= 0.0) {
            return Err(trouble(format!("--max-time {seconds}: it must be a positive number of seconds")));
        }
        let max_pairs = self.runs.unwrap_or(config.pair.max_pairs);
        let max_time = seconds.map_or(Duration::MAX, command::seconds);
        Ok(PairBudget { min_pairs: config.pair.min_pairs.min(max_pairs), max_pairs, max_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_by_its_program() {
        for (cmd, name) in [
            ("cargo bench --bench parse", "cargo"),
            ("./target/release/app 3", "app"),
            ("(cd x && make)", "cd"),
            ("  '' ", "command"),
        ] {
            assert_eq!(name_of(cmd), name);
        }
    }

    #[test]
    fn only_a_failure_of_the_after_side_alone_exits_with_no() {
        let invalid = |because| exit_of_one(&MetricChange::Invalid { because });
        let failed = |code| Unusable::CommandFailed { failed: 1, runs: 1, code };
        assert_eq!(invalid(Flaw::After { reason: failed(Some(1)) }), Exit::No);
        assert_eq!(invalid(Flaw::Before { reason: failed(Some(1)) }), Exit::Trouble);
        assert_eq!(invalid(Flaw::After { reason: failed(Some(127)) }), Exit::Trouble);
        assert_eq!(invalid(Flaw::After { reason: failed(None) }), Exit::Trouble);
        assert_eq!(invalid(Flaw::Before { reason: Unusable::NotMeasured }), Exit::NotYet);
    }
}
