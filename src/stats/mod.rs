//! The statistics behind every verdict: one method per file, each citing its source and checked against
//! published or independently computed values. Plain numbers in, plain numbers out; must not know what a metric is.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod binomial;
pub mod hodges_lehmann;
pub mod looks;
pub mod median;
pub mod normal;
pub mod power;
pub mod proportion;
pub mod rank_sum;
pub mod ranks;
pub mod signed_rank;
pub mod winsorized;

pub use looks::Plan;
pub use proportion::Successes;

/// A point estimate with a two-sided interval. All numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// The coverage that the interval has in fact, at least what was asked for where the method is exact.
    pub coverage: f64,
}

impl Interval {
    /// Half of the interval's width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// The interval moved out by `by` at both ends.
    #[must_use]
    pub fn widened(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by, ..self }
    }
}

/// The values in ascending order. Callers hold finite values only.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median of values in ascending order; `None` of nothing.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2.0)
}

/// A count as a number. Counts of samples lie far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of samples lie far below 2^53")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}
