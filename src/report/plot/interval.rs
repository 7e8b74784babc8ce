//! Estimates with their intervals against zero and their bounds, on one scale. For pages that have the style already.

use crate::model::Estimate;
use crate::report::plot::{Scale, at};
use crate::report::{escape, values};

const WIDTH: f64 = 240.0;

/// A scale on which zero, every interval and every bound have a place.
pub fn scale<'a>(estimates: impl Iterator<Item = &'a Estimate>, bounds: impl Iterator<Item = f64>) -> Scale {
    let ends = estimates.flat_map(|estimate| [estimate.low, estimate.high]);
    Scale::over(ends.chain(bounds).chain([0.0]), 4.0, WIDTH - 4.0)
}

/// One estimate: a bar from end to end, a point, zero as a line and the bound as a broken one.
pub fn svg(estimate: &Estimate, bound: Option<f64>, tone: &str, scale: &Scale) -> String {
    let [zero, low, high, value] = [0.0, estimate.low, estimate.high, estimate.value].map(|it| at(scale.pixel(it)));
    let bound = bound
        .map_or_else(String::new, |bound| format!("<path class=\"bound\" d=\"M{} 1V23\"/>", at(scale.pixel(bound))));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 {WIDTH} 24\" role=\"img\" aria-label=\"{}\">\
         <path class=\"g\" d=\"M0 12H{WIDTH}\"/><path class=\"a\" d=\"M{zero} 3V21\"/>{bound}\
         <g class=\"{}\"><path class=\"bar\" d=\"M{low} 12H{high}\"/><circle cx=\"{value}\" cy=\"12\" r=\"5\"/></g></svg>",
        escape::line(&values::share_estimate(estimate)),
        escape::line(tone),
    )
}
