//! Findings about commits and records: pure, from facts that the commands collect. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod commit_msg;
pub(crate) mod copies;
pub(crate) mod evidence;
pub(crate) mod finding;
pub(crate) mod fixes;
pub(crate) mod members;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod record;
pub(crate) mod timestamps;

mod merges;
mod reverts;

pub(crate) use crate::model::{CommitName, Severity};
pub(crate) use commit_msg::MessageFacts;
pub(crate) use finding::{Finding, FindingKind, Unwitnessed};
pub(crate) use members::Member;
pub(crate) use policy::{CheckPolicy, CommitDeadline, Exemption, KeyChange, Surfaces};
pub(crate) use range::{History, RangeAudit};
pub(crate) use record::{EarlierRecord, EvidenceBytes, RecordFacts, RecordState};
pub(crate) use timestamps::{RecordVersion, Stamp};

use serde::Serialize;

/// The outcome of a check: its findings and exemptions, and how much was checked.
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
