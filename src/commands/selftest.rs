//! `selftest`: how often the verdicts are wrong on this machine; and `spin` (hidden), a known amount of work, by which it and
//! `calibrate` measure a program against itself.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::commands::{Bar, Ctx, parse, validate};
use crate::config::{Pin, Timing};
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::judge::compare::DEFAULT_MIN_EFFECT;
use crate::judge::noise::{SELFTEST_SCHEMA, selftest};
use crate::judge::{Decision, Row};
use crate::measure::pair::{Budget, Session};
use crate::measure::{Place, Reference, SystemRunner, machine};
use crate::model::{Pair, PairedCommand, Run, Stop};
use crate::report;
use crate::stats::median;

/// The rate of false alarms, with the minimum effect in force, that the self-test holds the machine to.
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

/// Exit 0 when the false alarms are no more than the level explains and no verdict has the wrong direction, 1 otherwise.
pub(crate) fn run(ctx: &Ctx, args: SelftestArgs) -> Result<Exit> {
    let wanted =
        if args.slowdown.is_empty() { vec!["2%".to_owned(), "5%".to_owned(), "10%".to_owned()] } else { args.slowdown };
    let mut slowdowns = vec![0.0];
    for text in &wanted {
        slowdowns.push(parse::share("--slowdown", text)?);
    }
    let cmd = shlex::try_join(words()?.iter().map(String::as_str));
    let cmd = cmd.map_err(|_| trouble("this program's path holds a NUL byte"))?;
    let plan = Timing::once("spin".to_owned(), cmd, 60.0);
    let steps = steps_for(f64::from(args.duration_ms) / 1000.0);
    let mut bar = Bar::new(&ctx.ui);
    let whole = whole_by_work(ctx, &plan, steps, &mut bar)?;
    let mut rows: Vec<Row> = Vec::new();
    for slowdown in slowdowns {
        ctx.ui.status(&format!("{} trials of {} pairs, {:.1} % slower", args.trials, args.pairs, slowdown * 100.0));
        // Steps are integers far above 1000, so the rounding is below a thousandth.
        let slower = (f64::from(steps) * (1.0 + slowdown * whole)) as u32;
        let all = args.trials.saturating_mul(args.pairs);
        let paired = pairs(ctx, &plan, Pin::Auto, (steps, slower), all, &mut bar)?;
        rows.extend(selftest(&paired, slowdown, args.pairs, DEFAULT_MIN_EFFECT));
    }
    bar.finish();
    let (schema, machine) = (SELFTEST_SCHEMA, machine::fingerprint());
    let answer = json!({ "schema": schema, "machine": machine, "min_effect": DEFAULT_MIN_EFFECT, "rows": rows });
    ctx.answer(false, &answer, &report::pair::selftest(&rows, DEFAULT_MIN_EFFECT))?;
    let is_sound = |row: &Row| if row.slowdown > 0.0 { row.tally.faster == 0 } else { !row.tally.exceeds(MOST_ALARMS) };
    Ok(if rows.iter().all(is_sound) { Exit::Yes } else { Exit::No })
}

/// The program's whole time by the time of its work: starting it takes time that more work does not lengthen.
fn whole_by_work(ctx: &Ctx, plan: &Timing, steps: u32, bar: &mut Bar) -> Result<f64> {
    let paired = pairs(ctx, plan, Pin::Auto, (0, steps), 15, bar)?;
    let cpu = |run: &Run| run.cpu_s().unwrap_or(run.wall_s);
    let middle = |side: fn(&Pair) -> &Run| median(&paired.pairs.iter().map(|p| cpu(side(p))).collect::<Vec<_>>());
    let times = middle(|pair| &pair.before).zip(middle(|pair| &pair.after));
    Ok(times.filter(|(start, whole)| whole > start).map_or(1.0, |(start, whole)| whole / (whole - start)))
}

const VARIABLE: &str = "VIBESHIP_OPTIMIZER_SPIN_STEPS";

/// As many steps of the reference workload as the variable says; none without it.
pub(crate) fn spin() -> Result<Exit> {
    let steps = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Reference::new().work(steps);
    Ok(Exit::Yes)
}

pub(crate) fn words() -> Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| trouble("this program's path is not Unicode"))?;
    Ok(vec![program.to_owned(), "spin".to_owned()])
}

/// How many steps take so many seconds here, by the fastest of several tries.
pub(crate) fn steps_for(seconds: f64) -> u32 {
    let reference = Reference::new();
    let tries = (0..15).map(|_| reference.measure_once());
    let fastest = tries.map(|time| time.cpu_s.unwrap_or(time.wall_s)).fold(f64::INFINITY, f64::min);
    // Half a second of work is far below u32::MAX steps; a saturating cast keeps anything else sane.
    (seconds / fastest * f64::from(Reference::STEPS)) as u32
}

/// So many pairs of `plan`, each side with its own number of steps. They do not end early.
pub(crate) fn pairs(
    ctx: &Ctx,
    plan: &Timing,
    pin: Pin,
    steps: (u32, u32),
    pairs: u32,
    bar: &mut Bar,
) -> Result<PairedCommand> {
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let place = |steps: u32| Place {
        root: ctx.project.root().to_owned(),
        env: vec![(VARIABLE.into(), Some(OsString::from(steps.to_string())))],
    };
    let (before, after) = (place(steps.0), place(steps.1));
    let mut session = Session::new(&mut runner, (&before, &after), pin);
    let budget = Budget { min_pairs: pairs, max_pairs: pairs, max_time: Duration::MAX };
    let measured = session.command((plan, None), budget, &mut |_| Decision::Continue { more: None }, &mut |progress| {
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
