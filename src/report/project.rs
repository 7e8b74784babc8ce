//! A project's analysis and the state of its setup in words. Must not look at the project.

use serde_json::Value;

use crate::model::Unit;
use crate::report::visible::visible_line;
use crate::report::{Align, Doc, Table, Text, Tone, values};

/// The analysis, from the JSON that programs get.
pub fn analysis(analysis: &Value) -> Doc {
    let mut doc = Doc::new();
    let words = |key: &str| {
        let list = analysis[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        let joined = list.collect::<Vec<_>>().join(", ");
        if joined.is_empty() { "none".to_owned() } else { joined }
    };
    doc.fields(vec![
        ("Languages".to_owned(), words("languages_detected").into()),
        ("Intents".to_owned(), words("intents").into()),
    ]);
    let bytes = |value: &Value| values::quantity(value.as_f64().unwrap_or_default(), &Unit::bytes());
    let mut sizes = Table::new([("Directory", Align::Left), ("Size", Align::Right)]);
    for (path, size) in analysis["dir_sizes"].as_object().into_iter().flatten() {
        sizes.row([Text::new().code(path.as_str()), bytes(size).into()]);
    }
    doc.table(sizes);
    let mut files = Table::new([("Largest file", Align::Left), ("Size", Align::Right)]);
    for file in analysis["largest_files"].as_array().into_iter().flatten() {
        files.row([Text::new().code(file["path"].as_str().unwrap_or_default()), bytes(&file["bytes"]).into()]);
    }
    doc.table(files);
    let unused = analysis["python_unused_dep_hints"]["maybe_unused"].as_array().into_iter().flatten();
    let unused: Vec<Text> = unused.filter_map(Value::as_str).map(|name| Text::new().code(name)).collect();
    if !unused.is_empty() {
        doc.heading(2, "Declared and never imported, as far as can be seen");
        doc.list(unused);
    }
    doc.heading(2, "Questions");
    let asked = analysis["questions"].as_array().into_iter().flatten();
    doc.list(asked.filter_map(|question| question["text"].as_str()).map(Text::from).collect());
    doc
}

/// With the command that heals it, where one is named.
fn healed(text: Text, about: &Value) -> Text {
    match about["heal"].as_str() {
        Some(heal) => text.plain(". Heal: ").code(heal),
        None => text,
    }
}

/// What `doctor` did or would do, and what the config measures, from the JSON that programs get.
pub fn doctor(answer: &Value) -> Doc {
    let mut doc = Doc::new();
    let actions = answer["actions"].as_array().into_iter().flatten();
    let items: Vec<Text> = actions
        .map(|action| {
            let (tone, word) = match action["changed"].as_bool() {
                Some(true) => (Tone::Good, "done"),
                _ => (Tone::Unsure, "to do"),
            };
            let code = action["code"].as_str().unwrap_or_default();
            let message = visible_line(action["message"].as_str().unwrap_or_default());
            let text = Text::new().mark(tone, word).plain(" ").code(code).plain(format!(": {message}"));
            healed(text, action)
        })
        .collect();
    let noted = answer["warnings"].as_array().is_some_and(|notes| !notes.is_empty());
    if items.is_empty() && !noted {
        doc.paragraph(Text::new().mark(Tone::Good, "everything").plain(" is set up"));
    }
    doc.list(items);
    let warnings = answer["warnings"].as_array().into_iter().flatten().map(|warning| {
        let code = warning["code"].as_str().unwrap_or_default();
        let message = visible_line(warning["message"].as_str().unwrap_or_default());
        healed(Text::new().mark(Tone::Quiet, "note").plain(" ").code(code).plain(format!(": {message}")), warning)
    });
    doc.list(warnings.collect());
    let git = &answer["git"];
    let version = git["version"].as_str().map_or_else(|| "git".to_owned(), |version| format!("git {version}"));
    doc.paragraph(match git["problem"].as_str() {
        Some(problem) => Text::new().mark(Tone::Bad, visible_line(&format!("{version}: {problem}"))),
        None => Text::from(format!(
            "{version} is there; {} or newer is needed.",
            git["needed"].as_str().unwrap_or_default()
        )),
    });
    doc.heading(2, "Metrics that the config measures");
    let mut table = Table::new([("Metric", Align::Left), ("Unit", Align::Left), ("Better", Align::Left)]);
    for metric in answer["measures"].as_array().into_iter().flatten() {
        let text = |key: &str| metric[key].as_str().unwrap_or_default().to_owned();
        table.row([Text::new().code(text("metric")), text("unit").into(), text("better").into()]);
    }
    if table.rows.is_empty() {
        doc.paragraph("None: name a timing, a size path, a health probe or a KPI in the config.");
    }
    doc.table(table);
    doc
}
