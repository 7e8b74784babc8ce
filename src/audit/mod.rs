//! Findings about commits and records: pure, from facts that the commands collect. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod commit_msg;
pub(crate) mod copies;
pub(crate) mod evidence;
pub(crate) mod finding;
pub(crate) mod fixes;
pub(crate) mod members;
pub(crate) mod outcome;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod record;
pub(crate) mod timestamps;

mod merges;
mod reverts;

pub(crate) use crate::model::{CommitName, Severity};
pub(crate) use commit_msg::MessageFacts;
pub(crate) use finding::{Finding, FindingKind};
pub(crate) use members::Member;
pub(crate) use outcome::{Audit, Exempted};
pub(crate) use policy::{CommitDeadline, Exemption, KeyChange, Policy, Surfaces};
pub(crate) use range::{History, RangeAudit};
pub(crate) use record::{EarlierRecord, Found, RecordFacts, RecordState};
pub(crate) use timestamps::{Stamp, Version};
