//! `calibrate`: measure this machine's noise for the configured commands, and prove that a known slowdown is seen.

use std::collections::BTreeMap;

use clap::Args;

use crate::commands::{Bar, Ctx, Sessions, failure, init, noise, pairing, parse};
use crate::config::Pin;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::compare::DEFAULT_MIN_EFFECT;
use crate::judge::{
    CalibratedCommand, Calibration, Change, Circumstances, Decisive, Injected, calibration, decisive, noise as floor,
    series,
};
use crate::measure::pair::PairPlan;
use crate::measure::{self, machine};
use crate::model::scrub::scrub;
use crate::model::strict_json::{parse_as, parse_json};
use crate::model::{Limits, Machine, MetricId, PairedCommand, Run};
use crate::os::process;
use crate::project::commands;
use crate::report;
use crate::stats::median;
use crate::store::{atomic, guard};

/// A load of more than this share of the cores is told before a calibration.
const BUSY: f64 = 0.5;

/// Calibration files are read up to this size.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Measure this machine's noise for the configured commands, and prove that a known slowdown is seen
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Pairs of each command with itself
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..=1000))]
    pairs: u32,
    /// The slowdown to add, as a share of the command's time
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    inject: String,
    /// Compare this many sessions apart in time too, for what plain snapshots must allow for; 0 for none, else at least 3
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) sessions: u32,
    /// Seconds between two sessions
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) pause: f64,
    /// Only this timing; may be given several times
    #[arg(long, value_name = "NAME")]
    timing: Vec<String>,
}

/// Exit 0 when every added slowdown was seen, 3 when it cannot be told of one yet (more pairs may help), 1 when one was
/// taken for something else: then this machine cannot tell changes of that size.
pub fn run(ctx: &Ctx, args: CalibrateArgs) -> Result<Exit, CommandError> {
    let share = parse::share("--inject", &args.inject)?;
    if share == 0.0 {
        return Err(CommandError::trouble("--inject 0%: a slowdown of nothing proves nothing")
            .hinted("vibeship-optimizer calibrate --inject 5%"));
    }
    let sessions = Sessions::asked(&args)?;
    // Where there is nothing to time, nothing is set up for it either.
    if ctx.project.config_path().is_some() || commands::guess(ctx.project.root()).test.is_some() {
        init::ensure(ctx)?;
    }
    let mut plans = pairing::configured(ctx)?;
    plans.retain(|plan| args.timing.is_empty() || args.timing.contains(&plan.name));
    if plans.is_empty() {
        return Err(CommandError::trouble("no timed command is configured, or none of that name")
            .hinted("name one under `timings` in the config file"));
    }
    // A file that cannot be added to is told before anything is measured.
    load(ctx, &calibration::key(&machine::fingerprint()))?;
    warn_of_load(ctx, &machine::fingerprint());
    let mut bar = Bar::new(&ctx.ui);
    let mut commands = Vec::new();
    for plan in &plans {
        ctx.ui.status(&format!(
            "calibrating {}: {} pairs with itself, then with {} added",
            plan.name, args.pairs, args.inject
        ));
        commands.push(one(ctx, plan, args.pairs, share, &mut bar)?);
    }
    sessions.measure(ctx, &plans, &mut commands, &mut bar)?;
    bar.finish();
    let machine = machine::fingerprint();
    let key = calibration::key(&machine);
    let mut found = Calibration {
        schema: calibration::SCHEMA.to_owned(),
        tool: measure::TOOL.to_owned(),
        generated_at: ctx.now(),
        machine,
        commands,
    };
    let _lock = ctx.lock()?;
    keep_others(ctx, &key, &mut found)?;
    let path = file(ctx, &key);
    guard::write(&ctx.project, &path, format!("{:#}\n", serde_json::to_value(&found)?).as_bytes())?;
    if ctx.json(false) {
        ctx.ui.answer(&failure::pretty(&serde_json::to_value(&found)?))?;
    } else {
        ctx.show(&report::calibration::document(&found))?;
    }
    ctx.ui.status(&format!("wrote {}", ctx.project.relative(&path)));
    Ok(exit_of(&found.commands))
}

fn exit_of(commands: &[CalibratedCommand]) -> Exit {
    let seen = || commands.iter().filter_map(|command| command.injected.as_ref()).map(|injected| &injected.seen);
    if seen().all(|seen| matches!(seen, Change::Regressed(_))) {
        Exit::Yes
    } else if seen().all(|seen| matches!(seen, Change::Regressed(_) | Change::Inconclusive { .. })) {
        Exit::NotYet
    } else {
        Exit::No
    }
}

/// One command with itself for its floors, then with extra work in the second arm.
fn one(ctx: &Ctx, plan: &PairPlan, pairs: u32, share: f64, bar: &mut Bar) -> Result<CalibratedCommand, CommandError> {
    let root = ctx.project.root();
    let same = noise::pairs(ctx, plan, root, (0, 0), pairs, bar)?;
    let readings = series::command_pairs(&same).into_iter();
    let floors: BTreeMap<MetricId, f64> =
        readings.filter_map(|(id, reading)| Some((id, floor::floor(reading.as_ref().ok()?)?))).collect();
    let typical = typical_time(&same);
    let injected = match typical {
        Some(seconds) if seconds * share > 0.0 => {
            let held = same.pairs.iter().all(|pair| pair.core.is_some());
            let alike = PairPlan { pin: if held { Pin::Always } else { Pin::Never }, ..plan.clone() };
            Some(inject(ctx, &alike, &same, share, seconds, bar)?)
        }
        _ => None,
    };
    Ok(CalibratedCommand {
        name: plan.name.clone(),
        cmd: scrub(&plan.cmd),
        pairs,
        floors,
        sessions: 0,
        session_floors: BTreeMap::new(),
        injected,
    })
}

/// The time that decides about the command: what is added is a share of that. On a busy machine a command's wall time is
/// mostly that of others, and a share of it would be too much work.
fn typical_time(paired: &PairedCommand) -> Option<f64> {
    let time = |run: &Run| match Decisive::of_pairs(paired) {
        Decisive::Cpu(_) => run.cpu_s(),
        Decisive::Wall(_) => Some(run.wall_s),
    };
    let times: Option<Vec<f64>> = paired.pairs.iter().map(|pair| time(&pair.before)).collect();
    median::median(&times?)
}

/// Floors that are measured on a busy machine are those of a busy machine.
fn warn_of_load(ctx: &Ctx, machine: &Machine) {
    let Some((load, cores)) = machine.load_1m.zip(machine.cores) else { return };
    if load > f64::from(cores) * BUSY {
        ctx.ui.warn(&format!(
            "the machine is busy (load {load:.1} on {cores} cores): what it finds will hold on a machine that is as busy"
        ));
    }
}

/// Both arms run the command and then this program's own work: none in the first, the added share in the second, so
/// that the only difference is known.
fn inject(
    ctx: &Ctx,
    plan: &PairPlan,
    same: &PairedCommand,
    share: f64,
    seconds: f64,
    bar: &mut Bar,
) -> Result<Injected, CommandError> {
    let pairs = u32::try_from(same.pairs.len()).unwrap_or(u32::MAX);
    let spin = noise::spin_command()?;
    let slowed = PairPlan { cmd: format!("{}{}{spin}", plan.cmd, process::AND_THEN), shell: true, ..plan.clone() };
    let paired = noise::pairs(ctx, &slowed, ctx.project.root(), (0, noise::steps_for(seconds * share)), pairs, bar)?;
    let known = Circumstances { min_effect: DEFAULT_MIN_EFFECT, ..Circumstances::default() };
    // Two programs after one another hide what either waited for; the command alone has told which time decides.
    let (metric, seen) = decisive::by(Decisive::of_pairs(same), &paired, &known);
    Ok(Injected { metric, share, seen })
}

/// What was calibrated, as shares by metric.
#[derive(Debug, Default)]
pub struct Floors {
    /// The smallest change of pairs that counts.
    pub pairs: BTreeMap<MetricId, f64>,
    pub sessions: BTreeMap<MetricId, f64>,
}

/// The calibrated floors of this machine for the commands as they are configured now; none without a
/// calibration.
pub fn floors(ctx: &Ctx) -> Result<Floors, CommandError> {
    let key = calibration::key(&machine::fingerprint());
    let Some(found) = load(ctx, &key)? else { return Ok(Floors::default()) };
    let timings = &ctx.config()?.timings;
    let configured = |name: &str| timings.iter().find(|timing| timing.name == name)?.cmd.as_deref();
    Ok(Floors { pairs: found.floors(configured), sessions: found.session_floors(configured) })
}

fn load(ctx: &Ctx, key: &str) -> Result<Option<Calibration>, CommandError> {
    let path = file(ctx, key);
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::trouble(format!("{}: {error}", path.display()))
            .hinted("remove it and make it anew: vibeship-optimizer calibrate")
    };
    // Twice over, so that what is no number or stands twice is refused before anything is believed.
    parse_json(&bytes, Limits::default()).map_err(|error| wrong(&error))?;
    let found: Calibration = parse_as(&bytes, Limits::default()).map_err(|error| wrong(&error))?;
    if found.schema != calibration::SCHEMA {
        return Err(wrong(&format!("its schema is {:?}, expected {}", found.schema, calibration::SCHEMA)));
    }
    Ok(Some(found))
}

/// A calibration of some timings leaves those of the others as they were.
fn keep_others(ctx: &Ctx, key: &str, found: &mut Calibration) -> Result<(), CommandError> {
    let Some(old) = load(ctx, key)? else { return Ok(()) };
    let new: Vec<String> = found.commands.iter().map(|command| command.name.clone()).collect();
    found.commands.extend(old.commands.into_iter().filter(|command| !new.contains(&command.name)));
    Ok(())
}

fn file(ctx: &Ctx, key: &str) -> std::path::PathBuf {
    ctx.project.state_dir().join("calibration").join(format!("{key}.json"))
}
