//! A linear scale from values to pixels, with round numbers for its ticks. Must not draw.

/// From a range of values to a range of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that shows all finite `values`, with a little room, between two pixels. Values that are all the same
    /// get room around them.
    pub fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let room = if high > low { (high - low) * 0.06 } else { if high == 0.0 { 0.05 } else { high.abs() * 0.05 } };
        Self { low: low - room, high: high + room, from, to }
    }

    /// The pixel of a value; values outside stand at the edge.
    pub fn pixel(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Round values within the scale, about `wanted` of them, in steps of 1, 2 or 5 times a power of ten in units of
    /// `unit`.
    pub fn ticks(&self, unit: f64, wanted: u32) -> Vec<f64> {
        self.step(unit, wanted).map_or_else(Vec::new, |step| self.multiples(unit, step))
    }

    /// How far the values of [`Self::ticks`] lie apart, in units of `unit`.
    pub fn step(&self, unit: f64, wanted: u32) -> Option<f64> {
        let span = (self.high - self.low) / unit;
        let rough = span / f64::from(wanted.max(1));
        if !rough.is_finite() || rough <= 0.0 {
            return None;
        }
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power);
        Some(steps.into_iter().find(|it| *it * 1.5 >= rough).unwrap_or(power * 10.0))
    }

    fn multiples(&self, unit: f64, step: f64) -> Vec<f64> {
        let first = (self.low / unit / step).ceil();
        let last = (self.high / unit / step).floor();
        let count = (last - first).clamp(-1.0, 20.0);
        (0..=20u32).map(f64::from).take_while(|i| *i <= count).map(|i| (first + i) * step * unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::over([1.71, 2.02].into_iter(), 0.0, 100.0);
        let ticks: Vec<String> = scale.ticks(1.0, 4).iter().map(|it| format!("{it:.2}")).collect();
        assert_eq!(ticks, ["1.70", "1.80", "1.90", "2.00"]);
        let kib = Scale::over([1000.0, 9000.0].into_iter(), 0.0, 100.0).ticks(1024.0, 4);
        assert_eq!(kib, [2048.0, 4096.0, 6144.0, 8192.0]);
    }

    #[test]
    fn equal_missing_and_infinite_values_have_a_scale_too() {
        for values in [vec![2.0, 2.0], vec![0.0], vec![], vec![f64::NAN, f64::INFINITY], vec![-5.0, -5.0]] {
            let scale = Scale::over(values.into_iter(), 10.0, 90.0);
            assert!(scale.ticks(1.0, 4).len() <= 21);
            assert!((10.0..=90.0).contains(&scale.pixel(2.0)));
        }
    }
}
