//! What git has said of commits by their full ids, which cannot change while the program runs: an id is the digest of
//! what it names. Must not hold anything that a branch, a checkout or the configuration decides.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::git::TreeEntry;

/// The answers of one repository, shared by the clones of its handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memo(Rc<Answers>);

#[derive(Debug, Default)]
struct Answers {
    commits: RefCell<BTreeSet<String>>,
    listing: RefCell<Option<Listing>>,
}

#[derive(Debug)]
struct Listing {
    commit: String,
    prefix: Vec<u8>,
    entries: Rc<[TreeEntry]>,
}

impl Memo {
    /// Remembers that there is a commit with this full id.
    pub(crate) fn saw(&self, id: &str) {
        self.0.commits.borrow_mut().insert(id.to_owned());
    }

    /// Whether a commit with this id was seen. A name that is no full id never was.
    pub(crate) fn has_seen(&self, id: &str) -> bool {
        self.0.commits.borrow().contains(id)
    }

    /// The files of a commit below a prefix, if they were the last that were listed.
    pub(crate) fn listing(&self, commit: &str, prefix: &[u8]) -> Option<Rc<[TreeEntry]>> {
        let last = self.0.listing.borrow();
        last.as_ref().filter(|last| last.commit == commit && last.prefix == prefix).map(|last| last.entries.clone())
    }

    /// Remembers the files of a commit; those of one are kept, since a tree may have a million. A name that may come
    /// to mean something else is not remembered.
    pub(crate) fn listed(&self, commit: &str, prefix: &[u8], entries: Rc<[TreeEntry]>) {
        if is_full_id(commit) {
            *self.0.listing.borrow_mut() =
                Some(Listing { commit: commit.to_owned(), prefix: prefix.to_vec(), entries });
        }
    }
}

/// Two handles are the same repository whatever was asked through them.
impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

/// Whether a text is the whole id of an object, in lower case, as git prints it.
pub(crate) fn is_full_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Sandbox, Scope};

    #[test]
    fn what_a_name_means_is_asked_again_each_time() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        let repo = sandbox.repo();
        let before = repo.code_digest("HEAD", &Scope::ALL).unwrap();
        assert_eq!(repo.resolve("HEAD").unwrap(), one);
        let two = sandbox.commit("a", "2", "two");
        assert_eq!((repo.resolve("HEAD").unwrap(), repo.resolve("main").unwrap()), (two.clone(), two.clone()));
        assert_eq!(repo.head().unwrap().at.unwrap().commit, two);
        assert_ne!(repo.code_digest("HEAD", &Scope::ALL).unwrap(), before);
        assert_eq!(repo.code_digest(&one, &Scope::ALL).unwrap(), before);
    }

    #[test]
    fn a_branch_that_is_named_like_an_id_is_no_commit_of_that_id() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let name = "1".repeat(40);
        sandbox.git(&["update-ref", &format!("refs/heads/{name}"), "HEAD"]);
        let repo = sandbox.repo();
        assert!(repo.resolve(&name).is_err() && !repo.clone().memo().has_seen(&name));
    }

    #[test]
    fn the_listing_of_another_prefix_or_commit_is_not_taken_for_it() {
        let memo = Memo::default();
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        memo.listed(&one, b"api/", Rc::from([]));
        assert!(memo.listing(&one, b"api/").is_some());
        assert!(memo.listing(&one, b"").is_none() && memo.listing(&two, b"api/").is_none());
        memo.listed("main", b"", Rc::from([]));
        assert!(memo.listing("main", b"").is_none());
    }
}
