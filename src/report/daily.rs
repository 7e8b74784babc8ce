//! The day's lists in words: the morning's, the evening's, and what preflight found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::judge::compare::TuneableChange;
use crate::model::{ChangeId, Fix, Problem, Tuneable, fix};
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, Tone, code, compare, logbook, mark, problem, status, values, verdict};
use crate::workflow::{Change, Step};

/// A health probe that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Probed {
    pub(crate) name: String,
    /// Its URL as it may be shown.
    pub(crate) url: String,
    /// Why it failed; `None` when it answered as expected.
    pub(crate) failure: Option<String>,
}

/// What the morning looks like.
pub(crate) struct Morning<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) probes: &'a [Probed],
    pub(crate) tuneables: &'a BTreeMap<String, Tuneable>,
    /// The file of the measurement that they are expected to be as in.
    pub(crate) expected: Option<&'a str>,
    pub(crate) moved: &'a [TuneableChange],
    /// The open changes with their next steps.
    pub(crate) changes: &'a [(&'a Change, Step)],
}

impl Morning<'_> {
    /// Whether nothing needs a person before the day's work.
    pub(crate) fn is_well(&self) -> bool {
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
pub(crate) fn morning(view: &Morning<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("Start of {} (UTC)", view.now.date_naive()));
    doc.heading(2, "1 Health");
    if view.probes.is_empty() {
        doc.paragraph("The config names no http_probes, so health is not asked.");
    }
    doc.list(view.probes.iter().map(|probe| {
        let answer = match &probe.failure {
            None => mark(Tone::Good, "answers"),
            Some(why) => mark(Tone::Bad, "fails").plain(format!(": {}", visible_line(why))),
        };
        code(probe.name.as_str()).plain(" ").text(answer).plain(" ").code(probe.url.as_str())
    }));
    doc.heading(2, "2 Tuneables");
    tuneables(&mut doc, view);
    doc.heading(2, "3 Open changes");
    doc.table_or(status::open_changes(view.changes), "No change is open.");
    doc.list(view.changes.iter().flat_map(|(change, _)| pressing(change, view.now)));
    doc
}

/// What cannot wait on a change.
fn pressing(change: &Change, now: DateTime<Utc>) -> Vec<Text> {
    let about = |word: &str, what: String| code(change.id().as_str()).plain(" ").mark(Tone::Bad, word).plain(what);
    let alarm = |judged| about("alarm", format!(": {}", verdict::alarm_line(judged)));
    let expired = change.opened.expires.filter(|_| is_expired(change, now));
    let expired = expired.map(|at| about("override expired", format!(" {}", values::moment(at))));
    change.open_alarms.iter().map(alarm).chain(expired).collect()
}

fn tuneables(doc: &mut Doc, view: &Morning<'_>) {
    if view.tuneables.is_empty() && view.moved.is_empty() {
        doc.paragraph("No tuneable is set, or the config names no tuneables.");
        return;
    }
    match view.expected {
        Some(path) => doc.paragraph(Text::from("Expected as measured last, in ").link(path).plain(".")),
        None => doc.paragraph("Nothing was measured yet, so nothing is expected of them."),
    }
    let mut table = Table::new("llll", ["Key", "In force", "Layer", "As expected"]);
    let gone = view.moved.iter().filter(|moved| moved.new.is_none()).map(|moved| moved.key.as_str());
    for key in view.tuneables.keys().map(String::as_str).chain(gone) {
        let set = view.tuneables.get(key);
        let mut layer = set.map_or_else(Text::new, |it| code(it.layer.as_str()));
        if let Some(hidden) = set.and_then(|it| it.hides.first()) {
            layer = layer.plain(" over ").code(hidden.as_str());
        }
        let expected = match (view.expected, view.moved.iter().find(|moved| moved.key == key)) {
            (None, _) => mark(Tone::Quiet, "not measured"),
            (Some(_), None) => mark(Tone::Good, "yes"),
            (Some(_), Some(moved)) => {
                mark(Tone::Bad, "no").plain(", it was ").text(compare::setting(moved.old.as_ref()))
            }
        };
        table.row([code(key), compare::setting(set.map(|it| &it.value)), layer, expected]);
    }
    doc.table(table);
}

/// A decision of the evening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) id: ChangeId,
    pub(crate) word: &'static str,
    pub(crate) reason: String,
}

/// What the evening looks like.
pub(crate) struct Evening<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) changes: &'a [Change],
    pub(crate) decisions: &'a [Decision],
}

impl Evening<'_> {
    /// Whether the next smallest delta may be queued: no alarm is open, and nothing is before its own decision.
    pub(crate) fn is_stable(&self) -> bool {
        let calm = self.changes.iter().all(|change| change.open_alarms.is_empty() && change.is_decided());
        calm && self.decisions.iter().all(|decision| matches!(decision.word, "promote" | "hold"))
    }
}

/// The evening's list.
pub(crate) fn evening(view: &Evening<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("End of {} (UTC)", view.now.date_naive()));
    let mut table = Table::new("llll", ["Change", "State", "Days", "Decision"]);
    for change in view.changes {
        let mut days: Vec<String> = change.ticks.iter().map(|tick| tick.day.to_string()).collect();
        days.dedup();
        let decision = view.decisions.iter().find(|decision| decision.id == *change.id());
        let decision = decision.map_or_else(
            || Text::from("written down earlier today"),
            |it| Text::new().strong(it.word).plain(format!(": {}", visible_line(&it.reason))),
        );
        table.row([code(change.id().as_str()), logbook::status_mark(change), days.join(", ").into(), decision]);
    }
    doc.table_or(table, "No change is open.");
    let act: Vec<Fix> = view.decisions.iter().filter_map(perform).collect();
    if !act.is_empty() {
        doc.paragraph("Written down; what is left to do:");
        doc.code(problem::lines(&act).join("\n"));
    }
    doc.paragraph(match view.is_stable() {
        true => mark(Tone::Good, "stable").plain(": the next smallest delta may be queued"),
        false => mark(Tone::Unsure, "not stable").plain(": queue no further delta before this is settled"),
    });
    doc
}

/// The command that carries a decision out; the gates still have their say.
fn perform(decision: &Decision) -> Option<Fix> {
    let id = &decision.id;
    match decision.word {
        "rollback" => Some(Fix::next("", fix::with_reason(id, "rollback"))),
        "promote" => Some(Fix::next("", fix::on(id, "status"))),
        _ => None,
    }
}

/// What preflight found.
pub(crate) fn findings(found: &[Problem]) -> Doc {
    let mut doc = Doc::new();
    if found.is_empty() {
        doc.paragraph(mark(Tone::Good, "no problem").plain(" that would invalidate measurements was found"));
    }
    doc.list(found.iter().map(|it| problem::item(problem::tone(it.severity), it.severity.name(), it)));
    doc
}
