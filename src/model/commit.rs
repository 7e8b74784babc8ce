//! A commit as it was read from history: git gives it, the audit judges it, a record keeps its summary.

use crate::model::CommitName;

/// A commit, with its files in the form that the reader needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit<F> {
    pub id: String,
    pub parents: Vec<String>,
    pub author_name: String,
    pub author_email: String,
    /// When it was written, in seconds since 1970 UTC.
    pub author_time: i64,
    /// When it was committed as it is now, in seconds since 1970 UTC.
    pub commit_time: i64,
    pub subject: String,
    pub message: String,
    /// Values of the trailer that names changes, in order, as git reads them; may be malformed.
    pub ids: Vec<String>,
    /// The files that it changes; what those of a merge are is a question of how history was walked.
    pub files: Vec<F>,
}

impl<F> Commit<F> {
    /// Its name in findings.
    pub fn name(&self) -> CommitName {
        CommitName { id: self.id.clone(), subject: self.subject.clone() }
    }

    pub fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }

    /// The same commit with its files in another form.
    pub fn with_files<G>(self, files: Vec<G>) -> Commit<G> {
        Commit {
            id: self.id,
            parents: self.parents,
            author_name: self.author_name,
            author_email: self.author_email,
            author_time: self.author_time,
            commit_time: self.commit_time,
            subject: self.subject,
            message: self.message,
            ids: self.ids,
            files,
        }
    }
}
