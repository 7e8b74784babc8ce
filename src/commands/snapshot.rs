//! `snapshot`: measure the project as it is now, alone or as the before or after of a change.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::{
    Ctx, GitHistory, Measurement, audit_here, choose, collect, commit, delta, init, measure, parse, rehearse, rollout,
    validate,
};
use crate::error::{Result, failed, trouble};
use crate::exit::Exit;
use crate::git::Repo;
use crate::model::fix::How;
use crate::model::text::moment;
use crate::model::{After, Baseline, CommandLine, Contract, Fix, Gate, Kind, Strength, fix, hyperfine};
use crate::os::files;
use crate::report::metric;
use crate::store::{Role, atomic, guard};
use crate::workflow::{Change, End, gates, window};

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
            let id = choose::change(ctx, args.change_id.as_deref())?;
            of_change(ctx, &commit::load(ctx, &id)?, role, &args)
        }
        Some(role @ RoleArg::After) => {
            let change = commit::load(ctx, &choose::to_measure_after(ctx, args.change_id.as_deref())?)?;
            if change.rollback.is_none() {
                return of_change(ctx, &change, role, &args);
            }
            let (measurement, path, exit) = rollout::confirm(ctx, &change, &label(&args, "rollback")?)?;
            export(&args, &measurement)?;
            answer(ctx, &path, &measurement, Some(&change))?;
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

/// A snapshot of no change's, in the state directory. With a change but no role it is a plain snapshot that names it.
fn alone(ctx: &Ctx, args: &SnapshotArgs) -> Result<Exit> {
    let change = args.change_id.as_deref().map(|text| choose::find(ctx, text)).transpose()?;
    let label = label(args, "snapshot")?;
    if label.contains(['/', '\\']) || label.contains("..") {
        let message = format!("--label: {label:?} is part of a file's name, so it cannot be a path");
        return Err(trouble(message).hinted(LABEL_FIX));
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

/// The baseline or the state after, with every default; for `next --run`.
pub(crate) fn take(ctx: &Ctx, change: &Change, role: RoleArg) -> Result<Exit> {
    of_change(ctx, change, role, &SnapshotArgs::default())
}

/// Fails where a clock that was ahead dated the commit checked out.
fn not_ahead(ctx: &Ctx, change: &Change, commit: Option<&str>) -> Result<()> {
    if let (Some(repo), Some(commit)) = (ctx.repo()?, commit) {
        let made = GitHistory::new(repo, "").made(commit)?;
        if window::earlier(made, window::CLOCK_TOLERANCE) > ctx.now() {
            let on_top = CommandLine::git("commit --allow-empty -m").word("The clock is right again");
            let wait = format!("set the clock here right, or wait until {}", moment(made));
            return Err(validate::from_the_future(ctx, made).fixed_by([
                Fix::next("if the clock here is right, commit on top", on_top),
                Fix::then("", fix::baseline(change.id())),
                Fix::decide(How::Or, wait),
            ]));
        }
    }
    Ok(())
}

fn of_change(ctx: &Ctx, change: &Change, role: RoleArg, args: &SnapshotArgs) -> Result<Exit> {
    let (gate, name, file) = match role {
        RoleArg::Before => (Gate::Baseline, "before", Role::Before),
        RoleArg::After => (Gate::After, "after", Role::After),
    };
    let label = label(args, name)?;
    // All that reads objects until it is measured shares it.
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
        not_ahead(ctx, change, world.revision.commit.as_deref())?;
        audit_here::tell_hidden(ctx)?;
        let changes = choose::changes(ctx)?.0;
        for left in rollout::left_in_tree(ctx, changes.iter()) {
            let end = left.end.as_ref().map_or("ended", End::name);
            ctx.ui.warn(&format!(
                "the commit of the {end} change {} is still in the tree, and the baseline is measured with it",
                left.id()
            ));
        }
    }
    drop(reader);
    let mut measurement = measure::take(ctx, &label, Some(name), Some(change.id()), Some(world.revision.clone()))?;
    if role == RoleArg::Before {
        measurement.bind(&change.contract);
    }
    world.revision = measure::check_unchanged(ctx, &mut measurement)?;
    world.tuneables = delta::tuneables(ctx, change)?;
    world.unmeasured = measurement.unmeasured(&change.contract);
    world.unmeasured.extend((role == RoleArg::Before).then(|| measurement.out_of_reach(&change.contract)).flatten());
    measure::keep_tuneables(ctx)?;
    let event = |taken| match role {
        RoleArg::Before => Kind::BaselineTaken(Baseline { taken, strength: Strength::Full }),
        RoleArg::After => Kind::AfterTaken(After { taken, rollback: String::new() }),
    };
    let change = measurement.record(ctx, change.id(), file, Vec::new(), &world, event)?;
    export(args, &measurement)?;
    ctx.ui.status(&format!("attached as {name} to {}", change.id()));
    let taken = change.events.last().and_then(|event| event.what.taken());
    if role == RoleArg::Before && change.is_indicative() {
        ctx.ui.warn("measured with uncommitted work: this baseline is indicative only; the change cannot be promoted");
    }
    let path = taken.map(|taken| taken.snapshot.path.clone()).unwrap_or_default();
    answer(ctx, &path, &measurement, Some(&change))?;
    if matches!(role, RoleArg::Before) {
        rehearse::rehearse(ctx, &change)?;
    }
    ctx.hint_next(&change)?;
    Ok(Exit::Yes)
}

fn export(args: &SnapshotArgs, measurement: &Measurement) -> Result<()> {
    let Some(out) = &args.export_hyperfine else { return Ok(()) };
    let export = hyperfine::export(&measurement.snapshot);
    atomic::write_free(out, format!("{export:#}\n").as_bytes())?;
    Ok(())
}

/// The path alone on a line, as scripts read it; the whole snapshot with `--format json`.
fn answer(ctx: &Ctx, path: &str, measurement: &Measurement, change: Option<&Change>) -> Result<Exit> {
    let contracts: Vec<&Contract> = change.iter().map(|change| &change.contract).collect();
    let told = measure::worth_telling(&measurement.snapshot, &contracts);
    for warning in told.chain(&metric::warnings(&measurement.snapshot)) {
        ctx.ui.warn(warning);
    }
    // From the root as the original writes it; elsewhere that would lead nowhere.
    let root = ctx.project.root();
    let here = std::env::current_dir().is_ok_and(|here| files::canonical(&here).is_ok_and(|here| here == root));
    let shown = if here { Path::new(path).to_owned() } else { root.join(path) };
    let answer = json!({ "path": path, "snapshot": measurement.snapshot });
    ctx.say(false, &answer, &shown.display().to_string())?;
    Ok(Exit::Yes)
}
