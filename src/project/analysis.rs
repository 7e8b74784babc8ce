//! The analysis of a project, as `analyze` tells it: what it is made of, what takes up space, and what to ask.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config::Project;
use crate::project::{DependencyHints, FileSize, Question, footprint, languages, python, questions};

/// Schema name of the JSON.
pub const SCHEMA: &str = "vibeship_optimizer.analyze.v1";

/// An analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    pub schema: &'static str,
    pub generated_at: DateTime<Utc>,
    pub project_root: String,
    /// The configured languages, or else those that were detected.
    pub languages_detected: Vec<String>,
    pub intents: Vec<String>,
    /// Bytes of each well-known directory that exists.
    pub dir_sizes: BTreeMap<String, u64>,
    /// The largest files of the project's own, largest first.
    pub largest_files: Vec<FileSize>,
    pub questions: Vec<&'static Question>,
    /// Declared Python dependencies that nothing imports, where any are declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python_unused_dep_hints: Option<DependencyHints>,
    /// How many paths could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread_paths: u64,
}

/// Analyzes the project at `root`. `is_own` tells the tool's own files, by their path with `/` from the root.
pub fn analyze(root: &Path, config: &Project, is_own: &dyn Fn(&[u8]) -> bool, now: DateTime<Utc>) -> Analysis {
    let languages =
        if config.languages.is_empty() { languages::detect(root) } else { config.languages.iter().cloned().collect() };
    let footprint = footprint::measure(root, is_own);
    Analysis {
        schema: SCHEMA,
        generated_at: now,
        project_root: root.to_string_lossy().into_owned(),
        intents: config.intents.clone(),
        dir_sizes: footprint.dir_sizes,
        largest_files: footprint.largest_files,
        questions: questions::select(&languages, &config.intents),
        python_unused_dep_hints: python::unused_dependencies(root, &config.python_ignore_deps),
        languages_detected: languages.into_iter().collect(),
        unread_paths: footprint.unread,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_json_has_the_keys_that_scripts_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("requirements.txt"), "httpx\n").unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        let analysis = analyze(dir.path(), &Project::default(), &|_| false, DateTime::UNIX_EPOCH);
        let json = serde_json::to_value(&analysis).unwrap();
        assert_eq!(json["schema"], "vibeship_optimizer.analyze.v1");
        assert_eq!(json["languages_detected"], serde_json::json!(["python"]));
        assert_eq!(json["dir_sizes"]["src"], 0);
        assert_eq!(json["largest_files"][0]["path"], "requirements.txt");
        assert_eq!(json["questions"].as_array().unwrap().len(), questions::ASKED);
        assert!(json["questions"][0]["tags"].is_array() && json["questions"][0]["intents"].is_array());
        assert_eq!(json["python_unused_dep_hints"]["maybe_unused"][0], "httpx");
    }

    #[test]
    fn configured_languages_take_the_place_of_detected_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), "").unwrap();
        let config = Project { languages: vec!["rust".to_owned()], ..Project::default() };
        let analysis = analyze(dir.path(), &config, &|_| false, DateTime::UNIX_EPOCH);
        assert_eq!(analysis.languages_detected, ["rust"]);
    }
}
