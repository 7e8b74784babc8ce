//! Signatures by git's own set-up. What is signed is a commit object that says nothing but the text and that nothing refers
//! to: keys, programs and who may sign are git's business (`gpg.*`, `user.signingkey`, `gpg.ssh.allowedSignersFile`).

use chrono::{DateTime, Utc};

use crate::git::{GitError, Repo};

impl Repo {
    /// `text`, signed in one of git's formats (`ssh`, `openpgp`) at that moment.
    pub(crate) fn sign(&self, text: &str, format: &str, at: DateTime<Utc>) -> Result<String, GitError> {
        let tree = self.git().arg("mktree").input(Vec::new()).line()?;
        let format = format!("gpg.format={format}");
        let call = self.git().args(["-c", &format, "commit-tree", "--gpg-sign", "-m", text, &tree]);
        let commit = call.env("GIT_COMMITTER_DATE", format!("@{} +0000", at.timestamp())).long().line()?;
        let signed = self.git().args(["cat-file", "commit", &commit]).ok()?;
        let what = || "a commit in UTF-8, which it needs to be: is user.name?".to_owned();
        String::from_utf8(signed)
            .map_err(|_| GitError::Unreadable { args: "commit-tree --gpg-sign".to_owned(), what: what() })
    }

    /// Whether somebody signed `text` who might at that moment, by the configuration here: keys expire.
    pub(crate) fn is_signed(&self, signature: &str, text: &str, at: DateTime<Utc>) -> Result<bool, GitError> {
        let Some((head, message)) = signature.split_once("\n\n") else { return Ok(false) };
        let then = format!("> {} +0000", at.timestamp());
        let is_of_then = head.lines().any(|line| line.starts_with("committer ") && line.ends_with(&then));
        if message.trim_end() != text || !is_of_then {
            return Ok(false);
        }
        let id = self.git().args(["hash-object", "-t", "commit", "-w", "--stdin"]).input(signature.into()).line()?;
        Ok(self.git().args(["verify-commit", &id]).long().output()?.code == Some(0))
    }
}
