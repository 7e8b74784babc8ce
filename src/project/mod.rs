//! What kind of project this is, seen from its files. Reads files only; runs nothing and writes nothing. What is known
//! of languages is in `project.toml`, what is worth asking in `questions.toml`.

pub(crate) mod commands;

mod analysis;
mod python;

pub(crate) use analysis::{analyze, bloat_dirs};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

/// A marker file larger than this says nothing that is looked for here.
const MAX_BYTES: u64 = 1 << 20;

/// `project.toml`; a test holds that it can be read.
static KNOWN: LazyLock<Known> = LazyLock::new(|| toml::from_str(include_str!("project.toml")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    directories: Directories,
    runners: Vec<Runner>,
    python: Python,
    languages: Vec<Language>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directories {
    code: Vec<String>,
    foreign: Vec<String>,
    well_known: Vec<String>,
    bloat: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Runner {
    files: Vec<String>,
    endings: Vec<String>,
    test: String,
    build: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Python {
    run: Vec<String>,
    imported_as: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    name: String,
    files: Vec<String>,
    endings: Vec<String>,
}

/// Whether a directory of that name holds other people's code or build output.
fn is_foreign(name: &str) -> bool {
    KNOWN.directories.foreign.iter().any(|foreign| foreign == name) || name.ends_with(".egg-info")
}

/// The start of a file as text, without a byte order mark; `None` where there is no such file.
fn text(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The entries of a directory in order of their names; none where it cannot be read.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_marked(name: &str, files: &[String], endings: &[String]) -> bool {
    let lower = name.to_ascii_lowercase();
    files.iter().any(|file| file == name)
        || endings.iter().any(|ending| lower.len() > ending.len() && lower.ends_with(ending.as_str()))
}

/// The subdirectories of the project's own code, one level deep.
fn subdirectories(root: &Path) -> Vec<PathBuf> {
    let is_own = |path: &PathBuf| {
        let name = name(path);
        path.is_dir() && !path.is_symlink() && !name.starts_with('.') && !is_foreign(&name)
    };
    entries(root).into_iter().filter(is_own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_projects_can_be_read() {
        let known: Known = toml::from_str(include_str!("project.toml")).unwrap();
        assert!(known.languages.len() > 10 && known.runners.len() > 2 && known.python.run.len() > 10);
    }
}
