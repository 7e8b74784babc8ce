//! Files whose change a filter hides: with one, git can call a file unchanged that is not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::git::{GitError, Repo};
use crate::model::Digest;
use crate::os::files;

impl Repo {
    /// Of these files (from the repository's root) those that are tracked, go through a filter or a keyword, and are
    /// not on disk as checking them out again would give them. Line ends and encodings are git's own business.
    pub(crate) fn hidden_by_filter(&self, paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, GitError> {
        let filtered = self.filtered(paths)?;
        if filtered.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in self.index()?.entries.iter().filter(|entry| entry.mode.starts_with("100")) {
            if filtered.contains(&entry.path) && !self.is_as_checked_out(&entry.path, &entry.object)? {
                found.push(entry.path.clone());
            }
        }
        found.dedup();
        Ok(found)
    }

    /// Those that a filter or a keyword changes on their way.
    fn filtered(&self, paths: &[PathBuf]) -> Result<BTreeSet<Vec<u8>>, GitError> {
        if paths.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked: Vec<Vec<u8>> = paths.iter().map(|path| files::path_bytes(path)).collect();
        let call = self.git().args(["check-attr", "-z", "--stdin", "filter", "ident"]).input(asked.join(&0));
        let answer = call.ok()?;
        let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
        let is_set = |value: &[u8]| !matches!(value, b"unspecified" | b"unset");
        Ok(fields.chunks_exact(3).filter(|of| is_set(of[2])).map(|of| of[0].to_vec()).collect())
    }

    fn is_as_checked_out(&self, path: &[u8], blob: &str) -> Result<bool, GitError> {
        let on_disk = self.root().join(files::path_from_bytes(path));
        let bytes = fs::read(&on_disk).map_err(|source| GitError::file("read", &on_disk, source))?;
        let raw = self.git().args(["hash-object", "--no-filters", "--stdin"]).input(bytes.clone()).line()?;
        if raw == blob {
            return Ok(true);
        }
        let held = self.git().args(["cat-file", "blob", blob]).ok()?;
        // What git-lfs holds says itself what the file is; nothing has to be fetched to see that.
        if let Some(oid) = lfs_oid(&held) {
            return Ok(oid == Digest::of_bytes(&bytes).as_str());
        }
        let mut path_flag = OsString::from("--path=");
        path_flag.push(files::path_from_bytes(path));
        let checked_out = self.git().args(["cat-file", "--filters"]).arg(path_flag).arg(blob).long().ok()?;
        // How lines end is git's own business, and may differ from how they were written.
        Ok(plain_lines(&checked_out) == plain_lines(&bytes))
    }
}

fn plain_lines(bytes: &[u8]) -> Vec<u8> {
    let ends = |at: usize| bytes.get(at + 1) == Some(&b'\n');
    let kept = bytes.iter().enumerate().filter(|(at, byte)| **byte != b'\r' || !ends(*at));
    kept.map(|(_, byte)| *byte).collect()
}

/// The digest in a pointer of git-lfs.
fn lfs_oid(held: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(held).ok().filter(|text| text.len() < 1024)?;
    text.starts_with("version https://git-lfs.github.com/spec/").then_some(())?;
    text.lines().find_map(|line| line.strip_prefix("oid sha256:"))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Sandbox, Scope};

    fn is_hidden(sandbox: &Sandbox, path: &str) -> bool {
        assert_eq!(sandbox.repo().dirt(&Scope::ALL).unwrap(), None, "git calls it unchanged");
        !sandbox.repo().hidden_by_filter(&[PathBuf::from(path)]).unwrap().is_empty()
    }

    #[test]
    fn an_edit_that_a_clean_filter_takes_back_is_seen() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.hide.clean", "sed s/50/100/"]);
        sandbox.write(".gitattributes", "v.json filter=hide\n");
        sandbox.commit("v.json", "100\n", "one");
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(is_hidden(&sandbox, "v.json"));
        std::fs::remove_file(sandbox.path().join("v.json")).unwrap();
        sandbox.git(&["checkout", "--", "v.json"]);
        assert!(!is_hidden(&sandbox, "v.json"));
    }

    #[test]
    fn a_filter_that_gives_back_what_it_took_is_honest_and_so_are_line_ends() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.swap.clean", "tr ab ba"]);
        sandbox.git(&["config", "filter.swap.smudge", "tr ab ba"]);
        sandbox.write(".gitattributes", "v.json filter=swap\n*.txt text eol=crlf\n");
        sandbox.write("c.txt", "a\r\nb\r\n");
        sandbox.commit("v.json", "aab\n", "one");
        assert!(!is_hidden(&sandbox, "v.json") && !is_hidden(&sandbox, "c.txt"));
    }

    #[test]
    fn a_pointer_of_git_lfs_says_what_the_file_is_without_its_program() {
        let sandbox = Sandbox::new();
        let pointer = |text: &str| {
            let oid = Digest::of_bytes(text.as_bytes());
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", text.len())
        };
        // As after a clone without the program: the pointer itself is there.
        sandbox.write(".gitattributes", "v.json filter=lfs\n");
        sandbox.commit("v.json", &pointer("100\n"), "one");
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.git(&["config", "filter.lfs.clean", &format!("printf %s '{}'", pointer("100\n"))]);
        sandbox.write("v.json", "100\n");
        sandbox.git(&["add", "v.json"]);
        assert!(!is_hidden(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(is_hidden(&sandbox, "v.json"), "the filter says the same of everything");
    }
}
