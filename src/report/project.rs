//! A project's analysis and the state of its setup in words, from the JSON that programs get.

use serde_json::Value;

use crate::model::Unit;
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, Tone, code, mark, values};

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The analysis of `analyze`.
pub(crate) fn analysis(analysis: &Value) -> Doc {
    let mut doc = Doc::new();
    let words = |key: &str| {
        let words: Vec<&str> = list(&analysis[key]).filter_map(Value::as_str).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    doc.field("Languages", words("languages_detected"));
    doc.field("Intents", words("intents"));
    let bytes = |value: &Value| values::quantity(value.as_f64().unwrap_or_default(), &Unit::bytes()).into();
    let mut sizes = Table::new("lr", ["Directory", "Size"]);
    for (path, size) in analysis["dir_sizes"].as_object().into_iter().flatten() {
        sizes.row([code(path.as_str()), bytes(size)]);
    }
    doc.table(sizes);
    let mut files = Table::new("lr", ["Largest file", "Size"]);
    for file in list(&analysis["largest_files"]) {
        files.row([code(word(&file["path"])), bytes(&file["bytes"])]);
    }
    doc.table(files);
    let unused: Vec<Text> =
        list(&analysis["python_unused_dep_hints"]["maybe_unused"]).map(|it| code(word(it))).collect();
    if !unused.is_empty() {
        doc.heading(2, "Declared and never imported, as far as can be seen");
        doc.list(unused);
    }
    doc.heading(2, "Questions");
    doc.list(list(&analysis["questions"]).map(|question| word(&question["text"]).into()));
    doc
}

/// One thing that `doctor` did, would do or noted, with the command that puts it right, where one is named.
fn item(tone: Tone, label: &str, about: &Value) -> Text {
    let message = visible_line(word(&about["message"]));
    let text = mark(tone, label).plain(" ").code(word(&about["code"])).plain(format!(": {message}"));
    match about["heal"].as_str() {
        Some(fix) => text.plain(". Fix: ").code(fix),
        None => text,
    }
}

/// What `doctor` did or would do, and what the config measures.
pub(crate) fn doctor(answer: &Value) -> Doc {
    let mut doc = Doc::new();
    let mut items = list(&answer["actions"])
        .map(|action| match action["changed"].as_bool() {
            Some(true) => item(Tone::Good, "done", action),
            _ => item(Tone::Unsure, "to do", action),
        })
        .peekable();
    if items.peek().is_none() && list(&answer["warnings"]).next().is_none() {
        doc.paragraph(mark(Tone::Good, "everything").plain(" is set up"));
    }
    doc.list(items);
    doc.list(list(&answer["warnings"]).map(|warning| item(Tone::Quiet, "note", warning)));
    let git = &answer["git"];
    let version = git["version"].as_str().map_or_else(|| "git".to_owned(), |version| format!("git {version}"));
    doc.paragraph(match git["problem"].as_str() {
        Some(problem) => mark(Tone::Bad, visible_line(&format!("{version}: {problem}"))),
        None => format!("{version} is there; {} or newer is needed.", word(&git["needed"])).into(),
    });
    doc.heading(2, "Metrics that the config measures");
    let mut table = Table::new("lll", ["Metric", "Unit", "Better"]);
    for metric in list(&answer["measures"]) {
        table.row([code(word(&metric["metric"])), word(&metric["unit"]).into(), word(&metric["better"]).into()]);
    }
    doc.table_or(table, "None: name a timing, a size path, a health probe or a KPI in the config.");
    doc
}
