//! Findings about commits and records. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod anchored;
pub mod commit;
pub mod demanded;
pub mod finding;
pub mod fixes;
pub mod history;
pub mod merge;
pub mod message;
pub mod monitored;
pub mod objection;
pub mod policy;
pub mod preflight;
pub mod range;
pub mod recompute;
pub mod record;
pub mod witnessed;

mod lines;
mod session;
mod settings;
mod surface;
mod tracked;
mod validation;

pub use crate::model::{CommitName, Severity, Severity as Level};
pub use anchored::Objects;
pub use commit::{CommitFacts, FileFact};
pub use finding::{Audit, Exempted, Finding, FindingKind, FindingKind as What};
pub use history::History;
pub(crate) use lines::{Lines, Told};
pub use merge::{Combined, Remerged};
pub(crate) use merge::{Held, Merge};
pub use message::{MessageFacts, Objection, Source, UnderWay};
pub use policy::{Exemption, Policy, Prompt, Surfaces};
pub use preflight::{Demanded, World};
pub(crate) use range::Member;
pub use range::RangeAudit;
pub use record::{EarlierRecord, RecordFacts, RecordState};
pub(crate) use tracked::Demands;
pub use witnessed::{Stamp, Version};
