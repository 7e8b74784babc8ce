//! Measuring baseline and head in alternating pairs: the arms, the session, the stopping rule, the progress bar.
//! Must not record anything.

use std::path::Path;
use std::time::Duration;

use crate::commands::progress::left;
use crate::commands::{Bar, Ctx, delta};
use crate::config::{KpiProbe, Pin};
use crate::error::CommandError;
use crate::git::Repo;
use crate::judge::compare::metric_row::for_metric;
use crate::judge::{Circumstances, Decision, Settings, decisive};
use crate::measure::pair::{
    Arms, ArmsError, ArmsPlan, Budget, PairPlan, PairProgress, Session, Step, TuneablesFile, Version, session,
};
use crate::measure::{self, Environment as _, ProcessEnvironment, SystemRunner, machine};
use crate::model::{Criterion, Digest, MetricId, PairSession, PairedCommand, PairedKpi, Snapshot, Stop, pair};
use crate::os::clock;
use crate::report;
use crate::stats::looks;
use crate::store::{atomic, guard};
use crate::workflow::Change;

/// The largest tuneables file that is kept for the arms.
const TUNEABLES_LIMIT: u64 = 8 * 1024 * 1024;

/// What is measured in pairs.
pub struct Ask<'a> {
    pub before: Version<'a>,
    pub after: Version<'a>,
    /// The tuneables file outside the repository, if there is one.
    pub tuneables: Option<TuneablesFile<'a>>,
    pub commands: Vec<PairPlan>,
    pub kpis: Vec<&'a KpiProbe>,
    /// What the pairs have to settle; without any, whether the decisive times changed.
    pub criteria: Vec<Criterion>,
    pub settings: &'a Settings,
    pub budget: Budget,
    /// Whether both runs of a KPI's pair are held on one core; a command says so itself.
    pub pin: Pin,
    /// Whether the arms may be the same code.
    pub same_allowed: bool,
    /// The change, if it belongs to one.
    pub change: Option<&'a Change>,
}

/// Pairs, or why there are none.
pub enum Outcome {
    Measured(Box<PairSession>),
    /// They could not be, for this reason.
    Impossible(String),
    /// They could not be, as both revisions hold the same code.
    SameCode(String),
}

/// The budget that flags and config give. Fewer pairs than any test can decide are refused.
pub fn budget(ctx: &Ctx, runs: Option<u32>, max_time_s: Option<f64>) -> Result<Budget, CommandError> {
    let config = &ctx.config()?.pair;
    let least = u32::try_from(looks::FEWEST).unwrap_or(u32::MAX);
    if let Some(runs) = runs.filter(|runs| *runs < least) {
        return Err(CommandError::trouble(format!(
            "--runs {runs}: with fewer than {least} pairs no test can reach the 5 % level, so nothing could ever be concluded"
        )));
    }
    let seconds = max_time_s.unwrap_or(config.max_time_s);
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(CommandError::trouble(format!("--max-time {seconds}: it must be a positive number of seconds")));
    }
    let max_pairs = runs.unwrap_or(config.max_pairs);
    Ok(Budget {
        min_pairs: config.min_pairs.min(max_pairs),
        max_pairs,
        max_time: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
    })
}

/// The configured timings as they run in the arms.
pub fn configured(ctx: &Ctx) -> Result<Vec<PairPlan>, CommandError> {
    let pin = ctx.config()?.pair.pin;
    let plan = |timing: &crate::config::Timing| {
        Some(PairPlan {
            name: timing.name.clone(),
            cmd: timing.cmd.clone().filter(|_| timing.hyperfine.is_none())?,
            shell: timing.shell,
            cwd: timing.cwd.clone(),
            env: timing.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect(),
            timeout: Duration::try_from_secs_f64(timing.timeout_s).unwrap_or(Duration::MAX),
            warmup: timing.warmup.max(1),
            pin,
        })
    };
    Ok(ctx.config()?.timings.iter().filter_map(plan).collect())
}

/// A change's baseline and head in pairs, or why that cannot be.
pub fn of_change(
    ctx: &Ctx,
    change: &Change,
    sides: (&Snapshot, &Snapshot),
    settings: &Settings,
    budget: Budget,
) -> Result<Outcome, CommandError> {
    let config = ctx.config()?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Ok(Outcome::Impossible("the change has no snapshots".to_owned()));
    };
    let (before_rev, after_rev) = (&baseline.taken.revision, &after.taken.revision);
    let (Some(before_commit), Some(after_commit)) = (&before_rev.commit, &after_rev.commit) else {
        let reason = if after_rev.branch.is_some() {
            "a side has no commit to check out"
        } else {
            "there are no commits to check out: the project is not under git"
        };
        return Ok(Outcome::Impossible(reason.to_owned()));
    };
    if before_rev.dirty_digest().is_some() || after_rev.dirty_digest().is_some() {
        return Ok(Outcome::Impossible("uncommitted work was measured, and no commit holds it".to_owned()));
    }
    let kept = [kept_tuneables(ctx, sides.0)?, kept_tuneables(ctx, sides.1)?];
    let file = outside_tuneables(ctx)?;
    if before_rev.same_code(after_rev) && (file.is_none() || kept.iter().any(Option::is_none)) {
        let reason = "the delta lies outside the repository; name the variable that points at the tuneables file under pair.tuneables_env";
        return Ok(Outcome::Impossible(reason.to_owned()));
    }
    let tuneables = file.as_ref().zip(config.pair.tuneables_env.as_deref());
    let [old, new] = &kept;
    run(
        ctx,
        Ask {
            before: Version { rev: before_commit, tuneables: old.as_deref() },
            after: Version { rev: after_commit, tuneables: new.as_deref() },
            tuneables: tuneables.map(|((_, name), variable)| TuneablesFile { variable, file_name: name }),
            commands: configured(ctx)?,
            kpis: config.kpis.iter().filter(|kpi| kpi.cmd.is_some()).collect(),
            criteria: change.contract.criteria().cloned().collect(),
            settings,
            budget,
            pin: config.pair.pin,
            same_allowed: false,
            change: Some(change),
        },
    )
}

/// Prepares the arms and measures everything that is asked for.
pub fn run(ctx: &Ctx, ask: Ask<'_>) -> Result<Outcome, CommandError> {
    let Some(repo) = ctx.repo()? else {
        return Ok(Outcome::Impossible("the project is not under git".to_owned()));
    };
    if ask.commands.is_empty() && ask.kpis.is_empty() {
        return Ok(Outcome::Impossible("no timed command and no KPI command is configured".to_owned()));
    }
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let started_at = ctx.now();
    let mut bar = Bar::new(&ctx.ui);
    let arms = match prepare(ctx, repo, &ask, &mut runner, &mut bar) {
        Ok(arms) => arms,
        Err(ArmsError::Interrupted) => return Err(interrupted()),
        Err(error @ ArmsError::SameCode { .. }) => return Ok(Outcome::SameCode(error.to_string())),
        Err(error) => return Ok(Outcome::Impossible(error.to_string())),
    };
    let mut found = measure(&ask, &arms, &mut runner, &mut bar);
    bar.finish();
    if found.interrupted || ctx.interrupt()?.requested() {
        return Err(interrupted());
    }
    found.warnings.extend(arms.warnings.clone());
    let generated_at = ctx.now();
    let session = PairSession {
        schema: pair::SCHEMA.to_owned(),
        id: clock::uuid_v7(generated_at),
        tool: measure::TOOL.to_owned(),
        change_id: ask.change.map(|change| change.id().to_string()),
        started_at,
        generated_at,
        machine: machine::fingerprint(),
        rss_floor_bytes: found.rss_floor_bytes,
        before: arms.before.arm.clone(),
        after: arms.after.arm.clone(),
        commands: found.commands,
        kpis: found.kpis,
        warnings: found.warnings,
    };
    if let Err(error) = arms.remove() {
        ctx.ui.warn(&error.to_string());
    }
    Ok(Outcome::Measured(Box::new(session)))
}

/// What the session gave.
#[derive(Default)]
struct Found {
    commands: Vec<PairedCommand>,
    kpis: Vec<PairedKpi>,
    rss_floor_bytes: Option<u64>,
    warnings: Vec<String>,
    interrupted: bool,
}

fn measure(ask: &Ask<'_>, arms: &Arms, runner: &mut SystemRunner, bar: &mut Bar) -> Found {
    let mut reference = session::built_in_reference();
    let mut elapsed = session::since_now();
    let mut session = Session::new(runner, &arms.before.place, &arms.after.place, &mut reference, &mut elapsed);
    let mut found = Found::default();
    for plan in &ask.commands {
        let measured = session.command(plan, ask.budget, &mut |so_far| decide(so_far, ask), &mut |progress| {
            bar.pairs(progress.so_far.pairs.len(), progress.max_pairs, &live(&plan.name, &progress, ask));
        });
        found.rss_floor_bytes = found.rss_floor_bytes.max(measured.rss_floor_bytes);
        found.warnings.extend(measured.error.map(|error| format!("{}: {error}", plan.name)));
        found.interrupted |= measured.paired.stopped == Stop::Interrupted;
        found.commands.push(measured.paired);
        if found.interrupted {
            return found;
        }
    }
    for kpi in &ask.kpis {
        bar.show(&format!("KPI {} in pairs", kpi.name));
        let measured = session.kpi(kpi, ask.pin, ask.budget, &mut |so_far| decide_kpi(so_far, ask));
        found.interrupted |= measured.stopped == Stop::Interrupted;
        found.kpis.push(measured.paired);
        if found.interrupted {
            return found;
        }
    }
    found
}

fn interrupted() -> CommandError {
    CommandError::trouble("interrupted; nothing was recorded")
}

fn prepare(ctx: &Ctx, repo: &Repo, ask: &Ask<'_>, runner: &mut SystemRunner, bar: &mut Bar) -> Result<Arms, ArmsError> {
    let own = delta::own(Some(repo));
    let is_own = |path: &[u8]| own.is_own(path);
    // The config was read before: it cannot fail any more.
    let Ok(config) = ctx.config() else { return Err(ArmsError::Interrupted) };
    let variables = config.timings.iter().flat_map(|timing| &timing.env);
    let variables: Vec<(&str, &str)> = variables.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let plan = ArmsPlan {
        repo,
        before: ask.before,
        after: ask.after,
        is_own: &is_own,
        prepare: config.prepares(),
        prepare_timeout: Duration::try_from_secs_f64(config.commands.timeout_s).unwrap_or(Duration::MAX),
        share: &config.pair.share,
        tuneables: ask.tuneables,
        variables: &variables,
        same_allowed: ask.same_allowed,
    };
    Arms::prepare(plan, runner, &mut |step| match step {
        Step::CheckOut(side) => bar.show(&format!("checking out {}", side.name())),
        Step::Prepare(side) => bar.show(&format!("preparing {}", side.name())),
    })
}

/// The circumstances of pairs: one machine, one session, two versions.
fn circumstances(ask: &Ask<'_>, metric: &MetricId) -> Circumstances {
    let known = Circumstances { min_effect: ask.settings.min_effect, ..Circumstances::default() };
    for_metric(&known, ask.settings, metric)
}

fn decide(so_far: &PairedCommand, ask: &Ask<'_>) -> Decision {
    let metric = decisive::Decisive::of_pairs(so_far).metric(&so_far.name);
    decisive::settled(so_far, &ask.criteria, &circumstances(ask, &metric))
}

fn decide_kpi(so_far: &PairedKpi, ask: &Ask<'_>) -> Decision {
    let metric = MetricId::new(format!("kpi.{}", so_far.kpi.name));
    decisive::settled_kpi(so_far, &ask.criteria, &circumstances(ask, &metric))
}

fn live(name: &str, progress: &PairProgress<'_>, ask: &Ask<'_>) -> String {
    let metric = decisive::Decisive::of_pairs(progress.so_far).metric(name);
    let (_, change) = decisive::live(progress.so_far, &circumstances(ask, &metric));
    let estimate = change.finding().map(|finding| report::values::share_estimate(&finding.estimate));
    let pairs = progress.so_far.pairs.len();
    let more = left(progress.more, pairs, progress.max_pairs);
    format!("{name}: pair {pairs} of at most {}{more}  {}", progress.max_pairs, estimate.unwrap_or_default())
}

/// The one configured tuneables file that lies outside the repository, with its name.
fn outside_tuneables(ctx: &Ctx) -> Result<Option<(std::path::PathBuf, String)>, CommandError> {
    let config = ctx.config()?;
    if config.pair.tuneables_env.is_none() {
        return Ok(None);
    }
    let home = ProcessEnvironment.home();
    for file in config.tuneables.files.iter().rev() {
        let path = measure::tuneables::locate(ctx.project.root(), file, home.as_deref())?;
        let inside = ctx.repo()?.is_some_and(|repo| path.starts_with(repo.root()));
        if !inside {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return Ok(Some((path, name)));
        }
    }
    Ok(None)
}

/// Keeps the tuneables file outside the repository as it is now, by its digest, in the cache: it may hold secrets, so
/// it is never evidence, but the arms need it as it was.
pub fn keep_tuneables(ctx: &Ctx) -> Result<(), CommandError> {
    let Some((path, _)) = outside_tuneables(ctx)? else { return Ok(()) };
    let Some(bytes) = atomic::read(&path, TUNEABLES_LIMIT)? else { return Ok(()) };
    let kept = kept_path(ctx, &Digest::of_bytes(&bytes));
    if !Path::exists(&kept) {
        guard::write(&ctx.project, &kept, &bytes)?;
    }
    Ok(())
}

/// The tuneables file as it was when a snapshot was taken; `None` when it was not kept in this checkout.
fn kept_tuneables(ctx: &Ctx, snapshot: &Snapshot) -> Result<Option<Vec<u8>>, CommandError> {
    let Some((path, _)) = outside_tuneables(ctx)? else { return Ok(None) };
    let home = ProcessEnvironment.home();
    let is_it =
        |file: &str| measure::tuneables::locate(ctx.project.root(), file, home.as_deref()).is_ok_and(|at| at == path);
    let recorded = snapshot.tuneable_files.iter().find(|file| is_it(&file.path));
    let Some(digest) = recorded.and_then(|file| file.sha256.as_ref()) else { return Ok(None) };
    let bytes = atomic::read(&kept_path(ctx, digest), TUNEABLES_LIMIT)?;
    Ok(bytes.filter(|bytes| Digest::of_bytes(bytes) == *digest))
}

fn kept_path(ctx: &Ctx, digest: &Digest) -> std::path::PathBuf {
    ctx.project.cache_dir().join("tuneables").join(digest.as_str())
}
