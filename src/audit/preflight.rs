//! What stands in the way of honest measuring, before anything is measured: findings with the original's codes, and the
//! workflow's "what to avoid". Must not look at the world itself: the facts are handed over.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::audit::record;
use crate::model::{ChangeId, Class};
use crate::workflow::Change;

/// How grave a finding is, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warn,
    Fail,
}

impl Severity {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub code: &'static str,
    pub level: Severity,
    pub message: String,
    pub hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_id: Option<ChangeId>,
}

/// What the world looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub is_git: bool,
    /// Why it is not known whether it is, in git's words.
    pub git_trouble: Option<String>,
    pub lost: Vec<Lost>,
    pub has_commit: bool,
    /// Paths that lie uncommitted outside the tool's own; `None` where git could not say.
    pub dirty: Option<u32>,
    /// Paths of the repository that lie uncommitted outside the project's directory.
    pub outside: Vec<String>,
    pub has_config: bool,
    /// Configured timings, and those of them that have a command, or results to read.
    pub timings: (usize, usize),
    pub size_paths: usize,
    pub http_probes: usize,
    pub has_snapshots: bool,
    /// Directories of build output, with the size path that each lies in.
    pub bloat: Vec<(String, Option<String>)>,
    /// Keys of tuneables whose effective value is not the one measured last.
    pub moved_tuneables: Vec<String>,
    /// Whether an attestation is demanded, or else recommended.
    pub attestation: Option<Demanded>,
}

/// A record that cannot be relied on: what its change owes, and whether it holds, is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub path: String,
    pub code: &'static str,
    pub problem: String,
    pub heal: String,
}

impl Lost {
    /// A line that names the file; the reader's words do so already.
    pub fn text(&self) -> String {
        let named = self.problem.contains(&self.path);
        if named { self.problem.clone() } else { format!("{}: {}", self.path, self.problem) }
    }
}

/// How much an attestation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demanded {
    Required,
    Recommended,
}

/// Every finding, the gravest first. `changes` are the open ones; `allows` tells whether the config allows a tool its
/// reasoning mode.
pub fn findings(
    world: &World,
    changes: &[&Change],
    allows: &dyn Fn(&str, &str) -> bool,
    now: DateTime<Utc>,
) -> Vec<Found> {
    let mut found = Vec::new();
    for lost in &world.lost {
        add(&mut found, Severity::Fail, lost.code, lost.text(), &lost.heal);
    }
    git(world, &mut found);
    beside(world, &mut found);
    config(world, &mut found);
    tuneables(world, changes, &mut found);
    for change in changes {
        review(world, change, allows, &mut found);
        emergency(change, now, &mut found);
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    found
}

/// The gravest level; `info` where nothing was found, as the original has it.
pub fn worst(found: &[Found]) -> Severity {
    found.iter().map(|finding| finding.level).max().unwrap_or(Severity::Info)
}

fn add(found: &mut Vec<Found>, level: Severity, code: &'static str, message: impl Into<String>, hint: &str) {
    found.push(Found { code, level, message: message.into(), hint: hint.to_owned(), change_id: None });
}

fn git(world: &World, found: &mut Vec<Found>) {
    if let Some(trouble) = &world.git_trouble {
        let hint = "mend that first: nothing can be measured of code that git does not tell apart";
        return add(found, Severity::Fail, "GIT_TROUBLE", trouble.clone(), hint);
    }
    if !world.is_git {
        let hint = "run git init: without commits nothing ties a measurement to a change";
        return add(found, Severity::Warn, "GIT_NOT_FOUND", "the project is not under git", hint);
    }
    if !world.has_commit {
        add(found, Severity::Warn, "GIT_NO_COMMIT", "there is no commit yet", "commit once: git commit");
    }
    match world.dirty {
        Some(0) => {}
        Some(paths) => {
            let noun = if paths == 1 { "path" } else { "paths" };
            let message = format!("{paths} uncommitted {noun} besides the tool's own");
            add(found, Severity::Warn, "GIT_DIRTY", message, "commit or stash them: git status shows which");
        }
        None => {
            add(found, Severity::Warn, "GIT_DIRTY", "git cannot say what is uncommitted", "see what git status says");
        }
    }
}

/// In a repository of many projects others' work is no fault; but what is measured may read it.
fn beside(world: &World, found: &mut Vec<Found>) {
    if let Some(first) = world.outside.first() {
        let message = format!(
            "uncommitted outside the project's directory: {first}{}",
            match world.outside.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            }
        );
        let hint = "commit or stash what the measured commands read: no commit would hold what ran";
        add(found, Severity::Info, "GIT_DIRTY_OUTSIDE", message, hint);
    }
}

fn config(world: &World, found: &mut Vec<Found>) {
    if !world.has_config {
        add(found, Severity::Fail, "CONFIG_MISSING", "there is no config", "run vibeship-optimizer init");
    }
    let onboard = "run vibeship-optimizer onboard";
    match world.timings {
        (0, _) => add(found, Severity::Warn, "TIMINGS_EMPTY", "no command is timed", onboard),
        (n, 0) => {
            add(
                found,
                Severity::Warn,
                "TIMINGS_NO_CMDS",
                format!("none of {n} timings has a command or results to read"),
                onboard,
            );
        }
        _ => {}
    }
    if world.size_paths == 0 {
        let hint = "list paths in size_paths if their size matters";
        add(found, Severity::Info, "SIZE_PATHS_EMPTY", "no size is measured", hint);
    }
    if world.http_probes == 0 {
        let hint = "add a health endpoint to http_probes if there is one";
        add(found, Severity::Info, "HTTP_PROBES_EMPTY", "no endpoint is asked", hint);
    }
    if !world.has_snapshots {
        let hint = "open a change and capture its baseline: vibeship-optimizer status";
        add(found, Severity::Info, "NO_SNAPSHOTS", "nothing was measured yet", hint);
    }
    for (path, within) in &world.bloat {
        let (level, message) = match within {
            Some(size_path) => (Severity::Warn, format!("{path} is build output within the measured {size_path}")),
            None => (Severity::Info, format!("{path} is build output")),
        };
        add(found, level, "BLOAT_DIR_PRESENT", message, "let git ignore it; sizes of tracked files leave it out");
    }
}

/// "Tuneables changes without optimizer record": unless a change is being made right now.
fn tuneables(world: &World, changes: &[&Change], found: &mut Vec<Found>) {
    let being_made = changes.iter().any(|change| change.baseline.is_some() && change.promotion.is_none());
    let overridden = changes.iter().any(|change| change.opened.class == Class::Emergency);
    if world.moved_tuneables.is_empty() || being_made || overridden {
        return;
    }
    let message = format!("changed since they were last measured: {}", world.moved_tuneables.join(", "));
    let hint = "put them back, or open a change for them before anything else: vibeship-optimizer change start";
    add(found, Severity::Warn, "TUNEABLES_UNRECORDED", message, hint);
}

fn review(world: &World, change: &Change, allows: &dyn Fn(&str, &str) -> bool, found: &mut Vec<Found>) {
    let mut about = |level, code, message: String, hint: &str| {
        let hint = hint.to_owned();
        found.push(Found { code, level, message, hint, change_id: Some(change.id().clone()) });
    };
    let bundle = "have it reviewed (vibeship-optimizer review bundle), then vibeship-optimizer review attest";
    match &change.attestation {
        Some(attestation) if !allows(&attestation.tool, &attestation.reasoning_mode) => {
            let message = format!(
                "{} was reviewed by {} in the mode {}, which the config does not allow",
                change.id(),
                attestation.tool,
                attestation.reasoning_mode
            );
            about(Severity::Fail, "REVIEW_MODE_NOT_ALLOWED", message, bundle);
        }
        Some(attestation) if attestation.reviewed == change.review_digest() => {}
        // Before there is a comparison there is nothing to review.
        _ if change.comparison.is_none() && change.rollout.is_empty() => {}
        _ => match world.attestation {
            Some(Demanded::Required) => {
                let message = format!("the present state of {} has no attested review", change.id());
                about(Severity::Warn, "REVIEW_ATTESTATION_MISSING", message, bundle);
            }
            Some(Demanded::Recommended) => {
                let message = format!("a review of {} would be good to have", change.id());
                about(Severity::Info, "REVIEW_ATTESTATION_RECOMMENDED", message, bundle);
            }
            None => {}
        },
    }
}

/// "Leaving env emergency overrides undocumented": one that has expired was forgotten.
fn emergency(change: &Change, now: DateTime<Utc>, found: &mut Vec<Found>) {
    if record::expired_override(change, now).is_none() {
        return;
    }
    let hint = "take the override out (change rollback), or name the change that takes it over (change follow-up)";
    found.push(Found {
        code: "ENV_OVERRIDE_EXPIRED",
        level: Severity::Fail,
        message: format!("the override of {} has expired", change.id()),
        hint: hint.to_owned(),
        change_id: Some(change.id().clone()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(world: &World) -> Vec<&'static str> {
        findings(world, &[], &|_, _| true, DateTime::UNIX_EPOCH).iter().map(|finding| finding.code).collect()
    }

    fn well() -> World {
        World {
            is_git: true,
            has_commit: true,
            dirty: Some(0),
            has_config: true,
            timings: (1, 1),
            size_paths: 1,
            http_probes: 1,
            has_snapshots: true,
            ..World::default()
        }
    }

    #[test]
    fn a_project_that_is_set_up_has_no_finding() {
        assert!(codes(&well()).is_empty());
        assert_eq!(worst(&[]), Severity::Info);
    }

    #[test]
    fn every_shortcoming_has_its_code() {
        let bare = World { is_git: true, ..World::default() };
        let expected = [
            "CONFIG_MISSING",
            "GIT_NO_COMMIT",
            "GIT_DIRTY",
            "TIMINGS_EMPTY",
            "SIZE_PATHS_EMPTY",
            "HTTP_PROBES_EMPTY",
            "NO_SNAPSHOTS",
        ];
        assert_eq!(codes(&bare), expected);
        assert_eq!(codes(&World { is_git: false, ..well() }), ["GIT_NOT_FOUND"]);
        let untrusted = World { is_git: false, git_trouble: Some("git does not trust it".to_owned()), ..well() };
        assert_eq!(codes(&untrusted), ["GIT_TROUBLE"]);
        assert_eq!(codes(&World { timings: (2, 0), ..well() }), ["TIMINGS_NO_CMDS"]);
        assert_eq!(codes(&World { moved_tuneables: vec!["a.b".to_owned()], ..well() }), ["TUNEABLES_UNRECORDED"]);
        let bloat = World { bloat: vec![("lib/__pycache__".to_owned(), Some("lib".to_owned()))], ..well() };
        assert_eq!(codes(&bloat), ["BLOAT_DIR_PRESENT"]);
    }
}
