//! The pages that people read of a change, rendered again from its record and its raw evidence: the comparison's report, the
//! days' reports and the logbook's section. What they say must follow from what was measured.

use crate::audit::evidence::{CONTRACT, Fetch, Judgement, Watched, snapshot};
use crate::audit::{Finding, FindingKind, RecordFacts, Severity};
use crate::commands::compare;
use crate::measure::TOOL;
use crate::model::{Artifact, Digest, Kind, Tick};
use crate::report::{self, CompareView, DayView, plot};
use crate::store::{Role, logbook};
use crate::workflow::Change;

/// A page that was recorded, as it is rendered now, with the program that measured what it shows.
struct Page<'a> {
    recorded: &'a Artifact,
    text: String,
    tool: Option<String>,
}

/// The recorded reports of a change, as they are rendered now: the same bytes, unless another version rendered them.
pub(crate) fn again(change: &Change, fetch: &Fetch<'_>) -> Vec<(Artifact, Vec<u8>)> {
    let pages = comparison(change, fetch).into_iter().chain(days(change, fetch));
    pages.map(|page| (page.recorded.clone(), page.text.into_bytes())).collect()
}

/// The reports of a change that are not what its record and evidence give. One of another version may be worded otherwise,
/// which is a warning.
pub(crate) fn reports(change: &Change, fetch: &Fetch<'_>) -> Vec<Finding> {
    let pages = comparison(change, fetch).into_iter().chain(days(change, fetch)).chain(rollback(change, fetch));
    let differing = pages.filter(|page| Digest::of_bytes(page.text.as_bytes()) != page.recorded.sha256);
    // The first states of 0.2.0 had other words, and did not bind the baseline to its contract.
    let baseline = change.baseline.as_ref().and_then(|baseline| snapshot(&baseline.taken.snapshot, fetch));
    let is_early = baseline.is_some_and(|baseline| !baseline.definitions.contains_key(CONTRACT));
    let finding = |page: Page<'_>| {
        let other_version = page.tool.filter(|tool| is_early || tool != TOOL);
        let level = if other_version.is_some() { Severity::Warn } else { Severity::Fail };
        let what = FindingKind::ReportDiffers { other_version };
        Finding { level, ..Finding::fail(what) }.of_change(change.id()).at(&page.recorded.path)
    };
    differing.map(finding).collect()
}

/// The picture beside the comparison's report; none where nothing can be drawn.
pub(crate) fn picture(change: &Change, fetch: &Fetch<'_>) -> Option<Vec<u8>> {
    let Judgement { before, after, pair, comparison } = Judgement::of(change, fetch)?;
    plot::svg(&compare::strips(&comparison, (&before, &after), pair.as_ref())).map(String::into_bytes)
}

/// The page that says how to take the change back, as the record was when it was promoted.
fn rollback<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Option<Page<'a>> {
    let promotion = &change.promotion.as_ref()?.what;
    let at = change.events.iter().rposition(|event| matches!(event.what, Kind::Promoted(_)))?;
    let then = Change::replay(change.events[..at].to_vec()).ok()?;
    let tool = snapshot(&change.after.as_ref()?.taken.snapshot, fetch)?.tool;
    Some(Page { recorded: &promotion.note, text: report::rollback::note(&then, &promotion.rehearsal), tool })
}

fn comparison<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Option<Page<'a>> {
    let recorded = &change.comparison.as_ref()?.what;
    let Judgement { before, after, pair, comparison } = Judgement::of(change, fetch)?;
    let sides = [&change.baseline.as_ref()?.taken.snapshot, &change.after.as_ref()?.taken.snapshot];
    let inputs: Vec<Artifact> = sides.into_iter().chain(&recorded.pair).cloned().collect();
    let is_drawn = plot::svg(&compare::strips(&comparison, (&before, &after), pair.as_ref())).is_some();
    let picture = is_drawn.then(|| Role::ComparePicture.file_name(change.id()));
    let view = CompareView {
        comparison: &comparison,
        change: Some((change.id(), &change.opened.title)),
        pair: pair.as_ref(),
        machine: after.machine.as_ref(),
        inputs: &inputs,
        picture: picture.as_deref(),
    };
    Some(Page { recorded: &recorded.markdown, text: report::compare::markdown(&view), tool: after.tool })
}

/// Each day's page, as the record was when the day was measured.
fn days<'a>(change: &'a Change, fetch: &Fetch<'_>) -> Vec<Page<'a>> {
    let current = change.artifacts();
    let ticks = change.events.iter().enumerate().filter_map(|(at, event)| {
        let Kind::Ticked(tick) = &event.what else { return None };
        current.contains(&&tick.report).then_some((at, tick))
    });
    ticks.filter_map(|(at, tick)| day(&Change::replay(change.events[..at].to_vec()).ok()?, tick, fetch)).collect()
}

fn day<'a>(then: &Change, tick: &'a Tick, fetch: &Fetch<'_>) -> Option<Page<'a>> {
    let today = snapshot(&tick.taken.snapshot, fetch)?;
    let watched = Watched::of(then, fetch)?;
    let view = DayView {
        change: then,
        day: tick.day,
        utc_date: tick.utc_date,
        snapshot: &today,
        watch: Some(&watched.watch(then, &today)),
        drift: Some(&watched.drift(&today)),
        alarms: &tick.alarms,
    };
    Some(Page { recorded: &tick.report, text: report::day::markdown(&view), tool: today.tool.clone() })
}

/// The changes whose section of the logbook is another than it was, and not the one that their record gives.
pub(crate) fn sections<'a>(
    (before, now): (&[u8], &[u8]),
    path: &str,
    records: impl Iterator<Item = &'a RecordFacts>,
) -> Vec<Finding> {
    let (olds, news) = (logbook::sections(before), logbook::sections(now));
    let differs = |change: &&Change| {
        let id = change.id().as_str();
        news.get(id).is_some_and(|new| olds.get(id) != Some(new))
            && logbook::replace_section(now, change.id(), &report::logbook::section(change)).text != now
    };
    let changes = records.filter_map(RecordFacts::change).filter(differs);
    let what = || FindingKind::ReportDiffers { other_version: None };
    changes.map(|change| Finding::warn(what()).of_change(change.id()).at(path)).collect()
}
