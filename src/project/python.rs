//! Python dependencies that are declared and never imported: a hint, not a finding, for a dependency may be used as a
//! command, as a plugin, or under a name that nothing tells.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use walkdir::WalkDir;

use crate::project::{KNOWN, is_foreign, text};

/// Beyond so many files the scan ends: the hint would cost more than it is worth.
const MAX_FILES: usize = 5000;

/// What is declared, and what of it is nowhere imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DependencyHints {
    pub(crate) declared: Vec<String>,
    pub(crate) maybe_unused: Vec<String>,
    pub(crate) files_read: usize,
    /// Whether there were more files than are read, so that nothing is said to be unused.
    pub(crate) incomplete: bool,
}

/// Looks through the project at `root`; `None` where it declares no dependencies. Those in `ignore` are not doubted.
pub(crate) fn unused_dependencies(root: &Path, ignore: &[String]) -> Option<DependencyHints> {
    let declared = declared(root);
    if declared.is_empty() {
        return None;
    }
    let mut imported = BTreeSet::new();
    let mut hints = DependencyHints::default();
    let walk = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !entry.file_type().is_dir() || !(name.starts_with('.') || is_foreign(&name))
    });
    for entry in walk.flatten().filter(|entry| entry.file_type().is_file()) {
        if !entry.path().extension().is_some_and(|extension| extension == "py" || extension == "pyi") {
            continue;
        }
        if hints.files_read == MAX_FILES {
            hints.incomplete = true;
            break;
        }
        hints.files_read += 1;
        imported.extend(text(entry.path()).iter().flat_map(|source| imports(source)));
    }
    let ignored: BTreeSet<String> = ignore.iter().map(|name| normalized(name)).collect();
    let is_unused = |name: &&String| {
        !hints.incomplete
            && !ignored.contains(*name)
            && !KNOWN.python.run.contains(name)
            && !import_names(name).iter().any(|import| imported.contains(&import.to_lowercase()))
    };
    hints.maybe_unused = declared.iter().filter(is_unused).cloned().collect();
    hints.declared = declared.into_iter().collect();
    Some(hints)
}

/// The dependencies that `pyproject.toml` (standard or Poetry's tables) or else `requirements.txt` declares.
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

/// The normalized name (PEP 503) that a requirement (PEP 508) begins with.
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

/// The top-level names, in lower case, that a file imports. Reads line by line: an import inside a text counts too, which
/// only makes the hint more careful.
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

    fn hints(files: &[(&str, &str)], ignore: &[&str]) -> Option<DependencyHints> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        unused_dependencies(dir.path(), &ignore.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
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
