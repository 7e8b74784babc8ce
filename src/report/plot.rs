//! Plots the samples of metrics, each side as a strip of points with its median and 95 % interval: one standalone SVG
//! without script, font or link, in colours that follow the reader's colour scheme.

use crate::audit::evidence::Judgement;
use crate::judge::{PairedSeries, Series, series};
use crate::model::{MetricId, MetricSpec, Sampling, Unit};
use crate::report::compare::headline;
use crate::report::values;
use crate::report::visible::xml_line;
use crate::stats::{median, median_interval};

/// Narrow, so that the text is legible on a phone.
const WIDTH: f64 = 400.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 392.0;
const ROW: f64 = 46.0;
const TOP: f64 = 34.0;
/// The height of one metric's part, and that of the legend below all parts.
const PART: f64 = TOP + 2.0 * ROW + 24.0;
const LEGEND: f64 = 32.0;
/// Approximate number of ticks on the axis.
const TICKS: f64 = 4.0;
/// Most points per side; more could not be told apart and are thinned out evenly.
const MOST_POINTS: usize = 120;

/// A sample further outside the interquartile range than this multiple of it is an outlier.
const REACH: f64 = 5.0;
/// The least interquartile range, as a share of the median, so that nearly equal samples do not make others outliers.
const LEAST_SPREAD: f64 = 0.01;
/// Outliers are left out only if that makes the others at least this many times wider.
const WORTH: f64 = 3.0;

/// Blue and orange are from Okabe and Ito's palette, which colour-blind readers can tell apart.
const STYLE: &str = include_str!("plot.css");

/// The samples of a metric. All are finite.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strip {
    pub(crate) metric: MetricId,
    unit: Unit,
    /// How the samples were taken, such as `12 pairs`.
    basis: String,
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Strip {
    /// From the series of two snapshots; `None` if there is too little to see or the units differ.
    pub(crate) fn of_sides(before: &Series, after: &Series) -> Option<Self> {
        let basis = format!("unpaired, {} and {} runs", before.samples.len(), after.samples.len());
        let strip = Self::new(&after.spec, basis, before.samples.clone(), after.samples.clone());
        strip.filter(|_| before.spec.unit == after.spec.unit)
    }

    /// From pairs; `None` if there is too little to see.
    pub(crate) fn of_pairs(series: &PairedSeries) -> Option<Self> {
        let basis = values::count(series.pairs.len() as u64, "pair", "pairs");
        Self::new(&series.spec, basis, series.side(|pair| pair.before), series.side(|pair| pair.after))
    }

    /// `None` for one sample on a side, exact values and rates.
    fn new(spec: &MetricSpec, basis: String, before: Vec<f64>, after: Vec<f64>) -> Option<Self> {
        let is_enough = spec.sampling == Sampling::Sampled && before.len() >= 2 && after.len() >= 2;
        is_enough.then(|| Self { metric: spec.id.clone(), unit: spec.unit.clone(), basis, before, after })
    }

    fn title(&self) -> String {
        format!("{}, {}", self.metric, self.basis)
    }

    /// Title and medians as text, also as the alternative text of the picture.
    pub(crate) fn medians(&self) -> String {
        let [before, after] = [&self.before, &self.after].map(|samples| median(samples).unwrap_or_default());
        let shown = |value| values::quantity(value, &self.unit);
        let change = if before > 0.0 { format!(" ({})", values::share(after / before - 1.0)) } else { String::new() };
        format!("{}: median before {}, after {}{change}", self.title(), shown(before), shown(after))
    }

    fn part(&self) -> String {
        let scale = Scale::of(&self.before, &self.after);
        format!(
            "<text x=\"0\" y=\"15\">{}</text>{}{}{}",
            xml_line(&self.title()),
            self.axis(&scale),
            self.side("before", "b", &self.before, TOP + ROW / 2.0, &scale),
            self.side("after", "f", &self.after, TOP + 1.5 * ROW, &scale),
        )
    }

    fn axis(&self, scale: &Scale) -> String {
        let bottom = TOP + 2.0 * ROW;
        let largest = self.before.iter().chain(&self.after).fold(0.0_f64, |most, value| most.max(value.abs()));
        let (unit, _) = values::scale(largest, &self.unit);
        let (step, ticks) = scale.ticks(unit);
        let line = format!("<path class=\"a\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>");
        ticks.into_iter().fold(line, |out, tick| {
            let x = at(scale.pixel(tick));
            let label = xml_line(&values::tick(tick, step, &self.unit));
            format!(
                "{out}<path class=\"g\" d=\"M{x} {TOP}V{bottom}\"/>\
                 <text class=\"q\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 18.0
            )
        })
    }

    /// One side: points with a fixed vertical jitter, the interval as a bar, the median as a mark.
    fn side(&self, name: &str, class: &str, samples: &[f64], y: f64, scale: &Scale) -> String {
        let step = samples.len().div_ceil(MOST_POINTS).max(1);
        let mut out = format!("<text x=\"0\" y=\"{}\">{name}</text><g class=\"{class}\">", at(y + 4.0));
        for (i, value) in samples.iter().enumerate().step_by(step) {
            if *value < scale.low || *value > scale.high {
                continue;
            }
            let offset = f64::from(u32::try_from((i / step) * 5 % 11).unwrap_or(0)) * 2.0 - 10.0;
            let (x, y) = (at(scale.pixel(*value)), at(y + offset));
            out.push_str(&format!("<circle class=\"p\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"));
        }
        if let Some(found) = median_interval(samples, 0.95) {
            let (low, high) = (at(scale.pixel(found.low)), at(scale.pixel(found.high)));
            out.push_str(&format!("<path class=\"i\" d=\"M{low} {}H{high}\"/>", at(y)));
        }
        if let Some(middle) = median(samples) {
            out.push_str(&format!("<path class=\"m\" d=\"M{} {}v26\"/>", at(scale.pixel(middle)), at(y - 13.0)));
        }
        out.push_str("</g>");
        let beyond = |is_beyond: &dyn Fn(f64) -> bool| samples.iter().copied().filter(|it| is_beyond(*it)).collect();
        let (low, high): (Vec<f64>, Vec<f64>) = (beyond(&|it| it < scale.low), beyond(&|it| it > scale.high));
        out + &self.beyond(class, &low, y, false) + &self.beyond(class, &high, y, true)
    }

    /// Samples outside the picture: an arrow at its edge, with the value, or the number of them and the outermost
    /// value.
    fn beyond(&self, class: &str, samples: &[f64], y: f64, is_right: bool) -> String {
        let Some(most) = samples.iter().copied().reduce(if is_right { f64::max } else { f64::min }) else {
            return String::new();
        };
        let value = values::quantity(most, &self.unit);
        let words = if samples.len() == 1 { value } else { format!("{} up to {value}", samples.len()) };
        let (edge, back, anchor) = if is_right { (RIGHT, RIGHT - 8.0, "end") } else { (LEFT, LEFT + 8.0, "start") };
        format!(
            "<path class=\"{class}\" d=\"M{back} {}L{edge} {}L{back} {}Z\"/>\
             <text class=\"q\" x=\"{edge}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            at(y - 5.0),
            at(y),
            at(y + 5.0),
            at(y - 12.0),
            xml_line(&words)
        )
    }
}

/// Most metrics in one picture.
const MOST: usize = 12;

/// The samples to draw of a comparison: those of the contract's metrics, or without a contract of the decisive ones; as
/// pairs if there are any.
pub(crate) fn strips(judged: &Judgement) -> Vec<Strip> {
    let (before, after) = (series::metrics(&judged.before), series::metrics(&judged.after));
    let paired = judged.pair.as_ref().map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        Some(Err(_)) | None => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let comparison = &judged.comparison;
    let is_headline = headline(comparison);
    let of_contract = |id: &MetricId| comparison.criteria.iter().any(|row| row.criterion.metric == *id);
    let rows = comparison.metrics.iter().filter(|row| match comparison.criteria.is_empty() {
        true => is_headline(row),
        false => of_contract(&row.metric),
    });
    rows.filter_map(|row| strip(&row.metric)).take(MOST).collect()
}

/// The picture of a comparison's samples; `None` if nothing can be drawn.
pub(crate) fn picture(judged: &Judgement) -> Option<String> {
    svg(&strips(judged))
}

/// The picture; `None` without strips.
pub(crate) fn svg(strips: &[Strip]) -> Option<String> {
    let mut parts = String::new();
    let mut height = 0.0;
    for strip in strips {
        parts.push_str(&format!("<g transform=\"translate(0 {height})\">{}</g>", strip.part()));
        height += PART;
    }
    let words: Vec<String> = strips.iter().map(Strip::medians).collect();
    let legend = height + LEGEND - 12.0;
    height += LEGEND;
    (!strips.is_empty()).then(|| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\"><style>{STYLE}</style>{parts}\
             <g class=\"l\" transform=\"translate(0 {legend})\"><circle class=\"p\" cx=\"56\" cy=\"-4\" r=\"3\"/>\
             <path class=\"i\" d=\"M126 -4H142\"/><path class=\"m\" d=\"M326 -10v12\"/></g>\
             <g transform=\"translate(0 {legend})\"><text class=\"q\" x=\"64\">one run</text>\
             <text class=\"q\" x=\"150\">95 % interval of the median</text><text class=\"q\" x=\"334\">median</text></g>\
             </svg>\n",
            xml_line(&words.join("; ")),
        )
    })
}

/// Formats a coordinate with one decimal, which is precise enough and the same on every platform.
fn at(value: f64) -> String {
    format!("{value:.1}").trim_end_matches(".0").to_owned()
}

/// The range of values in a picture: all samples, except outliers so far away that the others could not be told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// The range for two sides; outliers are relative to the nearer side.
    fn of(before: &[f64], after: &[f64]) -> Self {
        let all = before.iter().chain(after).copied();
        let whole = Self::over(all.clone());
        let fences: Vec<Self> = [before, after].into_iter().filter_map(fence).collect();
        let near = Self::over(all.filter(|value| fences.iter().any(|it| it.low <= *value && *value <= it.high)));
        // Halved, as the width of the full range of f64 would overflow.
        let width = |it: Self| it.high / 2.0 - it.low / 2.0;
        if width(whole) > WORTH * width(near).max(f64::MIN_POSITIVE) && near.low < near.high { near } else { whole }
    }

    fn over(values: impl Iterator<Item = f64>) -> Self {
        let none = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
        values.fold(none, |it, value| Self { low: it.low.min(value), high: it.high.max(value) })
    }

    /// The range with a margin at both ends.
    fn ends(&self) -> (f64, f64) {
        let room = match (self.high > self.low, self.high) {
            (true, _) => (self.high - self.low) * 0.06,
            (false, 0.0) => 0.05,
            (false, high) => high.abs() * 0.05,
        };
        (self.low - room, self.high + room)
    }

    fn pixel(&self, value: f64) -> f64 {
        let (low, high) = self.ends();
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        LEFT + 18.0 + share * (RIGHT - LEFT - 32.0)
    }

    /// The step between ticks and the ticks: steps are 1, 2 or 5 times a power of ten in units of `unit`.
    fn ticks(&self, unit: f64) -> (f64, Vec<f64>) {
        let (low, high) = self.ends();
        let rough = (high - low) / unit / TICKS;
        if !rough.is_finite() || rough <= 0.0 {
            return (1.0, Vec::new());
        }
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().find(|it| it * power * 1.5 >= rough).unwrap_or(10.0) * power * unit;
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        let count = (last - first).clamp(-1.0, 20.0);
        (step, (0..=20u32).map(f64::from).take_while(|i| *i <= count).map(|i| (first + i) * step).collect())
    }
}

/// The range beyond which samples are outliers: the interquartile range, extended on both sides; `None` without
/// samples.
fn fence(samples: &[f64]) -> Option<Scale> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |quarters: usize| sorted.get(sorted.len() * quarters / 4).copied();
    let (low, middle, high) = (at(1)?, at(2)?, at(3)?);
    let room = REACH * (high - low).max(middle.abs() * LEAST_SPREAD);
    Some(Scale { low: low - room, high: high + room })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::series;
    use crate::report::fixture;

    impl Strip {
        fn svg(&self) -> String {
            svg(std::slice::from_ref(self)).unwrap()
        }
    }

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
        assert!(
            svg.contains("aria-label=\"timing.tests.cpu, 20 pairs: median before 1.9 s, after 1.623 s (-14.6 %)\""),
            "{svg}"
        );
        assert!(!svg.contains("<script") && !svg.contains("href"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert_eq!(svg, strip().svg());
    }

    #[test]
    fn outliers_are_shown_at_the_edge_with_their_value() {
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

    #[test]
    fn several_metrics_are_one_picture() {
        let two = svg(&[strip(), strip()]).unwrap();
        assert_eq!(two.matches("<circle").count(), 81);
        assert_eq!(two.matches("<svg").count(), 1);
        assert_eq!(svg(&[]), None);
    }

    fn extent(before: &[f64], after: &[f64]) -> (f64, f64) {
        let found = Scale::of(before, after);
        (found.low, found.high)
    }

    #[test]
    fn an_extreme_sample_is_left_out_and_a_moderate_one_is_not() {
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

    #[test]
    fn ticks_are_round_and_inside() {
        let (_, ticks) = Scale { low: 1.71, high: 2.02 }.ticks(1.0);
        let ticks: Vec<String> = ticks.iter().map(|it| format!("{it:.2}")).collect();
        assert_eq!(ticks, ["1.70", "1.80", "1.90", "2.00"]);
        let (_, kib) = Scale { low: 1000.0, high: 9000.0 }.ticks(1024.0);
        assert_eq!(kib, [2048.0, 4096.0, 6144.0, 8192.0]);
        for value in [2.0, 0.0, -5.0] {
            let scale = Scale { low: value, high: value };
            assert!((1..=21).contains(&scale.ticks(1.0).1.len()));
            assert!((LEFT..=RIGHT).contains(&scale.pixel(2.0)));
        }
    }
}
