//! The audits' access to git: the walk over the project's commits, and the questions of the range check.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use crate::audit::{CommitName, History, timestamps};
use crate::error::{CommandError, Result};
use crate::git::{Begun, Commit, DiffTarget, FileChange, LogWalk, Remade, Remake, Repo, Scope};
use crate::model::{ChangeId, own};
use crate::store::project;
use crate::workflow::Change;

const REVERTS: u32 = 8;
/// How many commits to search for the one that a squashed branch began on.
const BEFORE: &str = "--max-count=200";
const REVERTING: [&str; 2] = ["This reverts commit ", "Rolls back "];

pub(crate) struct GitHistory<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) key: String,
    base: Option<String>,
    /// The changes with records, if the names of evidence files are checked against them.
    ids: Option<BTreeSet<String>>,
    /// A cache: old histories revert the same few commits many times.
    looked_up: RefCell<BTreeMap<String, Option<Commit>>>,
    named: RefCell<BTreeMap<String, Option<(String, String)>>>,
    /// The first failure of a question whose answer has no room for an error; no audit passes with one.
    failed: RefCell<Option<CommandError>>,
}

impl<'a> GitHistory<'a> {
    pub(crate) fn new(repo: &'a Repo, key: &str) -> Self {
        Self {
            repo,
            key: key.to_owned(),
            base: None,
            ids: None,
            looked_up: RefCell::default(),
            named: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    pub(crate) fn since(self, base: Option<&str>) -> Self {
        Self { base: base.map(str::to_owned), ..self }
    }

    /// Counts only files of these changes as evidence: code could hide under another name.
    pub(crate) fn of_changes<'i>(self, ids: impl Iterator<Item = &'i ChangeId>) -> Self {
        Self { ids: Some(ids.map(ChangeId::to_string).collect()), ..self }
    }

    fn is_own(&self, full: &[u8], path: &str) -> bool {
        let Some(name) = path.strip_prefix(project::EVIDENCE_DIR).and_then(|name| name.strip_prefix('/')) else {
            return self.repo.is_own(full);
        };
        let of_a_change = |ids: &BTreeSet<String>| name.match_indices('_').any(|(at, _)| ids.contains(&name[..at]));
        let is_prose = name == own::ATTRIBUTES || [".md", ".svg", ".png"].iter().any(|end| name.ends_with(end));
        self.repo.is_own(full) && (is_prose || self.ids.as_ref().is_none_or(of_a_change))
    }

    /// Whether a commit of a change is in the history of `head` and reverting it would change something there.
    pub(crate) fn holds(&self, head: &str, id: &ChangeId) -> bool {
        self.reverts(head, id).any(|it| it.is_applied())
    }

    /// What a revert of each commit of the change in the history of `head` would alter there.
    fn reverts(&self, head: &str, id: &ChangeId) -> impl Iterator<Item = Remade> {
        let mut commits = self.naming(None, head, &[id.as_str()]);
        commits.retain(|it| !it.is_merge() && !it.is_evidence_only() && self.carries(it, id));
        let asked: Vec<Remake<'_>> = commits.iter().map(|it| Remake::Gone { head, of: &it.id }).collect();
        self.remake(&asked).into_iter().flatten()
    }

    /// Whether a commit carries the change's id, under the present trailer key or the one that the config had there.
    fn carries(&self, commit: &Commit, id: &ChangeId) -> bool {
        let has = |ids: &[String]| ids.iter().any(|carried| carried == id.as_str());
        let then = || Some(self.config(&commit.id).ok()??.enforcement.trailer);
        let is_known = |key: &str| self.key.split(',').any(|known| known.eq_ignore_ascii_case(key));
        let before = |key: String| self.ask(self.repo.trailers_of(commit.message.as_bytes(), &key, &[]), Vec::new());
        has(&commit.ids) || then().filter(|key| !is_known(key)).is_some_and(|key| has(&before(key)))
    }

    /// The files at `head` that a revert of the change's commits would still alter.
    pub(crate) fn files_in_effect(&self, head: &str, id: &ChangeId) -> BTreeSet<String> {
        let files = self.reverts(head, id).flat_map(|it| it.differs.into_iter().chain(it.decided));
        files.map(|file| file.name().to_owned()).collect()
    }

    pub(crate) fn failure(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(crate) fn walk(&self, base: Option<&str>, head: &str, each: &mut dyn FnMut(Commit)) -> Result<()> {
        self.walk_begun(self.repo.begin_log(base, head)?, each)
    }

    /// The same for a range that git has begun to list.
    pub(crate) fn walk_begun(&self, begun: Begun, each: &mut dyn FnMut(Commit)) -> Result<()> {
        Ok(self.repo.log_whole(begun, &LogWalk::range(&self.key), &mut |commit| each(self.narrowed(commit)))?)
    }

    /// The project's files among these, with paths from the project's root and the tool's own files marked.
    pub(crate) fn of_project(&self, files: Vec<FileChange>) -> Vec<FileChange> {
        let of = |file: FileChange| {
            let path = String::from_utf8_lossy(file.path.strip_prefix(self.repo.prefix())?).into_owned();
            let own = file.is_regular() && self.is_own(&file.path, &path);
            Some(FileChange { path: path.into_bytes(), own, ..file })
        };
        files.into_iter().filter_map(of).collect()
    }

    pub(crate) fn known(&self, commit: &str) -> Option<String> {
        self.repo.resolve(commit).ok()
    }

    /// The answer, or `otherwise` for a failure, which is kept.
    pub(crate) fn ask<T>(&self, answer: Result<T, impl Into<CommandError>>, otherwise: T) -> T {
        answer.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error.into());
            otherwise
        })
    }

    fn narrowed(&self, commit: Commit) -> Commit {
        Commit { files: self.of_project(commit.files), ..commit }
    }

    fn counted(&self, files: Vec<FileChange>) -> Vec<FileChange> {
        self.of_project(files).into_iter().filter(|file| !file.own).collect()
    }

    /// The project's files that differ between a commit and its reproduction, at the place where it was then.
    fn counted_in(&self, it: &Remake<'_>, made: Remade) -> Remade {
        let here = Remade { decided: self.counted(made.decided.clone()), differs: self.counted(made.differs.clone()) };
        if made.is_same() {
            return here;
        }
        let place = |commit: &str| self.ask(self.repo.as_of(commit), self.repo.clone());
        if let Remake::Merge { commit, parents } = *it {
            // A merged subtree is a parent's project at another place.
            let digest = |commit: &str| self.repo.project_digest(commit).ok();
            let moved = |parent: &&String| place(parent).prefix() != place(commit).prefix();
            if parents.iter().filter(moved).any(|parent| digest(parent) == digest(commit)) {
                return Remade::default();
            }
        }
        if here.is_applied() {
            return here;
        }
        let (commit, of) = match *it {
            Remake::Merge { commit, .. } => (commit, commit),
            Remake::Revert { commit, of }
            | Remake::Unrevert { commit, of }
            | Remake::Pick { commit, of }
            | Remake::Unpick { commit, of } => (commit, of),
            Remake::Gone { head, of } => (head, of),
        };
        let (there, before) = (place(commit), place(of));
        if [&there, &before].iter().all(|it| it.prefix() == self.repo.prefix()) {
            return here;
        }
        let history = GitHistory { ids: self.ids.clone(), ..GitHistory::new(&there, &self.key) };
        let counted = |files: Vec<FileChange>| {
            let files = files.into_iter().filter(|file| !(file.is_regular() && before.is_own(&file.path)));
            history.counted(files.collect())
        };
        Remade { decided: counted(made.decided), differs: counted(made.differs) }
    }

    /// The ids of a commit and of the commits that it reverts.
    pub(crate) fn ids_behind(&self, hash: &str) -> Vec<String> {
        let (mut ids, mut open) = (Vec::new(), vec![hash.to_owned()]);
        for _ in 0..REVERTS {
            let commits: Vec<Commit> = open.iter().filter_map(|hash| self.commit(hash)).collect();
            open = commits.iter().filter(|commit| commit.ids.is_empty()).flat_map(Commit::reverted).collect();
            ids.extend(commits.into_iter().flat_map(|commit| commit.ids));
        }
        ids
    }

    fn listed(&self, args: &[&str], path: Option<&str>) -> Vec<String> {
        let call = self.repo.git().args(args).args(path.map(|path| self.repo.full_path(path)));
        self.ask(call.long().text(), String::new()).lines().map(str::to_owned).collect()
    }

    /// The commits of a range whose messages contain one of these texts, newest first.
    fn naming(&self, base: Option<&str>, head: &str, texts: &[&str]) -> Vec<Commit> {
        let walk = || self.repo.commits(base, head, &LogWalk::naming(&self.key, texts));
        let found = self.ask(self.repo.needs_whole(base, head).and_then(|()| walk()), Vec::new());
        found.into_iter().rev().map(|commit| self.narrowed(commit)).collect()
    }

    /// The commits that the branch of `head` had at that time and `commit` does not have.
    pub(crate) fn lacked(&self, head: &str, commit: &str, at: DateTime<Utc>) -> Vec<Commit> {
        let until = format!("--min-age={}", at.timestamp());
        let newest =
            self.listed(&["rev-list", "-1", "--first-parent", &until, head, &format!("^{commit}"), "--"], None);
        newest.first().map(|newest| self.naming(Some(commit), newest, &[])).unwrap_or_default()
    }

    /// The time from which the change was in effect again after commits of whatever message had taken it out, as far as the
    /// history of `head` has them by then: by their date, or in the history of `then`. It is `until` if none brought it back.
    pub(crate) fn back_since(
        &self,
        head: &str,
        change: &Change,
        (then, until): (&str, DateTime<Utc>),
    ) -> Option<DateTime<Utc>> {
        let (until, then, mut found) = (until.timestamp(), self.known(then), None);
        let is_behind = |id: &str| then.as_ref().is_some_and(|then| self.reaches(then, id));
        let files = change.newest_delta().map(|delta| delta.files.as_slice()).unwrap_or_default();
        for own in change.every_commit().iter().filter(|own| !files.is_empty() && self.reaches(head, own)) {
            let range = format!("{own}..{head}");
            let log = ["log", "--topo-order", "--reverse", "--format=%H %ct %P", "--no-show-signature", &range];
            let touching = self.repo.git().args(log).args(["--ancestry-path", "--full-history", "--no-merges", "--"]);
            let touching = touching.args(files.iter().map(|path| self.repo.full_path(path))).long().text();
            let touching = self.ask(touching, String::new());
            let commits: Vec<_> = timed(&touching).filter(|(id, _, time)| *time <= until || is_behind(id)).collect();
            let asked: Vec<Remake<'_>> = commits.iter().map(|(head, ..)| Remake::Gone { head, of: own }).collect();
            let is_out = |made: &Option<Remade>| made.as_ref().is_some_and(Remade::is_same);
            let out: Vec<bool> = self.remake(&asked).iter().map(is_out).collect();
            if !out.contains(&true) {
                continue;
            }
            let all = self.ask(self.repo.git().args(log).arg("--").long().text(), String::new());
            let made = timestamps::no_earlier(timed(&all), until);
            for at in (0..out.len()).filter(|at| out[*at]) {
                // What brings it back comes later.
                let back = (at + 1..out.len()).find(|it| !out[*it] && self.reaches(commits[*it].0, commits[at].0));
                let back = back.map(|it| &commits[it]).filter(|(.., time)| *time <= until);
                found = found.max(back.map_or(Some(until), |(id, ..)| made.get(id).copied()));
            }
        }
        DateTime::from_timestamp(found?, 0)
    }
}

/// Commits with their parents and committer's times.
fn timed(log: &str) -> impl Iterator<Item = (&str, Vec<&str>, i64)> {
    log.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (id, time) = (words.next()?, words.next()?.parse().ok()?);
        Some((id, words.collect(), time))
    })
}

impl History for GitHistory<'_> {
    fn comes_before(&self, ancestor: &str, commit: &str) -> Option<bool> {
        let (ancestor, commit) = match (self.known(ancestor), self.known(commit)) {
            (Some(ancestor), Some(commit)) => (ancestor, commit),
            // In a clone with the whole history, the commit does not exist any more.
            _ => return self.ask(self.repo.needs_whole(None, "HEAD").map(|()| None), None),
        };
        Some(ancestor != commit && self.ask(self.repo.is_ancestor(&ancestor, &commit), false))
    }

    fn at(&self, commit: &str) -> Option<(String, String)> {
        if let Some(known) = self.named.borrow().get(commit) {
            return known.clone();
        }
        let look_up = || {
            let _reader = self.repo.batch().ok()?;
            let found = self.repo.commit_and_tree(commit).ok()?;
            Some((found.tree, self.repo.project_digest(&found.commit).ok()?.to_string()))
        };
        let found = look_up();
        self.named.borrow_mut().insert(commit.to_owned(), found.clone());
        found
    }

    fn parent(&self, commit: &str) -> Option<String> {
        let read = self.repo.batch().and_then(|mut batch| batch.commit(commit));
        let (_, text) = self.ask(read, None)?;
        text.lines().nth(1)?.strip_prefix("parent ").map(str::to_owned)
    }

    fn code_with(&self, commit: &str, files: &[&FileChange]) -> Option<String> {
        let code = self.repo.project_digest_with(&self.known(commit)?, files);
        self.ask(code, None).map(|code| code.to_string())
    }

    fn before(&self, commit: &str) -> Vec<String> {
        self.listed(&["rev-list", BEFORE, &format!("{commit}^@"), "--"], None)
    }

    fn has_code_after(&self, commit: &str, head: &str, code: &str) -> bool {
        let later = self.listed(&["rev-list", "--ancestry-path", &format!("{commit}..{head}"), "--"], None);
        later.iter().any(|later| self.code_is(later, code))
    }

    fn remake(&self, all: &[Remake<'_>]) -> Vec<Option<Remade>> {
        let made = self.ask(self.repo.remake(all, self.base.as_deref()), vec![None; all.len()]);
        let counted = |(it, made): (&Remake<'_>, Option<Remade>)| made.map(|made| self.counted_in(it, made));
        all.iter().zip(made).map(counted).collect()
    }

    fn commit(&self, hash: &str) -> Option<Commit> {
        if let Some(known) = self.looked_up.borrow().get(hash) {
            return known.clone();
        }
        let mut found = None;
        // A branch may be named like an abbreviated hash.
        if let Some(full) = self.ask(self.repo.commit_by_hash(hash), None) {
            let walked = self.repo.log_range(None, &full, &LogWalk::all(&self.key), &mut |commit| {
                found = Some(commit);
                ControlFlow::Break(())
            });
            self.ask(walked, ());
            let placed = found.map(|it| self.narrowed(self.ask(self.repo.placed(it.clone(), false, &mut true), it)));
            found = placed;
        }
        self.looked_up.borrow_mut().insert(hash.to_owned(), found.clone());
        found
    }

    fn changed(&self, from: &str, to: &str) -> Vec<FileChange> {
        self.counted(self.ask(self.repo.project_changes(from, to), Vec::new()))
    }

    fn parted(&self, head: &str) -> Vec<String> {
        let Some(base) = self.base.as_deref() else { return Vec::new() };
        let call = self.repo.git().args(["merge-base", "--all", base, head]);
        let all = self.ask(call.answer(), None).unwrap_or_default();
        String::from_utf8_lossy(&all).lines().map(str::to_owned).collect()
    }

    fn merges(&self, head: &str) -> Vec<Commit> {
        let found = self.ask(self.repo.commits(self.base.as_deref(), head, &LogWalk::merges(&self.key)), Vec::new());
        found.into_iter().map(|commit| self.narrowed(commit)).collect()
    }

    fn left_out(&self, merge: &str, parent: &str) -> Vec<FileChange> {
        let scope = Scope { without_own_of: None, ..self.repo.project() };
        let mut files = self.ask(self.repo.changed_files(parent, DiffTarget::Commit(merge), &scope), Vec::new());
        files.retain(|file| file.status == "D");
        self.of_project(files)
    }

    fn brought(&self, merge: &str) -> Vec<Commit> {
        let Some(before) = self.parent(merge) else { return Vec::new() };
        let mut found = self.naming(Some(&before), merge, &[]);
        found.retain(|commit| !commit.is_merge());
        found
    }

    fn touching(&self, other: &str, head: &str, path: &str) -> Vec<String> {
        let range = format!("{other}..{head}");
        self.listed(&["log", "--no-merges", "--full-history", "--format=%H", &range, "--"], Some(path))
    }

    fn earlier(&self, id: &ChangeId, baseline: Option<&str>) -> Vec<CommitName> {
        let Some(base) = self.base.as_deref() else { return Vec::new() };
        let baseline = baseline.and_then(|baseline| self.known(baseline));
        let all = self.naming(baseline.as_deref(), base, &[id.as_str(), REVERTING[0], REVERTING[1]]);
        let carries = |commit: &Commit| {
            let work = commit.reverted().is_empty() && !commit.is_merge() && !commit.is_evidence_only();
            work && self.carries(commit, id)
        };
        let mut found: Vec<CommitName> = all.iter().filter(|commit| carries(commit)).map(Commit::name).collect();
        let target = |hash: String| all.iter().find(|commit| commit.id.starts_with(&hash));
        let claims = |commit: &Commit| -> Vec<_> {
            commit.reverted().into_iter().filter_map(target).map(|of| (commit.id.clone(), of.id.clone())).collect()
        };
        let pairs: Vec<(String, String)> = all.iter().flat_map(claims).collect();
        let asked: Vec<Remake<'_>> = pairs.iter().map(|(commit, of)| Remake::Revert { commit, of }).collect();
        // Newest first: a revert that was itself reverted has no effect.
        let mut taken_back = BTreeSet::new();
        for ((commit, of), remade) in pairs.iter().zip(self.remake(&asked)) {
            let holds = remade.as_ref().is_some_and(Remade::is_same) && self.comes_before(of, commit) == Some(true);
            if holds && !taken_back.contains(commit) {
                taken_back.insert(of.clone());
            }
        }
        found.retain(|commit| !taken_back.contains(&commit.id));
        found.reverse();
        found
    }

    fn ended_before(&self, commit: &str, id: &ChangeId) -> Option<&'static str> {
        let (record, _) = self.ask(self.records(&self.parent(commit)?), BTreeMap::new()).remove(id)?;
        record.change()?.end.as_ref().map(|end| end.name())
    }
}
