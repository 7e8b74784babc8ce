//! What git's objects say of the commits that records name, looked up once each. Must not judge.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Objects;
use crate::commands::Witness;
use crate::git::Side;

/// The tree and the code at a commit, where the project lies there.
type At = Option<(String, String)>;

/// The commits that records name.
pub(crate) struct Named<'a> {
    witness: &'a Witness<'a>,
    seen: RefCell<BTreeMap<String, At>>,
}

impl<'a> Named<'a> {
    /// With nothing looked up yet.
    pub(crate) fn new(witness: &'a Witness<'a>) -> Self {
        Self { witness, seen: RefCell::default() }
    }

    /// A commit without a config has the project at another place, or not yet: nothing can be held against it.
    fn look_up(&self, commit: &str) -> At {
        let witness = self.witness;
        let found = witness.repo.commit_and_tree(commit).ok()?;
        witness.config(&found.commit).ok()??;
        let code = witness.in_scope(|scope| witness.repo.code_digest(&found.commit, scope)).ok()?;
        Some((found.tree, code))
    }
}

impl Objects for Named<'_> {
    fn at(&self, commit: &str) -> At {
        if let Some(known) = self.seen.borrow().get(commit) {
            return known.clone();
        }
        let found = self.look_up(commit);
        self.seen.borrow_mut().insert(commit.to_owned(), found.clone());
        found
    }

    fn differing(&self, base: &str, head: &str) -> Option<BTreeSet<String>> {
        let (repo, _) = (self.witness.repo, (self.at(base)?, self.at(head)?));
        let files = self.witness.in_scope(|scope| repo.changed_files(base, Side::Commit(head), scope)).ok()?;
        let below = |path: &[u8]| {
            let path = path.strip_prefix(repo.prefix()).unwrap_or(path);
            String::from_utf8_lossy(path).into_owned()
        };
        Some(files.iter().map(|file| below(&file.path)).collect())
    }
}
