//! The analysis of a project that `analyze` reports: languages, what takes up space, and which questions to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::config::ProjectConfig;
use crate::model::own;
use crate::project::{KNOWN, entries, is_foreign, is_marked, name, subdirectories, text};

const ASKED: usize = 20;
/// How many of the largest files are reported.
const LARGEST: usize = 25;

/// Parsed from `questions.toml`; a test checks that it is valid.
static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| toml::from_str(include_str!("questions.toml")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    /// Words in a project's description of its intents, and the intent that each means.
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

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Analysis {
    schema: &'static str,
    generated_at: DateTime<Utc>,
    project_root: String,
    /// The configured languages, or else the detected ones.
    languages_detected: BTreeSet<String>,
    intents: Vec<String>,
    /// `.` and each well-known directory that exists, largest first.
    dir_sizes: Vec<FileSize>,
    largest_files: Vec<FileSize>,
    questions: Vec<&'static Question>,
    /// Declared Python dependencies that are never imported, if any are declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    python_unused_dep_hints: Option<DependencyHints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_paths: Option<u64>,
}

pub(crate) fn analyze(root: &Path, config: &ProjectConfig, now: DateTime<Utc>) -> Analysis {
    let languages =
        if config.languages.is_empty() { languages(root) } else { config.languages.iter().cloned().collect() };
    let footprint = Footprint::measure(root);
    let python_unused_dep_hints = unused_dependencies(root, &footprint.files, &config.python_ignore_deps);
    let dir_sizes = footprint.dir_sizes.into_iter().map(|(path, bytes)| FileSize { path, bytes });
    Analysis {
        schema: "vibeship_optimizer.analyze.v1",
        generated_at: now,
        project_root: root.to_string_lossy().into_owned(),
        intents: config.intents.clone(),
        dir_sizes: largest(dir_sizes.collect(), usize::MAX),
        largest_files: largest(footprint.files, LARGEST),
        questions: questions(&languages, &config.intents),
        python_unused_dep_hints,
        languages_detected: languages,
        unread_paths: Some(footprint.unread).filter(|unread| *unread > 0),
    }
}

/// The languages recognized by files in the root and one level below.
fn languages(root: &Path) -> BTreeSet<String> {
    let below = subdirectories(root).into_iter().flat_map(|dir| entries(&dir));
    let names: BTreeSet<String> = entries(root).into_iter().chain(below).map(|path| name(&path)).collect();
    let found = KNOWN
        .languages
        .iter()
        .filter(|language| names.iter().any(|name| is_marked(name, &language.files, &language.endings)));
    found.map(|language| language.name.clone()).collect()
}

/// The questions for a project: first those that fit both a language and an intent, then an intent, then a language,
/// and last general ones; [`ASKED`] in total. Questions about other languages are never asked.
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

#[derive(Debug, Default)]
struct Footprint {
    /// Bytes of `.` and of each well-known directory that exists, with everything below it.
    dir_sizes: BTreeMap<String, u64>,
    /// Only files of the project itself.
    files: Vec<FileSize>,
    unread: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FileSize {
    /// Path from the project's root, with `/` on every platform.
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

impl Footprint {
    /// Walks the project at `root`. Files in hidden directories, dependencies and build output count for the directory
    /// sizes, but not among the largest files; nor do the tool's own files.
    fn measure(root: &Path) -> Self {
        let mut footprint = Self::default();
        footprint.dir_sizes.insert(".".to_owned(), 0);
        for name in KNOWN.directories.well_known.iter().filter(|name| root.join(name).is_dir()) {
            footprint.dir_sizes.insert(name.clone(), 0);
        }
        for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
            let Ok(entry) = entry else {
                footprint.unread += 1;
                continue;
            };
            if entry.file_type().is_dir() {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                footprint.unread += 1;
                continue;
            };
            let Ok(below) = entry.path().strip_prefix(root) else { continue };
            let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            for dir in std::iter::once(".").chain(Some(parts[0].as_str()).filter(|_| parts.len() > 1)) {
                if let Some(bytes) = footprint.dir_sizes.get_mut(dir) {
                    *bytes += metadata.len();
                }
            }
            let dirs = &parts[..parts.len() - 1];
            let path = parts.join("/");
            let is_projects = !dirs.iter().any(|dir| dir.starts_with('.') || is_foreign(dir));
            if is_projects && metadata.is_file() && !own::is_own_or_left(path.as_bytes()) {
                footprint.files.push(FileSize { path, bytes: metadata.len() });
            }
        }
        footprint
    }
}

fn largest(mut files: Vec<FileSize>, most: usize) -> Vec<FileSize> {
    files.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    files.truncate(most);
    files
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BloatDir {
    /// Path from the project's root, with `/` on every platform.
    pub path: String,
    /// The configured size path that contains it, and whose size therefore includes it.
    pub in_size_path: Option<String>,
}

/// The bloat directories at the project's root and in the configured size paths, ordered by path. A directory inside
/// another one is not listed, nor is one that is configured to be measured.
pub(crate) fn bloat_dirs(root: &Path, size_paths: &[String]) -> Vec<BloatDir> {
    let mut found: Vec<BloatDir> = Vec::new();
    let starts = size_paths.iter().map(|path| (path.as_str(), Some(path), usize::MAX));
    for (start, size_path, depth) in starts.chain([("", None, 1)]) {
        let mut walk = WalkDir::new(root.join(start)).min_depth(1).max_depth(depth).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            // The size probe reports unreadable entries.
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_dir() {
                continue;
            }
            let is_bloat = KNOWN.directories.bloat.iter().any(|name| entry.file_name() == name.as_str());
            if is_bloat || entry.file_name() == ".git" {
                walk.skip_current_dir();
            }
            let (true, Ok(below)) = (is_bloat, entry.path().strip_prefix(root)) else { continue };
            let path = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if !is_configured(&path, size_paths) && !found.iter().any(|dir| dir.path == path) {
                found.push(BloatDir { path, in_size_path: size_path.cloned() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn is_configured(path: &str, size_paths: &[String]) -> bool {
    size_paths.iter().any(|size_path| size_path.trim_start_matches("./").trim_end_matches('/') == path)
}

/// The scan stops after this many files: the hint would cost more than it is worth.
const MAX_FILES: usize = 5000;

/// Declared dependencies, and those that are never imported. This is a hint, not a finding: a dependency may be used as
/// a command, as a plugin, or under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DependencyHints {
    pub(crate) declared: Vec<String>,
    pub(crate) maybe_unused: Vec<String>,
    pub(crate) files_read: usize,
    /// Whether there were too many files to read, so that nothing is reported as unused.
    pub(crate) incomplete: bool,
}

/// Scans these files of the project at `root`; `None` if it declares no dependencies. Those in `ignore` are never reported.
fn unused_dependencies(root: &Path, files: &[FileSize], ignore: &[String]) -> Option<DependencyHints> {
    let declared = declared(root);
    if declared.is_empty() {
        return None;
    }
    let sources = || files.iter().filter(|file| file.path.ends_with(".py") || file.path.ends_with(".pyi"));
    let texts = sources().take(MAX_FILES).filter_map(|file| text(&root.join(&file.path)));
    let imported: BTreeSet<String> = texts.flat_map(|source| imports(&source)).collect();
    let (files_read, incomplete) = (sources().take(MAX_FILES).count(), sources().count() > MAX_FILES);
    let ignored: BTreeSet<String> = ignore.iter().map(|name| normalized(name)).collect();
    let is_unused = |name: &&String| {
        !incomplete
            && !ignored.contains(*name)
            && !KNOWN.python.run.contains(name)
            && !import_names(name).iter().any(|import| imported.contains(&import.to_lowercase()))
    };
    let maybe_unused = declared.iter().filter(is_unused).cloned().collect();
    Some(DependencyHints { maybe_unused, declared: declared.into_iter().collect(), files_read, incomplete })
}

/// The dependencies in `pyproject.toml` (standard or Poetry's tables), or else in `requirements.txt`.
fn declared(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(table) = text(&root.join("pyproject.toml")).and_then(|text| text.parse::<toml::Table>().ok()) {
        let listed =
            table.get("project").and_then(|project| project.get("dependencies")).and_then(toml::Value::as_array);
        names.extend(listed.into_iter().flatten().filter_map(toml::Value::as_str).filter_map(distribution));
        let poetry = table.get("tool").and_then(|tool| tool.get("poetry")?.get("dependencies")?.as_table());
        let keys = poetry.into_iter().flat_map(toml::Table::keys);
        names.extend(keys.filter(|key| *key != "python").map(|key| normalized(key)));
    }
    if names.is_empty() {
        let requirements = text(&root.join("requirements.txt")).unwrap_or_default();
        names.extend(requirements.lines().filter_map(distribution));
    }
    names
}

/// The normalized name (PEP 503) at the start of a requirement (PEP 508).
fn distribution(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let end =
        requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(requirement.len());
    let starts_well = requirement.starts_with(|c: char| c.is_ascii_alphanumeric());
    // `./local` and `git+https://…` are no names.
    let is_name = starts_well && !requirement[end..].starts_with(['/', '+', ':']);
    is_name.then(|| normalized(&requirement[..end]))
}

fn normalized(name: &str) -> String {
    let dashed = name.trim().to_lowercase().replace(['_', '.'], "-");
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn import_names(distribution: &str) -> Vec<String> {
    match KNOWN.python.imported_as.get(distribution) {
        Some(names) => names.clone(),
        None => {
            let plain = distribution.replace('-', "_");
            // `google-cloud-storage` is imported as `google.cloud.storage`, `python-x` and `py-x` often as `x`.
            let first = distribution.split('-').next().unwrap_or_default().to_owned();
            let bare = ["python-", "py-", "types-"].iter().find_map(|prefix| distribution.strip_prefix(prefix));
            [Some(plain), Some(first), bare.map(|bare| bare.replace('-', "_"))].into_iter().flatten().collect()
        }
    }
}

/// The top-level names that a file imports, in lower case. Reads line by line: an import inside a string counts too,
/// which only makes the hint more careful.
fn imports(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().flat_map(|line| line.split(';')).map(str::trim) {
        if let Some(list) = line.strip_prefix("import ") {
            names.extend(list.split(',').filter_map(top_level));
        } else if let Some(rest) = line.strip_prefix("from ") {
            names.extend(top_level(rest));
        }
        for call in ["import_module(", "__import__("] {
            let quoted = line.split_once(call).map(|(_, rest)| rest.trim_start().trim_start_matches(['"', '\'']));
            names.extend(quoted.and_then(top_level));
        }
    }
    names
}

fn top_level(name: &str) -> Option<String> {
    let name: String = name.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then(|| name.to_lowercase())
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
        let analysis = analyze(dir.path(), &ProjectConfig::default(), DateTime::UNIX_EPOCH);
        let json = serde_json::to_value(&analysis).unwrap();
        assert_eq!(json["schema"], "vibeship_optimizer.analyze.v1");
        assert_eq!(json["languages_detected"], serde_json::json!(["python"]));
        assert_eq!(json["dir_sizes"], serde_json::json!([{"path": ".", "bytes": 6}, {"path": "src", "bytes": 0}]));
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
        let config = ProjectConfig { languages: vec!["rust".to_owned()], ..ProjectConfig::default() };
        let analysis = analyze(dir.path(), &config, DateTime::UNIX_EPOCH);
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

    #[test]
    fn directories_and_the_largest_files_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        };
        for i in 0..30 {
            write(&format!("src/f{i:02}"), i);
        }
        write("node_modules/x/big.js", 1000);
        write("VIBESHIP_OPTIMIZER.md", 500);
        write("top.bin", 29);
        let footprint = Footprint::measure(dir.path());
        let sizes = [(".", 1964), ("node_modules", 1000), ("src", 435)];
        assert_eq!(footprint.dir_sizes, BTreeMap::from(sizes.map(|(name, bytes)| (name.to_owned(), bytes))));
        let largest = largest(footprint.files, LARGEST);
        assert_eq!(largest.len(), LARGEST);
        assert_eq!(largest[0], FileSize { path: "src/f29".to_owned(), bytes: 29 });
        assert_eq!(largest[1].path, "top.bin");
        assert_eq!(footprint.unread, 0);
    }

    #[test]
    fn bloat_is_found_at_the_root_and_in_the_measured_paths() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["node_modules/a/build", "lib/x/__pycache__", "docs/__pycache__", "dist", ".git/build", "src"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("build"), "a file").unwrap();
        let found = bloat_dirs(dir.path(), &["lib".to_owned(), "dist/".to_owned(), "absent".to_owned()]);
        let told: Vec<(&str, Option<&str>)> =
            found.iter().map(|dir| (dir.path.as_str(), dir.in_size_path.as_deref())).collect();
        assert_eq!(told, [("lib/x/__pycache__", Some("lib")), ("node_modules", None)]);
    }

    fn hints(files: &[(&str, &str)], ignore: &[&str]) -> Option<DependencyHints> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = Footprint::measure(dir.path()).files;
        unused_dependencies(dir.path(), &files, &ignore.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    const PYPROJECT: &str = "\u{feff}[project]\ndependencies = [\n  'PyYAML>=6', \"requests[socks] ; python_version>'3'\",\n  'scikit-learn', 'left.pad', 'uvicorn', 'Ignored_Dep', 'pkg @ git+https://x/y',\n]\n";

    #[test]
    fn what_is_declared_and_never_imported_is_hinted_at() {
        let found = hints(
            &[
                ("pyproject.toml", PYPROJECT),
                ("lib/a.py", "import os, yaml as y\nfrom sklearn.svm import SVC\n"),
                (
                    "lib/b.py",
                    "def f():\r\n    from . import requests_like\r\n    m = importlib.import_module('pkg.x')\r\n",
                ),
                ("node_modules/c.py", "import left_pad\n"),
            ],
            &["ignored-dep"],
        )
        .unwrap();
        assert_eq!(found.maybe_unused, ["left-pad", "requests"]);
        assert_eq!((found.declared.len(), found.files_read, found.incomplete), (7, 2, false));
    }

    #[test]
    fn poetry_and_requirements_are_read() {
        let poetry = "[tool.poetry.dependencies]\npython = '^3.11'\nhttpx = '*'\n";
        assert_eq!(hints(&[("pyproject.toml", poetry)], &[]).unwrap().maybe_unused, ["httpx"]);
        let requirements = "# c\n-r base.txt\n./local\nhttpx==1\nnumpy\n";
        let found = hints(&[("requirements.txt", requirements), ("a.py", "import numpy.linalg")], &[]).unwrap();
        assert_eq!(
            (found.declared, found.maybe_unused),
            (vec!["httpx".to_owned(), "numpy".to_owned()], vec!["httpx".to_owned()])
        );
        assert_eq!(hints(&[("a.py", "import x")], &[]), None);
    }
}
