//! Which metrics a config can measure, so that a contract names only those.

use crate::config::Config;
use crate::model::{Measurable, Sampling};

impl Config {
    /// Every metric that a snapshot under this config will hold: timings, sizes, probes, KPIs.
    pub fn measurable(&self) -> Measurable {
        let mut all = Measurable::new();
        for timing in self.timings.iter().filter(|timing| timing.is_measurable()) {
            match timing.cmd {
                Some(_) => all.add_timing(&timing.name),
                None => all.add_import(&timing.name),
            }
        }
        for path in &self.size_paths {
            all.add_size(path);
        }
        for probe in &self.http_probes {
            all.add_http(&probe.name);
        }
        for kpi in &self.kpis {
            let sampling = if kpi.exact { Sampling::Exact } else { Sampling::Sampled };
            all.add_kpi(&kpi.name, kpi.unit.clone(), kpi.better, sampling);
        }
        all
    }
}
