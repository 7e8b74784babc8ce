//! Walking history with one `git log` of any length, and reading trailers of messages.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use crate::git::call::records;
use crate::git::diff::parse_raw;
use crate::git::repo::is_below_id;
use crate::git::{Call, Commit, GitError, Repo, Result, Scope};
use crate::os::files::path_from_bytes;

/// Starts each commit's record; nothing else in the output can start with it.
const SENTINEL: &str = "commit:";
/// The NUL-terminated fields of a record, after the sentinel and the hash and before the trailers.
const FIELDS: [&str; 7] = ["%P", "%an", "%ae", "%at", "%ct", "%s", "%B"];
/// All trailers, so that a walk can begin before it is known which of them count.
const TRAILERS: &str = "%(trailers:only,unfold,separator=%x0A,key_value_separator=%x1F)";
const KEY_ENDS: char = '\x1F';

/// How many commits a thread hands over at once, and how many times before they are taken.
const CHUNK: usize = 64;
const CHUNKS: usize = 64;

impl Commit {
    /// Whether the commit changes anything in the scope. If not, it is no part of a change to the code.
    pub(crate) fn touches(&self, scope: &Scope<'_>) -> bool {
        self.files.iter().any(|file| scope.counts_change(file))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogWalk {
    /// Whether a merge lists the files that differ from its first parent, or only those that differ from every parent:
    /// what the merge itself changed.
    first_parent: bool,
    /// Trailer keys, separated by commas.
    trailers: String,
    /// If not empty, only commits with one of these texts in their message. The others are not compared with their
    /// parents, which takes most of the time.
    naming: Vec<String>,
    only_merges: bool,
}

/// A range that git has begun to list.
#[derive(Debug)]
pub(crate) struct Begun {
    found: Receiver<Vec<Commit>>,
    listing: JoinHandle<Result<()>>,
}

impl LogWalk {
    /// All commits; merges with what they themselves changed.
    pub(crate) fn all(trailers: &str) -> Self {
        Self { first_parent: false, trailers: trailers.to_owned(), naming: Vec::new(), only_merges: false }
    }

    pub(crate) fn merges(trailers: &str) -> Self {
        Self { only_merges: true, ..Self::all(trailers) }
    }

    /// All commits; merges with their difference from the first parent.
    pub(crate) fn range(trailer: &str) -> Self {
        Self { first_parent: true, ..Self::all(trailer) }
    }

    /// The commits whose message contains one of these texts; all commits without a text.
    pub(crate) fn naming(trailer: &str, texts: &[&str]) -> Self {
        Self { naming: texts.iter().map(|text| (*text).to_owned()).collect(), ..Self::all(trailer) }
    }

    /// A commit with the values of these trailers only; it comes with every trailer and its key.
    fn named(&self, commit: Commit) -> Commit {
        let value = |trailer: &String| {
            let (key, value) = trailer.split_once(KEY_ENDS)?;
            let is_asked = self.trailers.split(',').any(|asked| asked.eq_ignore_ascii_case(key));
            Some(value.trim().to_owned()).filter(|value| is_asked && !value.is_empty())
        };
        Commit { ids: commit.ids.iter().filter_map(value).collect(), ..commit }
    }
}

impl Repo {
    /// Calls `each` for every commit in `head` and not in `base` (all of `head` without a base), newest first, while
    /// git finds them: one process, one commit in memory at a time. Paths are as if the project had always been here.
    pub(crate) fn log_range(
        &self,
        base: Option<&str>,
        head: &str,
        walk: &LogWalk,
        each: &mut dyn FnMut(Commit) -> ControlFlow<()>,
    ) -> Result<()> {
        walk.trailers.split(',').try_for_each(check_key)?;
        // The range is empty.
        if base == Some(head) {
            return Ok(());
        }
        // Whether one of the commits so far may have moved the project; of some commits it is not known.
        let mut moved = !walk.naming.is_empty();
        let mut failure = None;
        self.log_call(base, head, walk)?.stream(|reader| {
            read_commits(reader, &mut |commit| match self.placed(walk.named(commit), walk.first_parent, &mut moved) {
                Ok(commit) => each(commit),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            })
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// Starts to list a whole range, which [`Repo::log_whole`] returns. The base may be given as `ID~N`.
    pub(crate) fn begin_log(&self, base: Option<&str>, head: &str) -> Result<Begun> {
        let (send, found) = mpsc::sync_channel(CHUNKS);
        let call = (base != Some(head)).then(|| self.log_call(base, head, &LogWalk::range(""))).transpose()?;
        let listing = std::thread::spawn(move || {
            let Some(call) = call else { return Ok(()) };
            let mut chunk = Vec::with_capacity(CHUNK);
            call.stream(|reader| {
                let read = read_commits(reader, &mut |commit| {
                    chunk.push(commit);
                    let is_taken = chunk.len() < CHUNK || send.send(std::mem::take(&mut chunk)).is_ok();
                    if is_taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                let _ = send.send(chunk);
                read
            })
        });
        Ok(Begun { found, listing })
    }

    /// Like `log_range`, to the end; `begun` is the result of [`Repo::begin_log`] for this range.
    pub(crate) fn log_whole(&self, begun: Begun, walk: &LogWalk, each: &mut dyn FnMut(Commit)) -> Result<()> {
        walk.trailers.split(',').try_for_each(check_key)?;
        let mut moved = false;
        for commit in begun.found.into_iter().flatten() {
            each(self.placed(walk.named(commit), walk.first_parent, &mut moved)?);
        }
        begun.listing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn log_call(&self, base: Option<&str>, head: &str, walk: &LogWalk) -> Result<Call> {
        let head = self.resolve(head)?;
        let base =
            base.map(|base| if is_below_id(base) { Ok(base.to_owned()) } else { self.resolve(base) }).transpose()?;
        let format = format!("--format=tformat:{SENTINEL}%H%x00{}%x00{TRAILERS}%x00", FIELDS.join("%x00"));
        let merges = if walk.first_parent { "--diff-merges=first-parent" } else { "--diff-merges=combined" };
        // Which lines of a message are comments must not depend on the user's configuration.
        let mut call =
            self.git().args(["-c", "core.commentChar=#", "log", "-z", "--raw", "--no-abbrev", "--no-renames"]);
        call = call.args(["--no-color", "--no-ext-diff", "--no-relative", "--no-show-signature", "--no-mailmap"]);
        // Report changes of a submodule even if `.gitmodules` says to ignore it.
        call = call.args(["--ignore-submodules=none", "--encoding=UTF-8", "--no-notes", "--no-decorate"]);
        call = call.args(["--topo-order", merges, &format]);
        if !walk.naming.is_empty() {
            call = call.arg("--fixed-strings").args(walk.naming.iter().map(|text| format!("--grep={text}")));
        }
        call = call.args(walk.only_merges.then_some("--merges")).arg(&head);
        Ok(call.args(base.map(|base| format!("^{base}"))).arg("--").long())
    }

    /// The commits in `head` and not in `base`, oldest first.
    pub(crate) fn commits(&self, base: Option<&str>, head: &str, walk: &LogWalk) -> Result<Vec<Commit>> {
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
        ids: trailers.lines().map(str::to_owned).collect(),
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
        let commits = sandbox.repo().commits(Some(&one), "HEAD", &LogWalk::all(KEY)).unwrap();
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
        let commits = sandbox.repo().commits(None, "HEAD", &LogWalk::naming(KEY, &["chg-1.x"])).unwrap();
        assert_eq!(commits.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), [named.as_str()]);
        assert_eq!((commits[0].ids.join(" "), paths(&commits[0])), ("chg-1.x".to_owned(), vec!["a".to_owned()]));
    }

    #[test]
    fn the_first_commit_lists_its_files() {
        let sandbox = Sandbox::new().hostile();
        sandbox.commit("a", "1", "one");
        let commits = sandbox.repo().commits(None, "HEAD", &LogWalk::all(KEY)).unwrap();
        assert_eq!(paths(&commits[0]), ["a"]);
        assert_eq!(commits[0].files[0].old_mode, "000000");
    }

    #[test]
    fn a_divider_hides_no_trailer() {
        let sandbox = Sandbox::new();
        let message = "one\n\n---\nnot a patch\n\nOptimizer-Change: chg-1\n";
        sandbox.commit("a", "1", message);
        let repo = sandbox.repo();
        assert_eq!(repo.commits(None, "HEAD", &LogWalk::all(KEY)).unwrap()[0].ids, ["chg-1"]);
        assert_eq!(repo.trailers_of(message.as_bytes(), KEY, &[]).unwrap(), ["chg-1"]);
    }

    #[test]
    fn a_quoted_trailer_in_the_body_is_none() {
        let sandbox = Sandbox::new();
        let message = "one\n\nOptimizer-Change: chg-1\nis what a trailer looks like.\n\nAnd this is the end.\n";
        sandbox.commit("a", "1", message);
        let repo = sandbox.repo();
        assert!(repo.commits(None, "HEAD", &LogWalk::all(KEY)).unwrap()[0].ids.is_empty());
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
            let walk = LogWalk { first_parent, ..LogWalk::all(KEY) };
            let commits = repo.commits(Some(&main), "HEAD", &walk).unwrap();
            let found = commits.into_iter().find(|c| c.id == merge).unwrap();
            assert!(found.is_merge());
            paths(&found)
        };
        assert_eq!(files(false), ["smuggled"]);
        assert_eq!(files(true), ["b", "smuggled"]);
    }

    #[test]
    fn a_range_that_is_listed_beside_other_work_is_the_same() {
        let sandbox = Sandbox::new();
        let base = sandbox.commit("a", "0", "base");
        let mut stream = String::new();
        for n in 0..3 * CHUNK {
            let from = if n == 0 { format!("from {base}\n") } else { String::new() };
            let who = format!("committer A <a@example.org> {} +0000", 1_800_000_000 + n);
            stream.push_str(&format!("commit refs/heads/main\n{who}\ndata 1\nn\n{from}M 644 inline {n}\ndata 1\nn\n"));
        }
        let repo = sandbox.repo();
        repo.git().args(["fast-import", "--quiet"]).input(stream.into_bytes()).ok().unwrap();
        let walk = LogWalk::range(KEY);
        for (base, head) in [(Some(base.as_str()), "main"), (None, "main~2"), (Some("main~40"), "main"), (None, &base)]
        {
            let mut whole = Vec::new();
            let begun = repo.begin_log(base, head).unwrap();
            repo.log_whole(begun, &walk, &mut |commit| whole.push(commit)).unwrap();
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
        let walk = LogWalk::all(KEY);
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
            assert!(sandbox.repo().commits(None, "HEAD", &LogWalk::all(bad)).is_err(), "{bad}");
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
        let commits = sandbox.repo().commits(None, "HEAD", &LogWalk::all(KEY)).unwrap();
        assert_eq!(commits[0].files[0].path, b"\ncommit:\xE9");
        assert_eq!(commits[0].message.trim_end(), "commit:x");
    }
}
