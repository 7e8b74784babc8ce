//! When paired sampling may stop, and the level of each interim look. Repeated looks at growing data raise false
//! alarms, so all looks share one error rate, [`ALPHA`].
//!
//! The looks are fixed ([`LOOKS`]). Half of the error rate may be spent at 10 pairs, where large slowdowns should be
//! detected; by the look at n pairs, 1 − ½·(10/n)^0.7 of it (an error-spending function after K. K. G. Lan, D. L.
//! DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983) 659–663); at the planned maximum,
//! all. The level of each look follows from the recursive integration of P. Armitage, C. K. McPherson, B. C. Rowe,
//! "Repeated significance tests on accumulating data", JRSS A 132 (1969) 235–244. Intervals at that level are repeated
//! confidence intervals (C. Jennison, B. W. Turnbull, JRSS B 51 (1989) 305–361): all of them together cover with
//! probability 1 − α, so stopping at any of them, for whatever reason, does no harm.

use crate::stats::{falls_to, normal, real};

/// The error rate of all looks together. The promise is 5 %, but 4 % is spent, since a machine's noise does not quite
/// meet the tests' assumptions (in 354 trials, unchanged programs raised 6.2 % alarms at a nominal 5 %).
pub const ALPHA: f64 = 0.04;

/// The fewest pairs that can decide anything: with 5, the smallest two-sided p-value is 2/2⁵ = 0.0625.
pub const FEWEST: usize = 6;

/// Numbers of pairs at which sampling may stop because the question is settled.
pub const LOOKS: [usize; 6] = [10, 20, 40, 80, 160, 320];

/// The share of the error rate that may be spent by the look at `n` pairs, for 10 pairs or more.
fn spent_by(n: usize) -> f64 {
    1.0 - 0.5 * (10.0 / real(n)).powf(0.7)
}

/// The looks planned before the first pair is run, which determine the level of each analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookPlan {
    first: usize,
    last: Option<usize>,
}

impl Default for LookPlan {
    /// All of [`LOOKS`], without a planned end.
    fn default() -> Self {
        Self { first: LOOKS[0], last: None }
    }
}

impl LookPlan {
    /// Looks from `fewest` pairs to `most`, where sampling ends in any case; 0 means not planned. All of the error rate
    /// is spent at `most`, so that a fixed number of pairs is judged at the full rate.
    pub fn new(fewest: u32, most: u32) -> Self {
        let standard = Self::default();
        let first = if fewest == 0 { standard.first } else { (fewest as usize).max(FEWEST) };
        let last = (most > 0).then_some(most as usize);
        Self { first: last.map_or(first, |last| first.min(last)), last }
    }

    /// Whether sampling may stop at `n` pairs because the question is settled.
    pub fn is_look(&self, n: usize) -> bool {
        n >= self.first && (n == self.first || self.last == Some(n) || LOOKS.contains(&n))
    }

    /// The first look after `n` pairs, if there is one.
    pub fn next_look(&self, n: usize) -> Option<usize> {
        let end = self.last.unwrap_or(LOOKS[LOOKS.len() - 1]);
        (n + 1..=end).find(|later| self.is_look(*later))
    }

    /// The two-sided level of the analysis at `n` pairs if all earlier looks were taken; `None` below [`FEWEST`]. An
    /// analysis between two looks (because time ran out) is treated as an additional look; one before the first look is
    /// the only one and spends everything.
    pub fn level(&self, n: usize) -> Option<f64> {
        if n < FEWEST {
            return None;
        }
        let mut process = Process::start();
        let mut spent = 0.0;
        let mut level = 0.0;
        for look in (self.first..n).filter(|look| self.is_look(*look)).chain([n]) {
            let full = self.last == Some(look) && look == n;
            let allowed = if full || look < self.first { ALPHA } else { ALPHA * spent_by(look) };
            let boundary = process.boundary_for(real(look), allowed - spent);
            level = 2.0 * normal::survival(boundary);
            if look < n {
                process.advance(real(look), boundary);
            }
            spent = allowed;
        }
        Some(level)
    }
}

/// The density of the test statistic's sum over paths that have crossed no boundary yet, on the points of a Simpson
/// grid.
struct Process {
    size: f64,
    points: Vec<f64>,
    masses: Vec<f64>,
}

const INTERVALS: usize = 240;

impl Process {
    fn start() -> Self {
        Self { size: 0.0, points: vec![0.0], masses: vec![1.0] }
    }

    fn exit_probability(&self, size: f64, boundary: f64) -> f64 {
        let (edge, step) = (boundary * size.sqrt(), (size - self.size).sqrt());
        let leaves = |at: f64| normal::survival((edge - at) / step) + normal::cdf((-edge - at) / step);
        self.points.iter().zip(&self.masses).map(|(at, mass)| mass * leaves(*at)).sum()
    }

    /// The boundary at `size` that is crossed with probability `wanted`.
    fn boundary_for(&self, size: f64, wanted: f64) -> f64 {
        falls_to(wanted, 12.0, |boundary| self.exit_probability(size, boundary))
    }

    fn advance(&mut self, size: f64, boundary: f64) {
        let (edge, step) = (boundary * size.sqrt(), (size - self.size).sqrt());
        let gap = 2.0 * edge / real(INTERVALS);
        let points: Vec<f64> = (0..=INTERVALS).map(|i| -edge + gap * real(i)).collect();
        let density = |at: f64| -> f64 {
            let terms = self.points.iter().zip(&self.masses);
            terms.map(|(from, mass)| mass * (-0.5 * ((at - from) / step).powi(2)).exp()).sum::<f64>()
                / (step * (2.0 * std::f64::consts::PI).sqrt())
        };
        let weight = |i: usize| match i {
            0 | INTERVALS => gap / 3.0,
            _ if i % 2 == 1 => gap * 4.0 / 3.0,
            _ => gap * 2.0 / 3.0,
        };
        let masses = points.iter().enumerate().map(|(i, at)| density(*at) * weight(i)).collect();
        *self = Self { size, points, masses };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probability that, without an effect, a standardised sum of independent increments, observed after each of
    /// `sizes`, ever exceeds that look's boundary (±, in standard deviations).
    fn crossing_probability(sizes: &[f64], boundaries: &[f64]) -> f64 {
        let mut process = Process::start();
        let mut crossed = 0.0;
        for (size, boundary) in sizes.iter().zip(boundaries) {
            crossed += process.exit_probability(*size, *boundary);
            process.advance(*size, *boundary);
        }
        crossed
    }

    #[test]
    fn published_boundaries_are_crossed_five_percent_of_the_time() {
        // C. Jennison, B. W. Turnbull, "Group Sequential Methods", 2000: table 2.1 (Pocock) and 2.3 (O'Brien–Fleming).
        for (looks, pocock, fleming) in [(2, 2.178, 1.977), (5, 2.413, 2.040), (10, 2.555, 2.087)] {
            let sizes: Vec<f64> = (1..=looks).map(f64::from).collect();
            let constant = vec![pocock; sizes.len()];
            let falling: Vec<f64> = sizes.iter().map(|k| fleming * (f64::from(looks) / k).sqrt()).collect();
            for boundaries in [constant, falling] {
                let crossed = crossing_probability(&sizes, &boundaries);
                assert!((crossed - 0.05).abs() < 1e-4, "{looks} looks: {crossed}");
            }
        }
    }

    #[test]
    fn all_looks_together_spend_no_more_than_the_error_rate() {
        let sizes: Vec<f64> = LOOKS.iter().map(|n| real(*n)).collect();
        let boundaries: Vec<f64> =
            LOOKS.iter().map(|n| -normal::quantile(LookPlan::default().level(*n).unwrap() / 2.0)).collect();
        let crossed = crossing_probability(&sizes, &boundaries);
        assert!((crossed - ALPHA * spent_by(320)).abs() < 1e-6, "{crossed}");
    }

    #[test]
    fn five_pairs_have_no_level_and_six_have_one_that_they_can_reach() {
        assert_eq!(LookPlan::default().level(5), None);
        assert!(LookPlan::default().level(6).unwrap() > 2.0 / 64.0);
        assert!((LookPlan::default().level(10).unwrap() - ALPHA / 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_fixed_number_of_pairs_is_judged_at_the_full_error_rate() {
        for n in [10, 17, 20] {
            assert!((LookPlan::new(n, n).level(n as usize).unwrap() - ALPHA).abs() < 1e-9);
        }
        let (open, planned) = (LookPlan::new(10, 0).level(20).unwrap(), LookPlan::new(10, 20).level(20).unwrap());
        assert!(open < planned && planned < ALPHA, "{open} {planned}");
    }

    #[test]
    fn looks_begin_with_the_fewest_pairs_and_end_with_the_most() {
        let looks = |plan: LookPlan| (1..=60).filter(|n| plan.is_look(*n)).collect::<Vec<_>>();
        assert_eq!(looks(LookPlan::new(12, 25)), [12, 20, 25, 40]);
        assert_eq!(looks(LookPlan::new(0, 0)), [10, 20, 40]);
        assert_eq!(LookPlan::new(12, 25).next_look(12), Some(20));
        assert_eq!(LookPlan::new(12, 25).next_look(25), None);
        assert_eq!(LookPlan::new(2, 0).next_look(1), Some(FEWEST));
    }
}
