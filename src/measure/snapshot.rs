//! Taking a whole snapshot: every configured probe once, in a fixed order, the reference workload between the timed
//! runs. Returns measurements; must not judge, and writes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;

use crate::config::{Config, Timing as TimingConfig};
use crate::measure::{
    Network, ProcessEnvironment, Reference, Runner, TimingPlan, TuneablesError, command, env, http, kpi, machine, size,
    tuneables,
};
use crate::model::scrub::scrub;
use crate::model::{Snapshot, System, Timing, hyperfine};
use crate::os::Interrupt;

/// The largest export of hyperfine that is read.
const EXPORT_LIMIT: u64 = 64 * 1024 * 1024;

/// What is measured, and where.
pub struct Plan<'a> {
    pub root: &'a Path,
    pub config: &'a Config,
    /// Files that git tracks, from the root, with `/`; `None` where git cannot say.
    pub tracked: Option<BTreeSet<Vec<u8>>>,
    /// Whether a path from the root is the tool's own.
    pub is_own: &'a dyn Fn(&[u8]) -> bool,
    pub interrupt: &'a Interrupt,
}

/// A snapshot without its label, role, moment and revision, and what its KPIs were read from.
pub struct Taken {
    pub snapshot: Snapshot,
    pub outputs: Vec<KpiOutput>,
}

/// The raw output that a KPI was read from.
pub struct KpiOutput {
    pub name: String,
    /// Extension of the file to keep it in.
    pub extension: &'static str,
    pub bytes: Vec<u8>,
}

/// Runs every probe. `tell` is told what is being measured.
pub fn take(plan: &Plan<'_>, runner: &mut dyn Runner, tell: &mut dyn FnMut(&str)) -> Result<Taken, TuneablesError> {
    let mut snapshot = blank(plan.root);
    // Before anything runs: a measured command may write to a tuneables file.
    let effective = tuneables::read(plan.root, &plan.config.tuneables, &ProcessEnvironment)?;
    snapshot.tuneables = effective.values;
    snapshot.tuneable_files = effective.files;
    snapshot.env = env::watched(&plan.config.tuneables.watch_env, &ProcessEnvironment);
    snapshot.definitions = plan.config.definitions();
    snapshot.machine = Some(machine::fingerprint());
    sizes(plan, &mut snapshot, tell);
    timings(plan, runner, &mut snapshot, tell);
    for probe in &plan.config.http_probes {
        tell(&format!("asking {}", probe.name));
        snapshot.http.push(http::probe(&Network, probe, &|| plan.interrupt.requested()));
    }
    let outputs = kpis(plan, runner, &mut snapshot, tell);
    Ok(Taken { snapshot, outputs })
}

fn blank(root: &Path) -> Snapshot {
    let mut snapshot = Snapshot::bare("", DateTime::UNIX_EPOCH);
    snapshot.tool = Some(crate::measure::TOOL.to_owned());
    snapshot.system = System {
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        python: String::new(),
        executable: "vibeship-optimizer".to_owned(),
        cwd: root.display().to_string(),
    };
    snapshot
}

fn sizes(plan: &Plan<'_>, snapshot: &mut Snapshot, tell: &mut dyn FnMut(&str)) {
    for path in &plan.config.size_paths {
        tell(&format!("measuring the size of {path}"));
        let known = size::Known { tracked: plan.tracked.as_ref(), is_own: plan.is_own };
        match size::measure(plan.root, path, known) {
            size::Measured::Size(size, warnings) => {
                snapshot.warnings.extend(warnings);
                snapshot.sizes.insert(path.clone(), size);
            }
            size::Measured::Missing => snapshot.missing_sizes.push(path.clone()),
            size::Measured::Unreadable(reason) => {
                snapshot.missing_sizes.push(path.clone());
                snapshot.warnings.push(reason);
            }
        }
    }
}

fn timings(plan: &Plan<'_>, runner: &mut dyn Runner, snapshot: &mut Snapshot, tell: &mut dyn FnMut(&str)) {
    let reference = Reference::new();
    for config in plan.config.timings.iter().filter(|timing| timing.is_measurable()) {
        if plan.interrupt.requested() {
            return;
        }
        if let Some(path) = &config.hyperfine {
            match imported(plan.root, config, path) {
                Ok(timing) => snapshot.timings.push(timing),
                Err(message) => snapshot.warnings.push(format!("timing {}: {message}", config.name)),
            }
            continue;
        }
        let Some(timing_plan) = timing_plan(plan.root, config) else { continue };
        tell(&format!("timing {}: {} runs of {}", config.name, config.runs, scrub(&timing_plan.cmd)));
        let references = &mut snapshot.reference_s;
        let timed = command::time(runner, &timing_plan, &mut |progress| {
            references.push(reference.measure_once().wall_s);
            tell(&format!("timing {}: run {} of {}", progress.name, progress.done, progress.of));
        });
        if let Some(floor) = timed.rss_floor_bytes {
            snapshot.rss_floor_bytes = Some(floor);
            snapshot.warnings.push(format!(
                "timing {}: {RSS_UNTOLD} {} KiB and cannot be told apart from it",
                config.name,
                floor / 1024
            ));
        }
        snapshot.timings.push(timed.timing);
    }
}

/// What a warning of a peak memory that could not be told says.
pub const RSS_UNTOLD: &str = "peak memory is below this tool's own";

/// How a configured timing is run.
pub fn timing_plan(root: &Path, config: &TimingConfig) -> Option<TimingPlan> {
    Some(TimingPlan {
        name: config.name.clone(),
        cmd: config.cmd.clone()?,
        shell: config.shell,
        runs: config.runs,
        warmup: config.warmup,
        timeout: Duration::try_from_secs_f64(config.timeout_s).unwrap_or(Duration::MAX),
        cwd: config.cwd.as_ref().map_or_else(|| root.to_owned(), |cwd| root.join(cwd)),
        env: config.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect(),
    })
}

fn imported(root: &Path, config: &TimingConfig, path: &str) -> Result<Timing, String> {
    let file = root.join(path);
    let length = fs::metadata(&file).map_err(|error| format!("cannot read {path}: {error}"))?.len();
    if length > EXPORT_LIMIT {
        return Err(format!("{path} has {length} bytes, more than the {EXPORT_LIMIT} that are read"));
    }
    let bytes = fs::read(&file).map_err(|error| format!("cannot read {path}: {error}"))?;
    hyperfine::import(&config.name, &bytes).map_err(|error| format!("{path}: {error}"))
}

fn kpis(
    plan: &Plan<'_>,
    runner: &mut dyn Runner,
    snapshot: &mut Snapshot,
    tell: &mut dyn FnMut(&str),
) -> Vec<KpiOutput> {
    let mut outputs = Vec::new();
    let reference = Reference::new();
    let place = kpi::Place { root: plan.root, env: &[] };
    for config in &plan.config.kpis {
        if plan.interrupt.requested() {
            break;
        }
        tell(&format!("taking KPI {}", config.name));
        let references = &mut snapshot.reference_s;
        let measured = kpi::measure(runner, place, config, &mut |done, of| {
            // A file that somebody else wrote was not measured now.
            if config.cmd.is_some() {
                references.push(reference.measure_once().wall_s);
            }
            tell(&format!("taking KPI {}: {done} of {of}", config.name));
        });
        snapshot.kpis.push(measured.kpi);
        if let Some(bytes) = measured.raw {
            let extension = if serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() { "json" } else { "txt" };
            outputs.push(KpiOutput { name: config.name.clone(), extension, bytes });
        }
    }
    outputs
}
