//! The context of advice: the project's config, its files and its place in the repository.

use crate::commands::{Ctx, contract};
use crate::model::uncommitted::LastCommit;
use crate::model::{ChangeId, FixContext, Uncommitted};
use crate::store::Record;

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
