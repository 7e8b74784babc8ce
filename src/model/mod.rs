//! Plain data and how it is parsed: ids, criteria, metrics, units, snapshots, events. No I/O, no clock, no decisions.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod advised;
pub mod command_line;
pub mod commit;
pub mod criterion;
pub mod digest;
pub mod event;
pub mod facts;
pub mod fix;
pub mod gate;
pub mod hyperfine;
pub mod id;
pub mod ingest;
pub mod metric;
pub mod own;
pub mod pair;
pub mod revision;
pub mod scrub;
pub mod snapshot;
pub mod strict_json;
pub mod text;
pub mod uncommitted;
pub mod unit;
pub mod verdict;

pub use advised::{Causes, Proposed};
pub use command_line::{CommandLine, PROGRAM};
pub use commit::{Commit, FileChange, Remade, Remake};
pub use criterion::{Bound, Contract, Criterion, CriterionError, DEFAULT_ROLLBACK, Op, Part, Trigger};
pub use digest::{Artifact, Digest, is_page};
pub use event::{
    After, Baseline, Compared, Event, Kind, Opened, Promotion, RolloutStage, SnapshotPurpose, Tick, Validation,
};
pub use facts::{
    ArtifactFault, Attestation, Check, CheckKind, CriterionResult, Delta, DeltaCommit, InEffect, MIN_DAYS, Policy,
    RecordedSnapshot, Rehearsal, Stage, StagePlan, Strength, TuneableChange, Verdicts,
};
pub use fix::{
    Action, CommitName, Fix, FixContext, How, PLACEHOLDERS, Problem, SHORT_HYPOTHESIS, Severity, Subject, WHAT_CHANGED,
    WHAT_HAPPENED,
};
pub use gate::{Class, Gate, Surface};
pub use id::{BadId, ChangeId};
pub use ingest::IngestError;
pub use metric::{Better, Measurable, MetricId, MetricKind, MetricSource, MetricSpec, Sampling, Unmeasurable};
pub use pair::{FirstRuns, Grown, Pair, PairSession, PairedCommand, PairedKpi, Printed, SideRevision, Stop};
pub use revision::{Machine, Revision, WorkTree};
pub use scrub::scrub;
pub use snapshot::{
    CpuMeans, GitV1, Http, HttpRequest, Kpi, ReadFile, Run, Size, Snapshot, System, Timing, Tuneable, TuneableFile,
};
pub use strict_json::{Json, JsonError, parse_json};
pub use text::{count, few, joined, moment, nearest, short};
pub use uncommitted::{Operation, Uncommitted};
pub use unit::Unit;
pub use verdict::{Design, Doubt, Effect, Estimate, Flaw, Outcome, Unusable, Verdict};
