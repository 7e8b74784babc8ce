//! `selftest`: measure how often a verdict of this tool is wrong on this machine, with a program of known speed.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::commands::{Bar, Ctx, busy_loop, failure, parse};
use crate::config::{Pin, words};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::Row;
use crate::judge::compare::DEFAULT_MIN_EFFECT;
use crate::judge::noise::{SELFTEST_SCHEMA, selftest};
use crate::measure::{CommandPlan, machine};
use crate::model::{Pair, Run};
use crate::report;
use crate::stats::median;

/// The rate of false alarms, with the minimum effect in force, that the self-test holds the machine to.
const MOST_ALARMS: f64 = 0.05;

/// Measure how often verdicts are wrong on this machine
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
pub(crate) fn run(ctx: &Ctx, args: SelftestArgs) -> Result<Exit, CommandError> {
    let wanted =
        if args.slowdown.is_empty() { vec!["2%".to_owned(), "5%".to_owned(), "10%".to_owned()] } else { args.slowdown };
    let mut slowdowns = vec![0.0];
    for text in &wanted {
        slowdowns.push(parse::share("--slowdown", text)?);
    }
    let plan = CommandPlan {
        name: "spin".to_owned(),
        cmd: words::join(&busy_loop::words()?)
            .ok_or_else(|| CommandError::trouble("this program's path holds both kinds of quotes"))?,
        shell: false,
        cwd: None,
        env: Vec::new(),
        timeout: Duration::from_secs(60),
        runs: 1,
        warmup: 1,
    };
    let steps = busy_loop::steps_for(f64::from(args.duration_ms) / 1000.0);
    let mut bar = Bar::new(&ctx.ui);
    let whole = whole_by_work(ctx, &plan, steps, &mut bar)?;
    let mut rows: Vec<Row> = Vec::new();
    for slowdown in slowdowns {
        ctx.ui.status(&format!("{} trials of {} pairs, {:.1} % slower", args.trials, args.pairs, slowdown * 100.0));
        // Steps are integers far above 1000, so the rounding is below a thousandth.
        let slower = (f64::from(steps) * (1.0 + slowdown * whole)) as u32;
        let all = args.trials.saturating_mul(args.pairs);
        let paired = busy_loop::pairs(ctx, &plan, Pin::Auto, (steps, slower), all, &mut bar)?;
        rows.extend(selftest(&paired, slowdown, args.pairs, DEFAULT_MIN_EFFECT));
    }
    bar.finish();
    if ctx.json(false) {
        let (schema, machine) = (SELFTEST_SCHEMA, machine::fingerprint());
        let answer = json!({ "schema": schema, "machine": machine, "min_effect": DEFAULT_MIN_EFFECT, "rows": rows });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::calibration::selftest(&rows, DEFAULT_MIN_EFFECT))?;
    }
    Ok(if rows.iter().all(is_sound) { Exit::Yes } else { Exit::No })
}

/// The program's whole time by the time of its work: starting it takes time that more work does not lengthen.
fn whole_by_work(ctx: &Ctx, plan: &CommandPlan, steps: u32, bar: &mut Bar) -> Result<f64, CommandError> {
    let paired = busy_loop::pairs(ctx, plan, Pin::Auto, (0, steps), 15, bar)?;
    let cpu = |run: &Run| run.cpu_s().unwrap_or(run.wall_s);
    let middle =
        |side: fn(&Pair) -> &Run| median::median(&paired.pairs.iter().map(|p| cpu(side(p))).collect::<Vec<_>>());
    let times = middle(|pair| &pair.before).zip(middle(|pair| &pair.after));
    Ok(times.filter(|(start, whole)| whole > start).map_or(1.0, |(start, whole)| whole / (whole - start)))
}

fn is_sound(row: &Row) -> bool {
    if row.slowdown > 0.0 { row.tally.faster == 0 } else { !row.tally.exceeds(MOST_ALARMS) }
}
