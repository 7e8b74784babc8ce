//! Walking history with one `git log` of any length, and reading trailers of messages.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::git::call::records;
use crate::git::diff::parse_raw;
use crate::git::{Call, Commit, GitError, Repo, Result, Scope};
use crate::os::files::path_from_bytes;

/// Starts each commit's record; nothing else in the output can start with it.
const SENTINEL: &str = "commit:";
/// The NUL-terminated fields of a record, after the sentinel and the hash and before the trailers.
const FIELDS: [&str; 7] = ["%P", "%an", "%ae", "%at", "%ct", "%s", "%B"];

/// A range whose base is not among this many commits from its head is walked from both ends.
const LONG: usize = 32;
/// At most this many commits of the second walk are kept in memory.
const KEPT: usize = 200_000;

impl Commit {
    /// Whether the commit changes anything in the scope. If not, it is no part of a change to the code.
    pub(crate) fn touches(&self, scope: &Scope<'_>) -> bool {
        self.files.iter().any(|file| scope.counts_change(file))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Whether a merge lists the files that differ from its first parent, or only those that differ from every parent:
    /// what the merge itself changed.
    first_parent: bool,
    /// Trailer keys, separated by commas.
    trailers: String,
    /// If not empty, only commits with one of these texts in their message. The others are not compared with their
    /// parents, which takes most of the time.
    naming: Vec<String>,
}

impl Walk {
    /// All commits; merges with what they themselves changed.
    pub(crate) fn all(trailers: &str) -> Self {
        Self { first_parent: false, trailers: trailers.to_owned(), naming: Vec::new() }
    }

    /// All commits; merges with their difference from the first parent.
    pub(crate) fn range(trailer: &str) -> Self {
        Self { first_parent: true, ..Self::all(trailer) }
    }

    /// The commits whose message contains one of these texts; all commits without a text.
    pub(crate) fn naming(trailer: &str, texts: &[&str]) -> Self {
        Self { naming: texts.iter().map(|text| (*text).to_owned()).collect(), ..Self::all(trailer) }
    }
}

impl Repo {
    /// Calls `each` for every commit in `head` and not in `base` (all of `head` without a base), newest first, while
    /// git finds them: one process, one commit in memory at a time.
    pub(crate) fn log_range(
        &self,
        base: Option<&str>,
        head: &str,
        walk: &Walk,
        each: &mut dyn FnMut(Commit) -> ControlFlow<()>,
    ) -> Result<()> {
        self.log_placed((base, head), walk, &mut !walk.naming.is_empty(), each)
    }

    /// Like `log_range`, with paths as if the project had always been here. `moved` is whether one of the commits so
    /// far may have moved the project.
    fn log_placed(
        &self,
        (base, head): (Option<&str>, &str),
        walk: &Walk,
        moved: &mut bool,
        each: &mut dyn FnMut(Commit) -> ControlFlow<()>,
    ) -> Result<()> {
        // The range is empty.
        if base == Some(head) {
            return Ok(());
        }
        let mut failure = None;
        self.log_call(base, head, walk, &[])?.stream(|reader| {
            read_commits(reader, &mut |commit| match self.placed(commit, walk.first_parent, moved) {
                Ok(commit) => each(commit),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            })
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// Like `log_range`, to the end. A second process walks a long range from its oldest commit until both meet.
    pub(crate) fn log_whole(
        &self,
        base: Option<&str>,
        head: &str,
        walk: &Walk,
        each: &mut dyn FnMut(Commit),
    ) -> Result<()> {
        let other_end =
            if self.is_long(base, head)? { Some(self.log_call(base, head, walk, &["--reverse"])?) } else { None };
        // The last commit of each side; a side is done when its next commit is the other's last one.
        let last = Mutex::new([String::new(), String::new()]);
        let meets = |side: usize, next: &str| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let meets = last[1 - side] == next;
            if !meets {
                next.clone_into(&mut last[side]);
            }
            meets
        };
        let rest = |call: Call| {
            let mut found = Vec::new();
            let read = call.stream(|reader| {
                read_commits(reader, &mut |commit| {
                    if found.len() == KEPT || meets(1, &commit.id) {
                        return ControlFlow::Break(());
                    }
                    found.push(commit);
                    ControlFlow::Continue(())
                })
            });
            read.map(|()| found)
        };
        std::thread::scope(|scope| {
            let other = other_end.map(|call| scope.spawn(|| rest(call)));
            let mut moved = false;
            self.log_placed((base, head), walk, &mut moved, &mut |commit| {
                if meets(0, &commit.id) {
                    return ControlFlow::Break(());
                }
                each(commit);
                ControlFlow::Continue(())
            })?;
            let rest = other.map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            for commit in rest.transpose()?.into_iter().flatten().rev() {
                each(self.placed(commit, walk.first_parent, &mut moved)?);
            }
            Ok(())
        })
    }

    /// Whether the base is not among the last commits on the head's first-parent line.
    fn is_long(&self, base: Option<&str>, head: &str) -> Result<bool> {
        let (mut batch, mut at) = (self.batch()?, self.resolve(head)?);
        for _ in 0..LONG {
            let commit = if base == Some(at.as_str()) { None } else { batch.commit(&at)? };
            let text = commit.map(|(_, text)| text).unwrap_or_default();
            let Some(parent) = text.lines().nth(1).and_then(|line| line.strip_prefix("parent ")) else {
                return Ok(false);
            };
            parent.clone_into(&mut at);
        }
        Ok(true)
    }

    fn log_call(&self, base: Option<&str>, head: &str, walk: &Walk, more: &[&str]) -> Result<Call> {
        let keys: Vec<&str> = walk.trailers.split(',').collect();
        keys.iter().try_for_each(|key| check_key(key))?;
        let head = self.resolve(head)?;
        let trailers = format!("%(trailers:key={},valueonly,unfold,separator=%x0A)", keys.join(",key="));
        let format = format!("--format=tformat:{SENTINEL}%H%x00{}%x00{trailers}%x00", FIELDS.join("%x00"));
        let merges = if walk.first_parent { "--diff-merges=first-parent" } else { "--diff-merges=combined" };
        // Which lines of a message are comments must not depend on the user's configuration.
        let mut call =
            self.git().args(["-c", "core.commentChar=#", "log", "-z", "--raw", "--no-abbrev", "--no-renames"]);
        call = call.args(["--no-color", "--no-ext-diff", "--no-relative", "--no-show-signature", "--no-mailmap"]);
        // Report changes of a submodule even if `.gitmodules` says to ignore it.
        call = call.args(["--ignore-submodules=none", "--encoding=UTF-8", "--no-notes", "--no-decorate"]);
        call = call.args(["--topo-order", merges, &format]).args(more);
        if !walk.naming.is_empty() {
            call = call.arg("--fixed-strings").args(walk.naming.iter().map(|text| format!("--grep={text}")));
        }
        call = call.arg(&head);
        if let Some(base) = base {
            call = call.arg(format!("^{}", self.resolve(base)?));
        }
        Ok(call.arg("--").long())
    }

    /// The commits in `head` and not in `base`, oldest first.
    pub(crate) fn commits(&self, base: Option<&str>, head: &str, walk: &Walk) -> Result<Vec<Commit>> {
        let mut commits = Vec::new();
        self.log_range(base, head, walk, &mut |commit| {
            commits.push(commit);
            ControlFlow::Continue(())
        })?;
        commits.reverse();
        Ok(commits)
    }

    /// The commits of a range that are on no remote. With a branch, also on no other local branch; with `true`, remote
    /// branches of the same name do not count.
    pub(crate) fn commits_here_alone(
        &self,
        (base, head): (&str, &str),
        branch: Option<(&str, bool)>,
    ) -> Result<BTreeSet<String>> {
        let mut call = self.git().args(["rev-list", head, &format!("^{base}"), "--not"]);
        if let Some((name, same_name)) = branch {
            let exclude = |what: String| (!name.is_empty()).then(|| format!("--exclude={what}"));
            call = call.args(exclude(name.to_owned())).args(["--branches"]);
            call = call.args(exclude(format!("*/{name}")).filter(|_| same_name));
        }
        Ok(call.args(["--remotes"]).long().text()?.lines().map(str::to_owned).collect())
    }

    /// The paths that differ from the commit that last changed `file`, all from the repository's root; `None` if `file`
    /// is one of them or was never committed.
    pub(crate) fn changed_since_commit_of(&self, file: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
        let log = self.git().args(["log", "-1", "--format=%H", "--"]).arg(self.root().join(path_from_bytes(file)));
        let commit = log.line()?;
        if commit.is_empty() {
            return Ok(None);
        }
        let differing = self.git().args(["diff", "--name-only", "--no-renames", "-z", &commit]).long().ok()?;
        let differing: Vec<Vec<u8>> = records(&differing).map(<[u8]>::to_vec).collect();
        Ok(Some(differing).filter(|paths| !paths.iter().any(|path| path == file)))
    }

    /// The values of a trailer in a message that is not committed yet, by git's own rules: comments and text after a
    /// scissors line do not count. `settings` are options of git that say what a comment is.
    pub(crate) fn trailers_of(&self, message: &[u8], key: &str, settings: &[&str]) -> Result<Vec<String>> {
        check_key(key)?;
        let call = self.git().args(settings).args(["interpret-trailers", "--parse", "--no-divider"]);
        let text = call.input(message.to_vec()).text()?;
        let values = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
        });
        Ok(values.collect())
    }
}

fn check_key(key: &str) -> Result<()> {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(());
    }
    let what = format!("{key:?} cannot be the key of a trailer: only letters, digits and '-' can");
    Err(GitError::Unreadable { args: "log".to_owned(), what })
}

fn read_commits(
    reader: &mut dyn BufRead,
    each: &mut dyn FnMut(Commit) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut token = Vec::new();
    let mut more = next(reader, &mut token)?;
    while more {
        let mut commit = read_header(reader, &token)?;
        // The terminator of the format, then a header and a path per file.
        more = next(reader, &mut token)?;
        while more && !token.starts_with(SENTINEL.as_bytes()) {
            if !token.is_empty() {
                let header = std::mem::take(&mut token);
                next(reader, &mut token)?;
                commit.files.push(parse_raw(&header, &token).ok_or_else(|| garbled(&header))?);
            }
            more = next(reader, &mut token)?;
        }
        if each(commit).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn read_header(reader: &mut dyn BufRead, first: &[u8]) -> io::Result<Commit> {
    let id = first.strip_prefix(SENTINEL.as_bytes()).ok_or_else(|| garbled(first))?;
    let mut fields: [String; FIELDS.len() + 1] = Default::default();
    let mut token = Vec::new();
    for field in &mut fields {
        if !next(reader, &mut token)? {
            return Err(garbled(first));
        }
        *field = String::from_utf8_lossy(&token).into_owned();
    }
    let [parents, author_name, author_email, author_time, commit_time, subject, message, trailers] = fields;
    Ok(Commit {
        id: String::from_utf8_lossy(id).into_owned(),
        parents: parents.split_whitespace().map(str::to_owned).collect(),
        author_name,
        author_email,
        // Broken dates exist in real histories and are not an error here.
        author_time: author_time.parse().unwrap_or(0),
        commit_time: commit_time.parse().unwrap_or(0),
        subject,
        message,
        ids: trailers.lines().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect(),
        files: Vec::new(),
    })
}

/// Reads up to the next NUL; returns false at the end.
fn next(reader: &mut dyn BufRead, token: &mut Vec<u8>) -> io::Result<bool> {
    token.clear();
    let read = reader.read_until(0, token)?;
    if token.last() == Some(&0) {
        token.pop();
    }
    Ok(read > 0)
}

fn garbled(token: &[u8]) -> io::Error {
    let shown: String = String::from_utf8_lossy(token).chars().take(80).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    const KEY: &str = "Optimizer-Change";

    fn paths(commit: &Commit) -> Vec<String> {
        commit.files.iter().map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect()
    }

    #[test]
    fn a_range_is_read_whole_under_hostile_settings() {
        let sandbox = Sandbox::new().hostile();
        let one = sandbox.commit("a", "1", "one");
        let message = "tw\u{f6}\n\nbody\n\nOptimizer-Change: chg-1\noptimizer-change: chg\n -2\nOther: x\n";
        sandbox.write("dir/new file", "1");
        let two = sandbox.commit("a", "2", message);
        std::fs::remove_file(sandbox.path().join("a")).unwrap();
        let three = sandbox.commit_all("three");
        let four = sandbox.commit_all("empty");
        let commits = sandbox.repo().commits(Some(&one), "HEAD", &Walk::all(KEY)).unwrap();
        let ids: Vec<&str> = commits.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, [&two, &three, &four]);
        assert_eq!(commits[0].ids, ["chg-1", "chg -2"]);
        assert_eq!((commits[0].subject.as_str(), commits[0].message.trim_end()), ("tw\u{f6}", message.trim_end()));
        assert_eq!(commits[0].parents, [one]);
        assert_eq!(
            (commits[0].author_name.as_str(), commits[0].author_email.as_str()),
            ("Tester", "tester@example.org")
        );
        assert_eq!(commits[0].commit_time, 1_767_323_045);
        assert_eq!(paths(&commits[0]), ["a", "dir/new file"]);
        assert_eq!((commits[1].files[0].status.as_str(), commits[1].files[0].new_mode.as_str()), ("D", "000000"));
        assert!(commits[2].files.is_empty() && !commits[2].touches(&Scope::ALL));
    }

    #[test]
    fn only_commits_that_name_a_text_are_found_when_one_is_given() {
        let sandbox = Sandbox::new().hostile();
        let named = sandbox.commit("a", "1", "one\n\nOptimizer-Change:\n chg-1.x\n");
        sandbox.commit("a", "2", "two\n\nOptimizer-Change: chg-1_x\n");
        let commits = sandbox.repo().commits(None, "HEAD", &Walk::naming(KEY, &["chg-1.x"])).unwrap();
        assert_eq!(commits.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), [named.as_str()]);
        assert_eq!((commits[0].ids.join(" "), paths(&commits[0])), ("chg-1.x".to_owned(), vec!["a".to_owned()]));
    }

    #[test]
    fn the_first_commit_lists_its_files() {
        let sandbox = Sandbox::new().hostile();
        sandbox.commit("a", "1", "one");
        let commits = sandbox.repo().commits(None, "HEAD", &Walk::all(KEY)).unwrap();
        assert_eq!(paths(&commits[0]), ["a"]);
        assert_eq!(commits[0].files[0].old_mode, "000000");
    }

    #[test]
    fn a_divider_hides_no_trailer() {
        let sandbox = Sandbox::new();
        let message = "one\n\n---\nnot a patch\n\nOptimizer-Change: chg-1\n";
        sandbox.commit("a", "1", message);
        let repo = sandbox.repo();
        assert_eq!(repo.commits(None, "HEAD", &Walk::all(KEY)).unwrap()[0].ids, ["chg-1"]);
        assert_eq!(repo.trailers_of(message.as_bytes(), KEY, &[]).unwrap(), ["chg-1"]);
    }

    #[test]
    fn a_quoted_trailer_in_the_body_is_none() {
        let sandbox = Sandbox::new();
        let message = "one\n\nOptimizer-Change: chg-1\nis what a trailer looks like.\n\nAnd this is the end.\n";
        sandbox.commit("a", "1", message);
        let repo = sandbox.repo();
        assert!(repo.commits(None, "HEAD", &Walk::all(KEY)).unwrap()[0].ids.is_empty());
        assert!(repo.trailers_of(message.as_bytes(), KEY, &[]).unwrap().is_empty());
    }

    #[test]
    fn comments_and_line_ends_in_a_message_file_do_not_matter() {
        let sandbox = Sandbox::new();
        let message = b"one\r\n\r\nOptimizer-Change: chg-1\r\n# Please enter the commit message\n#\n";
        assert_eq!(sandbox.repo().trailers_of(message, KEY, &[]).unwrap(), ["chg-1"]);
    }

    #[test]
    fn merges_list_what_is_asked_for() {
        let sandbox = Sandbox::new().hostile();
        sandbox.commit("a", "1", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        sandbox.commit("b", "1", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        let main = sandbox.commit("c", "1", "main");
        sandbox.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
        sandbox.write("smuggled", "1");
        let merge = sandbox.commit_all("merge");
        let repo = sandbox.repo();
        let files = |first_parent| {
            let walk = Walk { first_parent, ..Walk::all(KEY) };
            let commits = repo.commits(Some(&main), "HEAD", &walk).unwrap();
            let found = commits.into_iter().find(|c| c.id == merge).unwrap();
            assert!(found.is_merge());
            paths(&found)
        };
        assert_eq!(files(false), ["smuggled"]);
        assert_eq!(files(true), ["b", "smuggled"]);
    }

    #[test]
    fn a_long_range_is_the_same_from_both_ends() {
        let sandbox = Sandbox::new();
        let base = sandbox.commit("a", "0", "base");
        let mut stream = String::new();
        for n in 0..3 * LONG {
            let from = if n == 0 { format!("from {base}\n") } else { String::new() };
            let who = format!("committer A <a@example.org> {} +0000", 1_800_000_000 + n);
            stream.push_str(&format!("commit refs/heads/main\n{who}\ndata 1\nn\n{from}M 644 inline {n}\ndata 1\nn\n"));
        }
        let repo = sandbox.repo();
        repo.git().args(["fast-import", "--quiet"]).input(stream.into_bytes()).ok().unwrap();
        let walk = Walk::range(KEY);
        for (base, head) in [(Some(base.as_str()), "main"), (None, "main~2"), (Some("main~40"), "main"), (None, &base)]
        {
            let mut whole = Vec::new();
            repo.log_whole(base, head, &walk, &mut |commit| whole.push(commit)).unwrap();
            whole.reverse();
            assert!(whole == repo.commits(base, head, &walk).unwrap(), "{base:?}..{head}: {}", whole.len());
        }
    }

    #[test]
    fn the_reader_may_stop_early() {
        let sandbox = Sandbox::new();
        for n in 0..5 {
            sandbox.commit("a", &n.to_string(), "x");
        }
        let mut seen = 0;
        let walk = Walk::all(KEY);
        let stop = &mut |_: Commit| {
            seen += 1;
            ControlFlow::Break(())
        };
        sandbox.repo().log_range(None, "HEAD", &walk, stop).unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn an_invalid_trailer_key_is_refused() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "x");
        for bad in ["", "a b", "%n"] {
            assert!(sandbox.repo().commits(None, "HEAD", &Walk::all(bad)).is_err(), "{bad}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn paths_and_messages_that_are_not_utf8_are_read() {
        use std::os::unix::ffi::OsStrExt as _;
        let sandbox = Sandbox::new();
        let name = std::ffi::OsStr::from_bytes(b"\ncommit:\xE9");
        std::fs::write(sandbox.path().join(name), "1").unwrap();
        sandbox.commit_all("commit:x");
        let commits = sandbox.repo().commits(None, "HEAD", &Walk::all(KEY)).unwrap();
        assert_eq!(commits[0].files[0].path, b"\ncommit:\xE9");
        assert_eq!(commits[0].message.trim_end(), "commit:x");
    }
}
