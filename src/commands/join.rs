//! Joining a record that two clones continued: the days and notes of the other side are recorded behind those of this
//! one, with their evidence. What was recorded stays as it was, so nothing can be made better by it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::commands::commit_contents::RECORD_LIMIT;
use crate::commands::{Ctx, commit};
use crate::error::Result;
use crate::git::{Operation, Repo};
use crate::model::{ChangeId, CommandLine, Event, Fix};
use crate::os::files;
use crate::store::{Exclusive, Integrity, Record, evidence, project};
use crate::workflow::{Change, World, gates};

/// How many commits of a record are looked at.
const LOOK_BACK: &str = "200";

/// Another version of a record, with where git has it: a commit, or a stage of the index.
struct Version {
    change: Change,
    at: String,
}

/// Adds to the records here what other versions of them recorded of days and notes; each change with the number of its
/// events that came back.
pub(crate) fn join(ctx: &Ctx, repo: &Repo, only: Option<&ChangeId>) -> Result<Vec<(ChangeId, usize)>> {
    let lock = ctx.lock()?;
    let conflicted = take_one_side(repo)?;
    let mut joined = Vec::new();
    for name in Record::names(&ctx.project)? {
        let Some(id) = name.strip_suffix(".json").and_then(|stem| stem.parse::<ChangeId>().ok()) else { continue };
        if only.is_some_and(|only| *only != id) {
            continue;
        }
        let Some(mut change) = Record::read(&ctx.project, &id).ok().and_then(Record::into_change) else { continue };
        if only.is_none() && !change.is_open() {
            continue;
        }
        let mut count = 0;
        for version in versions(ctx, repo, &id, &conflicted)? {
            for event in lost(&version.change, &change) {
                let world = World::granted(&change, &event.what);
                if gates::check(&change, &event.what, &world, event.at).is_ok()
                    && bring_evidence(ctx, repo, &lock, &event, &version.at)?
                {
                    change.record(event.what, event.actor, event.at);
                    count += 1;
                }
            }
        }
        if count > 0 {
            lock.extend_record(&change)?;
            joined.push((id, count));
        }
        if count > 0 || conflicted.keys().any(|path| path.ends_with(project::LOGBOOK)) {
            commit::note_down(ctx, &lock, &change);
        }
    }
    Ok(joined)
}

/// What ends what git is in the middle of, once records are joined.
pub(crate) fn go_on(ctx: &Ctx, repo: &Repo) -> Vec<Fix> {
    let fixes = ctx.fix_context();
    let add = CommandLine::git("add").words(&fixes.own);
    let end = match repo.operation() {
        Some(Operation::Bisect) => add,
        Some(operation) => add.and(operation.go_on()),
        None => fixes.commit_own("Join the record"),
    };
    vec![Fix::next("", end)]
}

/// The tool's own files in conflict, with the other side's object; in the work tree this side's then lies whole.
fn take_one_side(repo: &Repo) -> Result<BTreeMap<String, String>> {
    let (mut here, mut there) = (Vec::new(), BTreeMap::new());
    let listed = repo.git().args(["ls-files", "--unmerged", "--full-name", "-z"]).ok()?;
    for entry in listed.split(|byte| *byte == 0) {
        let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
        let (head, path) = (String::from_utf8_lossy(&entry[..tab]), &entry[tab + 1..]);
        let mut fields = head.split(' ').skip(1);
        match (fields.next(), fields.next()) {
            (Some(_), Some("2")) if repo.is_own(path) => here.push(files::path_from_bytes(path)),
            (Some(object), Some("3")) if repo.is_own(path) => {
                there.insert(String::from_utf8_lossy(path).into_owned(), object.to_owned());
            }
            _ => {}
        }
    }
    if !here.is_empty() {
        repo.git().args(["checkout", "--quiet", "--ours", "--"]).args(here).ok()?;
    }
    Ok(there)
}

/// The versions of a record that git has: of the other side of a conflict, and of the last commits, oldest first.
fn versions(ctx: &Ctx, repo: &Repo, id: &ChangeId, conflicted: &BTreeMap<String, String>) -> Result<Vec<Version>> {
    let path = ctx.project.record_path(id.as_str())?;
    let from_root = format!("{}{}", String::from_utf8_lossy(repo.prefix()), ctx.project.relative(&path));
    let call = repo.git().args(["log", "--format=%H", "--full-history", "-n", LOOK_BACK, "HEAD", "--", &from_root]);
    let listed = String::from_utf8_lossy(&call.long().ok()?).into_owned();
    let mut places: Vec<String> = listed.lines().rev().map(str::to_owned).collect();
    places.extend(conflicted.contains_key(&from_root).then(|| ":3".to_owned()));
    let mut batch = repo.batch()?;
    let mut found = Vec::new();
    for at in places {
        let Some(bytes) = batch.read_path(&at, from_root.as_bytes(), RECORD_LIMIT)? else { continue };
        let change = Record::parse(&bytes, &path).ok().and_then(Record::into_change);
        found.extend(change.map(|change| Version { change, at }));
    }
    Ok(found)
}

/// What another version recorded of days and notes that this one does not have.
fn lost(other: &Change, change: &Change) -> Vec<Event> {
    let known: Vec<Value> = change.events.iter().filter_map(Event::by_itself).collect();
    let is_lost = |event: &&Event| event.by_itself().is_some_and(|it| !known.contains(&it));
    other.events.iter().filter(is_lost).cloned().collect()
}

/// Puts the event's evidence in its place, as far as it is not there; false where git has it not, either.
fn bring_evidence(ctx: &Ctx, repo: &Repo, lock: &Exclusive, event: &Event, at: &str) -> Result<bool> {
    let mut batch = repo.batch()?;
    for artifact in event.what.artifacts() {
        if matches!(evidence::verify(&ctx.project, artifact)?, Integrity::Intact(_)) {
            continue;
        }
        let path = [repo.prefix(), artifact.path.as_bytes()].concat();
        let bytes = batch.read_path(at, &path, evidence::LIMIT)?;
        if !bytes.is_some_and(|bytes| lock.put_back(artifact, &bytes).unwrap_or(false)) {
            return Ok(false);
        }
    }
    Ok(true)
}
