//! The analysis of a project, as `analyze` tells it: what it is made of, what takes up space, and what to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::Project;
use crate::project::directories::{FileSize, Footprint};
use crate::project::python::{DependencyHints, unused_dependencies};
use crate::project::{KNOWN, entries, is_marked, name, subdirectories};

/// How many questions are asked.
const ASKED: usize = 20;

/// `questions.toml`; a test holds that it can be read.
static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| toml::from_str(include_str!("questions.toml")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    /// Words in a project's own description of its intent, and the intent that they mean.
    synonyms: BTreeMap<String, String>,
    questions: Vec<Question>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: String,
    text: String,
    /// Languages that it is about; empty for any.
    tags: Vec<String>,
    intents: Vec<String>,
}

/// An analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Analysis {
    schema: &'static str,
    generated_at: DateTime<Utc>,
    project_root: String,
    /// The configured languages, or else those that were detected.
    languages_detected: BTreeSet<String>,
    intents: Vec<String>,
    /// Bytes of each well-known directory that exists.
    dir_sizes: BTreeMap<String, u64>,
    /// The largest files of the project's own, largest first.
    largest_files: Vec<FileSize>,
    questions: Vec<&'static Question>,
    /// Declared Python dependencies that nothing imports, where any are declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    python_unused_dep_hints: Option<DependencyHints>,
    /// How many paths could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_paths: Option<u64>,
}

/// Analyzes the project at `root`. `is_own` tells the tool's own files, by their path with `/` from the root.
pub(crate) fn analyze(root: &Path, config: &Project, is_own: &dyn Fn(&[u8]) -> bool, now: DateTime<Utc>) -> Analysis {
    let languages =
        if config.languages.is_empty() { languages(root) } else { config.languages.iter().cloned().collect() };
    let footprint = Footprint::measure(root, is_own);
    Analysis {
        schema: "vibeship_optimizer.analyze.v1",
        generated_at: now,
        project_root: root.to_string_lossy().into_owned(),
        intents: config.intents.clone(),
        dir_sizes: footprint.dir_sizes,
        largest_files: footprint.largest_files,
        questions: questions(&languages, &config.intents),
        python_unused_dep_hints: unused_dependencies(root, &config.python_ignore_deps),
        languages_detected: languages,
        unread_paths: Some(footprint.unread).filter(|unread| *unread > 0),
    }
}

/// The languages that files in the root and one level below mark.
fn languages(root: &Path) -> BTreeSet<String> {
    let below = subdirectories(root).into_iter().flat_map(|dir| entries(&dir));
    let names: BTreeSet<String> = entries(root).into_iter().chain(below).map(|path| name(&path)).collect();
    let found = KNOWN
        .languages
        .iter()
        .filter(|language| names.iter().any(|name| is_marked(name, &language.files, &language.endings)));
    found.map(|language| language.name.clone()).collect()
}

/// The questions for a project: first those that fit both a language and an intent, then those that fit an intent, a
/// language, and last the general ones; [`ASKED`] of them. Questions about other languages are never asked.
fn questions(languages: &BTreeSet<String>, intents: &[String]) -> Vec<&'static Question> {
    let languages: BTreeSet<String> = languages.iter().map(|language| language.to_lowercase()).collect();
    let intents: Vec<String> = intents.iter().map(|intent| intent.to_lowercase()).collect();
    let meant = CATALOG.synonyms.iter().filter(|(word, _)| intents.iter().any(|intent| intent.contains(*word)));
    let wanted: BTreeSet<&String> = meant.map(|(_, meaning)| meaning).collect();
    let rank = |question: &&Question| {
        let fits_intent = question.intents.iter().any(|intent| wanted.contains(intent));
        match (fits_intent, question.tags.is_empty()) {
            (true, false) => 0,
            (true, true) => 1,
            (false, false) => 2,
            (false, true) => 3,
        }
    };
    let fits = |question: &&Question| {
        question.tags.is_empty() || question.tags.iter().any(|language| languages.contains(language))
    };
    let mut chosen: Vec<&Question> = CATALOG.questions.iter().filter(fits).collect();
    chosen.sort_by_key(rank);
    chosen.truncate(ASKED);
    chosen
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
        assert_eq!(json["questions"].as_array().unwrap().len(), ASKED);
        assert!(json["questions"][0]["tags"].is_array() && json["questions"][0]["intents"].is_array());
        assert_eq!(json["python_unused_dep_hints"]["maybe_unused"][0], "httpx");
        assert!(json.get("unread_paths").is_none());
    }

    #[test]
    fn configured_languages_take_the_place_of_detected_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), "").unwrap();
        let config = Project { languages: vec!["rust".to_owned()], ..Project::default() };
        let analysis = analyze(dir.path(), &config, &|_| false, DateTime::UNIX_EPOCH);
        assert_eq!(analysis.languages_detected, BTreeSet::from(["rust".to_owned()]));
    }

    #[test]
    fn languages_are_seen_in_the_root_and_one_level_below() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["Cargo.toml", "web/tsconfig.json", "web/package.json", "a/b/go.mod", "node_modules/x.rb", ".x/mix.exs"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(languages(dir.path()).into_iter().collect::<Vec<_>>(), ["javascript", "rust", "typescript"]);
        assert!(languages(&dir.path().join("nowhere")).is_empty());
    }

    fn ids(languages: &[&str], intents: &[&str]) -> Vec<&'static str> {
        let languages = languages.iter().map(|&name| name.to_owned()).collect();
        let intents: Vec<String> = intents.iter().map(|&name| name.to_owned()).collect();
        questions(&languages, &intents).iter().map(|question| question.id.as_str()).collect()
    }

    #[test]
    fn ids_are_unique_and_intents_are_among_those_that_words_can_mean() {
        let catalog: Catalog = toml::from_str(include_str!("questions.toml")).unwrap();
        let names: BTreeSet<&str> = catalog.questions.iter().map(|question| question.id.as_str()).collect();
        assert_eq!(names.len(), catalog.questions.len());
        for intent in catalog.questions.iter().flat_map(|question| &question.intents) {
            assert!(catalog.synonyms.values().any(|meaning| meaning == intent), "{intent}");
        }
    }

    #[test]
    fn a_project_is_asked_twenty_questions_and_none_about_another_language() {
        assert_eq!(ids(&[], &[]).len(), ASKED);
        let python = ids(&["Python"], &[]);
        assert_eq!(python.len(), ASKED);
        assert!(
            python.contains(&"python-gil") && !python.iter().any(|id| id.starts_with("go-") || id.starts_with("web-"))
        );
    }

    #[test]
    fn what_fits_language_and_intent_comes_first() {
        let asked = ids(&["rust", "go"], &["Lower the memory footprint"]);
        assert_eq!(asked[..3], ["rust-profile", "rust-clones", "rust-features"]);
        let asked = ids(&["python"], &["Advisory system tuning"]);
        assert_eq!(asked[0], "kpi");
    }
}
