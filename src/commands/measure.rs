//! Taking a snapshot for a command and recording its files as evidence; the tuneables in force and the file that holds
//! them; and the progress bar on standard error, which is only drawn on a terminal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::audit;
use crate::commands::{Ctx, Pending, commit, delta, demands, evidence, uncommitted, validate};
use crate::error::Result;
use crate::judge::compare::{EffectiveChange, tuneable_changes};
use crate::judge::series;
use crate::measure::snapshot::{self, KpiOutput, RSS_UNTOLD, SnapshotPlan};
use crate::measure::tuneables::{self, Effective, locate};
use crate::measure::{SystemRunner, size};
use crate::model::{
    Bound, ChangeId, Contract, Digest, Kind, Measurable, MetricId, MetricKind, Op, RecordedSnapshot, Revision,
    Snapshot, SnapshotPurpose, Unusable, text,
};
use crate::os::{clock, files};
use crate::report::{self, metric};
use crate::store::{EvidenceRole, atomic, guard};
use crate::ui::Ui;
use crate::workflow::{Change, End, World};

const SHORT_OUTPUT: usize = 1024;

pub(crate) struct Measurement {
    pub(crate) snapshot: Snapshot,
    outputs: Vec<KpiOutput>,
    pub(crate) revision: Revision,
    pub(crate) revision_after: Revision,
}

/// Measures the project; `what` is what for in the change, if it belongs to one. `before` is the code as it
/// was seen before measuring; without it, the code is looked at afterwards, which is only valid if nothing is run.
pub(crate) fn take(
    ctx: &Ctx,
    label: &str,
    what: Option<SnapshotPurpose>,
    change: Option<&ChangeId>,
    before: Option<Revision>,
) -> Result<Measurement> {
    let config = ctx.config()?;
    let interrupt = ctx.interrupt()?;
    let tracked =
        ctx.repo()?.map(|repo| size::tracked_sizes(ctx.project.root(), repo, &config.size_paths)).transpose()?;
    let non_code = demands::non_code_globs(config)?;
    let is_code = |path: &Path| !non_code.is_match(path) && !files::is_of_git(path);
    let plan = SnapshotPlan {
        root: ctx.project.root(),
        config,
        tracked: tracked.as_ref(),
        interrupt,
        repo: ctx.repo()?,
        is_code: &is_code,
        is_baseline: what == Some(SnapshotPurpose::Baseline),
    };
    let mut bar = Spinner::new(&ctx.ui);
    let mut runner = SystemRunner::new(interrupt.clone());
    let started = ctx.now();
    let (mut snapshot, mut outputs) = snapshot::take(&plan, &mut runner, &mut |step| bar.show(step))?;
    for kpi in &mut snapshot.kpis {
        let short = outputs.iter().position(|it| it.name == kpi.name && it.bytes.len() <= SHORT_OUTPUT);
        let Some(at) = short.filter(|at| std::str::from_utf8(&outputs[*at].bytes).is_ok()) else { continue };
        kpi.raw = String::from_utf8(outputs.remove(at).bytes).ok();
    }
    bar.finish();
    validate::stop_if_asked(ctx)?;
    let now = ctx.now();
    snapshot.id = Some(clock::uuid_v7(now));
    snapshot.started_at = Some(started);
    snapshot.generated_at = now;
    label.clone_into(&mut snapshot.label);
    snapshot.role = what.map(SnapshotPurpose::role);
    snapshot.change_id = change.map(ToString::to_string);
    let seen = delta::observe(ctx);
    snapshot.warnings.extend(report::method::outside_warning(&seen.git.dirty_outside));
    snapshot.git = seen.git;
    let (revision, revision_after) = match before {
        Some(before) => (before, seen.revision),
        None => {
            let here = delta::unless_hidden(ctx, seen.revision)?;
            (here.clone(), here)
        }
    };
    snapshot.revision = Some(revision.clone());
    Ok(Measurement { snapshot, outputs, revision, revision_after })
}

/// The measured revision; fails if the code changed meanwhile, because of a build or test for example: then it is not
/// known what was measured.
pub(crate) fn check_unchanged(ctx: &Ctx, measurement: &mut Measurement) -> Result<Revision> {
    let left = uncommitted::check_unchanged(ctx, &measurement.revision, &measurement.revision_after, None)?;
    measurement.snapshot.warnings.extend(left);
    Ok(measurement.revision.clone())
}

/// The warnings that matter to this contract: an unmeasured peak memory does only if a criterion is on it. The snapshot
/// keeps all of them, and files that were left behind have already been reported.
pub(crate) fn worth_telling<'a>(
    snapshot: &'a Snapshot,
    contract: Option<&Contract>,
) -> impl Iterator<Item = &'a String> {
    let mut criteria = contract.into_iter().flat_map(Contract::criteria);
    let memory = criteria.any(|it| it.metric.kind() == Some(MetricKind::MaxRss));
    let is_known = |text: &str| text.starts_with(uncommitted::LEFT);
    snapshot.warnings.iter().filter(move |text| (memory || !text.contains(RSS_UNTOLD)) && !is_known(text))
}

impl Measurement {
    /// Assigns the measurement to `change`, with an id of its own: changes that share a measurement each have
    /// their own file.
    pub(crate) fn dedicate(&mut self, change: &ChangeId, what: SnapshotPurpose) {
        self.snapshot.id = Some(clock::uuid_v7(self.snapshot.generated_at));
        self.snapshot.change_id = Some(change.to_string());
        self.snapshot.role = Some(what.role());
        self.snapshot.label = what.role();
    }

    /// Fixes the contract for which the change is measured, as the config's definitions are fixed.
    pub(crate) fn bind(&mut self, contract: &Contract) {
        self.snapshot.definitions.insert(audit::evidence::CONTRACT.to_owned(), contract.digest());
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        // A snapshot holds finite numbers and string keys only, so it always serializes.
        text::json(&self.snapshot).unwrap_or_default()
    }

    /// The file's name for a snapshot without a change: in the Python tool's format, and safe on every file system.
    pub(crate) fn file_stem(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let label: String = self.snapshot.label.chars().map(safe).take(60).collect();
        // Windows drops trailing dots.
        format!("{}_{}", self.snapshot.generated_at.format("%Y%m%dT%H%M%S"), label.trim_end_matches('.'))
    }

    /// Records the measurement for a change, with further files; `event` makes the event from what was taken.
    pub(crate) fn record(
        &self,
        ctx: &Ctx,
        id: &ChangeId,
        what: SnapshotPurpose,
        more: Vec<Pending<'_>>,
        world: &World,
        event: impl FnOnce(RecordedSnapshot) -> Kind,
    ) -> Result<Change> {
        let (snapshot, role) = (Pending { role: EvidenceRole::Taken(what), bytes: self.bytes() }, what.role());
        let kpis = self.outputs.iter().map(|output| {
            let role = EvidenceRole::Kpi { name: &output.name, role: &role, extension: output.extension };
            Pending { role, bytes: output.bytes.clone() }
        });
        let kpis: Vec<Pending<'_>> = kpis.collect();
        let taken = RecordedSnapshot {
            snapshot: snapshot.artifact(id),
            kpi_artifacts: kpis.iter().map(|file| file.artifact(id)).collect(),
            revision: self.revision.clone(),
            taken_at: self.snapshot.generated_at,
        };
        let files: Vec<Pending<'_>> = std::iter::once(snapshot).chain(kpis).chain(more).collect();
        commit::commit(ctx, id, event(taken), world, &files)
    }

    /// Metrics of the contract without a value, and why. Outside a baseline, which is final, stale results are left out:
    /// they are reported and make the verdict invalid until they are measured again.
    pub(crate) fn unmeasured(&self, contract: &Contract) -> Vec<(MetricId, String)> {
        let is_final = self.snapshot.role.as_deref() == Some("before");
        self.without_value(contract, |why| is_final || !matches!(why, Unusable::Stale { .. }))
    }

    pub(crate) fn stale(&self, contract: &Contract) -> Vec<(MetricId, String)> {
        self.without_value(contract, |why| matches!(why, Unusable::Stale { .. }))
    }

    fn without_value(&self, contract: &Contract, counts: impl Copy + Fn(&Unusable) -> bool) -> Vec<(MetricId, String)> {
        let all = series::metrics(&self.snapshot);
        let named: BTreeSet<&MetricId> = contract.criteria().map(|criterion| &criterion.metric).collect();
        let found = named.into_iter().filter_map(|id| {
            let reason = series::reading(&all, id).err().filter(counts)?;
            Some((id.clone(), metric::why(&self.snapshot, id, &reason)))
        });
        found.collect()
    }

    /// The metrics without a value or with only zeros, for which a relative bound makes no sense.
    pub(crate) fn without_change_to_see(&self, measurable: &Measurable) -> impl Iterator<Item = MetricId> {
        let is_unfit = |id: &MetricId| self.is_zero(id).unwrap_or(true);
        let unfit: Vec<MetricId> = measurable.iter().map(|spec| spec.id.clone()).filter(is_unfit).collect();
        unfit.into_iter()
    }

    /// Whether a metric has only zeros; `None` without a value.
    fn is_zero(&self, id: &MetricId) -> Option<bool> {
        let all = series::metrics(&self.snapshot);
        series::reading(&all, id).ok().map(|read| read.samples.iter().all(|value| *value == 0.0))
    }

    /// A KPI of the contract that no change can achieve because its baseline is 0, and why.
    pub(crate) fn out_of_reach(&self, contract: &Contract) -> Option<(MetricId, String)> {
        let kpi = contract.kpi.as_ref()?;
        let Bound::Relative { share } = kpi.bound else { return None };
        let wants_less = share < 0.0 && !matches!(kpi.op, Op::Ge | Op::Gt);
        let metric = self.is_zero(&kpi.metric)?.then(|| kpi.metric.clone()).filter(|_| wants_less)?;
        let why =
            format!("it is 0 already, and no less can be wanted; guard it instead: --guardrail \"{metric} <= 0\"");
        Some((metric, why))
    }
}

/// A progress bar, which disappears when it is dropped.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn new(ui: &Ui) -> Self {
        let bar = ProgressBar::no_length();
        if !ui.may_draw_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&mut self, step: &str) {
        self.0.set_message(step.to_owned());
    }

    pub(crate) fn pairs(&mut self, made: usize, most: u32, text: &str) {
        if self.0.length() != Some(u64::from(most)) {
            self.0.set_length(u64::from(most));
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {bar:20} {wide_msg}") {
                self.0.set_style(style);
            }
        }
        self.0.set_position(made as u64);
        self.show(text);
    }

    pub(crate) fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}

/// In words, the estimated number of pairs until the decision, which is not stated if it exceeds the maximum.
pub(crate) fn left(more: Option<u32>, made: usize, most: u32) -> String {
    let allowed = most.saturating_sub(u32::try_from(made).unwrap_or(u32::MAX));
    match more {
        Some(0) | None => String::new(),
        Some(more) if more > allowed => ", hardly settled by then at this noise".to_owned(),
        Some(more) => format!(", settled after about {more} more at this noise"),
    }
}

const LIMIT: u64 = 8 * 1024 * 1024;

pub(crate) struct InForce {
    pub(crate) now: Effective,
    /// The last measurement, which is expected to be in force, with the path of its file.
    pub(crate) expected: Option<(String, Snapshot)>,
    pub(crate) moved: Vec<EffectiveChange>,
}

pub(crate) fn tuneables_in_force(ctx: &Ctx, changes: &[&Change]) -> Result<InForce> {
    let now = tuneables::read(ctx.project.root(), &ctx.config()?.tuneables)?;
    let newest = changes.iter().filter_map(|change| left_in_force(change)).max_by_key(|(last, _)| *last);
    // Altered evidence says nothing about what is expected; `verify` and `check` report it.
    let expected = newest.and_then(|(_, taken)| {
        let snapshot = evidence::snapshot(ctx, &taken.snapshot).ok()?;
        Some((taken.snapshot.path.clone(), snapshot))
    });
    let moved = expected.as_ref().map_or_else(Vec::new, |(_, before)| {
        let mut list = tuneable_changes(&before.tuneables, &now.values);
        list.retain(|change| change.old != change.new);
        list
    });
    Ok(InForce { now, expected, moved })
}

/// The measurement that describes what a change leaves in force, and the time of its last one: the last measurement, or
/// the baseline if the change was dropped.
fn left_in_force(change: &Change) -> Option<(DateTime<Utc>, &RecordedSnapshot)> {
    let last = change.events.iter().rev().find_map(|event| event.what.recorded_snapshot())?;
    let stays = matches!(change.end, None | Some(End::Verified { .. }));
    let taken = if stays { last } else { &change.baseline.as_ref()?.taken };
    Some((last.taken_at, taken))
}

/// The configured tuneables file outside the repository, which pairs have to see as it was.
pub(crate) fn tuneables_file(ctx: &Ctx) -> Result<Option<PathBuf>> {
    let config = ctx.config()?;
    if config.pair.tuneables_env.is_none() {
        return Ok(None);
    }
    for file in config.tuneables.files.iter().rev() {
        let path = locate(ctx.project.root(), file)?;
        if !ctx.repo()?.is_some_and(|repo| path.starts_with(repo.root())) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Keeps the current version of that file in the cache, by its digest: it may hold secrets, so it is never evidence,
/// but pairs need it as it was.
pub(crate) fn keep_tuneables(ctx: &Ctx) -> Result<()> {
    let Some(path) = tuneables_file(ctx)? else { return Ok(()) };
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(()) };
    let kept = kept_path(ctx, &Digest::of_bytes(&bytes));
    if !kept.exists() {
        guard::write(&ctx.project, &kept, &bytes)?;
    }
    Ok(())
}

/// The version of that file when a snapshot was taken; `None` if it was not kept in this checkout.
pub(crate) fn kept_tuneables(ctx: &Ctx, snapshot: &Snapshot) -> Result<Option<Vec<u8>>> {
    let Some(path) = tuneables_file(ctx)? else { return Ok(None) };
    let is_it = |file: &str| locate(ctx.project.root(), file).is_ok_and(|at| at == path);
    let recorded = snapshot.tuneable_files.iter().find(|file| is_it(&file.path));
    let Some(digest) = recorded.and_then(|file| file.sha256.as_ref()) else { return Ok(None) };
    let bytes = atomic::read(&kept_path(ctx, digest), LIMIT)?;
    Ok(bytes.filter(|bytes| Digest::of_bytes(bytes) == *digest))
}

fn kept_path(ctx: &Ctx, digest: &Digest) -> PathBuf {
    ctx.project.cache_dir().join("tuneables").join(digest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_above_the_maximum_is_called_hardly_settled() {
        assert_eq!(left(Some(3), 6, 10), ", settled after about 3 more at this noise");
        assert_eq!(left(Some(1804), 6, 10), ", hardly settled by then at this noise");
        assert_eq!([left(None, 6, 10), left(Some(0), 6, 10)], ["", ""]);
    }
}
