//! Reading of the small files that mark a kind of project. Tolerates a byte order mark, odd bytes and absence.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A marker file larger than this says nothing that is looked for here.
const MAX_BYTES: u64 = 1 << 20;

/// Directories that hold other people's code or build litter.
const FOREIGN_DIRS: &[&str] = &[
    "__pycache__",
    "bin",
    "bower_components",
    "build",
    "coverage",
    "dist",
    "env",
    "node_modules",
    "obj",
    "out",
    "site-packages",
    "target",
    "third_party",
    "vendor",
    "venv",
];

/// Whether a directory of that name holds other people's code or build litter.
pub(crate) fn is_foreign(name: &str) -> bool {
    FOREIGN_DIRS.contains(&name) || name.ends_with(".egg-info")
}

/// The start of a file as text, without a byte order mark; `None` where there is no such file.
pub(crate) fn text(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The JSON value that a file holds.
pub(crate) fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&text(path)?).ok()
}

/// The TOML table that a file holds.
pub(crate) fn toml(path: &Path) -> Option<toml::Table> {
    text(path)?.parse().ok()
}

/// The entries of a directory in order of their names; none where it cannot be read.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Whether a directory directly holds a file whose name ends in one of `endings`.
pub(crate) fn holds_ending(dir: &Path, endings: &[&str]) -> bool {
    entries(dir).iter().any(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        endings.iter().any(|ending| name.ends_with(ending)) && path.is_file()
    })
}
