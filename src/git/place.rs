//! Finds the project's directory in older commits, as it may have been moved or renamed since, and presents those
//! commits as if the project had always been in its present directory.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::diff::raw_changes;
use crate::git::{Commit, DiffTarget, FileChange, Repo, Result, Scope, TreeEntry};
use crate::model::digest::FieldHasher;
use crate::model::{Digest, own};
use crate::os::files;

/// Git's mode of what is not there.
const NO_FILE: &str = "000000";

impl Repo {
    /// Returns this repository with the project's directory in a commit: the present one, or that of the only project
    /// that `HEAD` no longer has.
    pub(crate) fn as_of(&self, commit: &str) -> Result<Self> {
        let former = self.former_places(commit)?;
        Ok(if let [prefix] = former.as_slice() { self.at_prefix(prefix) } else { self.clone() })
    }

    fn former_places(&self, commit: &str) -> Result<Vec<Vec<u8>>> {
        match self.resolve("HEAD") {
            Ok(head) => self.projects_left(commit, &head),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Returns the directories of the projects of a commit that a later one no longer has; none if this project was
    /// already here in the commit, or is not in the later one.
    pub(crate) fn projects_left(&self, commit: &str, head: &str) -> Result<Vec<Vec<u8>>> {
        let commit = self.resolve(commit)?;
        let key = format!("{head} {commit}");
        if commit == head {
            return Ok(Vec::new());
        }
        if let Some(known) = self.memo.places.borrow().get(&key) {
            return Ok(known.clone());
        }
        let names: Vec<Vec<u8>> = own::config_names().iter().map(|name| self.full(name)).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let mut found = Vec::new();
        if self.tree_entries(&commit, &names)?.is_empty() {
            let roots = |commit: &str| -> Result<BTreeSet<Vec<u8>>> {
                let files = self.listing(commit, b"")?;
                Ok(files.iter().filter_map(|file| own::root_of_config(&file.path)).map(<[u8]>::to_vec).collect())
            };
            let now = roots(head)?;
            if now.contains(self.prefix()) {
                found = roots(&commit)?.difference(&now).cloned().collect();
            }
        }
        self.memo.places.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    /// Returns a digest of the project's code in a commit, wherever the project was in it.
    pub(crate) fn project_digest(&self, commit: &str) -> Result<Digest> {
        let there = self.as_of(commit)?;
        there.code_digest(commit, &there.project())
    }

    /// Returns the same digest with these files, relative to the project's root, in their new version; `None` if one of
    /// them differs from its old version in the commit.
    pub(crate) fn project_digest_with(&self, commit: &str, files: &[&FileChange]) -> Result<Option<Digest>> {
        let there = self.as_of(commit)?;
        let scope = there.project();
        let counted = there.listing(commit, scope.prefix)?;
        let counted = counted.iter().filter(|entry| scope.counts(&entry.path, entry.is_regular()));
        let of = |it: &TreeEntry| (it.path[scope.prefix.len()..].to_vec(), (it.mode.clone(), it.object.clone()));
        let mut all: BTreeMap<Vec<u8>, (String, String)> = counted.map(of).collect();
        let is_counted = |file: &&&FileChange| scope.counts(&[scope.prefix, &file.path].concat(), file.is_regular());
        for file in files.iter().filter(is_counted) {
            let was = (!file.is_new()).then(|| (file.old_mode.clone(), file.old_object.clone()));
            if all.remove(&file.path) != was {
                return Ok(None);
            }
            if file.new_mode != NO_FILE {
                all.insert(file.path.clone(), (file.new_mode.clone(), file.new_object.clone()));
            }
        }
        let mut hasher = FieldHasher::default();
        for (path, (mode, object)) in &all {
            [mode.as_bytes(), object.as_bytes(), path].into_iter().for_each(|field| hasher.field(field));
        }
        Ok(Some(hasher.finish()))
    }

    /// Returns the project's files that differ between two commits, without the tool's own.
    pub(crate) fn project_changes(&self, from: &str, to: &str) -> Result<Vec<FileChange>> {
        let mut found =
            self.changed_files(from, DiffTarget::Commit(to), &Scope { without_own_of: None, ..self.project() })?;
        // Without a sign of a move, this is checked only if it needs no new process.
        if found.is_empty() || found.iter().any(|file| self.brings_config(file)) || self.running_batch().is_some() {
            found = self.moved_changes(from, to)?.unwrap_or(found);
        }
        found.retain(|file| self.project().counts_change(file));
        Ok(found)
    }

    /// Returns all files of the project that differ between two commits; `None` if the project is here in both.
    fn moved_changes(&self, from: &str, to: &str) -> Result<Option<Vec<FileChange>>> {
        let places = [(self.as_of(from)?, from), (self.as_of(to)?, to)];
        if from == to || places.iter().all(|(there, _)| there.prefix() == self.prefix()) {
            return Ok(None);
        }
        let args = ["diff-tree", "-r", "--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none"];
        let mut call = self.git().args(args).long();
        for (there, commit) in places {
            let dir = there.prefix().strip_suffix(b"/").unwrap_or_default();
            call = call.arg(files::path_from_bytes(&[commit.as_bytes(), b":", dir].concat()));
        }
        let mut found = raw_changes(call.arg("--"), &Scope::ALL)?;
        for file in &mut found {
            file.path.splice(..0, self.prefix().iter().copied());
        }
        Ok(Some(found))
    }

    fn brings_config(&self, file: &FileChange) -> bool {
        file.status.starts_with('A') && own::root_of_config(&file.path) == Some(self.prefix())
    }

    /// Returns a commit with the project's files as if the project had always been here. Commits come newest first;
    /// `moved` is set from the commit that moved the project here.
    pub(crate) fn placed(&self, commit: Commit, first_parent: bool, moved: &mut bool) -> Result<Commit> {
        *moved |= commit.files.iter().any(|file| self.brings_config(file));
        if !*moved {
            return Ok(commit);
        }
        let there = self.as_of(&commit.id)?;
        if commit.parents.is_empty() {
            let placed = |mut file: FileChange| {
                if file.path.starts_with(there.prefix()) {
                    file.path.splice(..there.prefix().len(), self.prefix().iter().copied());
                }
                file
            };
            return Ok(Commit { files: commit.files.into_iter().map(placed).collect(), ..commit });
        }
        let compared = if first_parent { &commit.parents[..1] } else { &commit.parents[..] };
        let mut files: Option<Vec<FileChange>> = None;
        let mut places = vec![there.prefix().to_vec()];
        for parent in compared {
            places.push(self.as_of(parent)?.prefix().to_vec());
            let Some(found) = self.moved_changes(parent, &commit.id)? else { continue };
            // For a merge, only files that differ from all parents.
            let both = |known: Vec<FileChange>| {
                known.into_iter().filter(|it| found.iter().any(|file| file.path == it.path)).collect()
            };
            files = Some(files.map_or_else(|| found.clone(), both));
        }
        let Some(files) = files else { return Ok(commit) };
        let elsewhere = |file: &FileChange| !places.iter().any(|place| file.path.starts_with(place));
        let elsewhere = commit.files.iter().filter(|file| elsewhere(file)).cloned();
        Ok(Commit { files: files.into_iter().chain(elsewhere).collect(), ..commit })
    }
}
