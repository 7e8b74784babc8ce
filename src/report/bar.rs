//! An estimate with its interval as a line of characters, against zero and a bound. Owns the drawing; must not
//! choose the scale's meaning.

use crate::model::{Estimate, MetricId};
use crate::report::{Align, Doc, Table, Text};

/// Both ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis on which zero, every estimate's interval and every bound have a place, with a little room at its ends.
    pub fn over<'a>(estimates: impl Iterator<Item = &'a Estimate>, bounds: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in estimates.flat_map(|estimate| [estimate.low, estimate.high]).chain(bounds) {
            if value.is_finite() {
                low = low.min(value);
                high = high.max(value);
            }
        }
        let room = (high - low) * 0.05;
        if room > 0.0 { Self { low: low - room, high: high + room } } else { Self { low: -1.0, high: 1.0 } }
    }

    /// The column of a value among `width` columns.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the columns there are")]
    #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
    fn column(self, value: f64, width: usize) -> usize {
        let last = width.saturating_sub(1);
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        ((share * last as f64).round() as usize).min(last)
    }
}

/// The columns of a bar that stands in a table of few columns.
pub const WIDTH: usize = 31;

/// Adds a bar for each metric, all on one scale, with what their characters mean.
pub fn list(doc: &mut Doc, estimates: &[(&MetricId, Estimate)]) {
    if estimates.is_empty() {
        return;
    }
    let axis = Axis::over(estimates.iter().map(|(_, estimate)| estimate), std::iter::empty());
    let mut table = Table::new([("Metric", Align::Left), ("Change, 95 % interval", Align::Left)]);
    for (metric, estimate) in estimates {
        table.row([Text::new().code(metric.as_str()), Text::new().code(bar(estimate, None, axis, WIDTH))]);
    }
    doc.table(table);
    doc.paragraph(legend(false));
}

/// What the characters of a bar mean; each piece is one word for the wrapping.
pub fn legend(bounds: bool) -> Text {
    let bound = if bounds { ", ┊ bound" } else { "" };
    Text::from(format!("In the bars: ● estimate, ├─┤ 95 % interval, │ no change{bound}."))
}

/// One bar of `width` columns: `····├──●──┤···│···┊··`.
pub fn bar(estimate: &Estimate, bound: Option<f64>, axis: Axis, width: usize) -> String {
    let mut cells = vec!['·'; width];
    let mut put = |value: f64, c: char| {
        if let Some(cell) = cells.get_mut(axis.column(value, width)) {
            *cell = c;
        }
    };
    put(0.0, '│');
    if let Some(bound) = bound {
        put(bound, '┊');
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
        let all = [estimate(-0.12, -0.15, -0.09), estimate(0.01, -0.01, 0.03), estimate(0.08, 0.08, 0.08)];
        let bounds = [-0.05, 0.02, 0.05];
        let axis = Axis::over(all.iter(), bounds.into_iter());
        let bars: Vec<String> = all.iter().zip(bounds).map(|(it, bound)| bar(it, Some(bound), axis, 31)).collect();
        assert!(bars.iter().all(|bar| bar.chars().count() == 31));
        insta::assert_snapshot!(bars.join("\n"), @r"
        ·├───●──┤····┊·····│···········
        ··················├┼●─╪┤·······
        ···················│·····┊···●·
        ");
    }

    #[test]
    fn nothing_to_show_is_drawn_too() {
        let none = estimate(0.0, 0.0, 0.0);
        let axis = Axis::over([none].iter(), std::iter::empty());
        assert_eq!(bar(&none, None, axis, 7), "···●···");
        assert_eq!(bar(&none, None, axis, 0), "");
        assert_eq!(bar(&estimate(f64::NAN, 9.0, f64::INFINITY), None, axis, 3).chars().count(), 3);
    }
}
