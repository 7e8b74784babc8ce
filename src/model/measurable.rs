//! Which metrics a configuration can measure, and whether a criterion can be held against them. Owns the names
//! that timings, sizes, probes and KPIs give rise to; must not measure or judge.

use std::collections::BTreeMap;

use crate::model::nearest::nearest;
use crate::model::{Better, Bound, Criterion, MetricId, Sampling, Unit};

/// What is known of a metric before it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    pub id: MetricId,
    pub unit: Unit,
    pub better: Better,
    pub sampling: Sampling,
}

/// The metrics that can be measured, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurable(BTreeMap<MetricId, MetricSpec>);

/// Why a criterion can never be judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unmeasurable {
    #[error("nothing configured measures {metric}{}", suggestion(.nearest))]
    UnknownMetric {
        metric: MetricId,
        /// Names that exist and look like it, best first.
        nearest: Vec<MetricId>,
    },
    /// The bound's unit does not convert into the metric's.
    #[error("{metric} is measured in {}, which {} does not convert to{}", named(.measured), named(.bound), percent_hint(.bound))]
    OtherUnit { metric: MetricId, measured: Unit, bound: Unit },
}

fn suggestion(nearest: &[MetricId]) -> String {
    let names: Vec<&str> = nearest.iter().map(MetricId::as_str).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

fn named(unit: &Unit) -> &str {
    if unit.symbol().is_empty() { "plain numbers" } else { unit.symbol() }
}

fn percent_hint(bound: &Unit) -> &'static str {
    if bound.symbol() == "%" { "; for a change relative to the baseline write a sign, such as +5% or -5%" } else { "" }
}

impl Measurable {
    /// No metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metrics of a timed command: wall and CPU time, largest resident set, rate of success.
    pub fn add_timing(&mut self, name: &str) {
        self.add(format!("timing.{name}.wall"), Unit::seconds(), Better::Lower, Sampling::Sampled);
        self.add(format!("timing.{name}.cpu"), Unit::seconds(), Better::Lower, Sampling::Sampled);
        self.add(format!("timing.{name}.max_rss"), Unit::bytes(), Better::Lower, Sampling::Sampled);
        self.add(format!("timing.{name}.ok"), Unit::none(), Better::Higher, Sampling::Rate);
    }

    /// Adds the metrics of a command whose results are imported: an import has no CPU time of a single run.
    pub fn add_import(&mut self, name: &str) {
        self.add(format!("timing.{name}.wall"), Unit::seconds(), Better::Lower, Sampling::Sampled);
        self.add(format!("timing.{name}.max_rss"), Unit::bytes(), Better::Lower, Sampling::Sampled);
        self.add(format!("timing.{name}.ok"), Unit::none(), Better::Higher, Sampling::Rate);
    }

    /// Adds the metrics of a measured path: all bytes, tracked bytes, number of files.
    pub fn add_size(&mut self, path: &str) {
        self.add(format!("size.{path}"), Unit::bytes(), Better::Lower, Sampling::Exact);
        self.add(format!("size.{path}.tracked"), Unit::bytes(), Better::Lower, Sampling::Exact);
        self.add(format!("size.{path}.files"), Unit::none(), Better::Lower, Sampling::Exact);
    }

    /// Adds the metrics of an HTTP probe: rate of expected answers, latency. `name` is the URL where it has none.
    pub fn add_http(&mut self, name: &str) {
        self.add(format!("http.{name}.ok"), Unit::none(), Better::Higher, Sampling::Rate);
        self.add(format!("http.{name}.latency"), Unit::seconds(), Better::Lower, Sampling::Sampled);
    }

    /// Adds a KPI.
    pub fn add_kpi(&mut self, name: &str, unit: Unit, better: Better, sampling: Sampling) {
        self.add(format!("kpi.{name}"), unit, better, sampling);
    }

    fn add(&mut self, name: String, unit: Unit, better: Better, sampling: Sampling) {
        let id = MetricId::new(name);
        self.0.entry(id.clone()).or_insert(MetricSpec { id, unit, better, sampling });
    }

    /// Every metric, by name.
    pub fn iter(&self) -> impl Iterator<Item = &MetricSpec> {
        self.0.values()
    }

    /// The metric of that name.
    pub fn get(&self, id: &MetricId) -> Option<&MetricSpec> {
        self.0.get(id)
    }

    /// The metric that a criterion is about, if there is one and the bound's unit converts to its unit.
    pub fn check(&self, criterion: &Criterion) -> Result<&MetricSpec, Unmeasurable> {
        let Some(spec) = self.get(&criterion.metric) else {
            let names = self.0.keys().map(MetricId::as_str);
            return Err(Unmeasurable::UnknownMetric {
                metric: criterion.metric.clone(),
                nearest: nearest(criterion.metric.as_str(), names, 3).into_iter().map(MetricId::new).collect(),
            });
        };
        match &criterion.bound {
            Bound::Absolute { unit: Some(unit), .. } if unit.factor_to(&spec.unit).is_none() => {
                Err(Unmeasurable::OtherUnit {
                    metric: spec.id.clone(),
                    measured: spec.unit.clone(),
                    bound: unit.clone(),
                })
            }
            _ => Ok(spec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let mut known = Measurable::new();
        known.add_timing("tests");
        known.add_size("lib");
        known.add_http("health");
        known.add_kpi("p95", Unit::new("ms"), Better::Lower, Sampling::Sampled);
        known.check(&Criterion::parse(text).unwrap()).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_configured_can_be_a_criterion() {
        for text in ["timing.tests.wall <= 350ms", "size.lib.tracked <= +0%", "http.health.ok >= 99%", "kpi.p95 <= 3"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_slip_in_the_name_is_answered_with_the_nearest_names() {
        let message = check("timing.test.wal <= 1s").unwrap_err();
        assert!(
            message.starts_with("nothing configured measures timing.test.wal; did you mean timing.tests.wall"),
            "{message}"
        );
    }

    #[test]
    fn an_unsigned_percentage_of_a_duration_is_refused_with_the_fix() {
        let message = check("timing.tests.wall <= 5%").unwrap_err();
        assert!(message.contains("write a sign, such as +5% or -5%"), "{message}");
        assert!(check("size.lib <= 5s").unwrap_err().contains("measured in B, which s does not convert to"));
    }
}
