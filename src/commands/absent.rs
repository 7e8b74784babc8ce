//! Files of the tool's own that git has and the work tree has not: what is not here must not be taken for not there, and be
//! written over what git holds.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::commands::Ctx;
use crate::error::{Result, trouble};
use crate::model::{CommandLine, Fix};

impl Ctx {
    /// Refuses a sparse checkout that leaves out files of the tool's own.
    pub(crate) fn refuse_sparse_checkout(&self) -> Result<()> {
        // Where git cannot be asked, that is reported by who needs its answer.
        let Ok(Some(repo)) = self.repo() else { return Ok(()) };
        let left_out = repo.left_out(&self.project.own_places())?;
        let Some(first) = left_out.first() else { return Ok(()) };
        let (root, file) = (repo.root(), first.display());
        let top = |path: &PathBuf| {
            let full = root.join(path);
            let dirs = [self.project.state_dir(), self.project.evidence_dir()];
            let top = dirs.into_iter().find(|dir| full.starts_with(dir)).unwrap_or(full);
            top.strip_prefix(root).unwrap_or(&top).to_string_lossy().replace('\\', "/")
        };
        let tops: BTreeSet<String> = left_out.iter().map(top).collect();
        Err(trouble(format!("{file} is tracked by git, and this sparse checkout leaves it out"))
            .fixed_by([Fix::next("check it out", CommandLine::git("sparse-checkout add").words(tops))]))
    }

    /// Refuses to go on without the config that git tracks.
    pub(crate) fn refuse_absent_config(&self) -> Result<()> {
        self.refuse_sparse_checkout()?;
        let Ok(Some(repo)) = self.repo() else { return Ok(()) };
        let places = self.project.config_places().map(|path| self.project.relative(&path));
        let tracked = repo.tracked(repo.prefix())?;
        let is_tracked = |place: &String| tracked.contains(&[repo.prefix(), place.as_bytes()].concat());
        let Some(place) = places.into_iter().find(is_tracked) else { return Ok(()) };
        let path = format!(":(top){}{place}", String::from_utf8_lossy(repo.prefix()));
        let restore = CommandLine::git("checkout --ignore-skip-worktree-bits --").words([path.as_str()]);
        Err(trouble(format!("{place} is tracked by git, and missing here"))
            .fixed_by([Fix::next("restore it", restore)]))
    }
}
