//! The evidence of a change as it lies on disk: is it what was recorded, and do the recorded verdicts come out of it again?

use crate::audit::monitored;
use crate::change::facts::ArtifactFault;
use crate::change::facts::Verdicts;
use crate::change::state::Change;
use crate::commands::Ctx;
use crate::commands::judge;
use crate::error::CommandError;
use crate::evidence::artifact::Artifact;
use crate::evidence::compare;
use crate::evidence::compare::Comparison;
use crate::evidence::ingest;
use crate::evidence::pair::PairSession;
use crate::evidence::snapshot::Snapshot;
use crate::store::artifact;
use crate::store::artifact::Standing;

/// Artifacts of the change's present state that are missing or altered.
///
/// # Errors
/// When a file exists but cannot be read.
pub fn faults(ctx: &Ctx, change: &Change) -> Result<Vec<ArtifactFault>, CommandError> {
    faults_in(ctx, &change.artifacts())
}

/// Those of `artifacts` that are missing or altered.
///
/// # Errors
/// When a file exists but cannot be read.
pub fn faults_in(ctx: &Ctx, artifacts: &[&Artifact]) -> Result<Vec<ArtifactFault>, CommandError> {
    let mut found = Vec::new();
    for artifact in artifacts {
        let missing = match artifact::verify(&ctx.project, artifact)? {
            Standing::Intact | Standing::Superseded { .. } => continue,
            Standing::Missing => true,
            Standing::Altered { .. } => false,
        };
        found.push(ArtifactFault { path: artifact.path.clone(), missing });
    }
    Ok(found)
}

/// A recorded snapshot, read from its unaltered file.
///
/// # Errors
/// When it is missing, altered, or no snapshot.
pub fn snapshot(ctx: &Ctx, artifact: &Artifact) -> Result<Snapshot, CommandError> {
    let bytes = unaltered(ctx, artifact)?;
    ingest::parse_snapshot(&bytes).map_err(|error| CommandError::trouble(format!("{}: {error}", artifact.path)))
}

/// A recorded paired measurement, read from its unaltered file.
///
/// # Errors
/// As [`snapshot`].
pub fn pair(ctx: &Ctx, artifact: &Artifact) -> Result<PairSession, CommandError> {
    let bytes = unaltered(ctx, artifact)?;
    ingest::parse_pair(&bytes).map_err(|error| CommandError::trouble(format!("{}: {error}", artifact.path)))
}

fn unaltered(ctx: &Ctx, artifact: &Artifact) -> Result<Vec<u8>, CommandError> {
    artifact::read_verified(&ctx.project, artifact)?.map_err(|standing| {
        let what = if standing == Standing::Missing { "is missing" } else { "is not what was recorded" };
        CommandError::trouble(format!("{} {what}", artifact.path))
            .hinted(format!("restore it: git checkout -- {}", artifact.path))
    })
}

/// A recorded comparison, read from its unaltered file.
///
/// # Errors
/// As [`snapshot`].
pub fn comparison_file(ctx: &Ctx, artifact: &Artifact) -> Result<Comparison, CommandError> {
    let bytes = unaltered(ctx, artifact)?;
    serde_json::from_slice(&bytes).map_err(|error| CommandError::trouble(format!("{}: {error}", artifact.path)))
}

/// The change's comparison computed again from the raw files; `None` before there is one.
///
/// # Errors
/// When a raw file is missing, altered, or not what it should be.
pub fn recomputed(ctx: &Ctx, change: &Change) -> Result<Option<(Comparison, Verdicts)>, CommandError> {
    let (Some(baseline), Some(after), Some(recorded)) = (&change.baseline, &change.after, &change.comparison) else {
        return Ok(None);
    };
    let before = snapshot(ctx, &baseline.taken.snapshot)?;
    let after = snapshot(ctx, &after.taken.snapshot)?;
    let pair = recorded.pair.as_ref().map(|artifact| pair(ctx, artifact)).transpose()?;
    // The settings of that day, from the unaltered file: a later calibration must not change an old verdict.
    let settings = comparison_file(ctx, &recorded.json)?.settings;
    let demands = judge::demands(&change.contract);
    let comparison = compare::compare(&before, &after, pair.as_ref(), &demands, &settings);
    let verdicts = judge::verdicts(&comparison)?;
    Ok(Some((comparison, verdicts)))
}

/// Whether everything that the record concludes follows from the raw files: the verdicts come out again, the
/// snapshots are measurements of their own, of the code and the moment that the record says. What does not is told.
///
/// # Errors
/// When a raw file is missing, altered, or not what it should be.
pub fn reproduced(ctx: &Ctx, change: &Change) -> Result<bool, CommandError> {
    let fetch = |file: &Artifact| artifact::read_verified(&ctx.project, file).ok().and_then(Result::ok);
    if let Some(problem) = monitored::problem(change, &fetch) {
        ctx.ui.warn(&problem);
        return Ok(false);
    }
    let recorded = change.comparison.as_ref().map(|comparison| &comparison.verdicts);
    let again = recomputed(ctx, change)?;
    Ok(recorded == again.as_ref().map(|(_, verdicts)| verdicts))
}
