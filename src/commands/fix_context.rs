//! The context of advice: the project's config, its files and its place in the repository; and what else than a change may be
//! the cause of a verdict on it.

use std::collections::BTreeSet;

use crate::audit::Audit;
use crate::commands::{Ctx, GitHistory, contract, delta, demands, relink};
use crate::config::yaml;
use crate::error::Result;
use crate::git::{LogWalk, Operation, Repo, is_below};
use crate::judge::compare;
use crate::model::uncommitted::{LastCommit, OWN};
use crate::model::{
    Causes, ChangeId, CommandLine, Commit, CriterionResult, FileChange, Fix, FixContext, Flaw, How, InEffect, MetricId,
    MetricSource, Uncommitted, Unusable, Verdict, scrub, short,
};
use crate::store::{Record, project};
use crate::workflow::Change;

impl Ctx {
    /// The last commit, if it may be amended at all; `None` if git fails.
    pub(crate) fn last_commit(&self, trailer: &str) -> Option<LastCommit> {
        let format = format!("--format=%H%n%(trailers:key={trailer},valueonly)");
        let log = self.repo().ok()??.git().args(["log", "-1", "--no-show-signature", &format, "HEAD", "--not"]);
        let text = log.arg("--remotes").text().ok()?;
        let mut lines = text.lines();
        let sha = lines.next()?.to_owned();
        let holds = |id: &ChangeId| {
            let record = Record::read(&self.project, id).ok().and_then(Record::into_change);
            record.is_some_and(|change| change.commits().contains(&sha))
        };
        let held_by = lines.filter_map(|id| id.trim().parse().ok()).find(holds);
        Some(LastCommit { sha, held_by })
    }

    /// The context of advice on a range: also what may be amended, and what cannot simply be reverted.
    pub(crate) fn fix_context_of(&self, audit: &Audit, key: &str) -> FixContext {
        let mut fixes = FixContext { trailer: key.to_owned(), ..self.fix_context() };
        let commits = audit.findings.iter().filter_map(|finding| Some(finding.commit.as_ref()?.id.as_str()));
        let commits: BTreeSet<&str> = commits.collect();
        if !commits.is_empty() {
            fixes.uncommitted.last = self.last_commit(key);
            fixes.uncommitted.with_own = self.with_own(commits).unwrap_or_default();
        }
        fixes
    }

    /// The command that reverts a commit; records and evidence in it stay.
    pub(crate) fn take_back(&self, commit: &str) -> CommandLine {
        if self.with_own([commit]).is_none_or(|found| found.is_empty()) {
            return CommandLine::git("revert --no-edit").word(short(commit));
        }
        let log = self.repo().ok().flatten().map(|repo| repo.git().args(["log", "-1", "--no-show-signature"]));
        let subject = log.and_then(|log| log.args(["--format=%s", commit]).line().ok()).unwrap_or_default();
        self.fix_context().uncommitted.take_back(commit, &subject)
    }

    /// The commit here that brought a change's record together with code, as a squash of several changes does.
    pub(crate) fn squash_of(&self, change: &Change) -> Result<Option<String>> {
        let Some(history) = self.history()? else { return Ok(None) };
        let path = self.project.relative(&self.project.record_path(change.id()));
        let brings = |commit: &Commit| commit.files.iter().any(|file| file.name() == path);
        let found = relink::candidates(&history, change, None)?.into_iter().find(brings).map(|commit| commit.id);
        let is_here = |it: &String| matches!(delta::commits_in_effect(self, vec![it.clone()]), Ok(InEffect::Yes));
        Ok(found.filter(is_here))
    }

    /// The commands that finish git's operation in progress after records were joined.
    pub(crate) fn go_on(&self, repo: &Repo) -> Vec<Fix> {
        let fixes = self.fix_context();
        let add = CommandLine::git("add").words(&fixes.own);
        let end = match repo.operation() {
            Some(Operation::Bisect) => add,
            Some(operation) => add.and(operation.go_on()),
            None if repo.is_squashing() => {
                return vec![
                    Fix::next("", add),
                    Fix::decide(How::Then, "commit what the squash staged, with the change's id"),
                ];
            }
            None => fixes.commit_own("Join the record"),
        };
        vec![Fix::next("", end)]
    }

    /// Those of the commits that touch the tool's own files; `None` if git fails.
    pub(crate) fn with_own<'a>(&self, commits: impl IntoIterator<Item = &'a str>) -> Option<Vec<String>> {
        let repo = self.repo().ok()??;
        let own = OWN.map(|path| repo.full_path(path));
        let log = repo.git().args(["log", "--no-walk", "--no-show-signature", "--format=%H"]).args(commits);
        Some(log.arg("--").args(own).long().text().ok()?.lines().map(str::to_owned).collect())
    }

    /// The context of advice, from the project's files and, if it was read, the config.
    pub(crate) fn fix_context(&self) -> FixContext {
        let default = FixContext::default();
        let places = [self.project.state_dir(), self.project.evidence_dir(), self.project.logbook_path()];
        let own: Vec<String> = places.iter().filter(|it| it.exists()).map(|it| self.project.relative(it)).collect();
        let own = if own.is_empty() { default.own.clone() } else { own };
        let prefix = self.repo().ok().flatten().map(|repo| String::from_utf8_lossy(repo.prefix()).into_owned());
        let uncommitted = Uncommitted { prefix: prefix.unwrap_or_default(), ..Uncommitted::default() };
        let default = FixContext { uncommitted, ..default };
        let Some(config) = self.config.get() else { return FixContext { own, ..default } };
        let review = config.review.suggested().map(|(tool, mode)| (tool.to_owned(), mode.to_owned()));
        let unfit = self.unfit.borrow();
        let examples =
            || contract::examples(self.project.root(), config, &self.measurable().unwrap_or_default(), &unfit);
        let (criteria, bounds) =
            if unfit.is_empty() { self.criteria.get_or_init(examples).clone() } else { examples() };
        FixContext {
            trailer: config.enforcement.trailer.clone(),
            review: review.unwrap_or(default.review.clone()),
            criteria,
            bounds,
            pairs: config.pair.enabled,
            imported: config.timings.iter().filter(|it| it.hyperfine.is_some()).map(|it| it.name.clone()).collect(),
            own,
            ..default
        }
    }
}

/// What else than the change may be the cause of these verdicts: later commits, and keys of a config that measures in another
/// way.
pub(crate) fn causes(ctx: &Ctx, change: &Change, judged: &[CriterionResult]) -> Result<Causes> {
    let (config, Some(repo), false) = (ctx.config()?, ctx.repo()?, judged.is_empty()) else {
        return Ok(Causes::default());
    };
    let history = GitHistory::new(repo, &config.enforcement.trailer);
    let metric = |it: &'_ CriterionResult| it.parsed().map(|it| it.metric);
    let metrics: Vec<MetricId> = judged.iter().filter_map(metric).collect();
    let is_redefined = |it: &&CriterionResult| {
        matches!(&it.verdict, Verdict::Invalid { because: Flaw::After { reason: Unusable::Redefined } })
    };
    let redefined: Vec<MetricId> = judged.iter().filter(is_redefined).filter_map(metric).collect();
    let reads = |file: &FileChange| {
        let name = file.name();
        let is_code = || demands::code(config, &[name.to_owned()]).is_ok_and(|code| !code.is_empty());
        let of = |metric: &MetricId| match metric.subject().filter(|_| metric.source() == Some(MetricSource::Size)) {
            Some(path) => is_below(name.as_bytes(), path.trim_end_matches('/').as_bytes()),
            None => is_code(),
        };
        let is_config = || project::config_names().iter().any(|known| known == name);
        !file.own && metrics.iter().any(of) || !redefined.is_empty() && is_config()
    };
    let measured = change.after.as_ref().and_then(|after| after.taken.revision.commit.as_deref());
    let is_here = |commit: &&str| matches!(delta::head_with(repo, &[(*commit).to_owned()]), Ok(Some(_)));
    let from = measured.filter(is_here).or(change.baseline_commit().filter(is_here));
    let mut commits = match (from, repo.head()?.at) {
        (Some(from), Some(head)) => {
            repo.commits(Some(from), &head.commit, &LogWalk::all(&config.enforcement.trailer))?
        }
        (None, _) | (_, None) => Vec::new(),
    };
    commits.retain(|commit| {
        let is_own = commit.ids.iter().any(|id| id == change.id().as_str()) || change.commits().contains(&commit.id);
        !is_own && history.of_project(commit.files.clone()).iter().any(reads)
    });
    Ok(Causes {
        commits: commits.iter().rev().map(Commit::name).collect(),
        keys: keys(ctx, change, &history, &redefined)?,
    })
}

/// The keys of the config that define these metrics and say something else than at the baseline.
fn keys(ctx: &Ctx, change: &Change, history: &GitHistory<'_>, redefined: &[MetricId]) -> Result<Vec<String>> {
    let stems = ctx.config()?.definitions().into_keys();
    let stems = stems.filter(|stem| redefined.iter().any(|metric| compare::governs(stem, metric)));
    let below: Vec<String> = stems.map(|stem| format!("{}.", demands::key_of(&stem))).collect();
    let (Some(before), Some(path), false) = (change.baseline_commit(), ctx.project.config_path(), below.is_empty())
    else {
        return Ok(Vec::new());
    };
    // What cannot be read was reported when the config was.
    let now = yaml::parse(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
    let differing = demands::differences(&history.config_value(before)?, &now).into_iter();
    let named = differing.filter(|it| below.iter().any(|key| it.key.starts_with(key)));
    Ok(named.map(|it| scrub(&it.to_string())).collect())
}
