//! What stands as proof for a change's present state: its commits, its evidence files, what a review has to cover.
//! Must not decide whether it suffices.

use serde_json::json;

use crate::model::artifact::superseded_name;
use crate::model::{Artifact, Digest, Event, Kind, Strength, Taken};
use crate::workflow::Change;

impl Change {
    /// The rollback action as it was recorded: filled in once there is a commit, as written before.
    pub fn recorded_rollback(&self) -> &str {
        self.after.as_ref().map_or(self.contract.rollback.as_str(), |after| after.rollback.as_str())
    }

    /// The same, with the hashes that are valid now (after relinking).
    pub fn rollback_action(&self) -> String {
        let recorded = self.recorded_rollback().to_owned();
        self.relinks().fold(recorded, |text, (old, new, _)| text.replace(old, new))
    }

    /// Whether a commit of the change was found again by the code that it ends in: what else is in it is not known.
    pub fn is_squashed(&self) -> bool {
        self.relinks().any(|(_, _, by)| by == "tree")
    }

    /// Which commit took the place of which, oldest first, and how that showed.
    fn relinks(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.events.iter().flat_map(|event| {
            let (moved, by) = match &event.what {
                Kind::Relinked { commits, by } => (commits.as_slice(), by.as_str()),
                _ => (&[][..], ""),
            };
            moved.iter().map(move |(old, new)| (old.as_str(), new.as_str(), by))
        })
    }

    /// The commits that are the change, oldest first, by the hashes that are valid now (after relinking).
    pub fn commits(&self) -> Vec<String> {
        let delta = self.validation.iter().flat_map(|validation| validation.delta.own_commits());
        let mut commits: Vec<String> = delta.map(|commit| commit.sha.clone()).collect();
        for (old, new, _) in self.relinks() {
            commits.iter_mut().filter(|commit| *commit == old).for_each(|commit| new.clone_into(commit));
        }
        commits
    }

    /// Every evidence file that stands for the present state, in the order in which it was recorded.
    pub fn artifacts(&self) -> Vec<&Artifact> {
        fn of_taken(taken: &Taken) -> impl Iterator<Item = &Artifact> {
            std::iter::once(&taken.snapshot).chain(&taken.kpi_artifacts)
        }
        let mut found: Vec<&Artifact> = Vec::new();
        found.extend(self.baseline.iter().flat_map(|baseline| of_taken(&baseline.taken)));
        found.extend(self.validation.iter().map(|validation| &validation.artifact));
        found.extend(self.after.iter().flat_map(|after| of_taken(&after.taken)));
        if let Some(comparison) = &self.comparison {
            found.extend([&comparison.markdown, &comparison.json]);
            found.extend(&comparison.pair);
        }
        found.extend(self.promotion.iter().map(|promotion| &promotion.note));
        found.extend(self.rollout.iter().flat_map(|done| of_taken(&done.taken)));
        found.extend(self.ticks.iter().flat_map(|tick| of_taken(&tick.taken).chain([&tick.report])));
        found.extend(self.attestation.iter().map(|attestation| &attestation.artifact));
        found
    }

    /// Whether an evidence file is the newest that was recorded under its name: that one has the name to itself.
    pub fn is_newest(&self, artifact: &Artifact) -> bool {
        let of_name = |event: &Event| {
            event.what.artifacts().into_iter().rfind(|other| other.path == artifact.path).map(|it| it.sha256.clone())
        };
        self.events.iter().rev().find_map(of_name).is_none_or(|newest| newest == artifact.sha256)
    }

    /// Whether the baseline is bound to no commit: then no pairs can be checked out.
    pub fn has_no_commit(&self) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.strength == Strength::Unversioned)
    }

    /// Whether the baseline was taken outside git; before a first commit there is a branch.
    pub fn is_outside_git(&self) -> bool {
        self.has_no_commit() && self.baseline.as_ref().is_some_and(|it| it.taken.revision.branch.is_none())
    }

    /// Where an evidence file lies by now: under its own name, or where it was kept when a later measurement of the same
    /// day took that name.
    pub fn lies_at(&self, artifact: &Artifact) -> String {
        let mut of_name: Vec<&Artifact> = self.artifacts();
        of_name.retain(|other| other.path == artifact.path);
        of_name.dedup_by_key(|other| &other.sha256);
        let place = of_name.iter().position(|other| other.sha256 == artifact.sha256);
        match place.and_then(|at| u32::try_from(at + 1).ok()) {
            Some(number) if (number as usize) < of_name.len() => superseded_name(&artifact.path, number),
            _ => artifact.path.clone(),
        }
    }

    /// Digest over what a reviewer has to have seen: the contract, the delta and the comparison. An attestation
    /// of another digest is stale.
    pub fn review_digest(&self) -> Digest {
        let delta = self.validation.as_ref().map(|validation| &validation.delta);
        let verdicts = self.comparison.as_ref().map(|comparison| &comparison.verdicts);
        let report = self.comparison.as_ref().map(|comparison| &comparison.json);
        Digest::of_json(&json!({
            "change_id": self.id(),
            "contract": self.contract,
            "delta": delta,
            "verdicts": verdicts,
            "report": report,
        }))
    }
}
