//! The evidence of a change: whether it is on disk as recorded, whether it reproduces the recorded verdicts, how later
//! measurements compare with it, and what its pages are when rendered again. For `check --remeasure`, whether another
//! measurement agrees: fabricated evidence is consistent with itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::audit::evidence::{CONTRACT, EXACT_TOLERANCE, Fetch, Judgement, Watched};
use crate::audit::{self, Audit, CommitName, Finding, FindingKind, RecordFacts, Severity};
use crate::commands::{Ask, Ctx, GitHistory, Pairing, Probes, commit, pair, pairing, sources};
use crate::error::{Result, failed, trouble};
use crate::judge::{self, Comparison, CriterionRow, Settings};
use crate::measure::TOOL;
use crate::measure::pair::Versions;
use crate::model::{
    Artifact, ArtifactFault, Bound, ChangeId, CommandLine, CriterionResult, Design, Digest, Fix, Kind, MetricId,
    Outcome, Sampling, Snapshot, Tick, Verdict, fix, ingest, is_page, parse_json, text,
};
use crate::report::{self, CompareView, DayView, plot, verdict};
use crate::store::{EvidenceRole, Integrity, evidence, logbook, project};
use crate::workflow::demand_fixes::restore;
use crate::workflow::{Change, Dated, InvalidEvent, Unjudged, replay, watch};

/// Artifacts of the change's present state that are missing, altered or not under their own names.
pub(crate) fn faults(ctx: &Ctx, change: &Change) -> Result<Vec<ArtifactFault>> {
    faults_among(ctx, &change.artifacts(), true)
}

/// Data files with the tool's names that commits of changes added, no record names and no other finding mentions.
pub(crate) fn unknown(
    history: &GitHistory<'_>,
    head: &str,
    own_data: &[(CommitName, String)],
    records: &BTreeMap<ChangeId, RecordFacts>,
    audit: &Audit,
) -> Result<Vec<Finding>> {
    let changes = records.values().filter_map(RecordFacts::change);
    let artifacts = changes.flat_map(|change| &change.events).flat_map(|event| event.what.artifacts());
    let named: BTreeSet<&str> = artifacts.map(|it| it.path.as_str()).collect();
    let is_told = |path: &str| audit.findings.iter().any(|it| it.path.as_deref() == Some(path));
    let is_known = |path: &str| named.contains(path) || path.contains(project::SUPERSEDED) || is_told(path);
    // The Python tool's record, kept unchanged, that a change continues.
    let imported = |path: &str| {
        let id: ChangeId = path.split_once("/legacy/")?.1.strip_suffix(".json")?.parse().ok()?;
        records.get(&id)?.change()?.opened.imported.as_ref()
    };
    let mut found = Vec::new();
    for (commit, path) in own_data.iter().filter(|(_, path)| !is_known(path)) {
        let kept = imported(path).map(|_| history.file(head, path)).transpose()?.flatten();
        let kept = kept.and_then(|bytes| parse_json(&bytes).ok()).map(|kept| Digest::of_json(&kept));
        if kept.is_none() || kept.as_ref() != imported(path) {
            found.push(Finding::warn(FindingKind::EvidenceUnknown).of_commit(commit).at(path));
        }
    }
    Ok(found)
}

pub(crate) fn faults_in(ctx: &Ctx, artifacts: &[&Artifact]) -> Result<Vec<ArtifactFault>> {
    faults_among(ctx, artifacts, false)
}

fn faults_among(ctx: &Ctx, artifacts: &[&Artifact], by_name: bool) -> Result<Vec<ArtifactFault>> {
    let mut found = Vec::new();
    for artifact in artifacts {
        let (missing, kept) = match evidence::verify(&ctx.project, artifact)? {
            Integrity::Intact(_) => continue,
            Integrity::Superseded { path, .. } if by_name => (false, Some(path)),
            Integrity::Superseded { .. } => continue,
            Integrity::Missing => (true, None),
            Integrity::Altered { .. } => (false, None),
        };
        let commit = commit_with(ctx, artifact);
        let committed = commit.as_deref() == Some(fix::HEAD);
        found.push(ArtifactFault { path: artifact.path.clone(), missing, committed, commit, kept });
    }
    Ok(found)
}

/// A commit with the file as recorded: HEAD, or else the newest of any branch; none is known if git fails.
pub(crate) fn commit_with(ctx: &Ctx, artifact: &Artifact) -> Option<String> {
    let repo = ctx.repo().ok().flatten()?;
    let is_wanted = |bytes: &Vec<u8>| artifact.holds(bytes);
    repo.commit_with(&repo.full(&artifact.path), evidence::LIMIT, &is_wanted).ok().flatten()
}

/// The fixes for a file that differs from what was recorded, and for all such files of its change.
fn restoring_fixes(ctx: &Ctx, artifact: &Artifact) -> Option<Vec<Fix>> {
    let name = artifact.path.rsplit('/').next()?;
    let change = commit::load(ctx, &name.split('_').next()?.parse().ok()?).ok()?;
    let mut all = change.artifacts();
    if !all.contains(&artifact) {
        all.push(artifact);
    }
    Some(restore(&faults_in(ctx, &all).ok()?, &change, &ctx.fix_context(), None))
}

pub(crate) fn snapshot(ctx: &Ctx, artifact: &Artifact) -> Result<Snapshot> {
    let bytes = unaltered(ctx, artifact)?;
    ingest::parse_snapshot(&bytes).map_err(|error| trouble(format!("{}: {error}", artifact.path)))
}

pub(crate) fn fetch(ctx: &Ctx) -> impl Fn(&Artifact) -> Option<Vec<u8>> {
    move |file: &Artifact| evidence::read_verified(&ctx.project, file).ok().and_then(|found| found.ok())
}

fn unaltered(ctx: &Ctx, artifact: &Artifact) -> Result<Vec<u8>> {
    evidence::read_verified(&ctx.project, artifact)?.map_err(|standing| {
        let what = if standing == Integrity::Missing { "is missing" } else { "is not what was recorded" };
        trouble(format!("{} {what}", artifact.path)).fixed_by(restoring_fixes(ctx, artifact).unwrap_or_default())
    })
}

/// Whether everything that the record concludes follows from the raw files: the verdicts are reproduced, and the
/// snapshots are measurements of their own, of the recorded code and time. Warns of the first problem.
pub(crate) fn reproduced(ctx: &Ctx, change: &Change) -> Result<bool> {
    let fetch = fetch(ctx);
    let problem = audit::evidence::problem(change, &fetch);
    let problem = match problem {
        None => {
            let history = ctx.repo()?.map(|repo| GitHistory::new(repo, ""));
            sources::problem((Some(ctx.config()?), history.as_ref()), change, &fetch)?
        }
        problem => problem,
    };
    if let Some(problem) = &problem {
        ctx.ui.warn(problem);
    }
    Ok(problem.is_none())
}

/// Requires that the gates allow every event of the record: an edit can have right digests, but not pass the gates.
pub(crate) fn check_record(ctx: &Ctx, change: &Change) -> Result<()> {
    let Err(invalid) = replay::check(&change.events) else { return Ok(()) };
    let path = ctx.project.relative(&ctx.project.record_path(change.id()));
    let (seq, why) = match &invalid {
        InvalidEvent::Refused { seq, refusal } => (*seq, format!("{} refuses it: {}", refusal.gate, refusal.missing)),
        InvalidEvent::Differs { seq } => (*seq, "its gate records something else".to_owned()),
        InvalidEvent::MeasuredAtOtherTime { seq, taken_at } => (
            *seq,
            format!("it was measured at {}, which is not when it was recorded", report::values::moment(*taken_at)),
        ),
        InvalidEvent::NotARecord(error) => (1, error.to_string()),
    };
    let message = format!("event {seq} of {path} is not one that this program recorded: {why}");
    let record = Finding::fail(FindingKind::RecordUnlawful { seq, gate: None }).at(path);
    Err(failed(message).fixed_by(record.fixes(&ctx.fix_context())))
}

/// The reference for later measurements of the change; `None` if there is none, as at the first stage of an emergency.
pub(crate) fn watched(ctx: &Ctx, change: &Change) -> Result<Option<Watched>> {
    let found = Watched::of(change, &fetch(ctx));
    if found.is_none() && watch::reference(change).is_some() {
        for artifact in change.artifacts() {
            unaltered(ctx, artifact)?;
        }
        let see = Fix::next("see what the change still can be", CommandLine::tool("status"));
        return Err(trouble("the evidence of the change cannot be read").fixed_by([see]));
    }
    Ok(found)
}

pub(crate) fn unjudged(ctx: &Ctx, change: &Change) -> Result<Unjudged> {
    Ok(watch::unjudged(change, &days(ctx, change)?))
}

/// The monitored days with their verdicts. A day with a missing file is reported elsewhere.
pub(crate) fn days(ctx: &Ctx, change: &Change) -> Result<Vec<(NaiveDate, Vec<CriterionRow>)>> {
    let watched = if change.ticks.is_empty() { None } else { watched(ctx, change)? };
    let day = |tick: &Dated<Tick>| {
        let today = audit::evidence::snapshot(&tick.taken.snapshot, &fetch(ctx))?;
        Some((tick.utc_date, watched.as_ref().map(|it| it.watch(change, &today)).unwrap_or_default()))
    };
    Ok(change.ticks.iter().filter_map(day).collect())
}

/// A recorded page as it is rendered now, with the program that measured its data.
struct RenderedPage<'a> {
    recorded: &'a Artifact,
    text: String,
    tool: Option<String>,
}

/// The recorded reports of a change as they are rendered now: the same bytes, unless another version rendered them.
pub(crate) fn rendered_again(change: &Change, fetch: &Fetch<'_>) -> Vec<(Artifact, Vec<u8>)> {
    let reports = pages(change, fetch).into_iter().filter(|page| is_page(&page.recorded.path));
    reports.map(|page| (page.recorded.clone(), page.text.into_bytes())).collect()
}

/// The reports of a change that differ from its record and evidence: a warning, as another version words them otherwise.
pub(crate) fn differing_pages(change: &Change, fetch: &Fetch<'_>) -> Vec<Finding> {
    let is_other = |page: &RenderedPage<'_>| Digest::of_bytes(page.text.as_bytes()) != page.recorded.sha256;
    let differing = pages(change, fetch).into_iter().filter(is_other);
    // Early states of 0.2.0 worded reports differently and did not bind the baseline to its contract.
    let baseline =
        change.baseline.as_ref().and_then(|baseline| audit::evidence::snapshot(&baseline.taken.snapshot, fetch));
    let is_early = baseline.is_some_and(|baseline| !baseline.definitions.contains_key(CONTRACT));
    let finding = |page: RenderedPage<'_>| {
        let other_version = page.tool.filter(|tool| is_early || tool != TOOL);
        let level = if other_version.is_some() { Severity::Warn } else { Severity::Fail };
        let what = FindingKind::ReportDiffers { other_version };
        Finding { level, ..Finding::fail(what) }.of_change(change.id()).at(&page.recorded.path)
    };
    differing.map(finding).collect()
}

/// The picture beside the comparison's report; `None` if nothing can be drawn.
pub(crate) fn picture(change: &Change, fetch: &Fetch<'_>) -> Option<Vec<u8>> {
    plot::picture(&Judgement::of(change, fetch)?).map(String::into_bytes)
}

fn rollback_page<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Option<RenderedPage<'a>> {
    let promotion = &change.promotion.as_ref()?.what;
    let at = change.events.iter().rposition(|event| matches!(event.what, Kind::Promoted(_)))?;
    let then = Change::replay(change.events[..at].to_vec()).ok()?;
    let tool = audit::evidence::snapshot(&change.after.as_ref()?.taken.snapshot, fetch)?.tool;
    Some(RenderedPage { recorded: &promotion.note, text: report::rollback::note(&then, &promotion.rehearsal), tool })
}

/// All pages of a change: of the comparison, the days and the rollback.
fn pages<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Vec<RenderedPage<'a>> {
    let compared = comparison_pages(change, fetch).unwrap_or_default().into_iter();
    compared.chain(day_pages(change, fetch)).chain(rollback_page(change, fetch)).collect()
}

fn comparison_pages<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Option<Vec<RenderedPage<'a>>> {
    let recorded = &change.comparison.as_ref()?.what;
    let judged = Judgement::of(change, fetch)?;
    let sides = [&change.baseline.as_ref()?.taken.snapshot, &change.after.as_ref()?.taken.snapshot];
    let inputs: Vec<Artifact> = sides.into_iter().chain(&recorded.pair).cloned().collect();
    let picture = plot::picture(&judged).map(|_| EvidenceRole::ComparePicture.file_name(change.id()));
    let view = CompareView::of(&judged, Some(change), &inputs, picture.as_deref());
    let data = String::from_utf8(text::json(view.comparison).ok()?).ok()?;
    let page = |recorded, text| RenderedPage { recorded, text, tool: judged.after.tool.clone() };
    Some(vec![page(&recorded.markdown, report::compare::markdown(&view)), page(&recorded.json, data)])
}

/// The page of each day, rendered from the record as it was when the day was measured.
fn day_pages<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Vec<RenderedPage<'a>> {
    let current = change.artifacts();
    let ticks = change.events.iter().enumerate().filter_map(|(at, event)| {
        let Kind::Ticked(tick) = &event.what else { return None };
        current.contains(&&tick.report).then_some((at, tick))
    });
    ticks.filter_map(|(at, tick)| day_page(&Change::replay(change.events[..at].to_vec()).ok()?, tick, fetch)).collect()
}

fn day_page<'a>(then: &Change, tick: &'a Tick, fetch: &Fetch<'_>) -> Option<RenderedPage<'a>> {
    let today = audit::evidence::snapshot(&tick.taken.snapshot, fetch)?;
    let watched = Watched::of(then, fetch)?;
    let text = day_text(then, Some(&watched), &today, (tick.day, tick.utc_date, &tick.alarms));
    Some(RenderedPage { recorded: &tick.report, text, tool: today.tool })
}

/// The page of a day, without verdicts if there is no reference to compare with.
pub(crate) fn day_text(
    change: &Change,
    watched: Option<&Watched>,
    snapshot: &Snapshot,
    (day, utc_date, alarms): (u32, NaiveDate, &[CriterionResult]),
) -> String {
    let (judged, drift) = watched.map(|it| (it.watch(change, snapshot), it.drift(snapshot))).unzip();
    let (judged, drift) = (judged.as_deref(), drift.as_ref());
    report::day::markdown(&DayView { change, day, utc_date, snapshot, judged, drift, alarms })
}

/// The changes whose section of the logbook changed and does not match their record, and sections without a record.
pub(crate) fn differing_sections(
    (before, now): (&[u8], &[u8]),
    path: &str,
    records: &BTreeMap<ChangeId, RecordFacts>,
) -> Vec<Finding> {
    let (olds, news) = (logbook::sections(before), logbook::sections(now));
    let differing = olds.keys().chain(news.keys()).filter(|id| olds.get(*id) != news.get(*id));
    let ids: BTreeSet<ChangeId> = differing.filter_map(|id| id.parse().ok()).collect();
    let is_other = |id: &ChangeId| match records.get(id).map(RecordFacts::change) {
        Some(Some(change)) => logbook::replace_section(now, id, &report::logbook::section(change)).text != now,
        Some(None) => false,
        None => news.contains_key(id.as_str()),
    };
    let what = || FindingKind::ReportDiffers { other_version: None };
    ids.iter().filter(|id| is_other(id)).map(|id| Finding::warn(what()).of_change(id).at(path)).collect()
}

/// Measures the change again by the config that it began on, since its own commit may change the config. The recorded
/// numbers are not judged again: only those of the two checkouts count.
pub(crate) fn remeasured(ctx: &Ctx, change: &Change) -> Result<Vec<Finding>> {
    let not = |why: String| vec![Finding::warn(FindingKind::NotRemeasured { why })];
    let (commits, Some(repo)) = (change.commits(), ctx.repo()?) else { return Ok(Vec::new()) };
    let history = GitHistory::new(repo, "");
    // The measured commits are used if they are known here: after a rebase, the replacements are based on others' work.
    let own = change.validation.iter().flat_map(|validation| validation.delta.own_commits());
    let measured: Vec<String> = own.map(|own| own.sha.clone()).collect();
    let was_moved = measured != commits;
    let is_known = !measured.is_empty() && measured.iter().all(|commit| history.known(commit).is_some());
    let commits = if is_known { measured } else { commits };
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else {
        return Ok(not("the record names no commit of it".to_owned()));
    };
    let parent = format!("{first}^");
    let known = [&parent, last].into_iter().filter_map(|commit| history.known(commit));
    let config = known.filter_map(|commit| history.config(&commit).transpose()).next().transpose()?;
    let (Some(config), Some(recorded)) = (config, Judgement::of(change, &fetch(ctx))) else {
        return Ok(not("its commit, the config there or its evidence is missing".to_owned()));
    };
    let stored = recorded.comparison;
    let settings = Settings { min_effect: stored.settings.min_effect, ..Settings::default() };
    let probes = Probes { kpis: config.kpis.iter().collect(), ..Probes::of(&config) }.asked_by(change);
    let budget = pair::BudgetArgs::default().of(&config)?;
    let ask = Ask::new(&config, Versions::of(&parent, last), &settings, budget).for_change(change);
    let session = match pairing::run(ctx, Ask { probes, of_commit: true, ..ask })? {
        Pairing::Measured(session) => session,
        Pairing::Impossible(why) | Pairing::SameCode(why) => return Ok(not(why)),
    };
    pairing::warn(ctx, &session);
    let again = judge::compare::compare(&recorded.before, &recorded.after, Some(&session), &change.contract, &settings);
    let found = stored.criteria.iter().zip(&again.criteria).filter_map(|(one, other)| {
        let found = contradiction(one, other)?;
        let changes_as_much = was_moved && !is_known && changes_as_much(&stored, &again, &one.criterion.metric);
        Some(if changes_as_much { undecided(other) } else { found })
    });
    Ok(found.collect())
}

/// Whether an exact value changes by the recorded amount: as a share, it can differ because of others' work.
fn changes_as_much(recorded: &Comparison, again: &Comparison, metric: &MetricId) -> bool {
    let by = |all: &Comparison| {
        let row = all.metrics.iter().find(|row| row.metric == *metric && row.sampling == Sampling::Exact)?;
        Some(row.after?.value - row.before?.value)
    };
    let (Some(recorded), Some(again)) = (by(recorded), by(again)) else { return false };
    (recorded - again).abs() <= EXACT_TOLERANCE * recorded.abs()
}

fn undecided(again: &CriterionRow) -> Finding {
    let why = format!("`{}`: {}", again.criterion.text, verdict::row_line(again));
    Finding::warn(FindingKind::NotRemeasured { why })
}

/// A finding if a criterion was recorded in favour of the change and is not met again here.
fn contradiction(recorded: &CriterionRow, again: &CriterionRow) -> Option<Finding> {
    let (good, bad) = match recorded.role {
        judge::CriterionRole::Kpi | judge::CriterionRole::Guardrail => (Outcome::Pass, Outcome::Fail),
        judge::CriterionRole::Trigger => (Outcome::Fail, Outcome::Pass),
    };
    let now = again.result.outcome();
    if recorded.result.outcome() != good || now == good {
        return None;
    }
    // An absolute bound on a time or rate was agreed for the machine of the original measurement.
    let varies =
        |verdict: &Verdict| matches!(verdict, Verdict::Pass(it) | Verdict::Fail(it) if it.design != Design::Exact);
    let of_the_machine = matches!(recorded.criterion.bound, Bound::Absolute { .. }) && varies(&again.result);
    if now == bad && !of_the_machine {
        let (criterion, measured) = (recorded.criterion.text.clone(), verdict::row_line(again));
        let recorded = verdict::row_line(recorded);
        return Some(Finding::fail(FindingKind::RemeasuredDifferently { criterion, recorded, measured }));
    }
    Some(undecided(again))
}
