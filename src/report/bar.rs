//! An estimate with its interval as a line of characters, against zero and a bound.

use crate::model::Estimate;
use crate::report::{Bar, Tone};

/// Columns of a bar that has room.
pub(crate) const WIDTH: usize = 31;

/// Both ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis on which zero and every value have a place, with a little room at its ends.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let room = (high - low) * 0.05;
        if room > 0.0 { Self { low: low - room, high: high + room } } else { Self { low: -1.0, high: 1.0 } }
    }

    /// Where a value stands, from 0 to 1.
    pub(crate) fn share(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The column of a value among `width` columns.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the columns there are")]
    #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
    fn column(self, value: f64, width: usize) -> usize {
        let last = width.saturating_sub(1);
        ((self.share(value) * last as f64).round() as usize).min(last)
    }
}

/// Bars of estimates, each with its bound, all on one scale.
pub(crate) fn on_one_scale(drawn: Vec<Option<(Estimate, Option<f64>, Tone)>>) -> Vec<Option<Bar>> {
    let axis = Axis::over(
        drawn.iter().flatten().flat_map(|(estimate, bound, _)| [estimate.low, estimate.high].into_iter().chain(*bound)),
    );
    let bar = |(estimate, bound, tone)| Bar { estimate, bound, axis, tone };
    drawn.into_iter().map(|it| it.map(bar)).collect()
}

/// What the characters of a bar mean.
pub(crate) fn legend(has_bounds: bool) -> String {
    let bound = if has_bounds { ", ┊ bound" } else { "" };
    format!("In the bars: ● estimate, ├─┤ 95 % interval, │ no change{bound}.")
}

/// A bar of `width` columns: `····├──●──┤···│···┊··`.
pub(crate) fn characters(bar: &Bar, width: usize) -> String {
    let Bar { estimate, bound, axis, .. } = bar;
    let mut cells = vec!['·'; width];
    let mut put = |value: f64, c: char| {
        if let Some(cell) = cells.get_mut(axis.column(value, width)) {
            *cell = c;
        }
    };
    put(0.0, '│');
    if let Some(bound) = bound {
        put(*bound, '┊');
    }
    let (low, high) = (axis.column(estimate.low, width), axis.column(estimate.high, width));
    for (at, cell) in cells.iter_mut().enumerate().take(high + 1).skip(low) {
        *cell = match *cell {
            '│' => '┼',
            '┊' => '╪',
            _ if at == low => '├',
            _ if at == high => '┤',
            _ => '─',
        };
    }
    if let Some(cell) = cells.get_mut(axis.column(estimate.value, width)) {
        *cell = '●';
    }
    cells.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high, confidence: 0.95 }
    }

    #[test]
    fn the_interval_stands_where_it_is_between_zero_and_the_bound() {
        let all = [
            (estimate(-0.12, -0.15, -0.09), Some(-0.05), Tone::Good),
            (estimate(0.01, -0.01, 0.03), Some(0.02), Tone::Unsure),
            (estimate(0.08, 0.08, 0.08), Some(0.05), Tone::Bad),
        ];
        let bars = on_one_scale(all.into_iter().map(Some).collect());
        let bars: Vec<String> = bars.iter().flatten().map(|bar| characters(bar, 31)).collect();
        assert!(bars.iter().all(|bar| bar.chars().count() == 31));
        insta::assert_snapshot!(bars.join("\n"), @r"
        ·├───●──┤····┊·····│···········
        ··················├┼●─╪┤·······
        ···················│·····┊···●·
        ");
    }

    #[test]
    fn nothing_to_show_is_drawn_too() {
        let none = |estimate| Bar { estimate, bound: None, axis: Axis::over([]), tone: Tone::Quiet };
        assert_eq!(characters(&none(estimate(0.0, 0.0, 0.0)), 7), "···●···");
        assert_eq!(characters(&none(estimate(0.0, 0.0, 0.0)), 0), "");
        assert_eq!(characters(&none(estimate(f64::NAN, 9.0, f64::INFINITY)), 3).chars().count(), 3);
    }
}
