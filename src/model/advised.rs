//! The case that advice is about: what the command proposed, and what else than the change may be the cause of a verdict.

use crate::model::text::{few, short};
use crate::model::{CommandLine, CommitName, Contract, Fix, How, Opened, Stage};

/// Most commits that are shown at once.
const SHOWN: usize = 4;

/// The arguments of the refused command, repeated in its fixes so that the user need not retype them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposed {
    pub opened: Option<Opened>,
    /// `force` measures a day again, `verify` marks the change verified, `stage` is the rollout stage to begin.
    pub force: bool,
    pub verify: bool,
    pub stage: Option<Stage>,
    pub parts: Contract,
}

/// What else than the change may be the cause of a verdict on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Causes {
    /// Later commits of files that the metric is measured by.
    pub commits: Vec<CommitName>,
    /// Keys of the config by which the metric is measured in another way, each with its old and new value.
    pub keys: Vec<String>,
}

impl Causes {
    /// Looks at them, before the change is blamed.
    pub fn steps(&self) -> Vec<Fix> {
        let keys = || format!("the config measures it in another way than at the baseline: {}", few(&self.keys));
        let keys = (!self.keys.is_empty()).then(|| Fix::decide(How::Next, keys()));
        let named = |it: &CommitName| format!("{} {}", short(&it.id), it.subject);
        let names: Vec<String> = self.commits.iter().map(named).collect();
        let show = CommandLine::git("show --stat").words(self.commits.iter().take(SHOWN).map(|it| short(&it.id)));
        let what = || format!("see the later commits that touch what it is measured by: {}", few(&names));
        keys.into_iter().chain((!names.is_empty()).then(|| Fix::next(what(), show))).collect()
    }
}
