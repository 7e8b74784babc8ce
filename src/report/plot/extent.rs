//! Which part of the samples a picture shows: all of them, but for a few that lie so far out that the others could not be
//! told apart. Must not draw.

/// How many times the spread of the middle half a sample may lie outside of it.
const REACH: f64 = 5.0;
/// The least spread, as a share of the middle: samples that are all alike must not make the next one an outlier.
const LEAST_SPREAD: f64 = 0.01;
/// Samples are left out only where the others become so many times wider.
const WORTH: f64 = 3.0;

/// Both ends of what is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    pub low: f64,
    pub high: f64,
}

impl Extent {
    /// Of two sides, each with its own middle. All samples are finite.
    pub fn of(before: &[f64], after: &[f64]) -> Self {
        let all = before.iter().chain(after);
        let whole = hull(all.clone().copied());
        let fences: Vec<Self> = [before, after].into_iter().filter_map(fence).collect();
        let inside = all.copied().filter(|value| fences.iter().any(|it| it.low <= *value && *value <= it.high));
        let near = hull(inside);
        // Halves, as the whole of what a number can hold is no number wide.
        let width = |it: Self| it.high / 2.0 - it.low / 2.0;
        if width(whole) > WORTH * width(near).max(f64::MIN_POSITIVE) && near.low < near.high { near } else { whole }
    }
}

fn hull(values: impl Iterator<Item = f64>) -> Extent {
    let none = Extent { low: f64::INFINITY, high: f64::NEG_INFINITY };
    values.fold(none, |it, value| Extent { low: it.low.min(value), high: it.high.max(value) })
}

/// The middle half with some room on both sides; none for samples that have no middle half.
fn fence(samples: &[f64]) -> Option<Extent> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: usize| sorted.get(sorted.len() * share / 4).copied();
    let (low, middle, high) = (at(1)?, at(2)?, at(3)?);
    let room = REACH * (high - low).max(middle.abs() * LEAST_SPREAD);
    Some(Extent { low: low - room, high: high + room })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(before: &[f64], after: &[f64]) -> (f64, f64) {
        let found = Extent::of(before, after);
        (found.low, found.high)
    }

    #[test]
    fn one_sample_far_out_is_left_out_and_a_moderate_one_is_not() {
        let many = [7000.0, 7010.0, 7020.0, 7030.0, 7040.0, 7050.0, 7060.0];
        let wild = [&many[..], &[1e6]].concat();
        assert_eq!(extent(&many, &wild), (7000.0, 7060.0));
        assert_eq!(extent(&many, &[&many[..], &[7100.0]].concat()), (7000.0, 7100.0));
        assert_eq!(extent(&many, &[8000.0, 8010.0, 8020.0, 8030.0]), (7000.0, 8030.0));
        assert_eq!(extent(&[1.0, 2.0], &[1e9, 2e9]), (1.0, 2e9));
    }

    #[test]
    fn equal_and_extreme_samples_have_an_extent() {
        assert_eq!(extent(&[2.0; 4], &[2.0; 4]), (2.0, 2.0));
        assert_eq!(extent(&[7e300, 8e300], &[-1e308, 1e308]), (-1e308, 1e308));
    }
}
