//! `calibrate`: measures this machine's noise for the configured commands, and proves that a known slowdown is detected
//! with the settings that contracts are judged by. `selftest`: how often verdicts are wrong here. `spin` (hidden):
//! known work.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, Spinner, init, pairing, parse, validate};
use crate::config::{Pin, TimingConfig};
use crate::error::{Exit, Result, trouble};
use crate::judge::compare::DEFAULT_MIN_EFFECT;
use crate::judge::{
    CalibratedCommand, Calibration, Circumstances, Decisive, Injected, MetricChange, SelftestRow, Settings,
    StoppingDecision, decisive, noise, series,
};
use crate::measure::pair::{PairBudget, Session};
use crate::measure::{Place, Reference, SystemRunner, TOOL, machine};
use crate::model::{CommandLine, Contract, Fix, Json, MetricId, Pair, PairedCommand, Run, Stop, scrub};
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

/// Exits with 0 if every added slowdown was detected, 3 if one is undecided (more pairs may help), 1 if one was judged
/// as anything else: then this machine cannot detect changes of that size.
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
    // A project without anything to time is not set up.
    if ctx.project.config_path().is_some() || project::guess(ctx.project.root()).test.is_some() {
        init::ensure(ctx)?;
    }
    let mut plans = pairing::timings(ctx.config()?);
    plans.retain(|plan| args.timing.is_empty() || args.timing.contains(&plan.name));
    if plans.is_empty() {
        return Err(trouble("no timed command is configured, or none of that name")
            .hinted("name one under `timings` in the config file"));
    }
    // An existing file that cannot be extended is reported before anything is measured.
    calibrated(ctx, &noise::key(&machine::fingerprint()))?;
    warn_of_load(ctx);
    let pin = ctx.config()?.pair.pin;
    let mut bar = Spinner::new(&ctx.ui);
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
    let (machine, tool, schema) = (machine::fingerprint(), TOOL.to_owned(), noise::CALIBRATION_SCHEMA.to_owned());
    let key = noise::key(&machine);
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
    if seen().all(|seen| matches!(seen, MetricChange::Regressed(_))) {
        Exit::Yes
    } else if seen().all(|seen| matches!(seen, MetricChange::Regressed(_) | MetricChange::Inconclusive { .. })) {
        Exit::NotYet
    } else {
        Exit::No
    }
}

/// Measures a command against itself for its noise floors, then with extra work on the second side.
fn calibrate(
    ctx: &Ctx,
    plan: &TimingConfig,
    pin: Pin,
    pairs: u32,
    share: f64,
    bar: &mut Spinner,
) -> Result<CalibratedCommand> {
    let same = measure_pairs(ctx, plan, pin, (0, 0), pairs, bar)?;
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

/// The median of the command's decisive time in seconds, of which the added work is a share. On a busy machine most of the
/// wall time is other programs', so a share of it would be too much work.
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
/// that the difference is known. They are pinned to a core if the command alone was.
fn inject(
    ctx: &Ctx,
    plan: &TimingConfig,
    same: &PairedCommand,
    share: f64,
    seconds: f64,
    bar: &mut Spinner,
) -> Result<Injected> {
    let pairs = u32::try_from(same.pairs.len()).unwrap_or(u32::MAX);
    let pinned = same.pairs.iter().all(|pair| pair.core.is_some());
    let pin = if pinned { Pin::Always } else { Pin::Never };
    let work = process::shell_line(&words()?).ok_or_else(|| trouble("no shell can name this program's path"))?;
    let cmd = Some(format!("{}{}{work}", plan.command(), process::AND_THEN));
    let slowed = TimingConfig { cmd, shell: true, ..plan.clone() };
    let paired = measure_pairs(ctx, &slowed, pin, (0, steps_for(seconds * share)), pairs, bar)?;
    let known = Circumstances { min_effect: DEFAULT_MIN_EFFECT, ..Circumstances::default() };
    // Two programs in sequence hide which of them waited, so the command alone decides which time counts.
    let (metric, seen) = decisive::by(Decisive::of_pairs(same), &paired, &known);
    Ok(Injected { metric, share, seen })
}

fn measure_sessions(
    ctx: &Ctx,
    (sessions, pause): (u32, Duration),
    plans: &[TimingConfig],
    found: &mut [CalibratedCommand],
    bar: &mut Spinner,
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
            let runs = measure_pairs(ctx, plan, pin, (0, 0), SESSION_PAIRS, bar)?;
            for (metric, reading) in series::command_pairs(&runs) {
                // The runs of both sides count: they are of the same program.
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

/// The settings in force: the contract's minimum effect or else the config's, and this machine's noise floors that were
/// calibrated for the commands as they are configured now.
pub(crate) fn settings(ctx: &Ctx, contract: Option<&Contract>) -> Result<Settings> {
    let config = ctx.config()?;
    let min_effect = contract.and_then(|contract| contract.min_effect).unwrap_or(config.pair.min_effect);
    let mut settings = Settings { min_effect, ..Settings::default() };
    if let Some(found) = calibrated(ctx, &noise::key(&machine::fingerprint()))? {
        let configured = |name: &str| config.timings.iter().find(|timing| timing.name == name)?.cmd.as_deref();
        found.apply(configured, &mut settings);
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
    if found.schema != noise::CALIBRATION_SCHEMA {
        return Err(wrong(&format!("its schema is {:?}, expected {}", found.schema, noise::CALIBRATION_SCHEMA)));
    }
    Ok(Some(found))
}

pub(crate) fn calibration_path(ctx: &Ctx, key: &str) -> PathBuf {
    ctx.project.state_dir().join("calibration").join(format!("{key}.json"))
}

/// The highest rate of false alarms that the self-test accepts, at the default minimum effect.
const MOST_ALARMS: f64 = 0.05;

#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Number of trials of each slowdown
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: u32,
    /// Maximum number of pairs in a trial
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(6..=300))]
    pairs: u32,
    /// Duration of the measured program in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    duration_ms: u32,
    /// Slowdown to test beside none (can be repeated) [default: 2%, 5% and 10%]
    #[arg(long, value_name = "SHARE")]
    slowdown: Vec<String>,
}

/// Exits with 0 if false alarms are no more frequent than the level explains and no verdict has the wrong direction,
/// else with 1.
pub(crate) fn selftest(ctx: &Ctx, args: SelftestArgs) -> Result<Exit> {
    let wanted =
        if args.slowdown.is_empty() { vec!["2%".to_owned(), "5%".to_owned(), "10%".to_owned()] } else { args.slowdown };
    let mut slowdowns = vec![0.0];
    for text in &wanted {
        slowdowns.push(parse::share("--slowdown", text)?);
    }
    let cmd = shlex::try_join(words()?.iter().map(String::as_str));
    let cmd = cmd.map_err(|_| trouble("this program's path holds a NUL byte"))?;
    let plan = TimingConfig::once("spin".to_owned(), cmd, 60.0);
    let steps = steps_for(f64::from(args.duration_ms) / 1000.0);
    let mut bar = Spinner::new(&ctx.ui);
    let whole = whole_by_work(ctx, &plan, steps, &mut bar)?;
    let mut rows: Vec<SelftestRow> = Vec::new();
    for slowdown in slowdowns {
        ctx.ui.status(&format!("{} trials of {} pairs, {:.1} % slower", args.trials, args.pairs, slowdown * 100.0));
        // Steps are integers far above 1000, so the rounding error is below a thousandth.
        let slower = (f64::from(steps) * (1.0 + slowdown * whole)) as u32;
        let all = args.trials.saturating_mul(args.pairs);
        let paired = measure_pairs(ctx, &plan, Pin::Auto, (steps, slower), all, &mut bar)?;
        rows.extend(noise::selftest(&paired, slowdown, args.pairs, DEFAULT_MIN_EFFECT));
    }
    bar.finish();
    let (schema, machine) = (noise::SELFTEST_SCHEMA, machine::fingerprint());
    let answer = json!({ "schema": schema, "machine": machine, "min_effect": DEFAULT_MIN_EFFECT, "rows": rows });
    ctx.answer(false, &answer, &report::pair::selftest(&rows, DEFAULT_MIN_EFFECT))?;
    let is_sound =
        |row: &SelftestRow| if row.slowdown > 0.0 { row.tally.faster == 0 } else { !row.tally.exceeds(MOST_ALARMS) };
    Ok(if rows.iter().all(is_sound) { Exit::Yes } else { Exit::No })
}

/// The program's total time divided by the time of its work: starting it takes time that more work does not lengthen.
fn whole_by_work(ctx: &Ctx, plan: &TimingConfig, steps: u32, bar: &mut Spinner) -> Result<f64> {
    let paired = measure_pairs(ctx, plan, Pin::Auto, (0, steps), 15, bar)?;
    let cpu = |run: &Run| run.cpu_s().unwrap_or(run.wall_s);
    let middle = |side: fn(&Pair) -> &Run| median(&paired.pairs.iter().map(|p| cpu(side(p))).collect::<Vec<_>>());
    let times = middle(|pair| &pair.before).zip(middle(|pair| &pair.after));
    Ok(times.filter(|(start, whole)| whole > start).map_or(1.0, |(start, whole)| whole / (whole - start)))
}

const VARIABLE: &str = "VIBESHIP_OPTIMIZER_SPIN_STEPS";

/// Runs as many steps of the reference workload as the variable says, or none without it.
pub(crate) fn spin() -> Result<Exit> {
    let steps = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Reference::new().work(steps);
    Ok(Exit::Yes)
}

fn words() -> Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| trouble("this program's path is not Unicode"))?;
    Ok(vec![program.to_owned(), "spin".to_owned()])
}

/// The number of steps that take this many seconds here, by the fastest of several tries.
fn steps_for(seconds: f64) -> u32 {
    let reference = Reference::new();
    let tries = (0..15).map(|_| reference.measure_once());
    let fastest = tries.map(|time| time.cpu_s.unwrap_or(time.wall_s)).fold(f64::INFINITY, f64::min);
    // Half a second of work is far below u32::MAX steps; a saturating cast keeps anything else sane.
    (seconds / fastest * f64::from(Reference::STEPS)) as u32
}

/// Measures exactly this many pairs of `plan`, each side with its own number of steps.
fn measure_pairs(
    ctx: &Ctx,
    plan: &TimingConfig,
    pin: Pin,
    steps: (u32, u32),
    pairs: u32,
    bar: &mut Spinner,
) -> Result<PairedCommand> {
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let place = |steps: u32| Place {
        root: ctx.project.root().to_owned(),
        env: vec![(VARIABLE.into(), Some(OsString::from(steps.to_string())))],
    };
    let (before, after) = (place(steps.0), place(steps.1));
    let mut session = Session::new(&mut runner, (&before, &after), pin);
    let budget = PairBudget { min_pairs: pairs, max_pairs: pairs, max_time: Duration::MAX };
    let measured =
        session.command((plan, None), budget, &mut |_| StoppingDecision::Continue { more: None }, &mut |progress| {
            bar.show(&format!("{}: pair {} of {pairs}", plan.name, progress.so_far.pairs.len()));
        });
    if measured.paired.stopped == Stop::Interrupted {
        return Err(validate::interrupted());
    }
    if let Some(error) = measured.error {
        return Err(trouble(format!("{}: {error}", plan.name)));
    }
    Ok(measured.paired)
}
