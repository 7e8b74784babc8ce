//! What a self-test found: how often the judgement says "slower" of a program that is so much slower, or not at all.
//! Owns the result's shape; must not run anything.

use serde::Serialize;

use crate::judge::{Circumstances, Tally, noise, series};
use crate::model::{MetricId, PairedCommand};

/// Schema name of the result.
pub const SCHEMA: &str = "vibeship_optimizer.selftest.v1";

/// One metric under one true slowdown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub metric: MetricId,
    /// The true slowdown, as a share; 0 where the program is compared with itself.
    pub slowdown: f64,
    pub pairs: u32,
    /// What was judged, with the minimum effect.
    pub tally: Tally,
    /// What was judged where any difference counts.
    pub without_min_effect: Tally,
    /// The error of the estimated change that nine of ten trials stay below, as a share; null without trials.
    pub error_90: Option<f64>,
}

/// A row for CPU time and one for wall time, of pairs that hold many trials one after the other.
pub fn rows(paired: &PairedCommand, slowdown: f64, pairs: u32, min_effect: f64) -> Vec<Row> {
    let known = |min_effect: f64| Circumstances { min_effect, ..Circumstances::default() };
    let mut rows = Vec::new();
    for (metric, reading) in series::command_pairs(paired) {
        let timed = metric.as_str().ends_with(".cpu") || metric.as_str().ends_with(".wall");
        let Some(series) = reading.as_ref().ok().filter(|_| timed) else { continue };
        let errors = noise::errors(series, pairs, slowdown);
        rows.push(Row {
            metric,
            slowdown,
            pairs,
            tally: noise::tally(series, pairs, 0.0, &known(min_effect)),
            without_min_effect: noise::tally(series, pairs, 0.0, &known(0.0)),
            error_90: (errors.len() * 9).div_ceil(10).checked_sub(1).and_then(|rank| errors.get(rank)).copied(),
        });
    }
    rows
}
