//! Whether files lie in the work tree as git would check them out. A filter can make git call a file unchanged that is
//! not. Must not decide which files matter.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::git::{GitError, Repo};
use crate::os::files;

impl Repo {
    /// Of these files (from the repository's root) those that are tracked, go through a filter or a keyword, and do not
    /// lie there as checking them out anew would give them. Line ends and encodings are git's own business.
    pub fn unfaithful(&self, paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, GitError> {
        let filtered = self.filtered(paths)?;
        if filtered.is_empty() {
            return Ok(Vec::new());
        }
        let names = || filtered.iter().map(|path| files::path_from_bytes(path));
        let listing = self.git().args(["ls-files", "-s", "-z", "--"]).args(names()).ok()?;
        let blobs: BTreeMap<&[u8], &str> = listing.split(|byte| *byte == 0).filter_map(staged).collect();
        let mut found = Vec::new();
        for (path, blob) in blobs {
            if !self.is_faithful(path, blob)? {
                found.push(path.to_vec());
            }
        }
        Ok(found)
    }

    /// Those that a filter or a keyword changes on their way.
    fn filtered(&self, paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, GitError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<Vec<u8>> = paths.iter().map(|path| files::path_bytes(path)).collect();
        let call = self.git().args(["check-attr", "-z", "--stdin", "filter", "ident"]).input(asked.join(&0));
        let answer = call.ok()?;
        let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
        let is_set = |value: &[u8]| !matches!(value, b"unspecified" | b"unset");
        let mut found: Vec<Vec<u8>> =
            fields.chunks_exact(3).filter(|of| is_set(of[2])).map(|of| of[0].to_vec()).collect();
        found.dedup();
        Ok(found)
    }

    fn is_faithful(&self, path: &[u8], blob: &str) -> Result<bool, GitError> {
        let on_disk = self.root().join(files::path_from_bytes(path));
        let bytes = fs::read(&on_disk)
            .map_err(|source| GitError::Io { action: format!("read {}", on_disk.display()), source })?;
        let raw = self.git().args(["hash-object", "--no-filters", "--stdin"]).input(bytes.clone()).line()?;
        if raw == blob {
            return Ok(true);
        }
        let held = self.git().args(["cat-file", "blob", blob]).ok()?;
        // What git-lfs holds says itself what the file is; nothing has to be fetched to see that.
        if let Some(oid) = lfs_oid(&held) {
            return Ok(oid == hex(&bytes));
        }
        let mut path_flag = std::ffi::OsString::from("--path=");
        path_flag.push(files::path_from_bytes(path));
        let given = self.git().args(["cat-file", "--filters"]).arg(path_flag).arg(blob).long().ok()?;
        // How lines end is git's own business, and may differ from how they were written.
        Ok(plain_lines(&given) == plain_lines(&bytes))
    }
}

fn plain_lines(bytes: &[u8]) -> Vec<u8> {
    let ends = |at: usize| bytes.get(at + 1) == Some(&b'\n');
    let kept = bytes.iter().enumerate().filter(|(at, byte)| **byte != b'\r' || !ends(*at));
    kept.map(|(_, byte)| *byte).collect()
}

fn staged(record: &[u8]) -> Option<(&[u8], &str)> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let mut fields = std::str::from_utf8(&record[..tab]).ok()?.split(' ');
    let (mode, blob) = (fields.next()?, fields.next()?);
    mode.starts_with("100").then_some((&record[tab + 1..], blob))
}

/// The digest in a pointer of git-lfs.
fn lfs_oid(held: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(held).ok().filter(|text| text.len() < 1024)?;
    text.starts_with("version https://git-lfs.github.com/spec/").then_some(())?;
    text.lines().find_map(|line| line.strip_prefix("oid sha256:"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Sandbox, Scope};

    fn unfaithful(sandbox: &Sandbox, path: &str) -> bool {
        assert_eq!(sandbox.repo().dirt(&Scope::ALL, &|_| false).unwrap(), None, "git calls it unchanged");
        !sandbox.repo().unfaithful(&[PathBuf::from(path)]).unwrap().is_empty()
    }

    #[test]
    fn an_edit_that_a_clean_filter_takes_back_is_seen() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.hide.clean", "sed s/50/100/"]);
        sandbox.write(".gitattributes", "v.json filter=hide\n");
        sandbox.commit("v.json", "100\n", "one");
        assert!(!unfaithful(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(unfaithful(&sandbox, "v.json"));
        std::fs::remove_file(sandbox.path().join("v.json")).unwrap();
        sandbox.git(&["checkout", "--", "v.json"]);
        assert!(!unfaithful(&sandbox, "v.json"));
    }

    #[test]
    fn a_filter_that_gives_back_what_it_took_is_honest_and_so_are_line_ends() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "filter.swap.clean", "tr ab ba"]);
        sandbox.git(&["config", "filter.swap.smudge", "tr ab ba"]);
        sandbox.write(".gitattributes", "v.json filter=swap\n*.txt text eol=crlf\n");
        sandbox.write("c.txt", "a\r\nb\r\n");
        sandbox.commit("v.json", "aab\n", "one");
        assert!(!unfaithful(&sandbox, "v.json") && !unfaithful(&sandbox, "c.txt"));
    }

    #[test]
    fn a_pointer_of_git_lfs_says_what_the_file_is_without_its_program() {
        let sandbox = Sandbox::new();
        let pointer = |text: &str| {
            let oid = hex(text.as_bytes());
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", text.len())
        };
        // As after a clone without the program: the pointer itself lies there.
        sandbox.write(".gitattributes", "v.json filter=lfs\n");
        sandbox.commit("v.json", &pointer("100\n"), "one");
        assert!(!unfaithful(&sandbox, "v.json"));
        sandbox.git(&["config", "filter.lfs.clean", &format!("printf %s '{}'", pointer("100\n"))]);
        sandbox.write("v.json", "100\n");
        sandbox.git(&["add", "v.json"]);
        assert!(!unfaithful(&sandbox, "v.json"));
        sandbox.write("v.json", "50\n");
        sandbox.git(&["add", "v.json"]);
        assert!(unfaithful(&sandbox, "v.json"), "the filter says the same of everything");
    }
}
