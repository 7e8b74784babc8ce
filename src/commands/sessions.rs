//! Sessions apart in time, for `calibrate`: how far one lies from another with nothing changed. Must not judge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::commands::{Bar, CalibrateArgs, Ctx, noise};
use crate::error::CommandError;
use crate::judge::{CalibratedCommand, PairedSeries, noise as floor, series};
use crate::measure::pair::PairPlan;
use crate::model::MetricId;
use crate::stats::median;

/// Pairs of the command with itself in a session: ten runs.
const PAIRS: u32 = 5;
/// How often a wait looks whether the user wants to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Sessions {
    number: u32,
    pause: Duration,
}

impl Sessions {
    /// As the flags say.
    pub fn asked(args: &CalibrateArgs) -> Result<Self, CommandError> {
        if (1..3).contains(&args.sessions) {
            return Err(CommandError::trouble(format!(
                "--sessions {}: at least 3 are needed to compare",
                args.sessions
            )));
        }
        let pause = Duration::try_from_secs_f64(args.pause)
            .map_err(|_| CommandError::trouble(format!("--pause {}: it must be a number of seconds", args.pause)))?;
        Ok(Self { number: args.sessions, pause })
    }

    /// Measures the commands in as many sessions as were asked for, and enters how far those lie apart.
    pub fn measure(
        self,
        ctx: &Ctx,
        plans: &[PairPlan],
        found: &mut [CalibratedCommand],
        bar: &mut Bar,
    ) -> Result<(), CommandError> {
        if self.number == 0 {
            return Ok(());
        }
        let seconds = self.pause.as_secs_f64() * f64::from(self.number - 1);
        ctx.ui.status(&format!("{} sessions {} s apart, {seconds:.0} s in all", self.number, self.pause.as_secs_f64()));
        let mut medians: Vec<BTreeMap<MetricId, Vec<f64>>> = vec![BTreeMap::new(); plans.len()];
        for session in 0..self.number {
            if session > 0 {
                bar.show(&format!("waiting for session {} of {}", session + 1, self.number));
                self.wait(ctx)?;
            }
            for (plan, medians) in plans.iter().zip(&mut medians) {
                let runs = noise::pairs(ctx, plan, ctx.project.root(), (0, 0), PAIRS, bar)?;
                for (metric, reading) in series::command_pairs(&runs) {
                    if let Some(middle) = reading.as_ref().ok().and_then(middle) {
                        medians.entry(metric).or_default().push(middle);
                    }
                }
            }
        }
        for (command, medians) in found.iter_mut().zip(medians) {
            command.sessions = self.number;
            command.session_floors =
                medians.into_iter().filter_map(|(metric, all)| Some((metric, floor::session_floor(&all)?))).collect();
        }
        Ok(())
    }

    fn wait(self, ctx: &Ctx) -> Result<(), CommandError> {
        let interrupt = ctx.interrupt()?;
        let started = Instant::now();
        while started.elapsed() < self.pause {
            if interrupt.requested() {
                return Err(CommandError::trouble("interrupted; nothing was recorded"));
            }
            std::thread::sleep(GLANCE.min(self.pause.saturating_sub(started.elapsed())));
        }
        Ok(())
    }
}

/// The middle of all runs, whichever arm they were in: it is one program.
fn middle(series: &PairedSeries) -> Option<f64> {
    median::median(&series.pairs.iter().flat_map(|pair| [pair.before, pair.after]).collect::<Vec<f64>>())
}
