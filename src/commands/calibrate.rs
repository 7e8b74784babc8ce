//! `calibrate`: measure this machine's noise for the configured commands, and prove that a known slowdown is seen. Owns the
//! settings that a contract is judged with: the config's, and what was calibrated here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::commands::{Bar, Ctx, init, pairing, parse, selftest, validate};
use crate::config::{Pin, Timing};
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::judge::compare::DEFAULT_MIN_EFFECT;
use crate::judge::{
    CalibratedCommand, Calibration, Change, Circumstances, Decisive, Injected, Settings, calibration, decisive, noise,
    series,
};
use crate::measure::{TOOL, machine};
use crate::model::scrub::scrub;
use crate::model::strict_json::Json;
use crate::model::{CommandLine, Contract, Fix, MetricId, PairedCommand, Run};
use crate::os::process;
use crate::project;
use crate::report;
use crate::stats::median;
use crate::store::{atomic, guard};

const BUSY: f64 = 0.5;
const SESSION_PAIRS: u32 = 5;
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Number of pairs of each command with itself
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..=1000))]
    pairs: u32,
    /// Slowdown to add, as a share of the command's time
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    inject: String,
    /// Also compare this many sessions, to see how far plain snapshots differ (0 for none, otherwise at least 3)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    sessions: u32,
    /// Seconds between two sessions
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pause: f64,
    /// Calibrate only this timing (can be repeated)
    #[arg(long, value_name = "NAME")]
    timing: Vec<String>,
}

/// Exit 0 when every added slowdown was seen, 3 when one is still undecided (more pairs may help), 1 when one was
/// taken for something else: then this machine cannot tell changes of that size.
pub(crate) fn run(ctx: &Ctx, args: CalibrateArgs) -> Result<Exit> {
    let share = parse::share("--inject", &args.inject)?;
    if share == 0.0 {
        return Err(trouble("--inject 0%: the slowdown must be greater than zero")
            .fixed_by([Fix::next("", CommandLine::tool("calibrate --inject 5%"))]));
    }
    if (1..3).contains(&args.sessions) {
        return Err(trouble(format!("--sessions {}: at least 3 are needed to compare", args.sessions)));
    }
    let pause = Duration::try_from_secs_f64(args.pause)
        .map_err(|_| trouble(format!("--pause {}: it must be a number of seconds", args.pause)))?;
    // Where there is nothing to time, nothing is set up for it either.
    if ctx.project.config_path().is_some() || project::guess(ctx.project.root()).test.is_some() {
        init::ensure(ctx)?;
    }
    let mut plans = pairing::timings(ctx.config()?);
    plans.retain(|plan| args.timing.is_empty() || args.timing.contains(&plan.name));
    if plans.is_empty() {
        return Err(trouble("no timed command is configured, or none of that name")
            .hinted("name one under `timings` in the config file"));
    }
    // A file that cannot be added to is reported before anything is measured.
    calibrated(ctx, &calibration::key(&machine::fingerprint()))?;
    warn_of_load(ctx);
    let pin = ctx.config()?.pair.pin;
    let mut bar = Bar::new(&ctx.ui);
    let mut found = Vec::new();
    for plan in &plans {
        let (name, pairs, added) = (&plan.name, args.pairs, &args.inject);
        ctx.ui.status(&format!("calibrating {name}: {pairs} pairs with itself, then with {added} added"));
        found.push(calibrate(ctx, plan, pin, pairs, share, &mut bar)?);
    }
    if args.sessions > 0 {
        measure_sessions(ctx, (args.sessions, pause), &plans, &mut found, &mut bar)?;
    }
    bar.finish();
    let exit = exit_of(&found);
    record(ctx, found)?;
    Ok(exit)
}

fn record(ctx: &Ctx, commands: Vec<CalibratedCommand>) -> Result<()> {
    let (machine, tool, schema) = (machine::fingerprint(), TOOL.to_owned(), calibration::SCHEMA.to_owned());
    let key = calibration::key(&machine);
    let mut found = Calibration { schema, tool, generated_at: ctx.now(), machine, commands };
    let lock = ctx.lock()?;
    let new: Vec<String> = found.commands.iter().map(|command| command.name.clone()).collect();
    let old = calibrated(ctx, &key)?.map(|old| old.commands).unwrap_or_default();
    found.commands.extend(old.into_iter().filter(|command| !new.contains(&command.name)));
    let path = calibration_path(ctx, &key);
    let json = serde_json::to_value(&found)?;
    guard::write(&ctx.project, &path, format!("{json:#}\n").as_bytes())?;
    drop(lock);
    ctx.answer(false, &json, &report::pair::calibration(&found))?;
    ctx.ui.status(&format!("wrote {}", ctx.project.relative(&path)));
    Ok(())
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

/// One command with itself for its floors, then with extra work on the second side.
fn calibrate(ctx: &Ctx, plan: &Timing, pin: Pin, pairs: u32, share: f64, bar: &mut Bar) -> Result<CalibratedCommand> {
    let same = selftest::pairs(ctx, plan, pin, (0, 0), pairs, bar)?;
    let readings = series::command_pairs(&same).into_iter();
    let floors: BTreeMap<MetricId, f64> =
        readings.filter_map(|(id, reading)| Some((id, noise::floor(reading.as_ref().ok()?)?))).collect();
    let injected = match typical_time(&same) {
        Some(seconds) if seconds * share > 0.0 => Some(inject(ctx, plan, &same, share, seconds, bar)?),
        _ => None,
    };
    Ok(CalibratedCommand {
        name: plan.name.clone(),
        cmd: scrub(plan.command()),
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
    median(&times?)
}

fn warn_of_load(ctx: &Ctx) {
    let machine = machine::fingerprint();
    let Some((load, cores)) = machine.load_1m.zip(machine.cores) else { return };
    if load > f64::from(cores) * BUSY {
        ctx.ui.warn(&format!(
            "the machine is busy (load {load:.1} on {cores} cores): the calibration applies only while it is as busy"
        ));
    }
}

/// Both sides run the command and then this program's own work: none on the first, the added share on the second, so
/// that the only difference is known. They are held on a core where the command alone was.
fn inject(ctx: &Ctx, plan: &Timing, same: &PairedCommand, share: f64, seconds: f64, bar: &mut Bar) -> Result<Injected> {
    let pairs = u32::try_from(same.pairs.len()).unwrap_or(u32::MAX);
    let held = same.pairs.iter().all(|pair| pair.core.is_some());
    let pin = if held { Pin::Always } else { Pin::Never };
    let work =
        process::shell_line(&selftest::words()?).ok_or_else(|| trouble("no shell can name this program's path"))?;
    let cmd = Some(format!("{}{}{work}", plan.command(), process::AND_THEN));
    let slowed = Timing { cmd, shell: true, ..plan.clone() };
    let paired = selftest::pairs(ctx, &slowed, pin, (0, selftest::steps_for(seconds * share)), pairs, bar)?;
    let known = Circumstances { min_effect: DEFAULT_MIN_EFFECT, ..Circumstances::default() };
    // Two programs after one another hide what either waited for; the command alone has told which time decides.
    let (metric, seen) = decisive::by(Decisive::of_pairs(same), &paired, &known);
    Ok(Injected { metric, share, seen })
}

/// Measures the commands in so many sessions apart in time, and enters how far those differ with nothing changed.
fn measure_sessions(
    ctx: &Ctx,
    (sessions, pause): (u32, Duration),
    plans: &[Timing],
    found: &mut [CalibratedCommand],
    bar: &mut Bar,
) -> Result<()> {
    let seconds = pause.as_secs_f64();
    let all = seconds * f64::from(sessions - 1);
    ctx.ui.status(&format!("{sessions} sessions {seconds} s apart, {all:.0} s in all"));
    let pin = ctx.config()?.pair.pin;
    let mut medians: Vec<BTreeMap<MetricId, Vec<f64>>> = vec![BTreeMap::new(); plans.len()];
    for session in 0..sessions {
        if session > 0 {
            bar.show(&format!("waiting for session {} of {sessions}", session + 1));
            wait(ctx, pause)?;
        }
        for (plan, medians) in plans.iter().zip(&mut medians) {
            let runs = selftest::pairs(ctx, plan, pin, (0, 0), SESSION_PAIRS, bar)?;
            for (metric, reading) in series::command_pairs(&runs) {
                // All runs, whichever side they were on: it is one program.
                let samples = reading.iter().flat_map(|it| &it.pairs).flat_map(|pair| [pair.before, pair.after]);
                if let Some(middle) = median(&samples.collect::<Vec<f64>>()) {
                    medians.entry(metric).or_default().push(middle);
                }
            }
        }
    }
    for (command, medians) in found.iter_mut().zip(medians) {
        command.sessions = sessions;
        command.session_floors =
            medians.into_iter().filter_map(|(metric, all)| Some((metric, noise::session_floor(&all)?))).collect();
    }
    Ok(())
}

fn wait(ctx: &Ctx, pause: Duration) -> Result<()> {
    let interrupt = ctx.interrupt()?;
    let started = Instant::now();
    while started.elapsed() < pause {
        if interrupt.requested() {
            return Err(validate::interrupted());
        }
        std::thread::sleep(GLANCE.min(pause.saturating_sub(started.elapsed())));
    }
    Ok(())
}

const LIMIT: u64 = 4 * 1024 * 1024;

/// The settings in force now: the contract's minimum effect before the config's, and the floors of this machine that
/// were calibrated for the commands as they are configured now.
pub(crate) fn settings(ctx: &Ctx, contract: Option<&Contract>) -> Result<Settings> {
    let config = ctx.config()?;
    let min_effect = contract.and_then(|contract| contract.min_effect).unwrap_or(config.pair.min_effect);
    let mut settings = Settings { min_effect, ..Settings::default() };
    if let Some(found) = calibrated(ctx, &calibration::key(&machine::fingerprint()))? {
        let configured = |name: &str| config.timings.iter().find(|timing| timing.name == name)?.cmd.as_deref();
        settings.noise_floors = found.floors(configured);
        settings.session_floors = found.session_floors(configured);
    }
    Ok(settings)
}

pub(crate) fn calibrated(ctx: &Ctx, key: &str) -> Result<Option<Calibration>> {
    let path = calibration_path(ctx, key);
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| {
        trouble(format!("{}: {error}", path.display()))
            .hinted("remove the file")
            .fixed_by([Fix::then("calibrate again", CommandLine::tool("calibrate"))])
    };
    let found: Calibration = Json::parse(&bytes).and_then(|json| json.read()).map_err(|error| wrong(&error))?;
    if found.schema != calibration::SCHEMA {
        return Err(wrong(&format!("its schema is {:?}, expected {}", found.schema, calibration::SCHEMA)));
    }
    Ok(Some(found))
}

pub(crate) fn calibration_path(ctx: &Ctx, key: &str) -> PathBuf {
    ctx.project.state_dir().join("calibration").join(format!("{key}.json"))
}
