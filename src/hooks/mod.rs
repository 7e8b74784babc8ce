//! Git hooks, in the directory where git looks for them: plain POSIX shell (also for Git for Windows) that runs the
//! existing hook, finds this program and calls it. Handles where hooks may be installed, their text and their removal;
//! edits only between its own markers.

pub(crate) mod status;

pub(crate) use status::{Fired, HookRow, HooksStatus, State};

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::git::{GitError, Repo};
use crate::os::files;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    PrepareCommitMsg,
    CommitMsg,
    PrePush,
}

impl Hook {
    /// All hooks, in the order in which git runs them.
    pub(crate) const ALL: [Self; 3] = [Self::PrepareCommitMsg, Self::CommitMsg, Self::PrePush];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::CommitMsg => "commit-msg",
            Self::PrePush => "pre-push",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error(
        "git looks for the hooks of this repository in {}, which is outside of it (core.hooksPath): installing there \
         would change every repository of this account", dir.display()
    )]
    Global { dir: PathBuf },
    #[error("{} is written by husky, which would undo the installation", dir.display())]
    Husky { dir: PathBuf },
    #[error("hooks are switched off: core.hooksPath is {}", path.display())]
    SwitchedOff { path: PathBuf },
    #[error(
        "{} exists beside a hook that is not ours: another program replaced it after the installation; merge the two by hand", kept.display()
    )]
    KeptInTheWay { kept: PathBuf },
    #[error("the hooks in {} serve {}; a repository's hooks serve one project", dir.display(), project_words(found))]
    OtherProject { dir: PathBuf, found: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Git(#[from] GitError),
}

fn project_words(found: &str) -> String {
    if found.is_empty() { "the repository's top directory".to_owned() } else { format!("the project in {found}") }
}

impl HookError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HooksDir {
    pub dir: PathBuf,
    /// Whether `core.hooksPath` is a relative path: then each checkout has its own directory, and one without it
    /// silently runs no hooks.
    pub relative: bool,
}

pub(crate) fn place(repo: &Repo) -> Result<HooksDir, HookError> {
    let relative = repo.config("core.hooksPath")?.is_some_and(|path| {
        !path.is_empty() && !path.starts_with('~') && !path.starts_with("%(prefix)") && Path::new(&path).is_relative()
    });
    Ok(HooksDir { dir: repo.hooks_dir()?, relative })
}

impl HooksDir {
    /// Whether the directory belongs to this repository only.
    pub(crate) fn may_be_written(&self, repo: &Repo) -> Result<(), HookError> {
        let dir = self.dir.clone();
        if dir.symlink_metadata().is_ok() && !dir.is_dir() {
            return Err(HookError::SwitchedOff { path: dir });
        }
        let mut homes = vec![repo.root().to_owned(), repo.git_dir().to_owned(), repo.common_dir().to_owned()];
        homes.extend(repo.worktrees()?);
        let resolved = without_links(&dir);
        if !homes.iter().any(|home| resolved.starts_with(without_links(home))) {
            return Err(HookError::Global { dir });
        }
        if dir.ends_with(".husky/_") {
            return Err(HookError::Husky { dir });
        }
        Ok(())
    }
}

fn without_links(path: &Path) -> PathBuf {
    let resolved = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
        Some(files::canonical(ancestor).ok()?.join(rest))
    });
    resolved.unwrap_or_else(|| path.to_owned())
}

/// What was done with a hook.
pub(crate) type Done = &'static str;

const UNCHANGED: Done = "unchanged";
const RESTORED: Done = "removed; the hook from before is back";

/// Installs all hooks; idempotent.
pub(crate) fn install(repo: &Repo, target: &HookTarget) -> Result<Vec<(Hook, Done)>, HookError> {
    let place = place(repo)?;
    place.may_be_written(repo)?;
    fs::create_dir_all(&place.dir).map_err(HookError::io("create", &place.dir))?;
    for hook in Hook::ALL {
        let text = read(&place.dir.join(hook.name()))?.unwrap_or_default();
        let found = parts(&text).map(|(_, ours, _)| project_of(ours));
        if let Some(found) = found.filter(|found| found != target.project.trim_end_matches('/')) {
            return Err(HookError::OtherProject { dir: place.dir, found });
        }
    }
    Hook::ALL.into_iter().map(|hook| Ok((hook, install_one(&place.dir, hook, target)?))).collect()
}

fn install_one(dir: &Path, hook: Hook, target: &HookTarget) -> Result<Done, HookError> {
    let path = dir.join(hook.name());
    let Some(text) = read(&path)? else {
        write(&path, &file(hook, target))?;
        return Ok("installed");
    };
    if let Some((before, ours, after)) = parts(&text) {
        let wanted = block(hook, target);
        if ours == wanted && files::is_executable(&path) {
            return Ok(UNCHANGED);
        }
        write(&path, &format!("{before}{wanted}{after}"))?;
        return Ok("updated");
    }
    let kept = kept(dir, hook);
    if kept.symlink_metadata().is_ok() {
        return Err(HookError::KeptInTheWay { kept });
    }
    fs::rename(&path, &kept).map_err(HookError::io("keep", &path))?;
    if let Err(error) = write(&path, &file(hook, target)) {
        // If ours cannot be written, restore the old one.
        let _ = fs::rename(&kept, &path);
        return Err(error);
    }
    Ok(match files::is_executable(&kept) {
        true => "installed; the hook that was there runs first",
        // Git ignored it before, too.
        false => "installed; the hook that was there is kept, and does not run, as it is not executable",
    })
}

pub(crate) fn uninstall(repo: &Repo) -> Result<Vec<(Hook, Done)>, HookError> {
    let dir = place(repo)?.dir;
    Hook::ALL.into_iter().map(|hook| Ok((hook, uninstall_one(&dir, hook)?))).collect()
}

fn uninstall_one(dir: &Path, hook: Hook) -> Result<Done, HookError> {
    let path = dir.join(hook.name());
    let text = read(&path)?.unwrap_or_default();
    let Some((before, _, after)) = parts(&text) else { return Ok(UNCHANGED) };
    let (rest, kept) = (format!("{before}{after}"), kept(dir, hook));
    if !rest.lines().all(|line| line.trim().is_empty() || line.starts_with("#!")) {
        // Restores the earlier script, with the lines that were added below ours.
        let Some(script) = read(&kept)?.filter(|text| text.starts_with("#!")) else {
            write(&path, &rest)?;
            return Ok("our part removed; other lines stay");
        };
        let added = rest.lines().filter(|line| !line.starts_with("#!")).map(|line| format!("{line}\n"));
        write(&path, &format!("{}\n{}", script.trim_end_matches('\n'), added.collect::<String>()))?;
        fs::remove_file(&kept).map_err(HookError::io("remove", &kept))?;
        return Ok(RESTORED);
    }
    fs::remove_file(&path).map_err(HookError::io("remove", &path))?;
    if kept.symlink_metadata().is_err() {
        return Ok("removed");
    }
    fs::rename(&kept, &path).map_err(HookError::io("put back", &kept))?;
    Ok(RESTORED)
}

pub(crate) fn kept(dir: &Path, hook: Hook) -> PathBuf {
    dir.join(format!("{}{}", hook.name(), KEPT))
}

/// The text of a hook; `None` if there is none. A binary (not UTF-8) counts as an empty text.
pub(crate) fn read(path: &Path) -> Result<Option<String>, HookError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        // A dangling link exists, though it cannot be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.symlink_metadata().is_ok().then(String::new)),
        Err(error) => Err(HookError::io("read", path)(error)),
    }
}

/// Replaces a hook atomically: a concurrent commit runs the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), HookError> {
    let failed = |action| HookError::io(action, path);
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = files::temporary_in(dir, ".vibeship-optimizer-").map_err(failed("write"))?;
    temporary.write_all(text.as_bytes()).map_err(failed("write"))?;
    files::make_executable(temporary.path()).map_err(failed("make executable"))?;
    files::replace(temporary, path).map_err(failed("write"))
}

pub(crate) const BEGIN: &str = "# >>> vibeship-optimizer >>>";
pub(crate) const END: &str = "# <<< vibeship-optimizer <<<";
/// The suffix of an existing hook that was renamed.
pub(crate) const KEPT: &str = ".before-vibeship-optimizer";
/// The path of a file, set to test whether hooks run: our hook writes its name there and exits.
pub(crate) const PROBE: &str = "VIBESHIP_OPTIMIZER_HOOK_PROBE";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookTarget {
    pub program: String,
    /// The project below the checkout's root, with `/`; empty for the root.
    pub project: String,
}

pub(crate) fn block(hook: Hook, target: &HookTarget) -> String {
    let (name, program) = (hook.name(), quoted(&target.program.replace('\\', "/")));
    // Both programs need git's standard input.
    let (read, feed) = match hook {
        Hook::PrePush => ("said=$(cat)\n", "printf '%s\\n' \"$said\" | "),
        Hook::PrepareCommitMsg | Hook::CommitMsg => ("", ""),
    };
    // Git runs this one even for a revert and with --no-verify: it only helps and blocks nothing.
    let (missing, exit, failed) = match hook {
        Hook::PrepareCommitMsg => ("The message gets no trailer.", 0, ":"),
        Hook::CommitMsg | Hook::PrePush => {
            ("To go on without it this once, give git the option --no-verify.", 1, "exit $?")
        }
    };
    let (mut enter, mut root) = (String::new(), "");
    if !target.project.is_empty() {
        let project = quoted(target.project.trim_end_matches('/'));
        enter = format!("project={project}\n[ -d \"$project\" ] || exit 0\n");
        root = "-C \"$project\" ";
    }
    // Nothing in a path may be expanded inside double quotes.
    let shown = target.program.replace(['\\', '"', '$', '`'], "?");
    format!(
        r#"{BEGIN}
# Made by `vibeship-optimizer hooks install`; `vibeship-optimizer hooks uninstall` puts back what was here.
kept="${{0%/*}}/{name}{KEPT}"
{read}if [ -z "${{{PROBE}-}}" ] && [ -x "$kept" ]; then
  {feed}"$kept" "$@" || exit $?
fi
{enter}program={program}
if [ ! -x "$program" ]; then
  program=$(command -v vibeship-optimizer) || {{
    echo "{name}: vibeship-optimizer is not at {shown} and not on PATH." >&2
    echo "Install it: cargo install vibeship-optimizer, then vibeship-optimizer hooks install" >&2
    echo "{missing}" >&2
    exit {exit}
  }}
fi
{feed}"$program" {root}hook-run {name} "$@" || {failed}
{END}
"#
    )
}

pub(crate) fn file(hook: Hook, target: &HookTarget) -> String {
    format!("#!/bin/sh\n{}", block(hook, target))
}

/// The text before our block, our block, and the text after it; `None` if there is no block.
pub(crate) fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find(BEGIN)?;
    let end = begin + text[begin..].find(END)? + END.len();
    let end = end + text[end..].find('\n').map_or(text.len() - end, |line_end| line_end + 1);
    Some((&text[..begin], &text[begin..end], &text[end..]))
}

pub(crate) fn project_of(block: &str) -> String {
    let project = block.lines().find_map(|line| line.strip_prefix("project=")).unwrap_or_default();
    let inner = project.strip_prefix('\'').and_then(|project| project.strip_suffix('\'')).unwrap_or(project);
    inner.replace("'\\''", "'")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(project: &str) -> HookTarget {
        HookTarget { program: "/opt/my tools/it's/vibeship-optimizer".to_owned(), project: project.to_owned() }
    }

    #[test]
    fn the_text_around_our_block_is_separated_from_it() {
        let ours = block(Hook::CommitMsg, &target(""));
        let text = format!("#!/bin/sh\necho before\n{ours}echo after\n");
        assert_eq!(parts(&text), Some(("#!/bin/sh\necho before\n", ours.as_str(), "echo after\n")));
        assert_eq!(parts("#!/bin/sh\necho other\n"), None);
    }

    #[test]
    fn the_project_is_read_back_from_the_shim() {
        assert_eq!(project_of(&block(Hook::PrePush, &target("a b/it's/"))), "a b/it's");
        assert_eq!(project_of(&block(Hook::PrePush, &target(""))), "");
    }

    #[test]
    fn a_windows_path_is_written_for_the_shell() {
        let target =
            HookTarget { program: r"C:\Program Files\x\vibeship-optimizer.exe".to_owned(), project: String::new() };
        assert!(block(Hook::CommitMsg, &target).contains("program='C:/Program Files/x/vibeship-optimizer.exe'"));
    }
}
