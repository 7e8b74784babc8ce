//! Rendering: one view model, several markups. Never prints, never decides.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod aside;
pub mod bar;
pub mod calibration;
pub mod caveat;
pub mod compare;
pub mod criterion_error;
pub mod daily;
pub mod day;
pub mod escape;
pub mod findings;
#[cfg(test)]
pub(crate) mod fixture;
pub mod given;
pub mod html;
pub mod invocation;
pub mod list;
pub mod llm;
pub mod logbook;
pub mod markdown;
pub mod markup;
pub mod objection;
pub mod pair;
pub mod pipeline;
pub mod plot;
pub mod problem;
pub mod project;
pub mod refusal;
pub mod review;
pub mod rollback;
pub mod route;
pub mod selftest;
pub mod show;
pub mod status;
pub mod step;
pub mod summary;
pub mod terminal;
pub mod unmeasured;
pub mod v1;
pub mod validation;
pub mod values;
pub mod verdict;
pub mod verify;
pub mod visible;

pub use aside::{Around, Uncommitted};
pub use bar::Axis;
pub use compare::CompareView;
pub use daily::{Decision, Evening, Morning, Probed};
pub use day::DayView;
pub use findings::FindingView;
pub use html::{Entry, Page};
pub use invocation::{Hint, Keys};
pub use markup::{Align, Block, Doc, Span, Table, Task, Text, Tone};
pub use pipeline::Progress;
pub use refusal::RefusalView;
pub use review::{BundleView, CommitDiff};
pub use status::StatusView;
pub use step::{Made, StepView};
pub use terminal::Terminal;
