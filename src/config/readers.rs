//! The formats of known benchmark tools: where the samples of one benchmark are, and their unit.

use serde::{Deserialize, Serialize};

use crate::config::{Extract, KpiProbe, Matches};
use crate::model::Unit;

/// A benchmark tool whose results are read by its name.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchmarkTool {
    /// `--export-json` of hyperfine 1 or 2; of the command.
    Hyperfine,
    /// `target/criterion/GROUP/NAME/new/sample.json`; of `GROUP/NAME`.
    Criterion,
    /// `--benchmark-json`; of the test's name.
    PytestBenchmark,
    /// `--benchmark_format=json`, with repetitions; of the benchmark's name.
    GoogleBenchmark,
    /// The output of `go test -bench`, with `-count`; of the benchmark's name.
    GoBench,
    /// `-rf json`; of `METHOD`, or `METHOD mode=MODE PARAM=VALUE` where there are several results of it.
    Jmh,
    /// The summary of k6; of the metric.
    K6,
    /// `--output-format json` of oha; of a key of its summary, such as `average`, or a percentile, such as `p95`.
    Oha,
}

/// Name prefixes of the times that k6 measures itself.
const K6_TIMES: [&str; 6] =
    ["browser_", "group_duration", "grpc_req_duration", "http_req_", "iteration_duration", "ws_"];

const OHA_TIMES: [&str; 4] = ["total", "slowest", "fastest", "average"];

impl BenchmarkTool {
    /// Where the samples are; `NAME` stands for the benchmark's name.
    fn places(self) -> &'static [&'static str] {
        match self {
            Self::Hyperfine | Self::Criterion | Self::GoBench | Self::Jmh => &[],
            Self::PytestBenchmark => &["/benchmarks/name=NAME/stats/data", "/benchmarks/fullname=NAME/stats/data"],
            Self::GoogleBenchmark => &["/benchmarks/name=NAME/real_time"],
            Self::K6 => &["/metrics/NAME/values/avg", "/metrics/NAME/avg"],
            Self::Oha => &["/summary/NAME", "/latencyPercentiles/NAME"],
        }
    }

    /// The unit of the values of `name`; `None` if the config must give it.
    fn unit(self, name: &str) -> Option<Unit> {
        match self {
            Self::Oha if !OHA_TIMES.contains(&name) && !name.starts_with('p') => None,
            Self::Hyperfine | Self::PytestBenchmark | Self::Oha => Some(Unit::seconds()),
            Self::Criterion | Self::GoogleBenchmark | Self::GoBench => Some(Unit::new("ns")),
            Self::K6 if !K6_TIMES.iter().any(|begin| name.starts_with(begin)) => None,
            Self::K6 => Some(Unit::new("ms")),
            Self::Jmh => None,
        }
    }

    /// How to find the samples of the benchmark `name`.
    pub(crate) fn extract(self, name: &str) -> Extract {
        match self {
            Self::Hyperfine => Extract::Hyperfine(name.to_owned()),
            Self::Criterion => Extract::Criterion,
            Self::GoBench => {
                let line = format!(r"(?m)^{}(?:-\d+)?\s+\d+\s+(?:\S.*\s)?([0-9][0-9.e+]*) ns/op", regex::escape(name));
                Extract::Regex(line)
            }
            Self::Jmh => Extract::Jmh(name.to_owned()),
            Self::PytestBenchmark | Self::GoogleBenchmark | Self::K6 | Self::Oha => {
                let token = name.replace('~', "~0").replace('/', "~1");
                Extract::Pointers(self.places().iter().map(|place| place.replace("NAME", &token)).collect())
            }
        }
    }

    /// Fills in what the tool determines and the config leaves out; returns the key and message of a problem.
    pub(crate) fn complete(self, kpi: &mut KpiProbe, has_unit: bool) -> Option<(&'static str, String)> {
        let Some(name) = kpi.select.clone() else {
            return Some(("reader", "needs `select`, the benchmark's name".to_owned()));
        };
        if kpi.pointer.is_some() || kpi.regex.is_some() {
            return Some(("reader", "knows where the numbers are: drop `pointer` and `regex`".to_owned()));
        }
        if self == Self::Criterion && kpi.file.is_none() {
            // criterion names directories like this (`make_filename_safe`).
            let directory = name.replace(['?', '"', '\\', '*', '<', '>', ':', '|', '^'], "_");
            kpi.file = Some(format!("target/criterion/{directory}/new/sample.json"));
        }
        if self == Self::GoBench {
            kpi.matches = Matches::All;
        }
        match self.unit(&name) {
            None if !has_unit => {
                let why = if self == Self::Jmh {
                    "the `scoreUnit` of the results, such as ns/op".to_owned()
                } else if self == Self::K6 {
                    format!("{name} may be a time (ms) or something else")
                } else {
                    format!("{name} is no time")
                };
                return Some(("unit", format!("is needed: {why}")));
            }
            Some(unit) if !has_unit => kpi.unit = unit,
            Some(unit) if unit != kpi.unit && self != Self::GoogleBenchmark => {
                return Some((
                    "unit",
                    format!("is {}, and this reader's numbers are in {unit}: drop `unit`", kpi.unit),
                ));
            }
            Some(_) | None => {}
        }
        None
    }
}
