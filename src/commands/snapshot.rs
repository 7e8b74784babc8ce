//! `snapshot`: measures the project as it is now, alone or as a change's state before or after. After the baseline,
//! what the contract measures is tried in a clean checkout, to report what pairs will lack before the change is made.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::{
    Ctx, GitHistory, Measurement, Probes, Spinner, audit_here, choose, collect, commit, delta, init, measure, parse,
    rollout, uncommitted, validate,
};
use crate::error::{Exit, Result, failed, trouble};
use crate::git::Repo;
use crate::judge::compare::is_met_already;
use crate::measure::pair::{CheckoutError, Checkouts, PairedProject};
use crate::measure::{Runner, SystemRunner, command, http, kpi};
use crate::model::{
    After, Baseline, Check, CommandLine, Fix, Gate, How, Kind, PairSession, PairedCommand, SnapshotPurpose, Strength,
    fix, hyperfine, moment, own, scrub,
};
use crate::os::files;
use crate::report::metric;
use crate::store::{atomic, guard};
use crate::workflow::{Change, End, gates};

const LABEL_FIX: &str = "use letters, digits, '-' and '_', such as --label before-cache";

#[derive(Debug, Default, Args)]
pub(crate) struct SnapshotArgs {
    /// Label of the snapshot; part of its file name when it belongs to no change
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    label: Option<String>,
    /// Change that the snapshot belongs to; needed with --as unless only one is open
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Record the snapshot as the change's state before or after
    #[arg(long = "as", value_enum, value_name = "ROLE")]
    role: Option<RoleArg>,
    /// Allow uncommitted files; the evidence is marked as indicative and cannot promote
    #[arg(long)]
    allow_dirty: bool,
    /// Also write the timings to this file, in hyperfine's JSON format
    #[arg(long, value_name = "FILE")]
    export_hyperfine: Option<std::path::PathBuf>,
}

/// The role of a snapshot in a change
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// State before the change: the baseline
    Before,
    /// State after the change, or after a rollback, to check whether the baseline's values are back
    After,
}

pub(crate) fn run(ctx: &Ctx, args: SnapshotArgs) -> Result<Exit> {
    if let Some(out) = &args.export_hyperfine {
        guard::guard_out_path(&ctx.project, out, &[])?;
    }
    match args.role {
        None => alone(ctx, &args),
        Some(role @ RoleArg::Before) => {
            let id = choose::before_rollout(ctx, args.change_id.as_deref())?;
            of_change(ctx, &commit::load(ctx, &id)?, role, &args)
        }
        Some(role @ RoleArg::After) => {
            let change = commit::load(ctx, &choose::to_measure_after(ctx, args.change_id.as_deref())?)?;
            if change.rollback.is_none() {
                return of_change(ctx, &change, role, &args);
            }
            let (measurement, change, exit) = rollout::confirm(ctx, &change, &label(&args, "rollback")?)?;
            export(&args, &measurement)?;
            answer(ctx, recorded_in(&change), &measurement, Some(&change))?;
            Ok(exit)
        }
    }
}

fn label(args: &SnapshotArgs, default: &str) -> Result<String> {
    match &args.label {
        Some(text) => parse::line("--label", text).map_err(|error| error.hinted(LABEL_FIX)),
        None => Ok(default.to_owned()),
    }
}

/// Takes a snapshot into the state directory. With a change but no role, the snapshot only names the change.
fn alone(ctx: &Ctx, args: &SnapshotArgs) -> Result<Exit> {
    let change = args.change_id.as_deref().map(|text| choose::find(ctx, text)).transpose()?;
    let label = label(args, "snapshot")?;
    if label.contains(['/', '\\']) || label.contains("..") {
        let message = format!("--label: {label:?} is part of a file's name, so it cannot be a path");
        return Err(trouble(message).hinted(LABEL_FIX));
    }
    if !label.chars().any(|c| c.is_ascii_alphanumeric()) {
        ctx.ui.warn(&format!("--label: the file's name cannot hold {label:?}; the snapshot in it keeps the label"));
        ctx.hint(LABEL_FIX);
    }
    init::ensure(ctx)?;
    let before = if ctx.config()?.runs_anything() { Some(delta::revision(ctx)?) } else { None };
    let measurement = measure::take(ctx, &label, None, change.as_ref(), before)?;
    if measurement.revision != measurement.revision_after {
        ctx.ui.warn("the project's files changed while they were measured: it is not known what was measured");
    }
    let stem = measurement.file_stem();
    let lock = ctx.lock()?;
    let file = lock.write_numbered(&ctx.project.snapshots_dir(), &stem, "json", &measurement.bytes())?;
    drop(lock);
    export(args, &measurement)?;
    if let Some(change) = &change {
        ctx.ui.warn(&format!("this is no state of {change}: give --as before or --as after for that"));
    }
    answer(ctx, &file.path, &measurement, None)
}

/// Fails if HEAD is dated in the future, by a clock that was ahead.
fn refuse_future_commit(ctx: &Ctx, change: &Change, commit: Option<&str>) -> Result<()> {
    let Some((repo, commit)) = ctx.repo()?.zip(commit) else { return Ok(()) };
    let made = GitHistory::new(repo, "").made(commit)?;
    let on_top = CommandLine::git("commit --allow-empty -m").word("The clock is right again");
    let wait = format!("set the clock here right, or wait until {}", moment(made));
    let on_top = Fix::next("if the clock here is right, commit on top", on_top);
    let fixes = [on_top, Fix::then("", fix::baseline(change.id())), Fix::decide(How::Or, wait)];
    validate::not_from_the_future(ctx, made, || fixes.to_vec())
}

fn warn_of_baseline(ctx: &Ctx, change: &Change) -> Result<()> {
    audit_here::tell_hidden(ctx)?;
    if let Some(operation) = ctx.repo()?.and_then(Repo::operation) {
        let name = operation.name();
        ctx.ui.warn(&format!("a {name} is in progress: the baseline is measured on the commit that it checked out"));
        let end = Fix::next(format!("end the {name}, and measure again"), operation.go_on());
        ctx.advise(&[end, Fix::then("", fix::baseline(change.id()))]);
    }
    for (left, _) in rollout::left_in_tree(ctx, choose::changes(ctx)?.0.iter()) {
        let end = left.end.as_ref().map_or("ended", End::name);
        ctx.ui.warn(&format!(
            "the commit of the {end} change {} is still in the tree, and the baseline is measured with it",
            left.id()
        ));
    }
    Ok(())
}

pub(crate) fn of_change(ctx: &Ctx, change: &Change, role: RoleArg, args: &SnapshotArgs) -> Result<Exit> {
    let (gate, what) = match role {
        RoleArg::Before => (Gate::Baseline, SnapshotPurpose::Baseline),
        RoleArg::After => (Gate::After, SnapshotPurpose::After),
    };
    let label = label(args, &what.role())?;
    // All reads of objects until the measurement share one reader.
    let reader = ctx.repo()?.map(Repo::batch).transpose()?;
    let mut world = collect::world(ctx, change, gate)?;
    world.allow_dirty = args.allow_dirty;
    let answer_of_gate = match role {
        RoleArg::Before => gates::may_take_baseline(change, &world),
        RoleArg::After => gates::may_take_after(change, &world),
    };
    commit::ask(ctx, change, answer_of_gate)?;
    if role == RoleArg::Before {
        if world.revision.commit.is_none() && ctx.repo()?.is_some() {
            let commit = CommandLine::git("add -A").and(CommandLine::git("commit -m").word("Start"));
            return Err(failed("there is no commit yet, so that nothing says what the baseline is of")
                .fixed_by([Fix::next("commit once", commit), Fix::then("", fix::baseline(change.id()))]));
        }
        refuse_future_commit(ctx, change, world.revision.commit.as_deref())?;
        warn_of_baseline(ctx, change)?;
    }
    drop(reader);
    let mut measurement = measure::take(ctx, &label, Some(what), Some(change.id()), Some(world.revision.clone()))?;
    if role == RoleArg::Before {
        measurement.bind(&change.contract);
    }
    world.revision = measure::check_unchanged(ctx, &mut measurement)?;
    world.tuneables = delta::tuneables(ctx, change)?;
    world.unmeasured = measurement.unmeasured(&change.contract);
    world.unmeasured.extend((role == RoleArg::Before).then(|| measurement.out_of_reach(&change.contract)).flatten());
    world.met_already = role == RoleArg::Before && is_met_already(&measurement.snapshot, &change.contract);
    if !world.unmeasured.is_empty() {
        // The advice proposes no contract on metrics without a value, nor a KPI on a guarded metric.
        let guards = change.contract.guardrails.iter().map(|guardrail| guardrail.metric.clone());
        *ctx.unfit.borrow_mut() = measurement.without_change_to_see(&ctx.measurable()?).chain(guards).collect();
    }
    measure::keep_tuneables(ctx)?;
    let event = |taken| match role {
        RoleArg::Before => Kind::BaselineTaken(Baseline { taken, strength: Strength::Full }),
        RoleArg::After => Kind::AfterTaken(After { taken, rollback: String::new() }),
    };
    let change = measurement.record(ctx, change.id(), what, Vec::new(), &world, event)?;
    export(args, &measurement)?;
    ctx.ui.status(&format!("attached as {} to {}", what.role(), change.id()));
    if role == RoleArg::Before && change.is_indicative() {
        ctx.ui.warn("measured with uncommitted work: this baseline is indicative only; the change cannot be promoted");
    }
    answer(ctx, recorded_in(&change), &measurement, Some(&change))?;
    if matches!(role, RoleArg::Before) {
        rehearse(ctx, &change)?;
    }
    ctx.hint_next(&change)
}

fn recorded_in(change: &Change) -> &str {
    let taken = change.events.last().and_then(|event| event.what.recorded_snapshot());
    taken.map(|taken| taken.snapshot.path.as_str()).unwrap_or_default()
}

fn export(args: &SnapshotArgs, measurement: &Measurement) -> Result<()> {
    let Some(out) = &args.export_hyperfine else { return Ok(()) };
    let export = hyperfine::export(&measurement.snapshot);
    atomic::write_free(out, format!("{export:#}\n").as_bytes())?;
    Ok(())
}

/// Prints the path alone on a line, as scripts read it; the whole snapshot with `--format json`.
fn answer(ctx: &Ctx, path: &str, measurement: &Measurement, change: Option<&Change>) -> Result<Exit> {
    let warnings = measure::worth_telling(&measurement.snapshot, change.map(|change| &change.contract));
    for warning in warnings.chain(&metric::warnings(&measurement.snapshot)) {
        ctx.ui.warn(warning);
    }
    // Relative to the root, as the Python tool writes it; from another directory such a path would be wrong.
    let root = ctx.project.root();
    let here = std::env::current_dir().is_ok_and(|here| files::canonical(&here).is_ok_and(|here| here == root));
    let shown = if here { Path::new(path).to_owned() } else { root.join(path) };
    let answer = json!({ "path": path, "snapshot": measurement.snapshot });
    ctx.say(false, &answer, &shown.display().to_string())
}

const SHOWN: usize = 5;

/// Runs what is measured in pairs once in a clean checkout of the baseline, to report early what is missing there.
pub(crate) fn rehearse(ctx: &Ctx, change: &Change) -> Result<()> {
    let (config, Some(repo)) = (ctx.config()?, ctx.repo()?) else { return Ok(()) };
    let probes = Probes::of(config).asked_by(change);
    let baseline = change.baseline_commit().filter(|_| config.pair.enabled && !probes.is_empty());
    let Some(commit) = baseline else { return Ok(()) };
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let mut bar = Spinner::new(&ctx.ui);
    let project = PairedProject { repo, config };
    let (mut failures, mut built) = (Vec::new(), Vec::new());
    match Checkouts::one(project, commit, &mut runner, &mut |step| bar.show(step)) {
        Ok((place, scratch)) => {
            for plan in &probes.commands {
                bar.show(&format!("trying {} in a clean checkout", plan.name));
                let said = match command::run_once(&mut runner, plan, &command::spec(plan, &place)) {
                    Ok(finished) if finished.success() => continue,
                    Ok(finished) => command::error_tail(&finished),
                    Err(error) => error.to_string(),
                };
                failures.push(format!("timing {} fails in a clean checkout: {}", plan.name, scrub(&said)));
            }
            for group in &kpi::groups(probes.kpis) {
                let samples = kpi::samples(&mut runner, &place, group);
                let errors = group.iter().zip(samples).filter_map(|(kpi, sample)| Some((kpi, sample.err()?)));
                failures.extend(errors.map(|(kpi, why)| format!("KPI {} fails in a clean checkout: {why}", kpi.name)));
            }
            for probe in probes.http {
                bar.show(&format!("serving {} from a clean checkout", probe.name));
                let answer = http::probe(probe, &place, &|| runner.stopped());
                let why = answer.error.map(|why| format!("{} fails in a clean checkout: {why}", probe.name));
                failures.extend(why);
            }
            built = ignored(repo)?.into_iter().filter(|path| place.root.join(path).exists()).collect();
            drop(scratch);
        }
        Err(CheckoutError::Interrupted) => return Err(validate::interrupted()),
        // Its message says how to fix it; the advice on missing files does not apply.
        Err(CheckoutError::Share(error)) => {
            bar.finish();
            ctx.ui.warn(&error.to_string());
            return Ok(());
        }
        Err(error) => failures.push(error.to_string()),
    }
    bar.finish();
    validate::stop_if_asked(ctx)?;
    if failures.is_empty() {
        return Ok(());
    }
    for failure in failures {
        ctx.ui.warn(&failure);
    }
    tell_needs(ctx, repo, &built)
}

/// Which of the failed checks, by name, also fail in a clean checkout of the baseline: then the change may not be the
/// reason. Empty if there can be no such checkout.
pub(crate) fn failing_before(ctx: &Ctx, change: &Change, checks: &[Check]) -> Result<Vec<String>> {
    let failed = |name: &str| checks.iter().any(|check| !check.passed && check.name == name);
    let (config, Some(repo), Some(commit)) = (ctx.config()?, ctx.repo()?, change.baseline_commit()) else {
        return Ok(Vec::new());
    };
    let (mut bar, interrupt) = (Spinner::new(&ctx.ui), ctx.interrupt()?);
    let mut runner = SystemRunner::new(interrupt.clone());
    let made = Checkouts::one(PairedProject { repo, config }, commit, &mut runner, &mut |step| bar.show(step));
    let Ok((place, _scratch)) = made else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (name, _, cmd, timeout_s) in validate::commands(config) {
        // An earlier command may build what a failed one needs, so all are run.
        bar.show(&format!("{name}, without the change"));
        let fails = validate::run_command(&place.root, cmd, timeout_s, interrupt).is_some();
        found.extend((fails && failed(name)).then(|| name.to_owned()));
    }
    validate::stop_if_asked(ctx)?;
    Ok(found)
}

fn ignored(repo: &Repo) -> Result<Vec<String>> {
    let prefix = String::from_utf8_lossy(repo.prefix()).into_owned();
    let ignored = repo.ignored_here()?;
    let ignored = ignored.iter().filter_map(|path| Some(path.strip_prefix(&*prefix)?.trim_end_matches('/').to_owned()));
    Ok(ignored.filter(|path| !own::is_own_or_left(path.as_bytes())).collect())
}

/// Names the config keys that provide what a clean checkout lacks. If `built` were shared, both sides would run it.
fn tell_needs(ctx: &Ctx, repo: &Repo, built: &[String]) -> Result<()> {
    let builds = ctx.config()?.pair.prepare.is_some() || ctx.config()?.commands.build.is_some();
    let is_built = |path: &String| built.contains(path) || builds && uncommitted::is_built(path);
    let mut ignored = ignored(repo)?;
    ignored.retain(|path| !is_built(path));
    ignored.truncate(SHOWN);
    let file = ctx.project.config_path().map_or_else(|| "the config".to_owned(), |path| ctx.project.relative(&path));
    let share = format!("share: [{}]", ignored.join(", "));
    let submodules = "prepare: git submodule update --init --recursive";
    let edits = [
        ("link what git ignores", share.as_str(), !ignored.is_empty()),
        ("check out the submodules", submodules, repo.root().join(".gitmodules").exists()),
        ("build on each side", "prepare: COMMAND", !builds),
    ];
    let edits = edits.into_iter().filter(|(.., applies)| *applies).enumerate();
    let how = |i: usize| if i == 0 { How::Next } else { How::Or };
    let what = "each side of a pair runs in a clean checkout; before `compare`, name what they need";
    let mut steps = vec![Fix::decide(How::Next, what)];
    steps.extend(edits.map(|(i, (purpose, line, _))| Fix::edit(how(i), purpose, &file, "pair", line)));
    ctx.advise(&steps);
    Ok(())
}

/// If a timed command succeeded in neither checkout, reports what may be missing there.
pub(crate) fn tell_if_none_ran(ctx: &Ctx, session: &PairSession) -> Result<()> {
    let fails =
        |command: &PairedCommand| !command.pairs.iter().any(|pair| pair.before.succeeded() && pair.after.succeeded());
    match ctx.repo()?.filter(|_| session.commands.iter().any(fails)) {
        Some(repo) => tell_needs(ctx, repo, &[]),
        None => Ok(()),
    }
}
