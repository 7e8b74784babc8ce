//! Uncommitted files, and the commands that commit or stash them.

use crate::model::fix::{How, WHAT_CHANGED};
use crate::model::{ChangeId, CommandLine, Fix, own, text};

/// The tool's own files, which are never stashed: without its record the change would be gone.
pub(crate) const OWN: [&str; 3] = [own::STATE_DIR, own::EVIDENCE_DIR, own::LOGBOOK];
/// Setup files, which are committed rather than stashed with the work, as measuring depends on them, and which need no change.
const SETUP: [&str; 3] = ["vibeship_optimizer.yml", "vibeship_optimizer.yaml", ".gitignore"];
/// Directories in the repository root with tracked git hooks, and the names of this tool's hooks.
const HOOK_DIRS: [&str; 3] = [".githooks", ".husky", ".hooks"];
const HOOKS: [&str; 3] = ["prepare-commit-msg", "commit-msg", "pre-push"];
const HOOK_MANAGERS: [&str; 9] = [
    "lefthook.yml",
    "lefthook.yaml",
    ".lefthook.yml",
    ".lefthook.yaml",
    ".config/lefthook.yml",
    ".config/lefthook.yaml",
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    "prek.toml",
];
const SHOWN: usize = 5;
/// Most patterns in one command that makes git ignore them.
const MOST_IGNORED: usize = 40;

/// The project's place in its repository and its uncommitted files; the default stands for unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uncommitted {
    /// Path of the project root in the repository; ends in `/` or is empty.
    pub prefix: String,
    pub paths: Vec<String>,
    pub tracked: Vec<String>,
    /// Ignore patterns that cover all untracked paths.
    pub ignores: Vec<String>,
    /// Ignore patterns of what is certainly not work: caches, secrets, logs, build output, files with results.
    pub built: Vec<String>,
    /// Path of git's `info/exclude`, the ignore patterns of this clone.
    pub exclude: String,
    /// The paths marked `assume-unchanged` or `skip-worktree`, whose changes git does not report.
    pub hidden: Vec<String>,
    /// Paths with an intent to add (`git add -N`), which make `git stash` fail.
    pub intended: Vec<String>,
    /// Paths in neither the index nor the work tree, such as the old name of a rename; most git commands reject them.
    pub gone: Vec<String>,
    pub operation: Option<Operation>,
    /// The submodules of `paths`, which `git stash` leaves as they are.
    pub submodules: Vec<String>,
    pub stashed: bool,
    pub hooked: bool,
    /// Only determined for advice that may amend it.
    pub last: Option<LastCommit>,
    /// Commits that touch the tool's own files too, among those that advice may revert.
    pub with_own: Vec<String>,
}

/// A git operation in progress, during which commits are not final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Merge,
    CherryPick,
    Revert,
    Rebase,
    /// `git am`, or a rebase with the apply backend.
    Apply,
    Bisect,
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Rebase | Self::Apply => "rebase",
            Self::Bisect => "bisect",
        }
    }

    /// Continues the operation, or ends a bisection. Git refuses while there are conflicts.
    pub fn go_on(self) -> CommandLine {
        match self {
            Self::Merge => CommandLine::git("commit --no-edit"),
            Self::Bisect => CommandLine::git("bisect reset"),
            Self::CherryPick | Self::Revert | Self::Rebase | Self::Apply => {
                CommandLine::git("-c core.editor=true").words([self.name(), "--continue"])
            }
        }
    }

    /// Ends it one way or the other, and tries `again`.
    pub fn end_first(self, again: Fix) -> Vec<Fix> {
        let name = self.name();
        if self == Self::Bisect {
            return vec![Fix::next("end the bisect", self.go_on()), again];
        }
        let resolve = format!("a {name} is in progress: resolve its conflicts and add the files with git add");
        vec![
            Fix::decide(How::Next, resolve),
            Fix::then(format!("go on with the {name}"), self.go_on()),
            again,
            Fix::or(format!("give the {name} up"), self.abort()),
        ]
    }

    pub fn abort(self) -> CommandLine {
        if self == Self::Bisect { self.go_on() } else { CommandLine::git(self.name()).word("--abort") }
    }
}

/// The last commit, if no remote has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCommit {
    pub sha: String,
    /// The change whose record holds it.
    pub held_by: Option<ChangeId>,
}

impl LastCommit {
    /// Whether this is the given commit, and may be amended for the change: no other one holds it.
    pub(crate) fn may_be_amended(&self, sha: &str, id: Option<&ChangeId>) -> bool {
        !sha.is_empty() && self.sha.starts_with(sha) && self.held_by.as_ref().is_none_or(|by| Some(by) == id)
    }
}

/// Files that install this tool's hooks in a repository, relative to its root.
pub(crate) fn hook_files() -> impl Iterator<Item = String> {
    let hooks = HOOK_DIRS.iter().flat_map(|dir| HOOKS.iter().map(move |hook| format!("{dir}/{hook}")));
    hooks.chain(HOOK_MANAGERS.map(str::to_owned))
}

impl Uncommitted {
    /// The first paths, and a line with the number of the others.
    pub fn lines(&self) -> Vec<String> {
        // A line that says "1 path more" would take the place of that path.
        let shown = if self.paths.len() == SHOWN + 1 { SHOWN + 1 } else { SHOWN };
        let more = self.paths.len().saturating_sub(shown);
        let rest = (more > 0).then(|| format!("and {} more", text::count(more as u64, "path", "paths")));
        self.paths.iter().take(shown).cloned().chain(rest).collect()
    }

    /// Whether anything but setup files is uncommitted; true if unknown.
    pub fn holds_work(&self) -> bool {
        self.paths.is_empty() || self.work().next().is_some()
    }

    /// Commits only the setup files; `None` if all of them are committed.
    pub fn commit_setup(&self) -> Option<CommandLine> {
        let setup: Vec<String> =
            self.paths.iter().filter(|path| self.is_setup(path)).map(|path| pathspec("", path)).collect();
        let commit = CommandLine::git("commit -m").word("Set up vibeship-optimizer");
        (!setup.is_empty()).then(|| self.commit_paths(&setup, commit))
    }

    /// Commits the work, which is then part of what is measured; `None` if its paths cannot be listed.
    pub fn commit_work(&self) -> Option<CommandLine> {
        Some(self.commit_paths(&self.named()?, CommandLine::git("commit").ask("-m", WHAT_CHANGED)))
    }

    fn commit_paths(&self, paths: &[String], commit: CommandLine) -> CommandLine {
        let gone: Vec<String> = self.gone.iter().map(|path| pathspec("", path)).collect();
        let here: Vec<String> = paths.iter().filter(|path| !gone.contains(path)).cloned().collect();
        let commit = commit.word("--").words(paths);
        if here.is_empty() { commit } else { add(&here).and(commit) }
    }

    /// Stages everything in the project's directory, which may be only a part of the repository.
    pub fn add_all(&self) -> CommandLine {
        let add = CommandLine::git("add -A");
        if self.prefix.is_empty() { add } else { add.word("--").word(pathspec("", &self.prefix)) }
    }

    /// Stages everything except `built`, which it makes git ignore.
    pub fn add_work(&self) -> CommandLine {
        let add = self.add_all();
        self.ignore(&self.built).map_or(add.clone(), |ignore| ignore.and(add))
    }

    /// Makes git ignore these patterns in this clone; `None` if there are none, too many, or unprintable ones.
    pub fn ignore(&self, patterns: &[String]) -> Option<CommandLine> {
        let plain = |pattern: &String| !pattern.chars().any(char::is_control) && !pattern.ends_with(' ');
        let some = !patterns.is_empty() && patterns.len() <= MOST_IGNORED && patterns.iter().all(plain);
        // Each pattern begins with `/` or the name of a cache, never with `#` or `!`: only glob characters need
        // escaping.
        let literal = |pattern: &String| {
            let escape = |c: char| if "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
            pattern.chars().map(escape).collect::<String>()
        };
        let literal = patterns.iter().map(literal);
        some.then(|| CommandLine::new("printf").word("%s\\n").words(literal).append_to(&self.exclude))
    }

    /// Takes the work away, untracked files too, until `bring_back`; runs in any directory.
    pub fn stash(&self) -> CommandLine {
        let Some(update) = self.update_submodules() else { return self.stash_files() };
        let rest = self.without_submodules();
        if rest.paths.is_empty() { update } else { update.and(rest.stash_files()) }
    }

    pub fn stashing(&self) -> &'static str {
        if self.submodules.is_empty() { "stash the work" } else { "put the work aside, submodules too" }
    }

    pub fn bring_back(&self) -> CommandLine {
        let below = self.submodules.iter().map(|path| path.strip_prefix(&self.prefix).unwrap_or(path));
        let back = below.map(|path| CommandLine::git("-C").word(path).word("checkout").word("-"));
        let is_stashed = self.submodules.is_empty() || !self.without_submodules().paths.is_empty();
        let all = back.chain(is_stashed.then(|| CommandLine::git("stash pop"))).reduce(CommandLine::and);
        all.unwrap_or_else(|| CommandLine::git("stash pop"))
    }

    pub fn update_submodules(&self) -> Option<CommandLine> {
        let paths: Vec<String> = self.submodules.iter().map(|path| pathspec("", path)).collect();
        let update = || CommandLine::git("submodule update --init --recursive --").words(&paths);
        (!paths.is_empty()).then(|| CommandLine::git("restore --staged --").words(&paths).and(update()))
    }

    fn without_submodules(&self) -> Self {
        let mut rest = Self { submodules: Vec::new(), ..self.clone() };
        rest.paths.retain(|path| !self.submodules.contains(path));
        rest
    }

    fn stash_files(&self) -> CommandLine {
        let stash = match self.named().filter(|_| self.gone.is_empty()) {
            Some(paths) => stash(paths),
            None => stash(self.all_but(OWN.iter().chain(&SETUP))),
        };
        let stash = match self.intended.as_slice() {
            [] => stash,
            intended => add(&intended.iter().map(|path| pathspec("", path)).collect::<Vec<_>>()).and(stash),
        };
        if self.hidden.is_empty() {
            return stash;
        }
        let below = self.hidden.iter().map(|path| path.strip_prefix(&self.prefix).unwrap_or(path));
        let look = |flag: &str| CommandLine::git("update-index").words([flag, "--"]).words(below.clone());
        look("--no-assume-unchanged").and(look("--no-skip-worktree")).and(stash)
    }

    /// Stashes the uncommitted setup files, if nothing else is uncommitted.
    pub fn stash_setup(&self) -> Option<CommandLine> {
        let only = !self.paths.is_empty() && self.paths.iter().all(|path| self.is_setup(path));
        only.then(|| stash(self.paths.iter().map(|path| pathspec("", path))))
    }

    /// Stashes everything but the tool's own files, setup included, as it may come from commits that are undone.
    pub fn stash_all(&self) -> CommandLine {
        stash(self.all_but(OWN.iter()))
    }

    fn all_but<'a>(&self, names: impl Iterator<Item = &'a &'a str>) -> Vec<String> {
        let left = names.map(|name| pathspec("exclude", &format!("{}{name}", self.prefix)));
        std::iter::once(pathspec("", &self.prefix)).chain(left).collect()
    }

    /// Applies a commit's changes to the work tree and the index, except those of the tool's own files.
    pub fn again(&self, commit: &str) -> CommandLine {
        let diff = CommandLine::git("diff --binary").words([format!("{commit}~1"), commit.to_owned(), "--".to_owned()]);
        diff.words(self.all_but(OWN.iter())).pipe(CommandLine::git("apply --index --3way"))
    }

    /// Whether a commit is the last one, on no remote, and not of another change; no other is ever amended.
    pub(crate) fn may_amend(&self, sha: Option<&str>, id: Option<&ChangeId>) -> bool {
        self.last.as_ref().zip(sha).is_some_and(|(last, sha)| last.may_be_amended(sha, id))
    }

    /// Reverts a commit, given by its full hash, except for the tool's own files: records and evidence stay.
    pub(crate) fn take_back(&self, commit: &str, subject: &str) -> CommandLine {
        let own = OWN.iter().map(|name| pathspec("exclude", &format!("{}{name}", self.prefix)));
        let sha = text::short(commit);
        let diff = CommandLine::git("diff --binary").words([sha.clone(), format!("{sha}~1"), "--".to_owned()]);
        let undo = diff.word(pathspec("", "")).words(own).pipe(CommandLine::git("apply --index --3way"));
        let subject = CommandLine::git("commit -m").word(format!("Revert \"{subject}\""));
        undo.and(subject.word("-m").word(format!("This reverts commit {commit}.")))
    }

    /// Pathspecs of the work, if it is at most [`SHOWN`] paths that can all be typed.
    fn named(&self) -> Option<Vec<String>> {
        let work: Vec<&str> = self.work().collect();
        let odd = |path: &&str| path.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER);
        if work.is_empty() || work.len() > SHOWN || work.iter().any(odd) {
            return None;
        }
        Some(work.into_iter().map(|path| pathspec("", path)).collect())
    }

    fn work(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str).filter(|path| !self.is_setup(path))
    }

    fn is_setup(&self, path: &str) -> bool {
        hook_files().any(|hook| hook == path)
            || path.strip_prefix(&self.prefix).is_some_and(|path| SETUP.contains(&path))
    }
}

fn stash(paths: impl IntoIterator<Item = String>) -> CommandLine {
    CommandLine::git("stash push -u --").words(paths)
}

fn add(paths: &[String]) -> CommandLine {
    CommandLine::git("add --").words(paths)
}

/// A pathspec relative to the repository root, valid in any directory.
pub(crate) fn pathspec(magic: &str, path: &str) -> String {
    let literal = if path.contains(['*', '?', '[', '\\']) { "literal" } else { "" };
    let words: Vec<&str> = ["top", magic, literal].into_iter().filter(|word| !word.is_empty()).collect();
    format!(":({}){path}", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_paths_are_named_and_for_many_own_and_setup_files_are_excluded() {
        let of = |paths: &[&str]| Uncommitted {
            prefix: "pkg/".to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Uncommitted::default()
        };
        let few = of(&["pkg/.gitignore", "pkg/it's", "pkg/x[1]"]);
        assert_eq!(few.stash().to_string(), r"git stash push -u -- ':(top)pkg/it'\''s' ':(top,literal)pkg/x[1]'");
        assert_eq!(
            few.commit_setup().unwrap().to_string(),
            "git add -- ':(top)pkg/.gitignore' && git commit -m \"Set up vibeship-optimizer\" -- \
             ':(top)pkg/.gitignore'"
        );
        let many = of(&["pkg/1", "pkg/2", "pkg/3", "pkg/4", "pkg/5", "pkg/6", "pkg/7"]);
        assert_eq!(many.lines()[4..], ["pkg/5", "and 2 paths more"]);
        assert_eq!(of(&["1", "2", "3", "4", "5", "6"]).lines()[4..], ["5", "6"]);
        let stash = many.stash().to_string();
        assert!(
            stash.starts_with("git stash push -u -- ':(top)pkg/' ':(top,exclude)pkg/.vibeship-optimizer' "),
            "{stash}"
        );
        assert!(
            stash.contains(" ':(top,exclude)pkg/vibeship_optimizer.yml'") && many.commit_work().is_none(),
            "{stash}"
        );
        assert!(!of(&["pkg/.gitignore"]).holds_work() && of(&[".gitignore"]).holds_work());
        // It decides how code is checked out, so that it needs a change as code does.
        assert!(of(&["pkg/.gitattributes"]).commit_setup().is_none());
    }
}
