//! Problems that would invalidate measurements, found before anything is measured: the original's codes, and the
//! workflow's "what to avoid". The facts are handed over.

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::audit::Finding;
use crate::model::text::{count, few, joined};
use crate::model::{ChangeId, Class, CommandLine, Fix, FixContext, How, Problem, Severity, Subject, fix};
use crate::workflow::Change;

/// What was found. The name in upper snake case is the stable code.
#[derive(Debug, Clone, PartialEq, Serialize, Error)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    #[error("{trouble}")]
    GitTrouble { trouble: String },
    #[error("the project is not under git")]
    GitNotFound,
    #[error("there is no commit yet")]
    GitNoCommit,
    #[error("{}", uncommitted(*.paths))]
    GitDirty { paths: Option<u32> },
    #[error("uncommitted outside the project's directory: {}", few(.paths))]
    GitDirtyOutside { paths: Vec<String> },
    #[error("git ignores {}, so the records are missing in every clone", joined(.paths))]
    StateIgnored {
        paths: Vec<String>,
        /// What to add to `.gitignore`.
        lines: Vec<String>,
    },
    #[error("{what}")]
    DataUnfetched {
        what: String,
        /// The command of git that fetches it.
        #[serde(skip)]
        command: &'static str,
    },
    #[error("there is no config")]
    ConfigMissing,
    #[error("no command is timed")]
    TimingsEmpty,
    #[error("none of {timings} timings has a command or results to read")]
    TimingsNoCmds { timings: usize },
    #[error("no size is measured")]
    SizePathsEmpty,
    #[error("no HTTP endpoint is probed")]
    HttpProbesEmpty,
    #[error("nothing was measured yet")]
    NoSnapshots,
    #[error("{path} is build output{}", .within.as_ref().map(|it| format!(" within the measured {it}")).unwrap_or_default())]
    BloatDirPresent {
        path: String,
        /// The size path that it is in.
        within: Option<String>,
    },
    /// Tuneables moved without a change.
    #[error("changed since they were last measured: {}", joined(.keys))]
    TuneablesUnrecorded { keys: Vec<String> },
    #[error("{id} was reviewed by {tool} in the mode {mode}, which the config does not allow")]
    ReviewModeNotAllowed { id: ChangeId, tool: String, mode: String },
    #[error("the present state of {id} has no attested review")]
    ReviewAttestationMissing { id: ChangeId },
    #[error("a review of {id} would be good to have")]
    ReviewAttestationRecommended { id: ChangeId },
    #[error("the override of {id} has expired")]
    EnvOverrideExpired { id: ChangeId },
}

fn uncommitted(paths: Option<u32>) -> String {
    paths.map_or_else(
        || "git cannot say what is uncommitted".to_owned(),
        |paths| format!("{} besides the tool's own", count(paths, "uncommitted file", "uncommitted files")),
    )
}

impl Kind {
    fn severity(&self) -> Severity {
        match self {
            Self::GitTrouble { .. }
            | Self::ConfigMissing
            | Self::ReviewModeNotAllowed { .. }
            | Self::ReviewAttestationMissing { .. }
            | Self::EnvOverrideExpired { .. } => Severity::Fail,
            Self::GitNotFound
            | Self::GitNoCommit
            | Self::GitDirty { .. }
            | Self::DataUnfetched { .. }
            | Self::StateIgnored { .. }
            | Self::TimingsEmpty
            | Self::TimingsNoCmds { .. }
            | Self::BloatDirPresent { within: Some(_), .. }
            | Self::TuneablesUnrecorded { .. }
            | Self::SizePathsEmpty => Severity::Warn,
            Self::GitDirtyOutside { .. }
            | Self::HttpProbesEmpty
            | Self::NoSnapshots
            | Self::BloatDirPresent { within: None, .. }
            | Self::ReviewAttestationRecommended { .. } => Severity::Info,
        }
    }

    fn fixes(&self, ctx: &FixContext) -> Vec<Fix> {
        let run = |purpose: &str, command: &str| vec![Fix::next(purpose, CommandLine::tool(command))];
        let status = |purpose: &str| vec![Fix::next(purpose, CommandLine::git("status"))];
        let measure =
            |purpose: &str, key: &str, line: &str| vec![Fix::edit(How::Next, purpose, "the config", key, line)];
        match self {
            Self::GitTrouble { .. } => vec![Fix::decide(
                How::Next,
                "fix that first: nothing can be measured of code that git does not tell apart",
            )],
            Self::GitNotFound => {
                let why = "without commits nothing ties a measurement to a change";
                vec![Fix::next(why, CommandLine::git("init"))]
            }
            Self::GitNoCommit => {
                let commit = CommandLine::git("commit -m").word("Start");
                vec![Fix::next("commit once", CommandLine::git("add -A").and(commit))]
            }
            Self::GitDirty { .. } => status("commit or stash what this shows"),
            Self::GitDirtyOutside { .. } => {
                status("commit or stash what the measured commands read: no commit would hold what ran")
            }
            Self::StateIgnored { lines, .. } => {
                let end =
                    Fix::edit(How::Or, "add the lines yourself", ".gitignore", "the last line", &lines.join("\n"));
                [run("un-ignore it", "doctor --apply"), vec![end]].concat()
            }
            Self::DataUnfetched { command, .. } => vec![Fix::next("fetch the data", CommandLine::git(command))],
            Self::ConfigMissing => run("", "init"),
            Self::TimingsEmpty | Self::TimingsNoCmds { .. } => run("", "onboard"),
            Self::SizePathsEmpty => measure("list paths if their size matters", "size_paths", "- src"),
            Self::HttpProbesEmpty => measure(
                "add a health endpoint if there is one",
                "http_probes",
                "- {name: health, url: \"http://127.0.0.1:8080/health\"}",
            ),
            Self::NoSnapshots => run("see the next step", "status"),
            Self::BloatDirPresent { path, .. } => vec![Fix::edit(
                How::Next,
                "let git ignore it; sizes of tracked files leave it out",
                ".gitignore",
                "any line",
                &format!("{path}/"),
            )],
            Self::TuneablesUnrecorded { .. } => vec![
                Fix::decide(How::Next, "put them back"),
                Fix::or("open a change for them before anything else", fix::start().words(["--class", "tuneable"])),
            ],
            Self::ReviewModeNotAllowed { id, .. }
            | Self::ReviewAttestationMissing { id }
            | Self::ReviewAttestationRecommended { id } => {
                vec![Fix::next("have it reviewed", fix::on(id, "review bundle")), Fix::then("", ctx.attest(id))]
            }
            Self::EnvOverrideExpired { id } => vec![
                Fix::next("take the override out", fix::with_reason(id, "rollback")),
                Fix::or(
                    "name the change that takes it over",
                    fix::on(id, "change follow-up").words(["--by", "CHANGE-ID"]),
                ),
            ],
        }
    }

    fn change(&self) -> Option<&ChangeId> {
        match self {
            Self::ReviewModeNotAllowed { id, .. }
            | Self::ReviewAttestationMissing { id }
            | Self::ReviewAttestationRecommended { id }
            | Self::EnvOverrideExpired { id } => Some(id),
            Self::GitTrouble { .. }
            | Self::GitNotFound
            | Self::GitNoCommit
            | Self::GitDirty { .. }
            | Self::GitDirtyOutside { .. }
            | Self::StateIgnored { .. }
            | Self::DataUnfetched { .. }
            | Self::ConfigMissing
            | Self::TimingsEmpty
            | Self::TimingsNoCmds { .. }
            | Self::SizePathsEmpty
            | Self::HttpProbesEmpty
            | Self::NoSnapshots
            | Self::BloatDirPresent { .. }
            | Self::TuneablesUnrecorded { .. } => None,
        }
    }

    fn problem(&self, ctx: &FixContext) -> Problem {
        Problem {
            code: fix::code(self),
            severity: self.severity(),
            subject: Subject { change: self.change().cloned(), ..Subject::default() },
            message: self.to_string(),
            details: Vec::new(),
            fixes: self.fixes(ctx),
        }
    }
}

/// What the world looks like.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct World {
    pub is_git: bool,
    /// Why it is not known whether it is, in git's words.
    pub git_trouble: Option<String>,
    /// Records that cannot be relied on: what their changes owe, and whether it holds, is not known.
    pub lost: Vec<Finding>,
    pub has_commit: bool,
    /// Uncommitted paths outside the tool's own; `None` where git could not say.
    pub dirty: Option<u32>,
    /// Uncommitted paths of the repository outside the project's directory.
    pub outside: Vec<String>,
    /// What the tool keeps and git ignores, and the lines that keep it.
    pub ignored: (Vec<String>, Vec<String>),
    /// What is not here of the tracked files, with the command of git that fetches it.
    pub unfetched: Vec<(String, &'static str)>,
    pub has_config: bool,
    /// Configured timings, and those of them that have a command, or results to read.
    pub timings: (usize, usize),
    pub size_paths: usize,
    pub http_probes: usize,
    pub has_snapshots: bool,
    /// Directories of build output, with the size path that it is in.
    pub bloat: Vec<(String, Option<String>)>,
    /// Keys of tuneables whose effective value is not the one measured last.
    pub moved_tuneables: Vec<String>,
    /// Whether an attestation is demanded, or else recommended.
    pub attestation: Option<Demanded>,
}

/// How much an attestation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demanded {
    Required,
    Recommended,
}

/// Every problem, the most serious first. `changes` are the open ones; `allows` tells whether the config allows a tool
/// its reasoning mode.
pub(crate) fn findings(
    world: &World,
    changes: &[&Change],
    allows: &dyn Fn(&str, &str) -> bool,
    now: DateTime<Utc>,
    ctx: &FixContext,
) -> Vec<Problem> {
    let mut kinds = Vec::new();
    git(world, &mut kinds);
    // In a repository of many projects others' work is no fault; but what is measured may read it.
    if !world.outside.is_empty() {
        kinds.push(Kind::GitDirtyOutside { paths: world.outside.clone() });
    }
    if !world.ignored.0.is_empty() {
        kinds.push(Kind::StateIgnored { paths: world.ignored.0.clone(), lines: world.ignored.1.clone() });
    }
    kinds.extend(world.unfetched.iter().map(|(what, command)| Kind::DataUnfetched { what: what.clone(), command }));
    config(world, &mut kinds);
    // The workflow's "tuneables changed without a record", unless a change is being made right now.
    let being_made = changes.iter().any(|change| change.baseline.is_some() && change.promotion.is_none());
    let overridden = changes.iter().any(|change| change.opened.class == Class::Emergency);
    if !world.moved_tuneables.is_empty() && !being_made && !overridden {
        kinds.push(Kind::TuneablesUnrecorded { keys: world.moved_tuneables.clone() });
    }
    for change in changes {
        kinds.extend(review(world, change, allows));
        if change.expired_override(now).is_some() {
            kinds.push(Kind::EnvOverrideExpired { id: change.id().clone() });
        }
    }
    let lost = world.lost.iter().map(|finding| Problem { message: finding.named(), ..finding.problem(ctx) });
    let mut found: Vec<Problem> = lost.chain(kinds.iter().map(|kind| kind.problem(ctx))).collect();
    found.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    found
}

/// That git ignores what the tool keeps; none where it does not.
pub(crate) fn state_ignored(paths: &[String], lines: &[String], ctx: &FixContext) -> Option<Problem> {
    let kind = Kind::StateIgnored { paths: paths.to_vec(), lines: lines.to_vec() };
    (!paths.is_empty()).then(|| kind.problem(ctx))
}

/// What is not here of the tracked files.
pub(crate) fn unfetched(found: &[(String, &'static str)], ctx: &FixContext) -> Vec<Problem> {
    found.iter().map(|(what, command)| Kind::DataUnfetched { what: what.clone(), command }.problem(ctx)).collect()
}

/// The most serious level; `info` where nothing was found, as the original has it.
pub(crate) fn worst(found: &[Problem]) -> Severity {
    found.iter().map(|problem| problem.severity).max().unwrap_or(Severity::Info)
}

fn git(world: &World, kinds: &mut Vec<Kind>) {
    if let Some(trouble) = &world.git_trouble {
        return kinds.push(Kind::GitTrouble { trouble: trouble.clone() });
    }
    if !world.is_git {
        return kinds.push(Kind::GitNotFound);
    }
    if !world.has_commit {
        kinds.push(Kind::GitNoCommit);
    }
    if world.dirty != Some(0) {
        kinds.push(Kind::GitDirty { paths: world.dirty });
    }
}

fn config(world: &World, kinds: &mut Vec<Kind>) {
    if !world.has_config {
        kinds.push(Kind::ConfigMissing);
    }
    match world.timings {
        (0, _) => kinds.push(Kind::TimingsEmpty),
        (timings, 0) => kinds.push(Kind::TimingsNoCmds { timings }),
        _ => {}
    }
    if world.size_paths == 0 {
        kinds.push(Kind::SizePathsEmpty);
    }
    if world.http_probes == 0 {
        kinds.push(Kind::HttpProbesEmpty);
    }
    if !world.has_snapshots {
        kinds.push(Kind::NoSnapshots);
    }
    let bloat = world.bloat.iter();
    kinds.extend(bloat.map(|(path, within)| Kind::BloatDirPresent { path: path.clone(), within: within.clone() }));
}

fn review(world: &World, change: &Change, allows: &dyn Fn(&str, &str) -> bool) -> Option<Kind> {
    let id = change.id().clone();
    match &change.attestation {
        Some(attestation) if !allows(&attestation.tool, &attestation.reasoning_mode) => {
            let (tool, mode) = (attestation.tool.clone(), attestation.reasoning_mode.clone());
            Some(Kind::ReviewModeNotAllowed { id, tool, mode })
        }
        Some(attestation) if attestation.reviewed == change.review_digest() => None,
        // Before there is a comparison there is nothing to review.
        _ if change.comparison.is_none() && change.rollout.is_empty() => None,
        _ => world.attestation.map(|demanded| match demanded {
            Demanded::Required => Kind::ReviewAttestationMissing { id },
            Demanded::Recommended => Kind::ReviewAttestationRecommended { id },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(world: &World) -> Vec<String> {
        let found = findings(world, &[], &|_, _| true, DateTime::UNIX_EPOCH, &FixContext::default());
        found.into_iter().map(|found| found.code).collect()
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
