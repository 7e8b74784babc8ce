//! Findings about commits and records: pure, from facts that the commands collect. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod commit_msg;
pub mod evidence;
pub mod finding;
pub mod fixes;
pub mod objection;
pub mod policy;
pub mod preflight;
pub mod range;
pub mod record;
pub mod timestamps;

mod members;
mod merges;
mod reverts;

pub use crate::model::{CommitName, Severity};
pub use commit_msg::{LookUp, MessageFacts, Source, UnderWay};
pub use finding::{Audit, Exempted, Finding, FindingKind};
pub(crate) use members::{Demands, Member};
pub use merges::{Combined, Remerged};
pub use objection::Objection;
pub use policy::{CommitDeadline, Exemption, Policy, Surfaces};
pub use preflight::{Demanded, World};
pub use range::{History, RangeAudit};
pub use record::{EarlierRecord, Found, Objects, RecordFacts, RecordState};
pub use timestamps::{Stamp, Version};
