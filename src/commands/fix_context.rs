//! The context of advice: the project's config, its files and its place in the repository.

use crate::commands::{Ctx, contract};
use crate::model::{FixContext, Uncommitted};

impl Ctx {
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
