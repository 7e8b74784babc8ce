//! What a hook's file says: plain POSIX shell that runs the hook that was there before, finds this program and hands
//! over. Works in the `sh` of Git for Windows. Must not read or write files.

use crate::hooks::Hook;

/// Opens the part of a file that is ours.
pub const BEGIN: &str = "# >>> vibeship-optimizer >>>";
/// Closes it.
pub const END: &str = "# <<< vibeship-optimizer <<<";
/// Follows the name of a hook that was there before.
pub const KEPT: &str = ".before-vibeship-optimizer";
/// Set to the path of a file while it is being proven that hooks fire: ours writes its name there and ends.
pub const PROBE: &str = "VIBESHIP_OPTIMIZER_HOOK_PROBE";

/// What a shim is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub program: String,
    /// The project below the checkout's root, with `/`; empty when it is the root.
    pub project: String,
}

/// Our part of a hook's file, from marker to marker, with a line end.
pub fn block(hook: Hook, target: &Target) -> String {
    let (name, program) = (hook.name(), quoted(&target.program.replace('\\', "/")));
    let mut lines = vec![
        BEGIN.to_owned(),
        "# Made by `vibeship-optimizer hooks install`; `vibeship-optimizer hooks uninstall` puts back what was here."
            .to_owned(),
        format!("kept=\"$(dirname -- \"$0\")/{name}{KEPT}\""),
    ];
    let feeds = hook == Hook::PrePush;
    // Git runs this one even for a revert and with --no-verify: it only helps, and stops nothing.
    let prepares = hook == Hook::PrepareCommitMsg;
    if feeds {
        // Both programs get what git says, so it is kept.
        lines.push("said=$(cat)".to_owned());
    }
    let feed = if feeds { "printf '%s\\n' \"$said\" | " } else { "" };
    lines.push(format!("if [ -z \"${{{PROBE}-}}\" ] && [ -x \"$kept\" ]; then"));
    lines.push(format!("  {feed}\"$kept\" \"$@\" || exit $?"));
    lines.push("fi".to_owned());
    let mut root = String::new();
    if !target.project.is_empty() {
        let project = quoted(target.project.trim_end_matches('/'));
        lines.push(format!("project={project}"));
        lines.push("[ -d \"$project\" ] || exit 0".to_owned());
        root = "-C \"$project\" ".to_owned();
    }
    lines.push(format!("program={program}"));
    lines.push("if [ ! -x \"$program\" ]; then".to_owned());
    lines.push("  program=$(command -v vibeship-optimizer) || {".to_owned());
    lines.push(format!("    echo \"{name}: vibeship-optimizer is not at {} and not on PATH.\" >&2", shown(target)));
    lines.push(
        "    echo \"Install it: cargo install vibeship-optimizer, then vibeship-optimizer hooks install\" >&2"
            .to_owned(),
    );
    if prepares {
        lines.push("    echo \"The message gets no trailer.\" >&2".to_owned());
        lines.push("    exit 0".to_owned());
    } else {
        lines.push("    echo \"To go on without it this once, give git the option --no-verify.\" >&2".to_owned());
        lines.push("    exit 1".to_owned());
    }
    lines.push("  }".to_owned());
    lines.push("fi".to_owned());
    let no = if prepares { ":" } else { "exit $?" };
    lines.push(format!("{feed}\"$program\" {root}hook-run {name} \"$@\" || {no}"));
    lines.push(END.to_owned());
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A whole hook file with our part alone.
pub fn file(hook: Hook, target: &Target) -> String {
    format!("#!/bin/sh\n{}", block(hook, target))
}

/// The text before our part, our part, and the text after it; `None` when there is none.
pub fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find(BEGIN)?;
    let end = begin + text[begin..].find(END)? + END.len();
    let end = end + text[end..].find('\n').map_or(text.len() - end, |line_end| line_end + 1);
    Some((&text[..begin], &text[begin..end], &text[end..]))
}

/// The project that our part serves, below the checkout's root.
pub fn project_of(block: &str) -> String {
    let line = block.lines().find_map(|line| line.strip_prefix("project="));
    line.map(unquoted).unwrap_or_default()
}

/// The program that our part hands over to.
pub fn program_of(block: &str) -> Option<String> {
    block.lines().find_map(|line| line.strip_prefix("program=")).map(unquoted)
}

/// Text in single quotes, as the shell takes it literally.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text).replace("'\\''", "'")
}

/// A path inside double quotes: nothing in it may be expanded.
fn shown(target: &Target) -> String {
    target.program.replace(['\\', '"', '$', '`'], "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(project: &str) -> Target {
        Target { program: "/opt/my tools/it's/vibeship-optimizer".to_owned(), project: project.to_owned() }
    }

    #[test]
    fn what_stands_around_our_part_is_told_from_it() {
        let ours = block(Hook::CommitMsg, &target(""));
        let text = format!("#!/bin/sh\necho before\n{ours}echo after\n");
        assert_eq!(parts(&text), Some(("#!/bin/sh\necho before\n", ours.as_str(), "echo after\n")));
        assert_eq!(parts("#!/bin/sh\necho other\n"), None);
    }

    #[test]
    fn program_and_project_are_read_back_from_the_shim() {
        let ours = block(Hook::PrePush, &target("a b/it's/"));
        assert_eq!(project_of(&ours), "a b/it's");
        assert_eq!(program_of(&ours).as_deref(), Some("/opt/my tools/it's/vibeship-optimizer"));
        assert_eq!(project_of(&block(Hook::PrePush, &target(""))), "");
    }

    #[test]
    fn a_windows_path_is_written_for_the_shell() {
        let target =
            Target { program: r"C:\Program Files\x\vibeship-optimizer.exe".to_owned(), project: String::new() };
        assert!(block(Hook::CommitMsg, &target).contains("program='C:/Program Files/x/vibeship-optimizer.exe'"));
    }
}
