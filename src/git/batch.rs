//! Reading many objects through one `git cat-file --batch`. Must not interpret them.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};

use crate::git::{GitError, Repo};

const SHOWN: &str = "cat-file --batch";

/// A running reader of objects. Ends when dropped.
#[derive(Debug)]
pub struct Batch {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Repo {
    /// Starts a reader. There is no time limit on it: each answer comes from local objects.
    pub fn batch(&self) -> Result<Batch, GitError> {
        let io = |action: &str| {
            let action = format!("{action} git {SHOWN}");
            move |source: std::io::Error| match source.kind() {
                std::io::ErrorKind::NotFound => GitError::Missing,
                _ => GitError::Io { action, source },
            }
        };
        let mut child = self.git().args(["cat-file", "--batch"]).spawn_piped().map_err(io("start"))?;
        let (ask, answer) = (child.stdin.take(), child.stdout.take());
        match (ask, answer) {
            (Some(ask), Some(answer)) => Ok(Batch { child, ask: Some(ask), answer: BufReader::new(answer) }),
            _ => Err(io("talk to")(std::io::Error::other("no pipe"))),
        }
    }
}

impl Batch {
    /// The content of a file in a commit; `None` when the commit has no file there.
    pub fn read_path(&mut self, commit: &str, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        if path.contains(&b'\n') {
            return Err(unreadable("a path with a line end cannot be asked for"));
        }
        let mut name = format!("{commit}:").into_bytes();
        name.extend_from_slice(path);
        self.read(&name, limit)
    }

    /// The content of a blob by its id; `None` when there is none.
    pub fn read_object(&mut self, id: &str, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        self.read(id.as_bytes(), limit)
    }

    fn read(&mut self, name: &[u8], limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        if name.is_empty() || name.contains(&b'\n') || name.starts_with(b"-") {
            return Err(unreadable("not a name of an object"));
        }
        let io = |source| GitError::Io { action: format!("talk to git {SHOWN}"), source };
        let Some(ask) = self.ask.as_mut() else { return Err(unreadable("it has ended")) };
        ask.write_all(name).and_then(|()| ask.write_all(b"\n")).and_then(|()| ask.flush()).map_err(io)?;
        let mut header = Vec::new();
        self.answer.read_until(b'\n', &mut header).map_err(io)?;
        let Some(header) = header.strip_suffix(b"\n") else { return Err(unreadable("it ended before answering")) };
        // The answer repeats the name, which may hold anything but a line end.
        if header.ends_with(b" missing") || header.ends_with(b" ambiguous") {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(header);
        let mut fields = text.split(' ');
        let (kind, size) = (fields.nth(1), fields.next().and_then(|size| size.parse::<u64>().ok()));
        let (Some(kind), Some(size)) = (kind, size) else { return Err(unreadable(&text)) };
        let keep = kind == "blob" && size <= limit;
        let mut bytes = Vec::new();
        if keep {
            (&mut self.answer).take(size).read_to_end(&mut bytes).map_err(io)?;
        } else {
            std::io::copy(&mut (&mut self.answer).take(size), &mut std::io::sink()).map_err(io)?;
        }
        let mut end = [0u8; 1];
        self.answer.read_exact(&mut end).map_err(io)?;
        match (kind, keep) {
            ("blob", true) => Ok(Some(bytes)),
            ("blob", false) => Err(GitError::TooMuch { args: SHOWN.to_owned(), limit }),
            _ => Ok(None),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Closing its input ends it.
        self.ask = None;
        let _ = self.child.wait();
    }
}

fn unreadable(what: &str) -> GitError {
    GitError::Unreadable { args: SHOWN.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn many_objects_are_read_in_any_order_and_missing_ones_told() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a b", "first\n", "one");
        let two = sandbox.commit("a b", "", "two");
        let repo = sandbox.repo();
        let mut batch = repo.batch().unwrap();
        assert_eq!(batch.read_path(&two, b"a b", 100).unwrap().unwrap(), b"");
        assert_eq!(batch.read_path(&one, b"missing", 100).unwrap(), None);
        assert_eq!(batch.read_path(&one, b"a b", 100).unwrap().unwrap(), b"first\n");
        assert!(matches!(batch.read_path(&one, b"a b", 2), Err(GitError::TooMuch { limit: 2, .. })));
        assert_eq!(batch.read_path(&one, b"a b", 100).unwrap().unwrap(), b"first\n", "it goes on after that");
        assert_eq!(batch.read_object(&"0".repeat(40), 100).unwrap(), None);
        assert!(batch.read_path(&one, b"a\nb", 100).is_err());
    }
}
