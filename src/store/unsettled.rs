//! The file names of unfinished records (open, planned, to be confirmed or damaged), kept in the cache as a hint, so
//! that not every record has to be read. A listed record is still read from its own file before any decision.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::store::{Project, Record, RecordError, atomic, guard};
use crate::workflow::{Change, next};

const LIMIT: u64 = 64 * 1024 * 1024;
/// While the directory's time is newer than this, it may not show a further change; FAT is precise to two seconds.
const GRAIN: Duration = Duration::from_secs(2);

/// The list, and the time of the records' directory for which it is valid.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnfinishedList {
    /// `None` if no record was ever written.
    time: Option<Duration>,
    names: BTreeSet<String>,
}

impl UnfinishedList {
    /// The saved list, if no record was added, removed or replaced since.
    pub(crate) fn fresh(project: &Project) -> Option<Self> {
        let time = time(project).ok()?;
        if time.is_none() {
            return Some(Self::default());
        }
        let bytes = atomic::read(&path(project), LIMIT).ok().flatten()?;
        serde_json::from_slice(&bytes).ok().filter(|list: &Self| list.time == time)
    }

    /// Updates the list after a record was written under the lock; `list` is `None` if it was invalid before.
    pub(crate) fn wrote(list: Option<Self>, project: &Project, change: &Change) {
        let Some(mut list) = list else { return };
        let name = format!("{}.json", change.id());
        if is_in_use(change) {
            list.names.insert(name)
        } else {
            list.names.remove(&name)
        };
        if let Ok(time) = time(project) {
            Self { time, ..list }.keep(project);
        }
    }

    /// Errors are ignored: without the list, every record is read.
    fn keep(&self, project: &Project) {
        let (path, bytes) = (path(project), serde_json::to_vec(self).unwrap_or_default());
        let _ = guard::inside(project, &path).and_then(|()| atomic::write_cache(&path, &bytes));
    }
}

impl Record {
    /// The records that may still be worked on: open, planned, to be confirmed, or damaged.
    pub(crate) fn read_unfinished(project: &Project) -> Result<Vec<Result<Self, RecordError>>, RecordError> {
        if let Some(list) = UnfinishedList::fresh(project) {
            // A record may have been removed in between.
            let is_there = |record: &_| !matches!(record, Err(RecordError::Unknown { .. }));
            return Self::read_named(project, list.names.into_iter().collect(), |_, record| {
                (is_there(&record) && may_be_unfinished(&record)).then_some(record)
            });
        }
        let before = time(project).ok().flatten();
        let found = Self::read_named(project, Self::names(project)?, |name, record| {
            may_be_unfinished(&record).then(|| (name.to_owned(), record))
        })?;
        let age = before.and_then(|time| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + time).ok());
        if project.state_dir().join(".gitignore").exists() && age.is_some_and(|age| age > GRAIN) {
            let names = found.iter().map(|(name, _)| name.clone()).collect();
            UnfinishedList { time: before, names }.keep(project);
        }
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }
}

fn may_be_unfinished(record: &Result<Record, RecordError>) -> bool {
    match record {
        Ok(Record::Tracked(change)) => is_in_use(change),
        Ok(Record::Legacy(legacy)) => legacy.is_planned(),
        Err(_) => true,
    }
}

fn is_in_use(change: &Change) -> bool {
    change.is_open() || next::awaits_confirmation(change)
}

fn path(project: &Project) -> PathBuf {
    project.cache_dir().join("unsettled.json")
}

/// When an entry of the records' directory was last added, replaced or removed; `None` if there is none.
fn time(project: &Project) -> io::Result<Option<Duration>> {
    match fs::metadata(project.changes_dir()).and_then(|meta| meta.modified()) {
        Ok(time) => Ok(time.duration_since(SystemTime::UNIX_EPOCH).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
