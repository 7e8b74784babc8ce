//! Takes a whole snapshot: every configured probe once, in a fixed order, with the reference workload between timed
//! runs. Writes nothing.

use std::fs;
use std::path::Path;

use chrono::DateTime;

use crate::config::{self, Config};
use crate::git::Repo;
use crate::measure::freshness::Freshness;
use crate::measure::machine::{self, Reference};
use crate::measure::{Place, Runner, TOOL, TuneablesError, command, http, kpi, profile, size, tuneables};
use crate::model::{Kpi, Snapshot, System, Timing, hyperfine, scrub};
use crate::os::{Interrupt, files};

/// The largest hyperfine export that is read.
const EXPORT_LIMIT: u64 = 64 * 1024 * 1024;

/// The warning about a peak memory that could not be measured.
pub(crate) const RSS_UNTOLD: &str = "peak memory is below this tool's own";

pub(crate) struct SnapshotPlan<'a> {
    pub(crate) root: &'a Path,
    pub(crate) config: &'a Config,
    pub(crate) tracked: size::Tracked<'a>,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) repo: Option<&'a Repo>,
    /// Whether a path is code; prose, tests, the config and results are not.
    pub(crate) is_code: &'a dyn Fn(&Path) -> bool,
    pub(crate) is_baseline: bool,
}

pub(crate) struct KpiOutput {
    pub(crate) name: String,
    /// Extension of the file to keep it in.
    pub(crate) extension: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Runs every probe. Returns a snapshot without label, role, time and revision, and the texts that its KPIs were read
/// from. `tell` gets progress messages.
pub(crate) fn take(
    plan: &SnapshotPlan<'_>,
    runner: &mut dyn Runner,
    tell: &mut dyn FnMut(&str),
) -> Result<(Snapshot, Vec<KpiOutput>), TuneablesError> {
    let mut snapshot = Snapshot::bare("", DateTime::UNIX_EPOCH);
    snapshot.tool = Some(TOOL.to_owned());
    snapshot.system = System {
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        python: String::new(),
        executable: "vibeship-optimizer".to_owned(),
        cwd: plan.root.display().to_string(),
    };
    // Before anything runs, since a measured command may write to a tuneables file.
    let effective = tuneables::read(plan.root, &plan.config.tuneables)?;
    snapshot.tuneables = effective.values;
    snapshot.tuneable_files = effective.files;
    snapshot.env = tuneables::watched(&plan.config.tuneables.watch_env, &|name| std::env::var_os(name));
    snapshot.definitions = plan.config.definitions();
    snapshot.machine = Some(machine::fingerprint());
    sizes(plan, &mut snapshot, tell);
    let tracked = plan.tracked.into_iter().flatten().map(|(path, _)| files::path_from_bytes(path));
    snapshot.warnings.extend(size::unfetched_warnings(plan.root, tracked));
    let place = Place { root: plan.root.to_owned(), env: Vec::new() };
    let reference = Reference::new();
    let mut freshness = Freshness::new(plan);
    timings(plan, &place, runner, (&reference, &mut freshness), &mut snapshot, tell);
    for probe in &plan.config.http_probes {
        tell(&format!("asking {}", probe.name));
        snapshot.http.push(http::probe(probe, &place, &|| plan.interrupt.requested()));
    }
    let outputs = kpis(plan, &place, runner, (&reference, &mut freshness), &mut snapshot, tell);
    Ok((snapshot, outputs))
}

fn sizes(plan: &SnapshotPlan<'_>, snapshot: &mut Snapshot, tell: &mut dyn FnMut(&str)) {
    for path in &plan.config.size_paths {
        tell(&format!("measuring the size of {path}"));
        match size::measure(plan.root, path, plan.tracked) {
            size::SizeResult::Size(size, warnings) => {
                snapshot.warnings.extend(warnings);
                snapshot.sizes.insert(path.clone(), size);
            }
            size::SizeResult::Missing => snapshot.missing_sizes.push(path.clone()),
            size::SizeResult::Unreadable(reason) => {
                snapshot.missing_sizes.push(path.clone());
                snapshot.warnings.push(reason);
            }
        }
    }
}

fn timings(
    plan: &SnapshotPlan<'_>,
    place: &Place,
    runner: &mut dyn Runner,
    (reference, freshness): (&Reference, &mut Freshness<'_>),
    snapshot: &mut Snapshot,
    tell: &mut dyn FnMut(&str),
) {
    for config in &plan.config.timings {
        if plan.interrupt.requested() {
            return;
        }
        let name = &config.name;
        if let Some(path) = &config.hyperfine {
            match imported(plan, config, path, freshness) {
                Ok(timing) => snapshot.timings.push(timing),
                Err(message) => snapshot.warnings.push(format!("timing {name}: {message}")),
            }
            continue;
        }
        let Some(cmd) = &config.cmd else { continue };
        tell(&format!("timing {name}: {} runs of {}", config.runs, scrub(cmd)));
        freshness.watch();
        let mut timed = command::time(runner, config, place, &mut |done, of| {
            freshness.seen(done);
            snapshot.reference_s.push(reference.measure_once().wall_s);
            tell(&format!("timing {name}: run {done} of {of}"));
        });
        if let Some(floor) = timed.rss_floor_bytes {
            snapshot.rss_floor_bytes = Some(floor);
            let kib = floor / 1024;
            snapshot.warnings.push(format!("timing {name}: {RSS_UNTOLD} {kib} KiB and cannot be told apart from it"));
        }
        snapshot.warnings.extend(profile::missing(config, timed.timing.samples.iter()));
        timed.timing.read_from = freshness.of_run(config.stale_ok.as_deref());
        snapshot.timings.push(timed.timing);
    }
}

fn imported(
    plan: &SnapshotPlan<'_>,
    config: &config::TimingConfig,
    path: &str,
    freshness: &Freshness<'_>,
) -> Result<Timing, String> {
    let file = plan.root.join(path);
    let unreadable = |error| format!("cannot read {path}: {error}");
    let length = fs::metadata(&file).map_err(unreadable)?.len();
    if length > EXPORT_LIMIT {
        return Err(format!("{path} has {length} bytes, more than the {EXPORT_LIMIT} that are read"));
    }
    let bytes = files::read_file(&file, EXPORT_LIMIT).map_err(unreadable)?;
    let timing = hyperfine::import(&config.name, &bytes, true).map_err(|error| format!("{path}: {error}"))?;
    Ok(Timing { read_from: freshness.of_file(path, config.stale_ok.as_deref()), ..timing })
}

fn kpis(
    plan: &SnapshotPlan<'_>,
    place: &Place,
    runner: &mut dyn Runner,
    (reference, freshness): (&Reference, &mut Freshness<'_>),
    snapshot: &mut Snapshot,
    tell: &mut dyn FnMut(&str),
) -> Vec<KpiOutput> {
    let mut outputs = Vec::new();
    for group in kpi::groups(&plan.config.kpis) {
        if plan.interrupt.requested() {
            break;
        }
        let names: Vec<&str> = group.iter().map(|config| config.name.as_str()).collect();
        let names = names.join(", ");
        tell(&format!("taking KPI {names}"));
        freshness.watch();
        let found = kpi::measure(runner, place, &group, &mut |done, of| {
            freshness.seen(done);
            // A file without a command was not written by this measurement.
            if group.iter().any(|config| config.cmd.is_some()) {
                snapshot.reference_s.push(reference.measure_once().wall_s);
            }
            tell(&format!("taking KPI {names}: {done} of {of}"));
        });
        for (mut measured, config) in found.into_iter().zip(group) {
            let stale_ok = config.stale_ok.as_deref();
            measured.kpi.read_from = match (&config.file, &config.cmd) {
                (Some(file), None) => freshness.of_file(file, stale_ok),
                (_, _) => freshness.of_run(stale_ok),
            };
            if let Some(bytes) = measured.raw {
                let extension =
                    if serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() { "json" } else { "txt" };
                outputs.push(KpiOutput { name: config.name.clone(), extension, bytes });
            }
            snapshot.kpis.push(measured.kpi);
        }
    }
    // In configured order, not in measured order.
    let place_of = |kpi: &Kpi| plan.config.kpis.iter().position(|config| config.name == kpi.name);
    snapshot.kpis.sort_by_key(place_of);
    outputs
}
