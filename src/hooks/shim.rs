//! What a hook's file says: plain POSIX shell that runs the hook that was there before, finds this program and hands
//! over. Works in the `sh` of Git for Windows.

use crate::hooks::Hook;

/// Opens the part of a file that is ours.
pub(crate) const BEGIN: &str = "# >>> vibeship-optimizer >>>";
/// Closes it.
pub(crate) const END: &str = "# <<< vibeship-optimizer <<<";
/// Follows the name of a hook that was there before.
pub(crate) const KEPT: &str = ".before-vibeship-optimizer";
/// Set to the path of a file while it is being proven that hooks run: ours writes its name there and ends.
pub(crate) const PROBE: &str = "VIBESHIP_OPTIMIZER_HOOK_PROBE";

/// What a shim is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub program: String,
    /// The project below the checkout's root, with `/`; empty when it is the root.
    pub project: String,
}

/// Our part of a hook's file, from marker to marker, with a line end.
pub(crate) fn block(hook: Hook, target: &Target) -> String {
    let (name, program) = (hook.name(), quoted(&target.program.replace('\\', "/")));
    // What git says on standard input is for both programs.
    let (read, feed) = match hook {
        Hook::PrePush => ("said=$(cat)\n", "printf '%s\\n' \"$said\" | "),
        Hook::PrepareCommitMsg | Hook::CommitMsg => ("", ""),
    };
    // Git runs this one even for a revert and with --no-verify: it only helps, and stops nothing.
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
    // Inside double quotes nothing of a path may be expanded.
    let shown = target.program.replace(['\\', '"', '$', '`'], "?");
    format!(
        r#"{BEGIN}
# Made by `vibeship-optimizer hooks install`; `vibeship-optimizer hooks uninstall` puts back what was here.
kept="$(dirname -- "$0")/{name}{KEPT}"
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

/// A whole hook file with our part alone.
pub(crate) fn file(hook: Hook, target: &Target) -> String {
    format!("#!/bin/sh\n{}", block(hook, target))
}

/// The text before our part, our part, and the text after it; `None` when there is none.
pub(crate) fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find(BEGIN)?;
    let end = begin + text[begin..].find(END)? + END.len();
    let end = end + text[end..].find('\n').map_or(text.len() - end, |line_end| line_end + 1);
    Some((&text[..begin], &text[begin..end], &text[end..]))
}

/// The project that our part serves, below the checkout's root.
pub(crate) fn project_of(block: &str) -> String {
    let project = block.lines().find_map(|line| line.strip_prefix("project=")).unwrap_or_default();
    let inner = project.strip_prefix('\'').and_then(|project| project.strip_suffix('\'')).unwrap_or(project);
    inner.replace("'\\''", "'")
}

/// Text in single quotes, as the shell takes it literally.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(project: &str) -> Target {
        Target { program: "/opt/my tools/it's/vibeship-optimizer".to_owned(), project: project.to_owned() }
    }

    #[test]
    fn what_is_around_our_part_is_told_from_it() {
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
            Target { program: r"C:\Program Files\x\vibeship-optimizer.exe".to_owned(), project: String::new() };
        assert!(block(Hook::CommitMsg, &target).contains("program='C:/Program Files/x/vibeship-optimizer.exe'"));
    }
}
