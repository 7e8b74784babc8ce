//! How lost or altered evidence comes back. Must not know why it is demanded.

use crate::model::{Artifact, ArtifactFault, Gate, Taken};
use crate::report::{Hint, invocation};
use crate::workflow::Change;

/// Brings evidence back: from git where a commit has it; else it is measured anew, or the change ends where that is
/// too late. `again` is what can be tried then.
pub(crate) fn restore(faults: &[ArtifactFault], change: &Change, again: Option<Hint>) -> Vec<Hint> {
    let id = change.id();
    let (moved, faults): (Vec<&ArtifactFault>, Vec<&ArtifactFault>) =
        faults.iter().partition(|fault| fault.kept.is_some() && !fault.committed);
    let (kept, lost): (Vec<&ArtifactFault>, Vec<&ArtifactFault>) =
        faults.into_iter().partition(|fault| fault.committed);
    let mut hints = Vec::new();
    if !moved.is_empty() {
        let back = |fault: &&ArtifactFault| {
            let from = invocation::shell_word(fault.kept.as_deref().unwrap_or_default());
            format!("cp {from} {}", invocation::shell_word(&fault.path))
        };
        let back: Vec<String> = moved.iter().map(back).collect();
        hints.push(Hint::to("put back what was recorded", back.join(" && ")));
    }
    if !kept.is_empty() {
        let paths: Vec<String> = kept.iter().map(|fault| invocation::shell_word(&fault.path)).collect();
        hints.push(Hint::to("restore the files", format!("git checkout HEAD -- {}", paths.join(" "))));
    }
    if lost.is_empty() {
        hints.extend(again);
        return hints;
    }
    let is = |artifact: &Artifact| lost.iter().any(|fault| fault.path == artifact.path);
    let of_taken = |taken: &Taken| is(&taken.snapshot) || taken.kpi_artifacts.iter().any(is);
    if change.promotion.is_some() || change.baseline.as_ref().is_some_and(|baseline| of_taken(&baseline.taken)) {
        let end = if change.promotion.is_some() { "rollback" } else { "reject" };
        let why = "no commit has them, and it is too late to measure them anew: end it";
        hints.push(Hint::to(why, invocation::with_reason(id, end)));
        return hints;
    }
    let (what, gate) = if change.validation.as_ref().is_some_and(|validation| is(&validation.artifact)) {
        ("validate", Gate::Validate)
    } else if change.after.as_ref().is_some_and(|after| of_taken(&after.taken)) {
        ("measure", Gate::After)
    } else {
        ("compare", Gate::Compare)
    };
    hints.push(Hint::to(&format!("no commit has them: {what} anew"), invocation::gate(id, gate)));
    hints.extend(again);
    hints
}
