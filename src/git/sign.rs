//! Signatures by git's own set-up. What is signed is a commit object that says nothing but the text and that nothing refers
//! to: keys, programs and who may sign are git's business (`gpg.*`, `user.signingkey`, `gpg.ssh.allowedSignersFile`).

use crate::git::{GitError, Repo};

impl Repo {
    /// `text`, signed in one of git's formats (`ssh`, `openpgp`).
    pub(crate) fn sign(&self, text: &str, format: &str) -> Result<String, GitError> {
        let tree = self.git().arg("mktree").input(Vec::new()).line()?;
        let format = format!("gpg.format={format}");
        let call = self.git().args(["-c", &format, "commit-tree", "--gpg-sign", "-m", text, &tree]);
        let commit = call.long().line()?;
        let signed = self.git().args(["cat-file", "commit", &commit]).ok()?;
        Ok(String::from_utf8_lossy(&signed).into_owned())
    }

    /// Whether somebody signed `text` who may, by the configuration here.
    pub(crate) fn is_signed(&self, signature: &str, text: &str) -> Result<bool, GitError> {
        let message = signature.split_once("\n\n").map(|(_, message)| message.trim_end());
        if message != Some(text) {
            return Ok(false);
        }
        let object =
            self.git().args(["hash-object", "-t", "commit", "-w", "--stdin"]).input(signature.into()).output()?;
        if object.code != Some(0) {
            return Ok(false);
        }
        let id = String::from_utf8_lossy(&object.stdout).trim().to_owned();
        Ok(self.git().args(["verify-commit", &id]).long().output()?.code == Some(0))
    }
}
