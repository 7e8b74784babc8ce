//! The one-sample Hodges–Lehmann estimate: the median of the Walsh averages (x_i + x_j)/2, i <= j, with the
//! distribution-free interval that inverts the signed-rank test (J. L. Hodges, E. L. Lehmann, "Estimates of location
//! based on rank tests", Annals of Mathematical Statistics 34 (1963) 598–611; J. W. Tukey; M. Hollander,
//! D. A. Wolfe, E. Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014, sections 3.2 and 3.3).

use crate::stats::{Interval, median_of_sorted, signed_rank};

/// The pseudo-median; `None` of nothing.
pub fn pseudo_median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&walsh_averages(values))
}

/// The pseudo-median with an interval of at least `confidence` (in (0, 1)); `None` where there are too few values
/// for any interval of that confidence.
pub fn interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let (k, tail) = signed_rank::critical(values.len(), (1.0 - confidence) / 2.0)?;
    let averages = walsh_averages(values);
    let low = *averages.get(k)?;
    let high = *averages.get(averages.len().checked_sub(k + 1)?)?;
    Some(Interval { value: median_of_sorted(&averages)?, low, high, coverage: 1.0 - 2.0 * tail })
}

fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    averages.sort_by(f64::total_cmp);
    averages
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: [f64; 10] = [0.8, -0.3, 1.2, 2.5, -0.1, 0.9, 1.7, 0.4, -0.6, 1.1];

    #[test]
    fn estimate_and_interval_are_those_of_the_walsh_averages() {
        // numpy 2: w = sorted((d[i]+d[j])/2 for i <= j); median(w), w[8], w[-9]; P(T+ <= 8) = 25/1024 for n = 10.
        let found = interval(&D, 0.95).unwrap();
        for (value, expected) in
            [(found.value, 0.8), (found.low, 0.1), (found.high, 1.45), (found.coverage, 1.0 - 50.0 / 1024.0)]
        {
            assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
        }
    }

    #[test]
    fn the_interval_excludes_zero_exactly_when_the_test_rejects() {
        for shift in [-1.3, -0.7, 0.0, 0.11, 0.4] {
            let moved: Vec<f64> = D.iter().map(|d| d + shift).collect();
            let found = interval(&moved, 0.95).unwrap();
            let rejects = signed_rank::test(&moved).p_value <= 0.05;
            assert_eq!(rejects, found.low > 0.0 || found.high < 0.0, "{shift}");
        }
    }

    #[test]
    fn five_values_have_no_95_percent_interval() {
        assert_eq!(interval(&D[..5], 0.95), None);
        assert!(interval(&D[..6], 0.95).is_some());
        assert_eq!(pseudo_median(&[]), None);
    }
}
