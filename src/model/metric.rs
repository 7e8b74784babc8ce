//! Metrics: their names, the table of their kinds ([`MetricKind::row`]), and which of them the config measures.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::model::text::nearest;
use crate::model::{Bound, Criterion, HttpRequest, Run, Size, Unit};

/// The dotted name of a metric, such as `timing.tests.wall` or `kpi.advisory_p95_ms`.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricId(String);

impl MetricId {
    /// Any text is a valid name; whether the config measures it is up to [`Measurable`].
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn kpi(name: &str) -> Self {
        Self(format!("{}{name}", MetricSource::Kpi.prefix()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The source, from the prefix of its name.
    pub fn source(&self) -> Option<MetricSource> {
        MetricSource::value_variants().iter().copied().find(|source| self.0.starts_with(source.prefix()))
    }

    /// The kind, from prefix and suffix of its name; `None` for KPIs, whose unit and direction are in the config.
    pub fn kind(&self) -> Option<MetricKind> {
        let source = self.source()?;
        // The kind `Bytes` has an empty suffix, so the longest match wins.
        source.kinds().filter(|kind| self.0.ends_with(kind.row().suffix)).max_by_key(|kind| kind.row().suffix.len())
    }

    /// The name of the command, path or probe that it measures: `tests` in `timing.tests.wall`.
    pub fn subject(&self) -> Option<&str> {
        let name = self.0.strip_prefix(self.source()?.prefix())?;
        self.kind().map_or(Some(name), |kind| name.strip_suffix(kind.row().suffix))
    }

    pub fn is_rate(&self) -> bool {
        self.kind().is_some_and(|kind| kind.row().sampling == Sampling::Rate)
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which direction is an improvement.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    #[default]
    Lower,
    Higher,
}

/// How many samples it takes before a value means anything.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Varies from run to run; a verdict needs many samples.
    #[default]
    Sampled,
    /// The same at every measurement of the same code; one sample decides.
    Exact,
    /// Each sample is 1 (success) or 0 (failure); judged as a proportion.
    Rate,
}

/// What a metric measures: the first part of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricSource {
    Timing,
    Size,
    Http,
    Kpi,
}

impl MetricSource {
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Timing => "timing.",
            Self::Size => "size.",
            Self::Http => "http.",
            Self::Kpi => "kpi.",
        }
    }

    pub fn kinds(self) -> impl Iterator<Item = MetricKind> {
        MetricKind::value_variants().iter().copied().filter(move |kind| kind.source() == self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricKind {
    Wall,
    Cpu,
    MaxRss,
    Instructions,
    Succeeded,
    Bytes,
    TrackedBytes,
    Files,
    Answered,
    Latency,
}

#[derive(Debug, Clone, Copy)]
pub struct KindRow {
    /// End of the name, after the source's prefix and the name of the command, path or probe.
    pub suffix: &'static str,
    pub unit: &'static str,
    pub better: Better,
    pub sampling: Sampling,
    pub reads: Reads,
}

/// How to read a sample; returns `None` if it was not recorded.
#[derive(Debug, Clone, Copy)]
pub enum Reads {
    Run(fn(&Run) -> Option<f64>),
    Size(fn(&Size) -> Option<u64>),
    Answer(fn(&HttpRequest) -> Option<f64>),
}

impl MetricKind {
    /// The table of kinds: suffix of the name, unit, better direction, sampling, and how to read a sample.
    pub fn row(self) -> KindRow {
        use Better::{Higher, Lower};
        use Reads::{Answer, Run as OfRun, Size as OfSize};
        use Sampling::{Exact, Rate, Sampled};
        let row = |suffix, unit, better, sampling, reads| KindRow { suffix, unit, better, sampling, reads };
        match self {
            Self::Wall => row(".wall", "s", Lower, Sampled, OfRun(|run| Some(run.wall_s))),
            Self::Cpu => row(".cpu", "s", Lower, Sampled, OfRun(Run::cpu_s)),
            Self::MaxRss => row(".max_rss", "B", Lower, Sampled, OfRun(|run| run.max_rss_bytes.map(|it| it as f64))),
            Self::Instructions => {
                row(".instructions", "instructions", Lower, Sampled, OfRun(|run| run.instructions.map(|it| it as f64)))
            }
            Self::Succeeded => row(".ok", "", Higher, Rate, OfRun(|run| Some(flag(run.succeeded())))),
            Self::Bytes => row("", "B", Lower, Exact, OfSize(|size| Some(size.bytes))),
            Self::TrackedBytes => row(".tracked", "B", Lower, Exact, OfSize(|size| size.tracked_bytes)),
            Self::Files => row(".files", "", Lower, Exact, OfSize(|size| size.tracked_files.or(size.files))),
            Self::Answered => row(".ok", "", Higher, Rate, Answer(|answer| Some(flag(answer.ok)))),
            // Only of expected answers; the share of unexpected ones is the metric `.ok`.
            Self::Latency => {
                row(".latency", "s", Lower, Sampled, Answer(|answer| answer.ok.then_some(answer.latency_s)))
            }
        }
    }

    pub fn source(self) -> MetricSource {
        match self.row().reads {
            Reads::Run(_) => MetricSource::Timing,
            Reads::Size(_) => MetricSource::Size,
            Reads::Answer(_) => MetricSource::Http,
        }
    }

    pub fn of(self, name: &str) -> MetricId {
        MetricId([self.source().prefix(), name, self.row().suffix].concat())
    }

    pub fn spec(self, name: &str) -> MetricSpec {
        let row = self.row();
        MetricSpec { id: self.of(name), unit: Unit::new(row.unit), better: row.better, sampling: row.sampling }
    }
}

pub fn flag(success: bool) -> f64 {
    f64::from(u8::from(success))
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    pub id: MetricId,
    pub unit: Unit,
    pub better: Better,
    pub sampling: Sampling,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurable(BTreeMap<MetricId, MetricSpec>);
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unmeasurable {
    #[error("unknown metric {metric}{}", suggestion(.nearest))]
    UnknownMetric {
        metric: MetricId,
        /// Similar names that exist, best first.
        nearest: Vec<MetricId>,
    },
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
    /// Adds the metrics of the command, path or probe `name`, except the kinds in `without`.
    pub fn add(&mut self, source: MetricSource, name: &str, without: &[MetricKind]) {
        source.kinds().filter(|kind| !without.contains(kind)).for_each(|kind| self.insert(kind.spec(name)));
    }

    pub fn add_kpi(&mut self, name: &str, unit: Unit, better: Better, sampling: Sampling) {
        self.insert(MetricSpec { id: MetricId::kpi(name), unit, better, sampling });
    }

    fn insert(&mut self, spec: MetricSpec) {
        self.0.entry(spec.id.clone()).or_insert(spec);
    }

    /// Removes file counts of paths that are a single file, which never change.
    pub fn without_counts_of_files(&mut self, is_file: impl Fn(&str) -> bool) {
        let counts = |id: &MetricId| id.kind() == Some(MetricKind::Files) && id.subject().is_some_and(&is_file);
        self.0.retain(|id, _| !counts(id));
    }

    pub fn iter(&self) -> impl Iterator<Item = &MetricSpec> {
        self.0.values()
    }

    /// Returns the criterion's metric; an error if it is unknown or the bound's unit does not convert to its unit.
    pub fn check(&self, criterion: &Criterion) -> Result<&MetricSpec, Unmeasurable> {
        let Some(spec) = self.0.get(&criterion.metric) else {
            let names = self.0.keys().map(MetricId::as_str);
            return Err(Unmeasurable::UnknownMetric {
                metric: criterion.metric.clone(),
                nearest: nearest(criterion.metric.as_str(), names, 3).into_iter().map(MetricId::new).collect(),
            });
        };
        if let Bound::Absolute { unit: Some(unit), .. } = &criterion.bound
            && unit.factor_to(&spec.unit).is_none()
        {
            let (metric, measured, bound) = (spec.id.clone(), spec.unit.clone(), unit.clone());
            return Err(Unmeasurable::OtherUnit { metric, measured, bound });
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let mut known = Measurable::default();
        known.add(MetricSource::Timing, "tests", &[]);
        known.add(MetricSource::Size, "lib", &[]);
        known.add(MetricSource::Http, "health", &[]);
        known.add_kpi("p95", Unit::new("ms"), Better::Lower, Sampling::Sampled);
        known.check(&Criterion::parse(text).unwrap()).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn configured_metrics_can_be_used_in_criteria() {
        for text in ["timing.tests.wall <= 350ms", "size.lib.tracked <= +0%", "http.health.ok >= 99%", "kpi.p95 <= 3"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_typo_in_a_name_gets_the_nearest_names() {
        let message = check("timing.test.wal <= 1s").unwrap_err();
        assert!(message.starts_with("unknown metric timing.test.wal; did you mean timing.tests.wall"), "{message}");
    }

    #[test]
    fn an_unsigned_percentage_of_a_duration_is_refused_with_the_fix() {
        let message = check("timing.tests.wall <= 5%").unwrap_err();
        assert!(message.contains("write a sign, such as +5% or -5%"), "{message}");
        assert!(check("size.lib <= 5s").unwrap_err().contains("measured in B, which s does not convert to"));
    }

    #[test]
    fn a_name_tells_its_kind_and_its_subject() {
        for kind in MetricKind::value_variants().iter().copied() {
            let id = kind.of("a.b");
            assert_eq!((id.kind(), id.subject(), id.source()), (Some(kind), Some("a.b"), Some(kind.source())));
        }
        let kpi = MetricId::kpi("p95.wall");
        assert_eq!((kpi.kind(), kpi.subject(), kpi.source()), (None, Some("p95.wall"), Some(MetricSource::Kpi)));
        assert_eq!(MetricId::new("other").source(), None);
    }
}
