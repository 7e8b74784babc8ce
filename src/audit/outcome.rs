//! The outcome of a check: its findings and exemptions, and how much was checked.

use serde::Serialize;

use crate::audit::{CommitName, Finding, Severity};

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Audit {
    pub findings: Vec<Finding>,
    /// Commits that the config exempts from naming a change, with its reason.
    pub exempted: Vec<Exempted>,
    pub commits: usize,
    pub records: usize,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Exempted {
    pub commit: CommitName,
    pub reason: String,
}

impl Audit {
    /// Adds the findings that are not there yet.
    pub(crate) fn add_new(&mut self, found: Vec<Finding>) {
        for finding in found {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }

    pub(crate) fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    pub(crate) fn passes(&self) -> bool {
        self.worst() < Some(Severity::Fail)
    }
}
