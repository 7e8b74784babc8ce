//! The median with its interval from order statistics, which has the stated coverage whatever the distribution
//! (W. R. Thompson, "On confidence ranges for the median and other expectation distributions for populations of
//! unknown distribution form", Annals of Mathematical Statistics 7 (1936) 122–128).

use crate::stats::{Interval, median_of_sorted, proportion, sorted};

/// The median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The median with an interval of at least `confidence` (in (0, 1)); `None` where there are too few values for any
/// interval of that confidence (fewer than 6 for 0.95).
pub fn interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let n = values.len();
    let tail = (1.0 - confidence) / 2.0;
    let rank = (0..n / 2).take_while(|k| proportion::fair_cdf(n, *k) <= tail).last()?;
    let sorted = sorted(values);
    Some(Interval {
        value: median_of_sorted(&sorted)?,
        low: sorted[rank],
        high: sorted[n - 1 - rank],
        coverage: 1.0 - 2.0 * proportion::fair_cdf(n, rank),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_published_table() {
        // W. J. Conover, "Practical Nonparametric Statistics", 3rd ed., 1999, table A3 (binomial, p = 0.5), 95 %.
        for (n, low, high) in [(6_u32, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (25, 8, 18)] {
            let values: Vec<f64> = (1..=n).rev().map(f64::from).collect();
            let found = interval(&values, 0.95).unwrap();
            assert_eq!((found.low, found.high), (f64::from(low), f64::from(high)), "n = {n}");
            assert!(found.coverage >= 0.95);
        }
    }

    #[test]
    fn the_coverage_is_stated_and_too_few_have_none() {
        assert!((interval(&[1.0; 6], 0.95).unwrap().coverage - 0.968_75).abs() < 1e-9);
        assert_eq!(interval(&[1.0; 5], 0.95), None);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
