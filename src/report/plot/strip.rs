//! The samples of a metric on both sides, each as a strip of points with its median and 95 % interval.

use crate::judge::PairedSeries;
use crate::model::{MetricId, Sampling, Series, Unit};
use crate::report::plot::{Extent, Scale, at, style};
use crate::report::{escape, values};
use crate::stats::median;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 618.0;
const ROW: f64 = 46.0;
const TOP: f64 = 34.0;
/// About so many round values on the axis.
const TICKS: u32 = 5;
/// More points than this cannot be told apart; they are thinned out evenly.
const MOST_POINTS: usize = 300;

/// What is drawn. All samples are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    pub metric: MetricId,
    pub unit: Unit,
    /// How the samples were taken, in a word: `12 pairs`.
    pub basis: String,
    pub before: Vec<f64>,
    pub after: Vec<f64>,
}

impl Strip {
    /// Of two snapshots' series in one unit; `None` where there is too little to see (one sample on a side, exact values,
    /// successes and failures) or the units differ.
    pub fn of_sides(before: &Series, after: &Series) -> Option<Self> {
        if after.sampling != Sampling::Sampled
            || before.unit != after.unit
            || before.samples.len() < 2
            || after.samples.len() < 2
        {
            return None;
        }
        let basis = format!("unpaired, {} and {} runs", before.samples.len(), after.samples.len());
        let (metric, unit) = (after.id.clone(), after.unit.clone());
        Some(Self { metric, unit, basis, before: before.samples.clone(), after: after.samples.clone() })
    }

    /// Of pairs; `None` for fewer than two, and for what is not sampled.
    pub fn of_pairs(series: &PairedSeries) -> Option<Self> {
        let before: Vec<f64> = series.pairs.iter().map(|pair| pair.before).collect();
        let after: Vec<f64> = series.pairs.iter().map(|pair| pair.after).collect();
        let basis = values::count(before.len() as u64, "pair", "pairs");
        let (metric, unit) = (series.id.clone(), series.unit.clone());
        (before.len() >= 2 && series.sampling == Sampling::Sampled).then_some(Self {
            metric,
            unit,
            basis,
            before,
            after,
        })
    }

    /// The picture as a file of its own.
    pub fn svg(&self) -> String {
        self.drawn(&format!("<style>{}</style>", style("")))
    }

    /// The picture for a page that has the style already.
    pub fn inline(&self) -> String {
        self.drawn("")
    }

    fn drawn(&self, styled: &str) -> String {
        let height = TOP + 2.0 * ROW + 56.0;
        let extent = Extent::of(&self.before, &self.after);
        let scale = Scale::over([extent.low, extent.high].into_iter(), LEFT + 18.0, RIGHT - 14.0);
        let title = format!("{}, {}", self.metric, self.basis);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\">{styled}<text x=\"0\" y=\"15\">{}</text>{}{}{}{}</svg>\n",
            escape::line(&format!("{title}: before {}, after {}", self.median(&self.before), self.median(&self.after))),
            escape::line(&title),
            self.axis(&scale),
            self.side("before", "b", &self.before, TOP + ROW / 2.0, (extent, &scale)),
            self.side("after", "f", &self.after, TOP + 1.5 * ROW, (extent, &scale)),
            legend(height - 12.0),
        )
    }

    fn median(&self, samples: &[f64]) -> String {
        values::quantity(median::median(samples).unwrap_or_default(), &self.unit)
    }

    fn axis(&self, scale: &Scale) -> String {
        let bottom = TOP + 2.0 * ROW;
        let largest = self.before.iter().chain(&self.after).fold(0.0_f64, |most, value| most.max(value.abs()));
        let (unit, _) = values::scale(largest, &self.unit);
        let step = scale.step(unit, TICKS).unwrap_or(1.0) * unit;
        let line = format!("<path class=\"a\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>");
        scale.ticks(unit, TICKS).into_iter().fold(line, |out, tick| {
            let x = at(scale.pixel(tick));
            let label = escape::line(&values::tick(tick, step, &self.unit));
            format!(
                "{out}<path class=\"g\" d=\"M{x} {TOP}V{bottom}\"/>\
                 <text class=\"q\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                at(bottom + 18.0)
            )
        })
    }

    /// One side: points with a fixed scatter that keeps neighbours apart, the interval as a bar, the median as a mark.
    fn side(&self, name: &str, class: &str, samples: &[f64], y: f64, (extent, scale): (Extent, &Scale)) -> String {
        let step = samples.len().div_ceil(MOST_POINTS).max(1);
        let mut out = format!("<text x=\"0\" y=\"{}\">{name}</text><g class=\"{class}\">", at(y + 4.0));
        for (i, value) in samples.iter().enumerate().step_by(step) {
            if *value < extent.low || *value > extent.high {
                continue;
            }
            let offset = f64::from(u32::try_from((i / step) * 5 % 11).unwrap_or(0)) * 2.0 - 10.0;
            let (x, y) = (at(scale.pixel(*value)), at(y + offset));
            out.push_str(&format!("<circle class=\"p\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"));
        }
        if let Some(found) = median::interval(samples, 0.95) {
            let (low, high) = (at(scale.pixel(found.low)), at(scale.pixel(found.high)));
            out.push_str(&format!("<path class=\"i\" d=\"M{low} {}H{high}\"/>", at(y)));
        }
        if let Some(middle) = median::median(samples) {
            let (x, top) = (at(scale.pixel(middle)), at(y - 13.0));
            out.push_str(&format!("<path class=\"m\" d=\"M{x} {top}v26\"/>"));
        }
        out.push_str("</g>");
        let low: Vec<f64> = samples.iter().copied().filter(|value| *value < extent.low).collect();
        let high: Vec<f64> = samples.iter().copied().filter(|value| *value > extent.high).collect();
        out + &self.beyond(class, &low, y, f64::min) + &self.beyond(class, &high, y, f64::max)
    }

    /// Samples that lie outside the picture: an arrow at its edge, with their value, or their number and the outermost.
    fn beyond(&self, class: &str, samples: &[f64], y: f64, further: fn(f64, f64) -> f64) -> String {
        let Some(most) = samples.iter().copied().reduce(further) else { return String::new() };
        let is_right = further(0.0, 1.0) > 0.5;
        let value = values::quantity(most, &self.unit);
        let words = if samples.len() == 1 { value } else { format!("{} up to {value}", samples.len()) };
        let (edge, inwards, anchor) = if is_right { (RIGHT, -8.0, "end") } else { (LEFT, 8.0, "start") };
        let back = at(edge + inwards);
        format!(
            "<path class=\"{class}\" d=\"M{back} {}L{} {}L{back} {}Z\"/>\
             <text class=\"q\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            at(y - 5.0),
            at(edge),
            at(y),
            at(y + 5.0),
            at(edge),
            at(y - 12.0),
            escape::line(&words)
        )
    }
}

/// What dot, bar and tick mean.
fn legend(y: f64) -> String {
    let (mark, text) = (at(y - 4.0), at(y));
    format!(
        "<g class=\"l\"><circle class=\"p\" cx=\"70\" cy=\"{mark}\" r=\"3\"/>\
         <path class=\"i\" d=\"M176 {mark}H196\"/><path class=\"m\" d=\"M390 {}v12\"/></g>\
         <text class=\"q\" x=\"80\" y=\"{text}\">one run</text>\
         <text class=\"q\" x=\"206\" y=\"{text}\">95 % interval of the median</text>\
         <text class=\"q\" x=\"400\" y=\"{text}\">median</text>",
        at(y - 10.0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::series;
    use crate::report::fixture;

    fn strip() -> Strip {
        let pairs = series::pair_metrics(&fixture::pairs(0.85, 20));
        Strip::of_pairs(pairs[&MetricId::new("timing.tests.cpu")].as_ref().unwrap()).unwrap()
    }

    #[test]
    fn both_sides_have_their_points_median_and_interval() {
        let svg = strip().svg();
        assert_eq!(svg.matches("<circle").count(), 41, "one is the legend's");
        assert_eq!(svg.matches("class=\"i\"").count(), 3);
        assert_eq!(svg.matches("class=\"m\"").count(), 3);
        assert!(svg.contains("aria-label=\"timing.tests.cpu, 20 pairs: before 1.9 s, after 1.623 s\""), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("href"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert_eq!(svg, strip().svg());
    }

    #[test]
    fn what_lies_far_out_stands_at_the_edge_with_its_value() {
        let many: Vec<f64> = (0..20).map(|i| 7000.0 + f64::from(i)).collect();
        let far = |wild: &[f64]| {
            let after = [&many[..], wild].concat();
            Strip { unit: Unit::none(), before: many.clone(), after, ..strip() }.svg()
        };
        let one = far(&[1e6]);
        assert!(one.contains(">1000000</text>") && one.contains(">7010</text>"), "{one}");
        assert!(far(&[1e6, 2e6]).contains(">2 up to 2000000</text>"));
        let low = far(&[-1e6]);
        assert!(low.contains("text-anchor=\"start\">-1000000</text>"), "{low}");
    }

    #[test]
    fn the_labels_of_very_large_and_very_small_samples_are_short_and_differ() {
        for size in [7e300, 7e-300] {
            let before: Vec<f64> = (0..10).map(|i| size * (1.0 + f64::from(i) / 100.0)).collect();
            let svg = Strip { unit: Unit::none(), after: before.clone(), before, ..strip() }.svg();
            let labels: Vec<&str> =
                svg.split("text-anchor=\"middle\">").skip(1).filter_map(|it| it.split('<').next()).collect();
            assert!(labels.len() >= 3 && labels.iter().all(|label| label.len() < 10), "{labels:?}");
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
        }
    }

    #[test]
    fn a_name_is_never_markup() {
        let svg = Strip { metric: MetricId::new("kpi.<script>\"&\u{1b}"), ..strip() }.svg();
        assert!(svg.contains("kpi.&lt;script&gt;&quot;&amp;\\u{1b}"), "{svg}");
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn many_samples_are_thinned_and_one_is_no_picture() {
        let many = Strip { before: (0..10_000).map(f64::from).collect(), ..strip() };
        assert!(many.svg().len() < 40_000);
        let single = series::pair_metrics(&fixture::pairs(0.85, 1));
        assert_eq!(Strip::of_pairs(single[&MetricId::new("timing.tests.cpu")].as_ref().unwrap()), None);
        let rate = series::pair_metrics(&fixture::pairs(0.85, 20));
        assert_eq!(Strip::of_pairs(rate[&MetricId::new("timing.tests.ok")].as_ref().unwrap()), None);
    }
}
