//! The day's lists in words: the morning's, the evening's, and what stands in the way. Must not look at anything itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::audit::Severity;
use crate::audit::preflight::Found;
use crate::judge::compare::TuneableChange;
use crate::model::{ChangeId, Tuneable};
use crate::report::visible::visible_line;
use crate::report::{Align, Doc, Hint, StepView, Table, Text, Tone, invocation, logbook, values, verdict};
use crate::workflow::{Change, Step};

/// A health probe that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probed {
    pub name: String,
    /// Its URL as it may be shown.
    pub url: String,
    /// Why it failed; `None` when it answered as expected.
    pub failure: Option<String>,
}

/// What the morning looks like.
pub struct Morning<'a> {
    pub now: DateTime<Utc>,
    pub probes: &'a [Probed],
    pub tuneables: &'a BTreeMap<String, Tuneable>,
    /// The file of the measurement that they are expected to be as in.
    pub expected: Option<&'a str>,
    pub moved: &'a [TuneableChange],
    /// The open changes with their next steps.
    pub changes: &'a [(&'a Change, Step)],
}

impl Morning<'_> {
    /// Whether nothing needs a person before the day's work.
    pub fn is_well(&self) -> bool {
        let calm = |change: &Change| change.open_alarms.is_empty() && !is_expired(change, self.now);
        self.probes.iter().all(|probe| probe.failure.is_none())
            && self.moved.is_empty()
            && self.changes.iter().all(|(change, _)| calm(change))
    }
}

fn is_expired(change: &Change, now: DateTime<Utc>) -> bool {
    change.opened.expires.is_some_and(|at| at <= now)
}

/// The morning's list.
pub fn morning(view: &Morning<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("Start of {} (UTC)", view.now.date_naive()));
    doc.heading(2, "1 Health");
    if view.probes.is_empty() {
        doc.paragraph("The config names no http_probes, so health is not asked.");
    }
    let probed = |probe: &Probed| {
        let text = match &probe.failure {
            None => Text::new().mark(Tone::Good, "answers"),
            Some(why) => Text::new().mark(Tone::Bad, "fails").plain(format!(": {}", visible_line(why))),
        };
        Text::new().code(probe.name.as_str()).plain(" ").text(text).plain(" ").code(probe.url.as_str())
    };
    doc.list(view.probes.iter().map(probed).collect());
    doc.heading(2, "2 Tuneables");
    tuneables(&mut doc, view);
    doc.heading(2, "3 Open changes");
    if view.changes.is_empty() {
        doc.paragraph("No change is open.");
    }
    let columns = [("Change", Align::Left), ("Title", Align::Left), ("State", Align::Left), ("Next", Align::Left)];
    let mut table = Table::new(columns);
    for (change, step) in view.changes {
        table.row([
            Text::new().code(change.id().as_str()),
            Text::from(visible_line(&change.opened.title)),
            logbook::status_mark(change),
            Text::from(StepView::new(change, step).text),
        ]);
    }
    doc.table(table);
    doc.list(view.changes.iter().flat_map(|(change, _)| pressing(change, view.now)).collect());
    doc
}

/// What cannot wait on a change.
fn pressing(change: &Change, now: DateTime<Utc>) -> Vec<Text> {
    let about = || Text::new().code(change.id().as_str()).plain(" ");
    let alarm = |judged| about().mark(Tone::Bad, "alarm").plain(format!(": {}", verdict::alarm_line(judged)));
    let mut list: Vec<Text> = change.open_alarms.iter().map(alarm).collect();
    if let Some(at) = change.opened.expires.filter(|_| is_expired(change, now)) {
        list.push(about().mark(Tone::Bad, "override expired").plain(format!(" {}", values::moment(at))));
    }
    list
}

fn tuneables(doc: &mut Doc, view: &Morning<'_>) {
    if view.tuneables.is_empty() && view.moved.is_empty() {
        doc.paragraph("No tuneable is set, or the config names no tuneables.");
        return;
    }
    match view.expected {
        Some(path) => doc.paragraph(Text::from("Expected as measured last, in ").link(path, path).plain(".")),
        None => doc.paragraph("Nothing was measured yet, so nothing is expected of them."),
    }
    let columns =
        [("Key", Align::Left), ("In force", Align::Left), ("Layer", Align::Left), ("As expected", Align::Left)];
    let mut table = Table::new(columns);
    let gone = view.moved.iter().filter(|moved| moved.new.is_none()).map(|moved| moved.key.as_str());
    for key in view.tuneables.keys().map(String::as_str).chain(gone) {
        let set = view.tuneables.get(key);
        let value = set.map_or_else(|| Text::from("not set"), |it| Text::new().code(shown(&it.value)));
        let mut layer = set.map_or_else(Text::new, |it| Text::new().code(it.layer.as_str()));
        if let Some(hidden) = set.and_then(|it| it.hides.first()) {
            layer = layer.plain(" over ").code(hidden.as_str());
        }
        let mark = match (view.expected, view.moved.iter().find(|moved| moved.key == key)) {
            (None, _) => Text::new().mark(Tone::Quiet, "not measured"),
            (_, None) => Text::new().mark(Tone::Good, "yes"),
            (_, Some(moved)) => {
                let was = moved.old.as_ref().map_or_else(|| "not set".to_owned(), shown);
                Text::new().mark(Tone::Bad, "no").plain(", it was ").code(was)
            }
        };
        table.row([Text::new().code(key), value, layer, mark]);
    }
    doc.table(table);
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A decision of the evening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub id: ChangeId,
    pub word: &'static str,
    pub reason: String,
}

/// What the evening looks like.
pub struct Evening<'a> {
    pub now: DateTime<Utc>,
    pub changes: &'a [Change],
    pub decisions: &'a [Decision],
}

impl Evening<'_> {
    /// Whether the next smallest delta may be queued: no alarm is open, and nothing is before its own decision.
    pub fn is_stable(&self) -> bool {
        let calm = self.changes.iter().all(|change| change.open_alarms.is_empty() && change.is_decided());
        calm && self.decisions.iter().all(|decision| matches!(decision.word, "promote" | "hold"))
    }
}

/// The evening's list.
pub fn evening(view: &Evening<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("End of {} (UTC)", view.now.date_naive()));
    if view.changes.is_empty() {
        doc.paragraph("No change is open.");
    }
    let columns = [("Change", Align::Left), ("State", Align::Left), ("Days", Align::Left), ("Decision", Align::Left)];
    let mut table = Table::new(columns);
    for change in view.changes {
        let mut days: Vec<String> = change.ticks.iter().map(|tick| tick.day.to_string()).collect();
        days.dedup();
        let decision = view.decisions.iter().find(|decision| decision.id == *change.id());
        let decision = decision.map_or_else(
            || Text::from("written down earlier today"),
            |it| Text::new().strong(it.word).plain(format!(": {}", visible_line(&it.reason))),
        );
        table.row([
            Text::new().code(change.id().as_str()),
            logbook::status_mark(change),
            Text::from(days.join(", ")),
            decision,
        ]);
    }
    doc.table(table);
    let act: Vec<String> = view.decisions.iter().filter_map(perform).map(|hint| hint.line()).collect();
    if !act.is_empty() {
        doc.paragraph("Written down; what is left to do:");
        doc.code(act.join("\n"));
    }
    let next = match view.is_stable() {
        true => Text::new().mark(Tone::Good, "stable").plain(": the next smallest delta may be queued"),
        false => Text::new().mark(Tone::Unsure, "not stable").plain(": queue no further delta before this is settled"),
    };
    doc.paragraph(next);
    doc
}

/// The command that carries a decision out; the gates still have their say.
fn perform(decision: &Decision) -> Option<Hint> {
    let id = &decision.id;
    match decision.word {
        "rollback" => Some(Hint::next(invocation::with_reason(id, "rollback"))),
        "promote" => Some(Hint::next(invocation::on(id, "status", ""))),
        _ => None,
    }
}

/// What stands in the way of honest measuring.
pub fn findings(found: &[Found]) -> Doc {
    let mut doc = Doc::new();
    if found.is_empty() {
        doc.paragraph(Text::new().mark(Tone::Good, "nothing").plain(" stands in the way of measuring"));
        return doc;
    }
    let item = |finding: &Found| {
        let tone = match finding.level {
            Severity::Info => Tone::Quiet,
            Severity::Warn => Tone::Unsure,
            Severity::Fail => Tone::Bad,
        };
        Text::new().mark(tone, finding.level.name()).plain(" ").code(finding.code).plain(format!(
            ": {}\n{}",
            visible_line(&finding.message),
            finding.hint
        ))
    };
    doc.list(found.iter().map(item).collect());
    doc
}
