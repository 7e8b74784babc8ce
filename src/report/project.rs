//! Reports on a project: its analysis, the state of its setup, and the bundle for a language model.

use serde_json::Value;

use crate::model::{Better, Measurable, Problem, Unit};
use crate::report::{Doc, Table, Tone, code, mark, problem, values, visible::visible_line};

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn analysis(analysis: &Value) -> Doc {
    let mut doc = Doc::new();
    let words = |key: &str| {
        let words: Vec<&str> = list(&analysis[key]).filter_map(Value::as_str).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    doc.field("Languages", words("languages_detected"));
    doc.field("Intents", words("intents"));
    let bytes = |value: &Value| values::quantity(value.as_f64().unwrap_or_default(), &Unit::bytes()).into();
    for (key, title) in [("dir_sizes", "Directory"), ("largest_files", "Largest file")] {
        let rows = list(&analysis[key]).map(|it| [code(word(&it["path"])), bytes(&it["bytes"])]);
        doc.table(Table::new("lr", [title, "Size"], rows));
    }
    let unused = list(&analysis["python_unused_dep_hints"]["maybe_unused"]).map(|it| code(word(it)));
    doc.section(2, "Declared and never imported, as far as can be seen", |doc| doc.list(unused));
    doc.heading(2, "Questions");
    doc.list(list(&analysis["questions"]).map(|question| word(&question["text"]).into()));
    doc
}

pub(crate) fn doctor(actions: &[(Problem, bool)], notes: &[Problem], git: &Value, measures: &Measurable) -> Doc {
    let mut doc = Doc::new();
    if actions.is_empty() && notes.is_empty() {
        doc.paragraph(mark(Tone::Good, "everything").plain(" is set up"));
    }
    doc.list(actions.iter().map(|(problem, changed)| {
        let (tone, word) = if *changed { (Tone::Good, "done") } else { (Tone::Unsure, "to do") };
        problem::item(tone, word, problem)
    }));
    doc.list(notes.iter().map(|note| problem::item(Tone::Quiet, "note", note)));
    let version = git["version"].as_str().map_or_else(|| "git".to_owned(), |version| format!("git {version}"));
    doc.paragraph(match git["problem"].as_str() {
        Some(problem) => mark(Tone::Bad, visible_line(&format!("{version}: {problem}"))),
        None => format!("{version} is there; {} or newer is needed.", word(&git["needed"])).into(),
    });
    doc.heading(2, "Metrics that the config measures");
    let rows = measures.iter().map(|spec| {
        let better = match spec.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
        };
        [code(spec.id.as_str()), spec.unit.symbol().into(), better.into()]
    });
    let table = Table::new("lll", ["Metric", "Unit", "Better"], rows);
    doc.table_or(table, "None: name a timing, a size path, a health probe or a KPI in the config.");
    doc
}

/// The prompt for a language model: the workflow, its commands, and what a model must not do. `key` is that of the
/// trailer.
pub(crate) fn llm_prompt(key: &str, sheet: &str) -> String {
    include_str!("llm.txt").replace("KEY", key).replace("COMMANDS", sheet)
}

pub(crate) fn llm_bundle(bundle: &Value) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, "What is known of this project");
    doc.code(bundle["prompt"].as_str().unwrap_or_default());
    for (title, key) in [
        ("Change", "change"),
        ("Problems with measuring", "preflight"),
        ("Config, without its values", "config"),
        ("Project", "analyze"),
    ] {
        if !bundle[key].is_null() {
            doc.heading(2, title);
            doc.code(format!("{:#}", bundle[key]));
        }
    }
    doc
}
