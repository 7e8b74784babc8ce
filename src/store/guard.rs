//! Which paths may be written: the tool's own in the project, and free output that overwrites nothing protected.

use std::path::{Component, Path, PathBuf};

use crate::git::{Call, Repo};
use crate::model::parse_json;
use crate::os::files;
use crate::store::project::{LEGACY_LOGBOOK, LEGACY_STATE_DIR, LOGBOOK, ROOT_CONFIGS, STATE_DIR};
use crate::store::{Project, Result, StoreError, atomic};

const REPORT_LIMIT: u64 = 64 * 1024 * 1024;
const SCHEMAS: &str = "vibeship_optimizer.";
/// Schemas of measurements, records and attestations, which cannot be created again, unlike reports.
const KEPT: [&str; 6] = ["snapshot", "change", "validation", "calibration", "monitor", "review_attestation"];
/// How Markdown and HTML reports start, and a later text in them.
const REPORTS: [(&str, &str); 6] = [
    ("# ", "\n## What cannot be concluded\n"),
    ("# ", ": changes\n\nAs of "),
    ("# Review: ", "\n## What to answer\n"),
    ("# What is known of this project\n", ""),
    ("## The check ", ": "),
    ("<!doctype html>\n", "<p class=\"soft\">As of "),
];

/// Refuses one of the tool's own paths if a link leads it out of the project: files there are neither evidence nor part
/// of the project.
pub(crate) fn inside(project: &Project, path: &Path) -> Result<()> {
    if is_without_links(project, path) {
        return Ok(());
    }
    let target = destination(path)?;
    if plain(&target).starts_with(plain(project.root())) {
        return Ok(());
    }
    Err(StoreError::Outside { path: path.to_owned(), target })
}

/// Whether a path is below the root without links on the way; the root itself has none.
fn is_without_links(project: &Project, path: &Path) -> bool {
    let Ok(relative) = path.strip_prefix(project.root()) else { return false };
    let mut current = project.root().to_owned();
    relative.components().all(|part| {
        current.push(part);
        matches!(part, Component::Normal(_)) && !current.is_symlink()
    })
}

/// Like `atomic::write`, for the tool's own files: fails if a link leads out of the project.
pub(crate) fn write(project: &Project, path: &Path, bytes: &[u8]) -> Result<()> {
    inside(project, path)?;
    atomic::write(path, bytes)
}

/// Appends lines to a file of the project, which is created if necessary.
pub(crate) fn append(project: &Project, path: &Path, lines: &str) -> Result<()> {
    let mut text = atomic::read(path, 1 << 20)?.unwrap_or_default();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(lines.bytes().chain([b'\n']));
    write(project, path, &text)
}

/// Refuses an output path that leads to a protected file in any way: an input, a record, evidence, the logbook, a
/// config, a file of git, or a tracked file that is not an earlier report. (Writing replaces the name, not the file
/// behind it, so hard links are harmless.)
pub(crate) fn guard_out_path(project: &Project, out: &Path, inputs: &[&Path]) -> Result<()> {
    let target = destination(out)?;
    match keeper(project, &target, inputs) {
        Some(what) => Err(StoreError::Protected { path: out.to_owned(), what }),
        None if target.is_dir() => Err(StoreError::Directory { path: out.to_owned() }),
        None => Ok(()),
    }
}

fn keeper(project: &Project, target: &Path, inputs: &[&Path]) -> Option<&'static str> {
    let key = key(target);
    let same = |other: &Path| destination(other).is_ok_and(|other| self::key(&other) == key);
    let below = |dir: &Path| destination(dir).is_ok_and(|dir| key.starts_with(self::key(&dir)));
    let in_root = |names: &[&str]| names.iter().any(|name| same(&project.root().join(name)));
    if inputs.iter().any(|input| same(input)) {
        return Some("one of the files compared");
    }
    if [STATE_DIR, LEGACY_STATE_DIR].iter().any(|dir| below(&project.root().join(dir))) {
        return Some("in the state directory");
    }
    if in_root(&[LOGBOOK, LEGACY_LOGBOOK]) {
        return Some("the logbook");
    }
    if in_root(&ROOT_CONFIGS) || project.config_path().is_some_and(|config| same(&config)) {
        return Some("the config");
    }
    if is_gits_own(project, &key) {
        return Some("in git's own directory");
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if name.starts_with("chg-") && below(&project.evidence_dir()) && target.exists() {
        return Some("evidence of a change");
    }
    match content(target) {
        Content::Kept => Some("a measurement or a record"),
        Content::Other if is_tracked(target) => Some("tracked by git and no report of this tool"),
        Content::Other | Content::Report => None,
    }
}

/// Whether a path is in a git directory, of this or another repository. `git~1` is the short name of `.git`.
fn is_gits_own(project: &Project, key: &Path) -> bool {
    let is_git = |part: Component<'_>| part.as_os_str() == ".git" || part.as_os_str() == "git~1";
    if key.components().any(is_git) {
        return true;
    }
    // A git directory can have any name.
    let repo = Repo::open(project.root()).ok();
    repo.is_some_and(|repo| [repo.git_dir(), repo.common_dir()].iter().any(|dir| key.starts_with(self::key(dir))))
}

enum Content {
    Kept,
    Report,
    Other,
}

fn content(target: &Path) -> Content {
    let Ok(Some(bytes)) = atomic::read(target, REPORT_LIMIT) else { return Content::Other };
    let text = String::from_utf8_lossy(&bytes);
    if REPORTS.iter().any(|(begin, further)| text.starts_with(begin) && text.contains(further)) {
        return Content::Report;
    }
    let Ok(value) = parse_json(&bytes) else { return Content::Other };
    if value["tool"].as_str().is_some_and(|tool| tool.starts_with(env!("CARGO_PKG_NAME")))
        && value["results"].is_array()
    {
        return Content::Report;
    }
    match value["schema"].as_str().and_then(|schema| schema.strip_prefix(SCHEMAS)) {
        Some(rest) if KEPT.contains(&rest.split('.').next().unwrap_or_default()) => Content::Kept,
        Some(_) => Content::Report,
        None => Content::Other,
    }
}

/// Whether git tracks the file, in any repository. Ignores case if the file system does.
fn is_tracked(target: &Path) -> bool {
    let (Some(dir), Some(name), true) = (target.parent(), target.file_name(), target.is_file()) else { return false };
    let mut pathspec = std::ffi::OsString::from(":(literal,icase)");
    pathspec.push(name);
    let call = Call::new(dir).without_literal_paths().args(["ls-files", "-z", "--cached", "--"]).arg(pathspec);
    let Ok(found) = call.output() else { return false };
    let folded = |name: &std::ffi::OsStr| name.to_string_lossy().to_lowercase();
    let twins = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let alone = twins.filter(|entry| folded(&entry.file_name()) == folded(name)).count() == 1;
    let exact = files::path_bytes(Path::new(name));
    found.code == Some(0)
        && found.stdout.split(|byte| *byte == 0).any(|listed| !listed.is_empty() && (alone || listed == exact))
}

/// Where a path leads: follows links as far as they exist, and resolves `..` in the rest.
fn destination(path: &Path) -> Result<PathBuf> {
    let mut current = std::path::absolute(path).map_err(StoreError::io("resolve", path))?;
    // A longer chain of links is a cycle, which writing refuses anyway.
    for _ in 0..64 {
        let Some(next) = current.ancestors().find_map(|existing| {
            let rest = current.strip_prefix(existing).unwrap_or(Path::new(""));
            if let Ok(full) = files::canonical(existing) {
                return Some(Ok(files::normal(&full.join(rest))));
            }
            // A link to a missing file: continue from its target.
            let next = std::fs::read_link(existing).ok()?;
            Some(Err(existing.parent()?.join(next).join(rest)))
        }) else {
            break;
        };
        match next {
            Ok(place) => return Ok(place),
            Err(link) => current = link,
        }
    }
    Ok(current)
}

/// A key for comparing paths on file systems that may ignore case, or (on Windows) trailing dots and spaces and text
/// after a colon.
fn key(path: &Path) -> PathBuf {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy().to_lowercase();
            let name = name.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
            PathBuf::from(name)
        }
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            PathBuf::from(part.as_os_str().to_string_lossy().to_lowercase())
        }
    };
    plain(path).components().map(part).collect()
}

/// The short form of a long Windows path, for comparing; canonical paths may have the long form.
fn plain(path: &Path) -> PathBuf {
    path.to_str().and_then(|text| text.strip_prefix(r"\\?\")).map_or_else(|| path.to_owned(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;
    use crate::model::{Artifact, SnapshotPurpose};
    use crate::store::{EvidenceRole, Exclusive, Holder};
    use std::time::Duration;

    fn locked(dir: &Path) -> (Project, Exclusive, Artifact) {
        let project = Project::find(dir, Some(dir)).unwrap();
        let holder =
            Holder { pid: 1, command: String::new(), host: String::new(), since: chrono::DateTime::UNIX_EPOCH };
        let lock = Exclusive::acquire(&project, &holder, Duration::ZERO).unwrap();
        let artifact = lock
            .write_evidence(&"chg-1".parse().unwrap(), EvidenceRole::Taken(SnapshotPurpose::Baseline), b"{}")
            .unwrap();
        (project, lock, artifact)
    }

    #[test]
    fn output_never_overwrites_what_the_tool_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let (project, _lock, artifact) = locked(dir.path());
        let root = project.root();
        std::fs::write(root.join("in.json"), b"{}").unwrap();
        std::fs::write(root.join("mine.json"), br#"{"schema": "vibeship_optimizer.snapshot.v2"}"#).unwrap();
        let input = root.join("in.json");
        let guard = |path: &str| guard_out_path(&project, &root.join(path), &[&input]);
        for bad in [
            artifact.path.as_str(),
            "nowhere/../reports/optimizer/chg-1_before_snapshot.json",
            "Reports/Optimizer/../Optimizer/new/../../../VIBESHIP_OPTIMIZER.md",
            "vibeship_optimizer.MD",
            "VIBESHIP_OPTIMIZER.md. ",
            "VIBESHIP_OPTIMIZER.md::$DATA",
            "OPTIMIZATION_CHECKER.md",
            ".vibeship-optimizer/changes/chg-1.json",
            ".vibeship_optimizer/new.json",
            "vibeship_optimizer.yaml",
            ".git/config",
            ".GIT/new",
            "GIT~1/hooks/pre-commit",
            "deep/.git /x",
            "mine.json",
            "./in.json",
        ] {
            assert!(matches!(guard(bad), Err(StoreError::Protected { .. })), "{bad}");
        }
        assert!(matches!(guard("reports"), Err(StoreError::Directory { .. })));
        for good in ["report.md", "reports/optimizer/latest.md", "reports/optimizer/chg-2_compare.md", ".github/x"] {
            guard(good).unwrap();
        }
    }

    #[test]
    fn what_git_tracks_is_kept_unless_it_is_an_earlier_report() {
        let sandbox = Sandbox::new();
        sandbox.write("report.md", "# a → b\n\nx\n\n## What cannot be concluded\n\n- x\n");
        sandbox.write("data.json", r#"{"schema": "vibeship_optimizer.compare.v2"}"#);
        sandbox.write("bench.json", r#"{"results": [], "tool": "vibeship-optimizer 1.0.0"}"#);
        sandbox.write("hyperfine.json", r#"{"results": []}"#);
        sandbox.write("sub/notes [1]*.md", "# Notes\n\nmine\n");
        sandbox.commit_all("all");
        sandbox.write("loose.md", "mine");
        let (project, _lock, _) = locked(sandbox.path());
        let guard = |path: &str| guard_out_path(&project, &sandbox.path().join(path), &[]);
        for bad in ["hyperfine.json", "sub/notes [1]*.md", "sub/../hyperfine.json"] {
            let error = guard(bad).unwrap_err();
            assert!(matches!(error, StoreError::Protected { what, .. } if what.contains("tracked")), "{bad}: {error}");
        }
        for good in ["report.md", "data.json", "bench.json", "loose.md", "HYPERFINE.md", "new/deep/x.md"] {
            guard(good).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_what_the_tool_keeps_is_refused_too() {
        let sandbox = Sandbox::new();
        sandbox.commit("tracked.txt", "mine", "all");
        let (project, _lock, _) = locked(sandbox.path());
        let root = project.root();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link("reports/optimizer/chg-1_before_snapshot.json", "a.md");
        link("reports", "dir");
        link("VIBESHIP_OPTIMIZER.md", "not-there-yet.md");
        link(".git", "g");
        link("tracked.txt", "t.md");
        link("loop-a.md", "loop-b.md");
        link("loop-b.md", "loop-a.md");
        let bad = ["a.md", "dir/optimizer/chg-1_before_snapshot.json", "not-there-yet.md", "g/config", "t.md"];
        for bad in bad {
            let result = guard_out_path(&project, &root.join(bad), &[]);
            assert!(matches!(result, Err(StoreError::Protected { .. })), "{bad}");
        }
        guard_out_path(&project, &root.join("loop-a.md"), &[]).unwrap();
        assert!(atomic::write_free(&root.join("loop-a.md"), b"x").is_err(), "a circle of links leads nowhere");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_stays_inside_is_followed_and_one_that_leads_out_is_refused() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = Project::find(dir.path(), Some(dir.path())).unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        link(Path::new("real"), "in");
        link(elsewhere.path(), "out");
        link(&elsewhere.path().join("new"), "file");
        let path = |path: &str| project.root().join(path);
        write(&project, &path("in/x"), b"1").unwrap();
        assert_eq!(std::fs::read(path("real/x")).unwrap(), b"1");
        for bad in ["out/x", "out/deep/er/x", "file", "in/../../x"] {
            let error = write(&project, &path(bad), b"1").unwrap_err();
            assert!(matches!(error, StoreError::Outside { .. }), "{bad}: {error}");
            assert!(error.to_string().contains("leads out of the project"), "{error}");
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
