//! Findings of an audit for readers: text, JSON, GitHub annotations, JUnit, markdown. Must not decide what is grave.

pub mod github;
pub mod heal;
pub mod junit;
pub mod words;

use serde_json::{Value, json};

use crate::audit::{Audit, Finding, Level};
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, Tone};

/// The schema of the JSON form.
pub const SCHEMA: &str = "vibeship_optimizer.check.v1";

/// One finding in words.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingView<'a> {
    pub finding: &'a Finding,
    pub code: String,
    pub message: String,
    pub place: String,
    pub heal: Option<String>,
}

impl<'a> FindingView<'a> {
    /// Puts a finding into words. `key` is the trailer's.
    pub fn new(finding: &'a Finding, key: &str) -> Self {
        Self {
            finding,
            code: finding.what.code(),
            message: visible_line(&format!("{}{}", words::message(finding), taken_back(finding))),
            place: visible_line(&place(finding)),
            // Paths of records come from whoever wrote them: no line of an answer begins in the middle of one.
            heal: heal::command(finding, key).filter(|_| !finding.taken_back).map(|heal| visible_line(&heal)),
        }
    }
}

fn taken_back(finding: &Finding) -> &'static str {
    if finding.taken_back { " (and was taken back in the same range)" } else { "" }
}

fn place(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(commit) = &finding.commit {
        let subject: String = commit.subject.chars().take(72).collect();
        parts.push(format!("{} {subject}", words::short(&commit.id)));
    }
    parts.extend(finding.change.as_ref().map(ToString::to_string));
    parts.extend(finding.path.clone());
    parts.join(" · ")
}

/// `3 findings (2 fail, 1 warn) in 12 commits and 4 records`.
pub fn summary(audit: &Audit) -> String {
    let count = |level| audit.findings.iter().filter(|finding| finding.level == level).count();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let mut kinds = Vec::new();
    for level in [Level::Fail, Level::Warn, Level::Info] {
        if count(level) > 0 {
            kinds.push(format!("{} {}", count(level), level.name()));
        }
    }
    let found = if kinds.is_empty() {
        "nothing found".to_owned()
    } else {
        format!("{} ({})", plural(audit.findings.len(), "finding"), kinds.join(", "))
    };
    let looked = format!("{} and {}", plural(audit.commits, "commit"), plural(audit.records, "record"));
    let exempted = match audit.exempted.len() {
        0 => String::new(),
        count => format!("; {} by the config", plural(count, "exemption")),
    };
    format!("{found} in {looked}{exempted}")
}

/// The text form, with a line end at the end: a block a finding, the exemptions, the summary.
pub fn text(audit: &Audit, key: &str) -> String {
    let mut lines = Vec::new();
    for finding in &audit.findings {
        let view = FindingView::new(finding, key);
        lines.push(format!("{:<4} {}  {}", finding.level.name(), view.code, view.place));
        lines.push(format!("     {}", view.message));
        lines.extend(view.heal.map(|heal| format!("     heal: {heal}")));
    }
    for exempted in &audit.exempted {
        let subject = visible_line(&exempted.commit.subject);
        let reason = visible_line(&exempted.reason);
        lines.push(format!("exempt {} {subject}  ({reason})", words::short(&exempted.commit.id)));
    }
    lines.push(summary(audit));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// The JSON form.
pub fn json(audit: &Audit, key: &str) -> Value {
    let findings = audit.findings.iter().map(|finding| {
        let view = FindingView::new(finding, key);
        // A finding holds strings, numbers and lists: that always serializes.
        let mut value = serde_json::to_value(finding).unwrap_or_default();
        value["message"] = json!(view.message);
        value["heal"] = json!(view.heal);
        value
    });
    json!({
        "schema": SCHEMA,
        "ok": audit.passes(),
        "commits": audit.commits,
        "records": audit.records,
        "worst_level": audit.worst(),
        "findings": findings.collect::<Vec<Value>>(),
        "exempted": audit.exempted,
    })
}

/// The document form, for a step summary or a comment.
pub fn document(audit: &Audit, key: &str) -> Doc {
    let verdict = if audit.passes() { "The check passes" } else { "The check fails" };
    let mut doc = Doc::new();
    doc.heading(2, format!("{verdict}: {}", summary(audit)));
    let mut table = Table::new("llll", ["Level", "Code", "Where", "What"]);
    for finding in &audit.findings {
        let view = FindingView::new(finding, key);
        let mut what = Text::new().plain(view.message);
        if let Some(heal) = view.heal {
            what = what.plain(". Heal: ").code(heal);
        }
        let (tone, code) = (tone(finding.level), Text::new().code(view.code));
        table.row([Text::new().mark(tone, finding.level.name()), code, Text::from(view.place), what]);
    }
    doc.table(table);
    if !audit.exempted.is_empty() {
        doc.heading(3, "Exempt by the config");
    }
    let exempted = audit.exempted.iter().map(|exempted| {
        let commit = Text::new().code(words::short(&exempted.commit.id));
        commit.plain(format!(" {}: {}", exempted.commit.subject, exempted.reason))
    });
    doc.list(exempted);
    doc
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Fail => Tone::Bad,
        Level::Warn => Tone::Unsure,
        Level::Info => Tone::Quiet,
    }
}
