//! Where the tool keeps its files in a project, and which paths are its own files: changes to them are not changes to
//! the code. Paths are relative to the project root, with `/` separators.

use std::sync::LazyLock;

pub const STATE_DIR: &str = ".vibeship-optimizer";
/// The state directory of old projects, used if it has state.
pub const LEGACY_STATE_DIR: &str = ".vibeship_optimizer";
pub const LOGBOOK: &str = "VIBESHIP_OPTIMIZER.md";
/// The logbook of old projects; `init` renames it.
pub const LEGACY_LOGBOOK: &str = "OPTIMIZATION_CHECKER.md";
/// Directory of the committed evidence.
pub const EVIDENCE_DIR: &str = "reports/optimizer";
/// Part of the name of an evidence file that a newer one has replaced.
pub const SUPERSEDED: &str = ".superseded-";
/// Config files in the project root, in order of precedence; they precede those in the state directory.
pub const ROOT_CONFIGS: [&str; 2] = ["vibeship_optimizer.yml", "vibeship_optimizer.yaml"];
/// Config files in the state directory, in order of precedence.
pub const STATE_CONFIGS: [&str; 3] = ["config.yml", "config.yaml", "config.json"];
/// Git attributes of a directory's files.
pub const ATTRIBUTES: &str = ".gitattributes";
/// Prefix of temporary files written under the lock; whoever holds the lock may remove stale ones.
pub const LOCKED_PREFIX: &str = ".vibeship-write-";
/// Prefix of temporary files written without the lock; their writer may still be running.
pub const FREE_PREFIX: &str = ".vibeship-out-";

/// Whether a path is one of the tool's permanent files or directories: state, evidence, logbook, also under their old
/// names. Any other file in these directories belongs to the project, so that no code can hide there. Callers check
/// that the path is a regular file.
pub fn is_own(path: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    in_state(path).is_some_and(is_state)
        || within(path, EVIDENCE_DIR).is_some_and(is_evidence)
        || path == LOGBOOK.as_bytes()
        || path == LEGACY_LOGBOOK.as_bytes()
}

/// Whether a path is a leftover of the tool that is never committed: reports and caches that can be made again, and
/// temporary files of a killed process. Callers count it as own only while it is untracked, so that no code can be
/// committed under such a name.
pub fn is_left(path: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let (dir, name) =
        path.iter().rposition(|byte| *byte == b'/').map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    // The Python tool's documentation has users write reports there.
    let is_report = dir == b"reports" && name.starts_with(b"vibeship_optimizer_") && is_written(name);
    let written = |rest: &[u8]| rest.is_empty() || STATE_DIRS.iter().any(|known| known.as_bytes() == rest);
    is_report
        || in_state(path).is_some_and(|rest| within(rest, "cache").is_some())
        || is_temporary(name)
            && (dir.is_empty() || dir == EVIDENCE_DIR.as_bytes() || in_state(dir).is_some_and(written))
}

/// Whether an own file, or a leftover, may stand in this directory.
pub fn may_be_in(dir: &[u8]) -> bool {
    dir.is_empty() || in_state(dir).is_some() || within(dir, "reports").is_some()
}

/// The project roots relative to which a path is one of the tool's own files; each ends in `/` or is empty.
pub fn roots_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let below = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    std::iter::once(0).chain(below).filter(|at| is_own(&path[*at..])).map(|at| &path[..at])
}

/// The root of a project within this one, if the path is one of that project's own files.
pub fn inner_root(path: &str) -> Option<&str> {
    let root = roots_of(path.as_bytes()).find(|root| !root.is_empty())?;
    std::str::from_utf8(root).ok()
}

/// Every possible config path from the project's root, in order of precedence.
pub fn config_names() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let states = [STATE_DIR, LEGACY_STATE_DIR].into_iter();
        let states = states.flat_map(|dir| STATE_CONFIGS.map(|name| format!("{dir}/{name}")));
        ROOT_CONFIGS.map(str::to_owned).into_iter().chain(states).collect()
    });
    &NAMES
}

/// If a path is a config file, the root of its project, which ends in `/` or is empty.
pub fn root_of_config(path: &[u8]) -> Option<&[u8]> {
    let root = config_names().iter().find_map(|name| path.strip_suffix(name.as_bytes()))?;
    (root.is_empty() || root.ends_with(b"/")).then_some(root)
}

pub fn is_own_or_left(path: &[u8]) -> bool {
    is_own(path) || is_left(path)
}

/// Whether a file name is that of a temporary file of an unfinished write.
pub fn is_temporary(name: &[u8]) -> bool {
    [LOCKED_PREFIX, FREE_PREFIX].iter().any(|prefix| name.starts_with(prefix.as_bytes())) && name.ends_with(b".tmp")
}

/// Directories of the tool's files in the state directory.
pub const STATE_DIRS: [&str; 7] =
    ["changes", "snapshots", "attestations", "review_bundles", "reports", "legacy", "calibration"];
const STATE_FILES: [&str; 7] =
    [".gitignore", ATTRIBUTES, "config.schema.json", "lock", "holder.json", "active", "monitor.json"];
/// Extensions of reports and their data. A file with another extension is never evidence, as it could be code.
const ENDINGS: [&str; 10] = ["json", "jsonl", "md", "svg", "txt", "html", "xml", "csv", "png", "log"];

/// Whether an own file is data that a user's command may read: no record, setup file or picture, and no markdown page
/// of the evidence.
pub fn is_data(path: &[u8]) -> bool {
    let written = in_state(path).is_some_and(|rest| rest.contains(&b'/') && !rest.starts_with(b"changes/"));
    let evidence =
        within(path, EVIDENCE_DIR).is_some_and(|rest| !rest.ends_with(b".md") && rest != ATTRIBUTES.as_bytes());
    !path.ends_with(b".svg") && (evidence || written)
}

/// The part of a path below the state directory, under either of its names.
fn in_state(path: &[u8]) -> Option<&[u8]> {
    [STATE_DIR, LEGACY_STATE_DIR].into_iter().find_map(|dir| within(path, dir))
}

/// The part of a path below a directory; empty for the directory itself.
fn within<'a>(path: &'a [u8], dir: &str) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(dir.as_bytes())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

fn is_state(rest: &[u8]) -> bool {
    let mut parts = rest.splitn(2, |byte| *byte == b'/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let named = |names: &[&str]| names.iter().any(|name| name.as_bytes() == first);
    match second {
        None => first.is_empty() || named(&STATE_DIRS) || named(&STATE_FILES) || named(&STATE_CONFIGS),
        Some(file) => named(&STATE_DIRS) && !file.contains(&b'/') && is_written(file),
    }
}

fn is_evidence(rest: &[u8]) -> bool {
    rest.is_empty() || rest == ATTRIBUTES.as_bytes() || (!rest.contains(&b'/') && is_written(rest))
}

fn is_written(file: &[u8]) -> bool {
    let ending = file.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    ENDINGS.iter().any(|known| known.as_bytes() == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_only_state_evidence_and_logbook() {
        for path in [
            ".vibeship-optimizer/changes/x.json",
            ".vibeship-optimizer/",
            ".vibeship_optimizer/config.yml",
            ".vibeship-optimizer/config.schema.json",
            ".vibeship-optimizer/.gitignore",
            ".vibeship-optimizer/.gitattributes",
            "reports/optimizer/.gitattributes",
            "reports/optimizer/x.md",
            "VIBESHIP_OPTIMIZER.md",
            "OPTIMIZATION_CHECKER.md",
        ] {
            assert!(is_own(path.as_bytes()) && !is_left(path.as_bytes()), "{path}");
            assert!(may_be_in(path.trim_end_matches('/').rsplit_once('/').map_or(b"", |(dir, _)| dir.as_bytes())));
        }
        for path in [
            ".vibeship-optimizer/cache/arms/x.bin",
            ".vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/.vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/changes/.vibeship-write-a1b2c3.tmp",
            "reports/optimizer/.vibeship-write-a1b2c3.tmp",
        ] {
            assert!(is_left(path.as_bytes()) && !is_own(path.as_bytes()), "{path}");
            assert!(may_be_in(path.rsplit_once('/').map_or(b"", |(dir, _)| dir.as_bytes())));
        }
        for path in [
            "src/.vibeship-optimizer/x",
            ".vibeship-optimizer/run.sh",
            ".vibeship-optimizer/lib/a.json",
            ".vibeship-optimizer/changes/a.py",
            "reports/optimizer/app.py",
            "reports/optimizer/deep/x.md",
            "reports/optimizer/deep/.gitattributes",
            ".vibeship-optimizer/changes/.gitattributes",
            "reports/.gitattributes",
            ".vibeship-optimizer2/x",
            "reports/optimizers",
            "reports/x",
            "docs/VIBESHIP_OPTIMIZER.md",
            "VIBESHIP_OPTIMIZER.md/x",
            "vibeship_optimizer.yml",
            ".vibeship-write-x/y.tmp",
            "src/.vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/lib/.vibeship-write-a1b2c3.tmp",
        ] {
            assert!(!is_own(path.as_bytes()) && !is_left(path.as_bytes()), "{path}");
        }
    }
}
