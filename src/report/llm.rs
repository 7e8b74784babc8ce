//! The prompt that teaches a language model the workflow, and the bundle that goes with it.

use serde_json::Value;

use crate::report::Doc;

/// The workflow with its commands, and what a model must not do. `key` is the trailer's.
pub(crate) fn prompt(key: &str) -> String {
    include_str!("llm.txt").replace("KEY", key)
}

/// The bundle as a document.
pub(crate) fn bundle(bundle: &Value) -> Doc {
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
