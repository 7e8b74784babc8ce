//! One effect estimated on several machines: the random-effects estimate of R. DerSimonian, N. Laird, "Meta-analysis in
//! clinical trials", Controlled Clinical Trials 7 (1986) 177–188, and heterogeneity between the machines: Cochran's Q
//! and the I² of J. P. T. Higgins, S. G. Thompson, "Quantifying heterogeneity in a meta-analysis", Statistics in
//! Medicine 21 (2002) 1539–1558.

use crate::stats::{CONFIDENCE, Interval, normal, real};

/// The combination of several estimates of one effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooled {
    pub value: f64,
    pub standard_error: f64,
    pub between: f64,
    /// Cochran's Q.
    pub q: f64,
    /// I²: the share of the variation that is due to heterogeneity, not noise.
    pub disagreement: f64,
}

impl Pooled {
    /// The 95 % interval.
    pub fn interval(&self) -> Interval {
        let reach = normal::Z_95 * self.standard_error;
        Interval { value: self.value, low: self.value - reach, high: self.value + reach, coverage: CONFIDENCE }
    }

    /// Two-sided p-value of "no effect".
    pub fn p_value(&self) -> f64 {
        normal::two_sided((self.value / self.standard_error).abs())
    }
}

/// Combines effects with their variances (above zero); `None` for fewer than two.
pub fn random_effects(effects: &[(f64, f64)]) -> Option<Pooled> {
    if effects.len() < 2 || effects.iter().any(|(_, variance)| *variance <= 0.0) {
        return None;
    }
    let weighted = |extra: f64| {
        let weights = effects.iter().map(|(_, variance)| 1.0 / (variance + extra));
        let all: f64 = weights.clone().sum();
        (effects.iter().zip(weights).map(|((effect, _), weight)| effect * weight).sum::<f64>() / all, all)
    };
    let (fixed, all) = weighted(0.0);
    let squares: f64 = effects.iter().map(|(_, variance)| variance.powi(-2)).sum();
    let q: f64 = effects.iter().map(|(effect, variance)| (effect - fixed).powi(2) / variance).sum();
    let excess = (q - real(effects.len() - 1)).max(0.0);
    let between = excess / (all - squares / all);
    let (value, all) = weighted(between);
    let disagreement = if q > 0.0 { excess / q } else { 0.0 };
    Some(Pooled { value, standard_error: all.sqrt().recip(), between, q, disagreement })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trials_of_a_vaccine_give_the_published_estimate() {
        // G. A. Colditz and others, JAMA 271 (1994) 698–702, as log risk ratios; results of R's metafor, method DL.
        let trials = [
            (-0.8893, 0.3256),
            (-1.5854, 0.1946),
            (-1.3481, 0.4154),
            (-1.4416, 0.0200),
            (-0.2175, 0.0512),
            (-0.7861, 0.0069),
            (-1.6209, 0.2230),
            (0.0120, 0.0040),
            (-0.4694, 0.0564),
            (-1.3713, 0.0730),
            (-0.3394, 0.0124),
            (0.4459, 0.5325),
            (-0.0173, 0.0714),
        ];
        let found = random_effects(&trials).unwrap();
        let Interval { low, high, .. } = found.interval();
        let near = |found: f64, published: f64, by: f64| assert!((found - published).abs() < by, "{found} {published}");
        near(found.value, -0.7141, 1e-3);
        near(found.standard_error, 0.1787, 1e-3);
        near(found.between, 0.3088, 2e-3);
        near(found.q, 152.233, 0.7);
        near(found.disagreement, 0.9212, 1e-3);
        near(low, -1.0644, 2e-3);
        near(high, -0.3638, 2e-3);
    }

    #[test]
    fn machines_that_agree_are_averaged_and_one_is_none() {
        let found = random_effects(&[(0.02, 1e-4), (0.02, 1e-4)]).unwrap();
        assert!((found.value - 0.02).abs() < 1e-12 && found.between == 0.0 && found.disagreement == 0.0, "{found:?}");
        assert!((found.standard_error - (0.5e-4_f64).sqrt()).abs() < 1e-12);
        assert_eq!(random_effects(&[(0.02, 1e-4)]), None);
    }
}
