//! Counts of successes: the binomial distribution; Fisher's exact test of two proportions (R. A. Fisher, "Statistical
//! Methods for Research Workers", 5th ed., 1934, section 21.02; two-sided: sums all tables at most as probable); the
//! interval for their difference from Wilson scores (R. G. Newcombe, "Interval estimation for the difference between
//! independent proportions: comparison of eleven methods", Statistics in Medicine 17 (1998) 873–890, method 10).

use crate::stats::{CONFIDENCE, Interval, normal::Z_95, real};

/// P(B <= k) for B ~ Binomial(n, 1/2).
pub fn fair_cdf(n: usize, k: usize) -> f64 {
    if k >= n {
        return 1.0;
    }
    let ln_half = real(n) * std::f64::consts::LN_2;
    (0..=k).map(|i| (ln_choose(n, i) - ln_half).exp()).sum()
}

/// P(B >= k) for B ~ Binomial(n, p), 0 < p < 1.
pub fn upper_tail(n: usize, k: usize, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    (k..=n).map(|i| (ln_choose(n, i) + real(i) * p.ln() + real(n - i) * (-p).ln_1p()).exp()).sum::<f64>().min(1.0)
}

pub fn ln_choose(n: usize, k: usize) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    libm::lgamma(real(n) + 1.0) - libm::lgamma(real(k) + 1.0) - libm::lgamma(real(n - k) + 1.0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successes {
    pub successes: usize,
    pub trials: usize,
}

impl Successes {
    /// Counts the samples that are not 0.
    pub fn of(samples: &[f64]) -> Self {
        Self { successes: samples.iter().filter(|sample| **sample != 0.0).count(), trials: samples.len() }
    }

    /// The share of successes; `None` without trials.
    pub fn share(self) -> Option<f64> {
        (self.trials > 0).then(|| real(self.successes) / real(self.trials))
    }

    /// Wilson's 95 % score interval for the share (E. B. Wilson, "Probable inference, the law of succession, and
    /// statistical inference", JASA 22 (1927) 209–212); `None` without trials.
    pub fn wilson(self) -> Option<Interval> {
        let share = self.share()?;
        let n = real(self.trials);
        let z = Z_95;
        let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let reach = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let low = if self.successes == 0 { 0.0 } else { centre - reach };
        let high = if self.successes == self.trials { 1.0 } else { centre + reach };
        Some(Interval { value: share, low, high, coverage: CONFIDENCE })
    }

    /// How many trials without a failure are needed until the interval is above `share`; `None` if no number suffices.
    pub fn flawless_for(share: f64) -> Option<usize> {
        let trials = (Z_95 * Z_95 * share / (1.0 - share)).ceil();
        (0.0..1e9).contains(&trials).then_some(trials as usize)
    }
}

/// Two-sided p-value of "both have the same share of successes"; `None` if either has no trials.
pub fn fisher_exact(first: Successes, second: Successes) -> Option<f64> {
    if first.trials == 0 || second.trials == 0 {
        return None;
    }
    let all = first.trials + second.trials;
    let hits = first.successes + second.successes;
    let ln_all = ln_choose(all, hits);
    let ln_probability = |k: usize| ln_choose(first.trials, k) + ln_choose(second.trials, hits - k) - ln_all;
    let observed = ln_probability(first.successes);
    let (from, to) = (hits.saturating_sub(second.trials), hits.min(first.trials));
    // Tables as probable as the observed one, up to rounding, count as usual.
    let p: f64 = (from..=to).map(ln_probability).filter(|ln_p| *ln_p <= observed + 1e-7).map(f64::exp).sum();
    Some(p.min(1.0))
}

/// The share of `second` minus that of `first` with its 95 % interval; `None` if either has no trials.
pub fn difference(first: Successes, second: Successes) -> Option<Interval> {
    let a = first.wilson()?;
    let b = second.wilson()?;
    let value = b.value - a.value;
    let below = ((b.value - b.low).powi(2) + (a.high - a.value).powi(2)).sqrt();
    let above = ((b.high - b.value).powi(2) + (a.value - a.low).powi(2)).sqrt();
    Some(Interval { value, low: value - below, high: value + above, coverage: CONFIDENCE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(successes: usize, trials: usize) -> Successes {
        Successes { successes, trials }
    }

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
    }

    #[test]
    fn fishers_test_matches_scipy() {
        // scipy 1.17.1: scipy.stats.fisher_exact([[a, n-a], [b, m-b]]).pvalue
        close(fisher_exact(of(8, 10), of(1, 6)).unwrap(), 0.034_965_034_965_034_975, 1e-9);
        close(fisher_exact(of(56, 70), of(48, 80)).unwrap(), 0.012_521_129_749_209_154, 1e-9);
        close(fisher_exact(of(0, 20), of(5, 20)).unwrap(), 0.047_124_047_124_047_13, 1e-9);
    }

    #[test]
    fn wilsons_interval_matches_scipy() {
        // scipy 1.17.1: scipy.stats.binomtest(56, 70).proportion_ci(0.95, method="wilson")
        let found = of(56, 70).wilson().unwrap();
        close(found.low, 0.691_833_555_037_469_3, 1e-9);
        close(found.high, 0.876_952_607_516_370_4, 1e-9);
        // binomtest(0, 12)
        close(of(0, 12).wilson().unwrap().high, 0.242_494_006_655_240_85, 1e-9);
    }

    #[test]
    fn the_interval_of_the_difference_matches_newcombes_table() {
        // Newcombe 1998, table II, method 10: (a) 56/70 − 48/80, (d) 5/56 − 0/29, (f) 10/10 − 0/20.
        for (first, second, low, high) in [
            (of(48, 80), of(56, 70), 0.0524, 0.3339),
            (of(0, 29), of(5, 56), -0.0381, 0.1926),
            (of(0, 20), of(10, 10), 0.6791, 1.0),
        ] {
            let found = difference(first, second).unwrap();
            close(found.low, low, 5.1e-5);
            close(found.high, high, 5.1e-5);
        }
    }

    #[test]
    fn without_trials_there_is_no_answer() {
        assert_eq!(difference(of(0, 0), of(1, 2)), None);
        assert_eq!(fisher_exact(of(0, 0), of(1, 2)), None);
    }

    #[test]
    fn the_distribution_function_matches_scipy() {
        // scipy 1.17.1: scipy.stats.binom.cdf(k, n, 0.5)
        for (n, k, expected) in
            [(6, 0, 0.015_625), (20, 5, 0.020_694_732_666_015_625), (101, 40, 0.023_022_033_464_671_392), (3, 3, 1.0)]
        {
            assert!((fair_cdf(n, k) - expected).abs() < 1e-9, "{n} {k}: {}", fair_cdf(n, k));
        }
    }

    #[test]
    fn the_upper_tail_is_the_sum_of_exact_fractions() {
        // By rational arithmetic: the sum of C(n, i) p^i (1 - p)^(n - i) from k to n.
        for (n, k, p, expected) in [
            (20, 4, 0.05, 0.01590152601976356),
            (20, 5, 0.05, 0.0025739403346522814),
            (100, 11, 0.05, 0.0114724100674847),
            (7, 0, 1.0 / 3.0, 1.0),
            (1000, 60, 0.05, 0.08673217838486096),
        ] {
            assert!((upper_tail(n, k, p) - expected).abs() < 1e-11, "{n} {k}: {}", upper_tail(n, k, p));
        }
    }
}
