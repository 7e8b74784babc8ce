//! The signed-rank test of F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945)
//! 80–83.
//!
//! Zero differences are dropped, as Wilcoxon did. Up to [`EXACT_MOST`] differences the p-value is exact: the null
//! distribution of the sum of the observed midranks is counted by adding one rank at a time, so that ties are
//! handled without approximation. Beyond, the normal approximation with correction for ties and continuity
//! (M. Hollander, D. A. Wolfe, E. Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014, section 3.1).

use crate::stats::ranks::{doubled_midranks, tie_term};
use crate::stats::{normal, real};

/// The most differences whose null distribution is counted.
pub const EXACT_MOST: usize = 100;

/// The fewest differences whose smallest two-sided p-value, 2/2ⁿ, lies below 0.05.
pub const FEWEST_AT_5_PERCENT: usize = 6;

/// The outcome of a signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Sum of the ranks of the positive differences.
    pub t_plus: f64,
    pub n: usize,
    /// Two-sided p-value of "symmetric about zero"; 1 where every difference is zero.
    pub p_value: f64,
}

/// Tests whether finite differences are symmetric about zero.
pub fn test(differences: &[f64]) -> SignedRank {
    let nonzero: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let n = nonzero.len();
    let sizes: Vec<f64> = nonzero.iter().map(|d| d.abs()).collect();
    let (ranks, groups) = doubled_midranks(&sizes);
    let doubled: usize = ranks.iter().zip(&nonzero).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let t_plus = real(doubled) / 2.0;
    let p_value = match n {
        0 => 1.0,
        _ if n <= EXACT_MOST => exact_p(&ranks, doubled),
        _ => approximate_p(t_plus, n, tie_term(&groups)),
    };
    SignedRank { t_plus, n, p_value }
}

fn exact_p(doubled_ranks: &[usize], observed: usize) -> f64 {
    let distribution = null_distribution(doubled_ranks);
    let lower: f64 = distribution.iter().take(observed + 1).sum();
    let upper: f64 = distribution.iter().skip(observed).sum();
    (2.0 * lower.min(upper)).min(1.0)
}

/// Probability of each sum of a random subset of the ranks.
fn null_distribution(ranks: &[usize]) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut probability = vec![0.0; total + 1];
    probability[0] = 1.0;
    let mut reached = 0;
    for rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= *rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

fn approximate_p(t_plus: f64, n: usize, ties: f64) -> f64 {
    let n = real(n);
    let mean = n * (n + 1.0) / 4.0;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0;
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((t_plus - mean).abs() - 0.5).max(0.0);
    normal::two_sided(distance / variance.sqrt())
}

/// For `n` untied differences: the largest k with P(T⁺ <= k) <= `tail`, and that probability. `None` where even
/// P(T⁺ = 0) exceeds `tail`: so few differences cannot say anything at that level.
pub fn critical(n: usize, tail: f64) -> Option<(usize, f64)> {
    if n > EXACT_MOST {
        let size = real(n);
        let mean = size * (size + 1.0) / 4.0;
        let deviation = (size * (size + 1.0) * (2.0 * size + 1.0) / 24.0).sqrt();
        let k = (mean - 0.5 + normal::quantile(tail) * deviation).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "k lies in 0..=n(n+1)/4")]
        return (k >= 0.0).then(|| (k as usize, normal::cdf((k + 0.5 - mean) / deviation)));
    }
    let ranks: Vec<usize> = (1..=n).collect();
    let mut found = None;
    let mut cumulative = 0.0;
    for (k, probability) in null_distribution(&ranks).iter().enumerate() {
        cumulative += probability;
        if cumulative > tail {
            break;
        }
        found = Some((k, cumulative));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const D: [f64; 10] = [0.8, -0.3, 1.2, 2.5, -0.1, 0.9, 1.7, 0.4, -0.6, 1.1];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn the_exact_p_value_is_scipys() {
        // scipy 1.17.1: scipy.stats.wilcoxon(D, method="exact")
        close(test(&D).p_value, 0.037_109_375);
        // wilcoxon([((i*7919) % 211 - 95)/10 + 0.001*i for i in range(60)], method="exact")
        let mid: Vec<f64> = (0..60).map(|i| f64::from((i * 7919) % 211 - 95) / 10.0 + 0.001 * f64::from(i)).collect();
        close(test(&mid).p_value, 0.517_431_144_627_732);
    }

    #[test]
    fn ties_are_counted_exactly_and_zeros_dropped() {
        // scipy 1.17.1: scipy.stats.wilcoxon([1,1,-1,2,3,-2,4,5,5], method=PermutationMethod(n_resamples=inf))
        let outcome = test(&[1.0, 1.0, -1.0, 2.0, 3.0, -2.0, 4.0, 0.0, 5.0, 5.0]);
        assert_eq!(outcome.n, 9);
        close(outcome.p_value, 0.066_406_25);
    }

    #[test]
    fn beyond_the_exact_range_the_corrected_approximation_is_scipys() {
        // scipy 1.17.1: wilcoxon([((i*7919) % 211 - 95)/8 for i in range(150)], correction=True, method="approx")
        let big: Vec<f64> = (0..150).map(|i| f64::from((i * 7919) % 211 - 95) / 8.0).collect();
        close(test(&big).p_value, 0.093_138_340_339_771_71);
    }

    #[test]
    fn critical_values_are_those_of_the_published_table() {
        // Two-sided 0.05: Wilcoxon & Wilcox, "Some Rapid Approximate Statistical Procedures", 1964, table 2
        // (n = 6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 15: 25, 20: 52, 25: 89); 0.01: n = 8: 0, 10: 3, 20: 37.
        for (n, k) in [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52), (25, 89)] {
            assert_eq!(critical(n, 0.025).map(|(k, _)| k), Some(k), "n = {n}");
        }
        for (n, k) in [(8, 0), (10, 3), (20, 37)] {
            assert_eq!(critical(n, 0.005).map(|(k, _)| k), Some(k), "n = {n}");
        }
        assert_eq!(critical(10, 0.025), Some((8, 25.0 / 1024.0)));
    }

    #[test]
    fn five_differences_can_never_decide() {
        assert_eq!(critical(FEWEST_AT_5_PERCENT - 1, 0.025), None);
        assert!(test(&[1.0, 2.0, 3.0, 4.0, 5.0]).p_value > 0.05);
        assert!(critical(FEWEST_AT_5_PERCENT, 0.025).is_some());
    }

    #[test]
    fn no_difference_at_all_has_a_p_value_of_one() {
        close(test(&[0.0; 8]).p_value, 1.0);
        close(test(&[]).p_value, 1.0);
    }

    #[test]
    fn exact_and_approximate_critical_values_meet() {
        let (exact, _) = critical(EXACT_MOST, 0.025).unwrap();
        // The table's 1955 for n = 100 agrees with the approximation to a few ranks.
        let (next, _) = critical(EXACT_MOST + 1, 0.025).unwrap();
        assert!((1950..1960).contains(&exact) && (1990..2015).contains(&next), "{exact} {next}");
    }
}
