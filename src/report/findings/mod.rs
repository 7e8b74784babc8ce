//! Findings of an audit for readers: text, JSON, GitHub annotations, JUnit, markdown.

pub(crate) mod github;
pub(crate) mod junit;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::audit::{Audit, Severity};
use crate::model::text::count;
use crate::model::{Action, Fix, FixContext};
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, problem};

/// As many findings as are told without a summary before them.
const FEW: usize = 3;

/// The schema of the JSON form.
pub(crate) const SCHEMA: &str = "vibeship_optimizer.check.v1";

/// `3 findings (2 fail, 1 warn) in 12 commits and 4 records`.
pub(crate) fn summary(audit: &Audit) -> String {
    let of = |level| audit.findings.iter().filter(|finding| finding.level == level).count();
    let mut kinds = Vec::new();
    for level in [Severity::Fail, Severity::Warn, Severity::Info] {
        if of(level) > 0 {
            kinds.push(format!("{} {}", of(level), level.name()));
        }
    }
    let found = if kinds.is_empty() {
        "no problems found".to_owned()
    } else {
        format!("{} ({})", count(audit.findings.len() as u64, "finding", "findings"), kinds.join(", "))
    };
    let looked = format!(
        "{} and {}",
        count(audit.commits as u64, "commit", "commits"),
        count(audit.records as u64, "record", "records")
    );
    let exempted = match audit.exempted.len() {
        0 => String::new(),
        exemptions => format!("; {} by the config", count(exemptions as u64, "exemption", "exemptions")),
    };
    format!("{found} in {looked}{exempted}")
}

/// How often each code was found, the gravest and most frequent first, and an empty line.
fn by_code(audit: &Audit) -> Vec<String> {
    let mut counts: BTreeMap<(Severity, String), usize> = BTreeMap::new();
    for finding in &audit.findings {
        *counts.entry((finding.level, finding.what.code())).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|((level, _), count)| std::cmp::Reverse((*level, *count)));
    let line = |((level, code), count): ((Severity, String), usize)| format!("{count:>5} {} {code}", level.name());
    counts.into_iter().map(line).chain([String::new()]).collect()
}

/// The text form, with a line end at the end: a block a finding, the exemptions, the summary.
pub(crate) fn text(audit: &Audit, ctx: &FixContext) -> String {
    let mut lines = if audit.findings.len() > FEW { by_code(audit) } else { Vec::new() };
    lines.extend(audit.findings.iter().flat_map(|finding| problem::block(&finding.problem(ctx))));
    for exempted in &audit.exempted {
        let subject = visible_line(&exempted.commit.subject);
        let reason = visible_line(&exempted.reason);
        lines.push(format!("exempt {} {subject}  ({reason})", short(&exempted.commit.id)));
    }
    lines.push(summary(audit));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// The JSON form. `heal` is the first of the fixes alone.
pub(crate) fn json(audit: &Audit, ctx: &FixContext) -> Value {
    let findings = audit.findings.iter().map(|finding| {
        let found = finding.problem(ctx);
        // A finding holds strings, numbers and lists: that always serializes.
        let mut value = serde_json::to_value(finding).unwrap_or_default();
        value["message"] = json!(visible_line(&found.message));
        value["heal"] = json!(problem::first(&found.fixes));
        value["fixes"] = json!(found.fixes);
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
pub(crate) fn document(audit: &Audit, ctx: &FixContext) -> Doc {
    let verdict = if audit.passes() { "The check passes" } else { "The check fails" };
    let mut doc = Doc::new();
    doc.heading(2, format!("{verdict}: {}", summary(audit)));
    let mut table = Table::new("llll", ["Level", "Code", "Where", "What"]);
    for finding in &audit.findings {
        let found = finding.problem(ctx);
        let mut what = Text::new().plain(visible_line(&found.message));
        for (number, fix) in found.fixes.iter().enumerate() {
            what = what.plain(if number == 0 { ". To fix it: " } else { "; " });
            what = shown(what, fix);
        }
        let (tone, code) = (problem::tone(finding.level), Text::new().code(found.code));
        let place = Text::from(problem::place(&found.subject));
        table.row([Text::new().mark(tone, finding.level.name()), code, place, what]);
    }
    doc.table(table);
    if !audit.exempted.is_empty() {
        doc.heading(3, "Exempt by the config");
    }
    let exempted = audit.exempted.iter().map(|exempted| {
        let commit = Text::new().code(short(&exempted.commit.id));
        commit.plain(format!(" {}: {}", exempted.commit.subject, exempted.reason))
    });
    doc.list(exempted);
    doc
}

fn shown(text: Text, fix: &Fix) -> Text {
    let text = text.plain(fix.how.joint());
    match &fix.action {
        Action::Run { command } if fix.purpose.is_empty() => text.code(command.to_string()),
        Action::Run { command } => text.plain(format!("{}: ", fix.purpose)).code(command.to_string()),
        Action::Edit { key, line, .. } => text.plain(format!("{}: {key}: ", fix.purpose)).code(line.as_str()),
        Action::Decide => text.plain(fix.purpose.as_str()),
    }
}

/// The first digits of a hash.
fn short(hash: &str) -> String {
    hash.chars().take(10).collect()
}
