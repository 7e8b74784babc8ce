//! Differences between two commits, or a commit and the work tree: files, line counts and text, whatever the user's
//! diff settings are.

use std::ffi::OsStr;
use std::io::Read as _;
use std::ops::ControlFlow;

use crate::git::call::records;
use crate::git::{Call, FileChange, GitError, Repo, Result};
use crate::model::own;
use crate::os::files;

/// The maximum number of bytes of paths in one call, below every platform's limit.
const ARGUMENT_BYTES: usize = 20_000;

/// The part of a repository that a question is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Only paths below this, with a trailing `/`; empty for the whole repository.
    pub prefix: &'a [u8],
    /// Leaves out the tool's own files of the project at this prefix; `None` leaves nothing out.
    pub without_own_of: Option<&'a [u8]>,
}

impl<'a> Scope<'a> {
    pub(crate) const ALL: Scope<'static> = Scope { prefix: b"", without_own_of: None };

    pub(crate) fn project(prefix: &'a [u8]) -> Self {
        Self { prefix, without_own_of: Some(prefix) }
    }

    /// Whether a path counts. A link or submodule counts whatever its name is, since it leads elsewhere.
    pub(crate) fn counts(&self, path: &[u8], is_regular: bool) -> bool {
        path.starts_with(self.prefix) && !(is_regular && self.is(own::is_own, path))
    }

    pub(crate) fn counts_change(&self, change: &FileChange) -> bool {
        self.counts(&change.path, change.is_regular())
    }

    /// Whether a path is of this kind in the project whose own files are left out.
    pub(crate) fn is(&self, kind: fn(&[u8]) -> bool, path: &[u8]) -> bool {
        self.without_own_of.and_then(|project| path.strip_prefix(project)).is_some_and(kind)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiffTarget<'a> {
    Commit(&'a str),
    /// The tracked files as they are in the work tree.
    WorkTree,
}

/// A path, with its added and deleted lines; `None` for a binary file.
pub(crate) type LineCount = (Vec<u8>, Option<(u64, u64)>);

impl Repo {
    pub(crate) fn changed_files(&self, base: &str, side: DiffTarget<'_>, scope: &Scope<'_>) -> Result<Vec<FileChange>> {
        if matches!(side, DiffTarget::Commit(head) if head == base) {
            return Ok(Vec::new());
        }
        raw_changes(self.diff_call(base, side)?.args(["--raw", "-z", "--no-abbrev", "--"]).long(), scope)
    }

    /// The files in the scope that the next commit would change. A hook must pass the index that git gave it
    /// (`GIT_INDEX_FILE`): for a partial commit, it is not the usual one.
    pub(crate) fn staged_files(
        &self,
        base: Option<&str>,
        index: Option<&OsStr>,
        scope: &Scope<'_>,
    ) -> Result<Vec<FileChange>> {
        let base = match (base, self.head()?.at) {
            (Some(base), _) => base.to_owned(),
            (None, Some(at)) => at.commit,
            (None, None) => self.empty_tree()?,
        };
        let call = index.into_iter().fold(self.git(), |call, index| call.env("GIT_INDEX_FILE", index));
        staged_against(call, &base, scope)
    }

    /// The line counts of the changed files in the scope.
    pub(crate) fn line_counts(&self, base: &str, side: DiffTarget<'_>, scope: &Scope<'_>) -> Result<Vec<LineCount>> {
        let call = self.diff_call(base, side)?.args(["--numstat", "-z", "--"]).long();
        let mut counts: Vec<LineCount> =
            call.parsed("ADDED DELETED PATH", |output| records(output).map(line_count).collect())?;
        counts.retain(|(path, _)| scope.counts(path, true));
        Ok(counts)
    }

    /// Returns the diff of the scope as text of at most `limit` bytes, and whether it was truncated. Invalid UTF-8 is
    /// replaced.
    pub(crate) fn diff_text(
        &self,
        base: &str,
        side: DiffTarget<'_>,
        scope: &Scope<'_>,
        limit: u64,
    ) -> Result<(String, bool)> {
        let (mut bytes, mut truncated) = (Vec::new(), false);
        let changes = self.changed_files(base, side, scope)?;
        let paths: Vec<&[u8]> = changes.iter().map(|change| change.path.as_slice()).collect();
        for chunk in chunks(&paths) {
            let mut call = self.diff_call(base, side)?;
            call = call.args(["--patch", "--unified=3", "--inter-hunk-context=0", "--no-indent-heuristic"]);
            call = call.args(["--src-prefix=a/", "--dst-prefix=b/", "--ws-error-highlight=none"]).arg("--");
            call = call.args(chunk.iter().map(|path| files::path_from_bytes(path)));
            let room = limit.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            call.long().stream(|reader| {
                (&mut *reader).take(room).read_to_end(&mut bytes)?;
                truncated = !reader.fill_buf()?.is_empty();
                Ok(if truncated { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if truncated {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        // The limit may have cut a character in two.
        let text = if truncated { text.trim_end_matches('\u{FFFD}') } else { &text };
        Ok((text.to_owned(), truncated))
    }

    /// The id of the empty tree, to compare a root commit with.
    pub(crate) fn empty_tree(&self) -> Result<String> {
        self.git().args(["hash-object", "-t", "tree", "--stdin"]).input(Vec::new()).line()
    }

    fn diff_call(&self, base: &str, side: DiffTarget<'_>) -> Result<Call> {
        let base = match self.resolve(base) {
            Err(GitError::UnknownRevision { .. }) if base == self.empty_tree()? => base.to_owned(),
            other => other?,
        };
        let mut call = self.git().args(["-c", "diff.suppressBlankEmpty=false", "-c", "diff.noPrefix=false", "diff"]);
        call = call.args(["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative"]);
        call = call.args(["--ignore-submodules=none", "--submodule=short", "--diff-algorithm=myers"]);
        call = call.arg(base);
        match side {
            DiffTarget::Commit(head) => Ok(call.arg(self.resolve(head)?)),
            DiffTarget::WorkTree => Ok(call),
        }
    }
}

/// The files in the scope that differ between a commit (or tree) and the index that `call` reads.
pub(crate) fn staged_against(call: Call, base: &str, scope: &Scope<'_>) -> Result<Vec<FileChange>> {
    let args = ["diff-index", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none"];
    raw_changes(call.args(args).arg(base).arg("--"), scope)
}

pub(crate) fn raw_changes(call: Call, scope: &Scope<'_>) -> Result<Vec<FileChange>> {
    let mut changes = call.parsed("git's raw format", parse_raw_output)?;
    changes.retain(|change| scope.counts_change(change));
    Ok(changes)
}

fn parse_raw_output(output: &[u8]) -> Option<Vec<FileChange>> {
    let mut tokens = records(output);
    let mut changes = Vec::new();
    while let Some(header) = tokens.next() {
        changes.push(parse_raw(header, tokens.next()?)?);
    }
    Some(changes)
}

/// Parses `:MODE MODE OBJECT OBJECT STATUS`, and the combined form, which has one colon per parent.
pub(crate) fn parse_raw(header: &[u8], path: &[u8]) -> Option<FileChange> {
    let text = std::str::from_utf8(header).ok()?.trim_start_matches('\n');
    let rest = text.trim_start_matches(':');
    let parents = text.len() - rest.len();
    let fields: Vec<&str> = rest.split(' ').collect();
    if parents == 0 || path.is_empty() || fields.len() != 2 * parents + 3 {
        return None;
    }
    Some(FileChange {
        path: path.to_vec(),
        status: fields[2 * parents + 2].to_owned(),
        old_mode: fields[0].to_owned(),
        new_mode: fields[parents].to_owned(),
        old_object: fields[parents + 1].to_owned(),
        new_object: fields[2 * parents + 1].to_owned(),
        own: false,
    })
}

fn chunks<'a, 'b>(paths: &'b [&'a [u8]]) -> Vec<&'b [&'a [u8]]> {
    let mut chunks = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, path) in paths.iter().enumerate() {
        size += path.len() + 1;
        if size > ARGUMENT_BYTES && at > start {
            chunks.push(&paths[start..at]);
            (start, size) = (at, path.len() + 1);
        }
    }
    if start < paths.len() {
        chunks.push(&paths[start..]);
    }
    chunks
}

fn line_count(record: &[u8]) -> Option<LineCount> {
    let mut fields = record.splitn(3, |byte| *byte == b'\t');
    let mut count = || {
        let text = std::str::from_utf8(fields.next()?).ok()?;
        if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
    };
    let lines = count()?.zip(count()?);
    Some((fields.next()?.to_vec(), lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn files_lines_and_text_leave_out_own_files_under_hostile_settings() {
        let sandbox = Sandbox::new().hostile();
        let one = sandbox.commit("a b", "1\n", "one");
        sandbox.write("reports/optimizer/record.md", "x");
        sandbox.write("binary", "\0\u{1}");
        sandbox.commit("a b", "1\n2\n", "two");
        let scope = Scope::project(b"");
        let repo = sandbox.repo();
        let side = DiffTarget::Commit("HEAD");
        let changed = repo.changed_files(&one, side, &scope).unwrap();
        assert_eq!(changed.iter().map(|c| c.path.as_slice()).collect::<Vec<_>>(), [&b"a b"[..], b"binary"]);
        let counts = repo.line_counts(&one, side, &scope).unwrap();
        assert_eq!((counts[0].1, counts[1].1), (Some((1, 0)), None));
        let (text, is_cut) = repo.diff_text(&one, side, &scope, 100_000).unwrap();
        assert!(text.starts_with("diff --git a/a b b/a b\n") && text.contains("\n+2\n"), "{text}");
        assert!(!text.contains("record") && !is_cut);
        let (text, is_cut) = repo.diff_text(&one, side, &scope, 20).unwrap();
        assert_eq!((text.len(), is_cut), (20, true));
    }

    #[test]
    fn the_work_tree_can_be_the_newer_side() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1\n", "one");
        sandbox.write("a", "2\n");
        let counts = sandbox.repo().line_counts("HEAD", DiffTarget::WorkTree, &Scope::ALL).unwrap();
        assert_eq!(counts, [(b"a".to_vec(), Some((1, 1)))]);
    }

    #[test]
    fn staged_files_are_those_of_the_index_that_is_named() {
        let sandbox = Sandbox::new();
        sandbox.write("first", "1");
        sandbox.git(&["add", "first"]);
        let repo = sandbox.repo();
        let staged = |index: Option<&OsStr>| {
            let files = repo.staged_files(None, index, &Scope::ALL).unwrap();
            files.into_iter().map(|f| String::from_utf8(f.path).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(staged(None), ["first"], "before the first commit too");
        sandbox.commit_all("one");
        std::fs::copy(sandbox.path().join(".git/index"), sandbox.path().join(".git/other")).unwrap();
        sandbox.write("second", "1");
        sandbox.git(&["add", "second"]);
        assert_eq!(staged(None), ["second"]);
        assert!(staged(Some(sandbox.path().join(".git/other").as_os_str())).is_empty());
    }

    #[test]
    fn many_paths_are_split_over_several_calls() {
        let long = vec![b'x'; 9_000];
        let paths: Vec<&[u8]> = vec![&long; 5];
        let split = chunks(&paths);
        assert_eq!(split.iter().map(|c| c.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(chunks(&[]).is_empty());
    }

    #[test]
    fn one_parent_and_several_are_read() {
        let one = parse_raw(b"\n:100644 100755 aa bb M", b"x").unwrap();
        assert_eq!((one.old_mode.as_str(), one.new_mode.as_str()), ("100644", "100755"));
        assert_eq!((one.old_object.as_str(), one.new_object.as_str(), one.status.as_str()), ("aa", "bb", "M"));
        let two = parse_raw(b"::100644 100644 100755 aa bb cc MM", b"x").unwrap();
        assert_eq!((two.new_mode.as_str(), two.new_object.as_str(), two.status.as_str()), ("100755", "cc", "MM"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b"100644 100644 a b M"[..], b":100644 a b M", b"", b":\xFF"] {
            assert_eq!(parse_raw(bad, b"x"), None);
        }
        assert_eq!(parse_raw_output(b":100644 100644 a b M\0"), None, "a path is missing");
    }
}
