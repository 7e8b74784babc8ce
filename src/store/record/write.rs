//! Writing records: whole files, only ever longer than before. Must not be reachable without the exclusive lock.

use serde_json::Value;

use crate::store::record::{Legacy, read};
use crate::store::{Access as _, Exclusive, Record, RecordError, StoreError, atomic, guard};
use crate::workflow::{Change, chain, view_v1};

/// Creates the record of a change just opened.
pub fn create(lock: &Exclusive, change: &Change) -> Result<(), RecordError> {
    let path = lock.project().record_path(change.id().as_str())?;
    guard::inside(lock.project(), &path)?;
    Ok(atomic::create_new(&path, &bytes(change))?)
}

/// Replaces a record by the same one with more events. The events on disk must be the beginning of the new ones.
pub fn extend(lock: &Exclusive, change: &Change) -> Result<(), RecordError> {
    let path = lock.project().record_path(change.id().as_str())?;
    if let Record::Tracked(on_disk) = read::one(lock.project(), change.id())?
        && !change.events.starts_with(&on_disk.events)
    {
        return Err(RecordError::Moved { path });
    }
    Ok(guard::write(lock.project(), &path, &bytes(change))?)
}

/// Keeps the original's record beside the state before it is continued as one of ours.
pub fn keep_legacy(lock: &Exclusive, legacy: &Legacy) -> Result<(), RecordError> {
    let path = lock.project().state_dir().join("legacy").join(format!("{}.json", legacy.id));
    let mut text = serde_json::to_vec_pretty(&legacy.fields).unwrap_or_default();
    text.push(b'\n');
    guard::inside(lock.project(), &path)?;
    match atomic::create_new(&path, &text) {
        Ok(()) | Err(StoreError::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The record as it is written: the original's fields, then the events.
pub fn bytes(change: &Change) -> Vec<u8> {
    let mut fields = view_v1::fields(change);
    fields.insert("events".to_owned(), Value::Array(change.events.iter().map(chain::to_value).collect()));
    // A map of JSON values always serializes.
    let mut text = serde_json::to_vec_pretty(&Value::Object(fields)).unwrap_or_default();
    text.push(b'\n');
    text
}
