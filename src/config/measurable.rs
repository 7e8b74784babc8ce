//! Which metrics a config can measure, so that a contract names only those.

use crate::config::Config;
use crate::evidence::metric::Better;
use crate::evidence::metric::MetricId;
use crate::evidence::metric::Sampling;
use crate::evidence::unit::Unit;

/// A metric that a snapshot under this config will hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurable {
    /// Its name.
    pub id: MetricId,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is an improvement.
    pub better: Better,
    /// Whether one sample decides.
    pub sampling: Sampling,
}

impl Config {
    /// Every metric that can be measured: timings, sizes, probes, KPIs, in config order.
    pub fn measurable(&self) -> Vec<Measurable> {
        let mut all = Vec::new();
        let mut add = |name: String, unit: Unit, better, sampling| {
            all.push(Measurable { id: MetricId::new(name), unit, better, sampling });
        };
        for timing in self.timings.iter().filter(|timing| timing.is_measurable()) {
            let name = &timing.name;
            add(format!("timing.{name}.wall"), Unit::seconds(), timing.better, Sampling::Sampled);
            add(format!("timing.{name}.cpu"), Unit::seconds(), timing.better, Sampling::Sampled);
            add(format!("timing.{name}.max_rss"), Unit::bytes(), Better::Lower, Sampling::Sampled);
        }
        for path in &self.size_paths {
            add(format!("size.{path}"), Unit::bytes(), Better::Lower, Sampling::Exact);
        }
        for probe in &self.http_probes {
            add(format!("http.{}.ok", probe.name), Unit::none(), Better::Higher, Sampling::Rate);
            add(format!("http.{}.latency", probe.name), Unit::seconds(), Better::Lower, Sampling::Sampled);
        }
        for kpi in &self.kpis {
            let sampling = if kpi.exact { Sampling::Exact } else { Sampling::Sampled };
            add(format!("kpi.{}", kpi.name), kpi.unit.clone(), kpi.better, sampling);
        }
        all
    }
}
