//! What is checked out, what revisions resolve to, and the repository's configuration and operation in progress.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::git::repo::{is_below_id, is_full_id};
use crate::git::{Call, GitError, Operation, Repo, Result, is_below};
use crate::model::text::short;
use crate::os::files;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub branch: Option<String>,
    /// `None` before the first commit.
    pub at: Option<CommitAndTree>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitAndTree {
    pub commit: String,
    pub tree: String,
}

impl Repo {
    pub(crate) fn head(&self) -> Result<Head> {
        if let Some(head) = self.head_in_files() {
            return Ok(head);
        }
        let args = ["rev-parse", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
        let output = self.git().args(args).output()?;
        if output.code == Some(0)
            && let [commit, tree, reference] = *text(&output.stdout).lines().collect::<Vec<_>>()
            && is_full_id(commit)
            && is_full_id(tree)
        {
            self.saw(commit);
            self.saw_tree(commit, tree);
            let branch = (reference != "HEAD").then(|| branch_name(reference));
            return Ok(Head { branch, at: Some(CommitAndTree { commit: commit.to_owned(), tree: tree.to_owned() }) });
        }
        self.head_in_doubt()
    }

    /// Reads the same from the files of git, if they are simple and git has reported the commit before: `HEAD` holds an
    /// id or a branch name, and the branch has a file of its own.
    pub(crate) fn head_in_files(&self) -> Option<Head> {
        let plain = |path: PathBuf| {
            let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
            is_file.then(|| std::fs::read_to_string(path).ok()).flatten()
        };
        let said = plain(self.git_dir().join("HEAD"))?;
        let reference = said.strip_prefix("ref: ").map(str::trim_end);
        let is_branch = |name: &str| name.starts_with("refs/heads/") && !name.contains("..");
        let commit = match reference {
            Some(name) => plain(self.common_dir().join(Some(name).filter(|name| is_branch(name))?))?,
            None => said.clone(),
        };
        let commit = commit.trim_end().to_owned();
        let tree = self.tree_seen(&commit)?;
        Some(Head { branch: reference.map(branch_name), at: Some(CommitAndTree { commit, tree }) })
    }

    /// The head before the first commit, with a damaged branch, or if another ref is named HEAD.
    fn head_in_doubt(&self) -> Result<Head> {
        let reference = self.git().args(["symbolic-ref", "-q", "HEAD"]).answer()?.map(|said| text(&said));
        let branch = reference.as_deref().map(branch_name);
        if !self.rev_parse("HEAD")?.is_empty() {
            return Ok(Head { branch, at: Some(self.commit_and_tree("HEAD")?) });
        }
        if reference.as_ref().is_none_or(|reference| self.common_dir().join(reference).exists()) {
            let what = format!("{} cannot be resolved", reference.as_deref().unwrap_or("HEAD"));
            return Err(GitError::Unreadable { args: "rev-parse HEAD".to_owned(), what });
        }
        Ok(Head { branch, at: None })
    }

    /// Resolves a revision to its commit and tree. Safe for text that looks like an option.
    pub(crate) fn commit_and_tree(&self, spec: &str) -> Result<CommitAndTree> {
        let commit = self.resolve(spec)?;
        if let Some(tree) = self.tree_seen(&commit) {
            return Ok(CommitAndTree { commit, tree });
        }
        let read = self.running_batch().map(|mut batch| batch.commit(&commit)).transpose()?.flatten();
        let tree = read.and_then(|(_, text)| text.strip_prefix("tree ")?.lines().next().map(str::to_owned));
        let ask = || self.git().args(["rev-parse", &format!("{commit}^{{tree}}")]).line();
        let tree = tree.map_or_else(ask, Ok)?;
        self.saw_tree(&commit, &tree);
        Ok(CommitAndTree { commit, tree })
    }

    /// Resolves a revision to the full id of its commit. Safe for text that looks like an option.
    pub(crate) fn resolve(&self, spec: &str) -> Result<String> {
        let unknown = || self.unknown(spec);
        if spec.is_empty() || spec.contains(['\0', '\n']) {
            return Err(unknown());
        }
        if self.has_seen(spec) {
            return Ok(spec.to_owned());
        }
        if let ("HEAD", Some(at)) = (spec, self.head_in_files().and_then(|head| head.at)) {
            return Ok(at.commit);
        }
        if (is_full_id(spec) || is_below_id(spec))
            && let Some(mut batch) = self.running_batch()
        {
            let (id, _) = batch.commit(spec)?.ok_or_else(unknown)?;
            self.saw(&id);
            return Ok(id);
        }
        // `:/text` takes all that follows as the text, so `^{commit}` needs a second call.
        let found = spec.starts_with(":/").then(|| self.rev_parse(spec)).transpose()?;
        let id = self.rev_parse(&format!("{}^{{commit}}", found.as_deref().unwrap_or(spec)))?;
        if !is_full_id(&id) {
            return Err(unknown());
        }
        self.saw(&id);
        Ok(id)
    }

    /// Like `resolve`, for typed input: an ambiguous name is an error, where git would choose one meaning.
    pub(crate) fn resolve_only(&self, spec: &str) -> Result<String> {
        if is_full_id(spec) {
            return self.resolve(spec);
        }
        let args = ["-c", "core.warnAmbiguousRefs=true", "rev-parse", "--verify", "--end-of-options", spec];
        let said = self.git().args(args).output()?;
        if said.stderr.contains("is ambiguous") {
            let name = spec.split(['~', '^', '@', ':']).next().unwrap_or(spec);
            let places = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].map(|at| format!("{at}{name}"));
            let refs = text(&self.git().args(["for-each-ref", "--format=%(refname)"]).args(places).ok()?);
            let mut meanings: Vec<String> = refs.lines().map(str::to_owned).collect();
            // A name that is no ref below `refs/`, such as HEAD, is what git prefers.
            let other = if meanings.len() > 1 { None } else { Some(self.rev_parse(spec)?) };
            meanings.extend(self.commit_by_hash(name)?.or(other).map(|id| format!("commit {id}")));
            return Err(GitError::Ambiguous { spec: spec.to_owned(), meanings });
        }
        let id = text(&said.stdout);
        self.resolve(if said.code == Some(0) && is_full_id(&id) { &id } else { spec })
    }

    /// The full id of the only commit whose id starts with this, whatever branches have that name.
    pub(crate) fn commit_by_hash(&self, hash: &str) -> Result<Option<String>> {
        if is_full_id(hash) {
            return Ok(self.resolve(hash).ok());
        }
        if hash.len() < 4 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = text(&self.git().args(["rev-parse", &format!("--disambiguate={hash}")]).ok()?);
        let mut commits = found.lines().filter_map(|id| self.resolve(id).ok());
        Ok(commits.next().filter(|_| commits.next().is_none()))
    }

    /// The id that a revision resolves to; empty if git knows none.
    fn rev_parse(&self, spec: &str) -> Result<String> {
        let output = self.git().args(["rev-parse", "--verify", "-q", "--end-of-options", spec]).output()?;
        Ok(if output.code == Some(0) { text(&output.stdout) } else { String::new() })
    }

    pub(crate) fn is_ancestor(&self, ancestor: &str, of: &str) -> Result<bool> {
        let (ancestor, of) = (self.resolve(ancestor)?, self.resolve(of)?);
        if ancestor == of {
            return Ok(true);
        }
        let is_one = self.git().args(["merge-base", "--is-ancestor", &ancestor, &of]).answer()?.is_some();
        if !is_one {
            self.needs_whole(Some(&ancestor), &of)?;
        }
        Ok(is_one)
    }

    /// Fails if a shallow clone may lack commits that are in `head` and not in `base`. A commit whose parents were cut
    /// off looks like a root commit.
    pub(crate) fn needs_whole(&self, base: Option<&str>, head: &str) -> Result<()> {
        let Some(cut) = self.cut_off()? else { return Ok(()) };
        let listed = self.git().args(["rev-list", head]).args(base.map(|base| format!("^{base}")));
        match listed.long().text()?.lines().find(|id| cut.contains(*id)) {
            Some(at) => Err(GitError::CutOff { at: short(at).to_owned() }),
            None => Ok(()),
        }
    }

    /// The commits whose parents a shallow clone lacks; `None` for a full clone.
    pub(crate) fn cut_off(&self) -> Result<Option<BTreeSet<String>>> {
        if !self.is_shallow() {
            return Ok(None);
        }
        let path = self.common_dir().join("shallow");
        let listed = std::fs::read_to_string(&path).map_err(|error| GitError::file("read", &path, error))?;
        Ok(Some(listed.lines().map(str::to_owned).collect()))
    }

    pub(crate) fn unknown(&self, spec: &str) -> GitError {
        GitError::UnknownRevision { spec: spec.chars().take(200).collect(), shallow: self.is_shallow() }
    }

    /// The best common ancestor; `None` if the histories are unrelated.
    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>> {
        let (one, other) = (self.resolve(one)?, self.resolve(other)?);
        Ok(self.git().args(["merge-base", &one, &other]).answer()?.map(|said| text(&said)))
    }

    /// The call that names the commit with this full id: the nearest tag with a distance, or its short id.
    pub(crate) fn describe(&self, commit: &str) -> Call {
        self.git().args(["describe", "--always", commit])
    }

    /// The value of a configuration key; the last one if there are several.
    pub(crate) fn config(&self, key: &str) -> Result<Option<String>> {
        self.config_of(&["--get", key])
    }

    /// The value in this repository's own configuration, ignoring the global and system ones.
    pub(crate) fn local_config(&self, key: &str) -> Result<Option<String>> {
        self.config_of(&["--local", "--get", key])
    }

    fn config_of(&self, args: &[&str]) -> Result<Option<String>> {
        let said = self.git().args(["config", "--null"]).args(args).answer()?;
        Ok(said.map(|said| String::from_utf8_lossy(&said).trim_end_matches('\0').to_owned()))
    }

    /// The user as `Name <address>`, or the part of it that is configured.
    pub(crate) fn user(&self) -> Result<Option<String>> {
        let from_env = |key: &str| std::env::var(key).ok().filter(|v| !v.trim().is_empty());
        let (mut name, mut email) = (from_env("GIT_AUTHOR_NAME"), from_env("GIT_AUTHOR_EMAIL"));
        if name.is_none() || email.is_none() {
            let args = ["config", "--null", "--get-regexp", r"^user\.(name|email)$"];
            let configured = text(&self.git().args(args).answer()?.unwrap_or_default());
            // The last one wins.
            let entries = || configured.rsplit('\0').filter_map(|entry| entry.split_once('\n'));
            let value = |key: &str| entries().find(|(k, _)| *k == key).map(|(_, value)| value.to_owned());
            name = name.or_else(|| value("user.name"));
            email = email.or_else(|| value("user.email"));
        }
        let clean = |v: Option<String>| v.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        Ok(match (clean(name), clean(email)) {
            (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
            (name, email) => name.or(email),
        })
    }

    /// Whether git has an identity for commits made here, from whatever source.
    pub(crate) fn can_commit(&self) -> bool {
        ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"].iter().all(|who| self.git().args(["var", who]).ok().is_ok())
    }

    /// Where git looks for hooks, whether or not the directory exists.
    pub(crate) fn hooks_dir(&self) -> Result<PathBuf> {
        let bytes = self.git().args(["rev-parse", "--git-path", "hooks"]).line_bytes()?;
        Ok(self.root().join(files::path_from_bytes(&bytes)))
    }

    /// The operation in progress in this checkout, if any.
    pub(crate) fn operation(&self) -> Option<Operation> {
        let marks = [
            ("rebase-merge", Operation::Rebase),
            ("rebase-apply", Operation::Apply),
            ("MERGE_HEAD", Operation::Merge),
            ("CHERRY_PICK_HEAD", Operation::CherryPick),
            ("REVERT_HEAD", Operation::Revert),
            ("BISECT_LOG", Operation::Bisect),
        ];
        marks.into_iter().find(|(name, _)| self.git_dir().join(name).exists()).map(|(_, operation)| operation)
    }

    /// Whether a squash is still to be committed. Git leaves this mark, too, of one that was given up.
    pub(crate) fn is_squashing(&self) -> bool {
        self.git_dir().join("SQUASH_MSG").exists()
    }

    /// The possible names of the default branch, without the remote.
    pub(crate) fn default_branches(&self) -> Result<Vec<String>> {
        let head = self.git().args(["symbolic-ref", "-q", "--short", "refs/remotes/origin/HEAD"]).output()?;
        let head = text(&head.stdout);
        let named = head.trim().split_once('/').map(|(_, name)| name.to_owned());
        Ok(named.into_iter().chain(["main", "master"].map(str::to_owned)).collect())
    }

    /// The upstream of the current branch as a revision, if it has one.
    pub(crate) fn upstream(&self) -> Result<Option<String>> {
        let args = ["rev-parse", "--verify", "-q", "--abbrev-ref", "--symbolic-full-name", "@{upstream}"];
        let output = self.git().args(args).output()?;
        Ok(Some(text(&output.stdout)).filter(|name| output.code == Some(0) && !name.is_empty()))
    }

    pub(crate) fn is_ignored(&self, path: &Path) -> Result<bool> {
        let call = self.git().without_literal_paths().args(["check-ignore", "--quiet", "--"]).arg(path);
        Ok(call.answer()?.is_some())
    }

    /// The tracked files at and below these paths (relative to where the repository was opened) that the sparse
    /// checkout leaves out. Without a sparse checkout, git is not asked.
    pub(crate) fn left_out(&self, paths: &[String]) -> Result<Vec<PathBuf>> {
        if !self.git_dir().join("info/sparse-checkout").exists() {
            return Ok(Vec::new());
        }
        let asked: Vec<Vec<u8>> = paths.iter().map(|path| self.full(path)).collect();
        let is_asked =
            |path: &[u8]| asked.iter().any(|asked| is_below(path, asked.strip_suffix(b"/").unwrap_or(asked)));
        let index = self.index()?;
        let skipped = index.left_out().filter(|entry| is_asked(&entry.path));
        let skipped = skipped.map(|entry| files::path_from_bytes(&entry.path));
        Ok(skipped.filter(|path| !self.root().join(path).exists()).collect())
    }

    /// The file with the rule that makes git ignore this path, both relative to where the repository was opened.
    pub(crate) fn ignored_by(&self, path: &str) -> Result<Option<String>> {
        let full = self.full(path);
        let call =
            self.git().without_literal_paths().args(["check-ignore", "--verbose", "--no-index", "-z", "--stdin"]);
        let said = call.input(full).answer()?.unwrap_or_default();
        let source = said.split(|byte| *byte == 0).next().unwrap_or_default();
        let below = source.strip_prefix(self.prefix());
        Ok(below.map(|below| String::from_utf8_lossy(below).into_owned()))
    }

    /// Which of these paths (relative to where the repository was opened) are ignored.
    pub(crate) fn ignored<'p>(&self, paths: &[&'p str]) -> Result<Vec<&'p str>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        // Git compares each path with all tracked ones, so only ask about the untracked ones.
        let tracked = self.tracked(self.prefix())?;
        // Git refuses to answer for paths behind a symlink.
        let mut links: BTreeMap<PathBuf, bool> = BTreeMap::new();
        let mut behind_link = |path: &[u8]| {
            let path = files::path_from_bytes(path);
            path.ancestors().skip(1).any(|above| {
                let is_link = || self.root().join(above).is_symlink();
                *links.entry(above.to_owned()).or_insert_with(is_link)
            })
        };
        let full = paths.iter().map(|path| (*path, self.full(path)));
        let untracked = full.filter(|(_, full)| tracked.binary_search(full).is_err());
        let asked: Vec<(&str, Vec<u8>)> = untracked.filter(|(_, full)| !behind_link(full)).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let input = asked.iter().map(|(_, full)| full.as_slice()).collect::<Vec<_>>().join(&0);
        let call = self.git().without_literal_paths().args(["check-ignore", "-z", "--stdin"]).input(input);
        let answer = call.answer()?.unwrap_or_default();
        let ignored: BTreeSet<&[u8]> = answer.split(|byte| *byte == 0).collect();
        Ok(asked.iter().filter(|(_, full)| ignored.contains(full.as_slice())).map(|(path, _)| *path).collect())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn branch_name(reference: &str) -> String {
    reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn the_head_is_read_from_simple_files() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        sandbox.commit("a", "2", "two");
        let repo = sandbox.repo();
        let agrees = |plainly: bool, branch: Option<&str>| {
            assert_eq!(repo.head_in_files().is_some(), plainly, "{branch:?}");
            let head = repo.head().unwrap();
            assert_eq!(head.branch.as_deref(), branch);
            assert_eq!(head.at.unwrap().commit, sandbox.git(&["rev-parse", "HEAD"]));
        };
        agrees(true, Some("main"));
        sandbox.git(&["checkout", "-q", "-b", "side/x"]);
        agrees(true, Some("side/x"));
        sandbox.git(&["reset", "-q", "--hard", &one]);
        agrees(false, Some("side/x"));
        agrees(true, Some("side/x"));
        sandbox.git(&["pack-refs", "--all"]);
        agrees(false, Some("side/x"));
        sandbox.git(&["checkout", "-q", "--detach"]);
        agrees(true, None);
        sandbox.git(&["symbolic-ref", "HEAD", "refs/heads/none"]);
        assert_eq!((repo.head_in_files(), repo.head().unwrap().at), (None, None));
    }

    #[test]
    fn an_unborn_branch_has_a_name_and_no_commit() {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.repo().head().unwrap(), Head { branch: Some("main".into()), at: None });
    }

    #[test]
    fn a_detached_head_has_a_commit_and_no_branch() {
        let sandbox = Sandbox::new();
        let commit = sandbox.commit("a", "1", "one");
        sandbox.git(&["checkout", "-q", "--detach"]);
        let head = sandbox.repo().head().unwrap();
        assert_eq!((head.branch, head.at.unwrap().commit), (None, commit));
    }

    #[test]
    fn another_ref_named_head_is_not_taken_for_head() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        sandbox.git(&["update-ref", "refs/tags/HEAD", &one]);
        let two = sandbox.commit("a", "2", "two");
        let head = sandbox.repo().head().unwrap();
        assert_eq!((head.branch.as_deref(), head.at.unwrap().commit), (Some("main"), two));
    }

    #[test]
    fn a_broken_branch_is_not_taken_for_an_unborn_one() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        std::fs::write(sandbox.path().join(".git/refs/heads/main"), "").unwrap();
        assert!(sandbox.repo().head().is_err());
    }

    #[test]
    fn text_that_looks_like_an_option_names_no_commit() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        for bad in ["--all", "-q", "", "a\0b", "HEAD:a", "--output=x", "HEAD\nHEAD"] {
            assert!(matches!(sandbox.repo().resolve(bad), Err(GitError::UnknownRevision { .. })), "{bad:?}");
        }
        assert!(sandbox.repo().resolve("HEAD").is_ok());
    }

    #[test]
    fn ancestry_and_merge_bases() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        let two = sandbox.commit("a", "2", "two");
        let repo = sandbox.repo();
        assert!(repo.is_ancestor(&one, &two).unwrap() && !repo.is_ancestor(&two, &one).unwrap());
        assert_eq!(repo.merge_base(&one, &two).unwrap(), Some(one.clone()));
        sandbox.git(&["checkout", "-q", "--orphan", "other"]);
        let three = sandbox.commit("b", "1", "three");
        assert_eq!(repo.merge_base(&one, &three).unwrap(), None);
        assert!(repo.is_ancestor("nothing", &one).is_err());
    }

    #[test]
    fn the_user_may_be_configured_in_part_or_not_at_all() {
        let sandbox = Sandbox::new();
        if std::env::var_os("GIT_AUTHOR_NAME").is_some() || std::env::var_os("GIT_AUTHOR_EMAIL").is_some() {
            return;
        }
        assert_eq!(sandbox.repo().user().unwrap().unwrap(), "Tester <tester@example.org>");
        sandbox.git(&["config", "user.email", ""]);
        assert_eq!(sandbox.repo().user().unwrap().unwrap(), "Tester");
    }

    #[test]
    fn hooks_are_where_the_configuration_says() {
        let sandbox = Sandbox::new();
        assert!(sandbox.repo().hooks_dir().unwrap().ends_with(".git/hooks"));
        sandbox.git(&["config", "core.hooksPath", "my hooks"]);
        assert_eq!(sandbox.repo().hooks_dir().unwrap(), sandbox.repo().root().join("my hooks"));
    }

    #[test]
    fn an_operation_under_way_is_seen() {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.repo().operation(), None);
        std::fs::write(sandbox.path().join(".git/MERGE_HEAD"), "x").unwrap();
        assert_eq!(sandbox.repo().operation(), Some(Operation::Merge));
    }

    #[test]
    fn a_repository_with_sha256_ids_works() {
        let sandbox = Sandbox::with_format("sha256");
        let commit = sandbox.commit("a", "1", "one");
        assert_eq!(commit.len(), 64);
        assert_eq!(sandbox.repo().head().unwrap().at.unwrap().commit, commit);
    }

    #[test]
    fn ignored_paths_are_known() {
        let sandbox = Sandbox::new();
        sandbox.commit(".gitignore", "/out/\n", "one");
        sandbox.write("out/x", "1");
        let repo = sandbox.repo();
        assert!(repo.is_ignored(&sandbox.path().join("out")).unwrap());
        assert!(!repo.is_ignored(&sandbox.path().join("src")).unwrap());
        assert_eq!(repo.ignored(&["src/x", "out/x", "out/ü"]).unwrap(), ["out/x", "out/ü"]);
        let below = Repo::open(&sandbox.path().join("out")).unwrap();
        assert_eq!(below.ignored(&["x"]).unwrap(), ["x"]);
        assert!(below.ignored(&[]).unwrap().is_empty());
    }
}
