//! Reading records with every check: JSON, schema, chain, events, view, name. Must not write.

use std::path::Path;
use std::{fs, io};

use serde_json::{Map, Value};

use crate::model::strict_json::parse_json;
use crate::model::{BadId, ChangeId, Event, Limits};
use crate::store::record::Legacy;
use crate::store::{Project, Record, RecordError, StoreError, atomic, guard};
use crate::workflow::{Change, chain, view_v1};

/// Records grow by a few kilobytes an event; this is far beyond any.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The record of one change.
pub fn one(project: &Project, id: &ChangeId) -> Result<Record, RecordError> {
    let path = project.record_path(id.as_str())?;
    guard::inside(project, &path)?;
    let Some(bytes) = atomic::read(&path, LIMIT)? else {
        return Err(RecordError::Unknown { id: id.clone(), path });
    };
    let record = parse(&bytes, &path)?;
    if record.id() == id { Ok(record) } else { Err(RecordError::Misnamed { inside: record.id().to_string(), path }) }
}

/// Every record, oldest id first, each on its own: one damaged file does not hide the others.
pub fn all(project: &Project) -> Result<Vec<Result<Record, RecordError>>, RecordError> {
    let dir = project.changes_dir();
    guard::inside(project, &dir)?;
    let mut found = Vec::new();
    for name in names_in(&dir).map_err(StoreError::io("list", &dir))? {
        let Some(stem) = name.strip_suffix(".json") else { continue };
        found.push(match stem.parse::<ChangeId>() {
            Ok(id) => one(project, &id),
            Err(source) => Err(RecordError::Name { path: dir.join(&name), source }),
        });
    }
    Ok(found)
}

/// The names in a directory in order; none where it does not exist.
fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not Unicode is no record of ours: ids are ASCII.
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// A record from its bytes; `path` is for messages.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Record, RecordError> {
    let limits = Limits { max_bytes: LIMIT as usize, ..Limits::default() };
    let value = parse_json(bytes, limits).map_err(|source| RecordError::Json { path: path.to_owned(), source })?;
    let schema = value["schema"].as_str().unwrap_or_default().to_owned();
    let Value::Object(fields) = value else {
        return Err(RecordError::Schema { path: path.to_owned(), found: "no object".to_owned(), newer: false });
    };
    match schema.as_str() {
        view_v1::SCHEMA_V2 => tracked(fields, path).map(|change| Record::Tracked(Box::new(change))),
        view_v1::SCHEMA_V1 => legacy(fields, path).map(Record::Legacy),
        _ => {
            let newer = schema.starts_with("vibeship_optimizer.change.v");
            Err(RecordError::Schema { path: path.to_owned(), found: schema, newer })
        }
    }
}

fn legacy(fields: Map<String, Value>, path: &Path) -> Result<Legacy, RecordError> {
    let written = fields.get("change_id").and_then(Value::as_str).unwrap_or_default();
    let id = written.parse().map_err(|source: BadId| RecordError::Name { path: path.to_owned(), source })?;
    Ok(Legacy::of(id, fields))
}

fn tracked(fields: Map<String, Value>, path: &Path) -> Result<Change, RecordError> {
    let raw = fields.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    chain::verify(raw).map_err(|source| RecordError::Chain { path: path.to_owned(), source })?;
    let mut events: Vec<Event> = Vec::with_capacity(raw.len());
    for (index, event) in raw.iter().enumerate() {
        let event = serde_json::from_value(event.clone()).map_err(|error| RecordError::Event {
            path: path.to_owned(),
            seq: index + 1,
            message: error.to_string(),
        })?;
        events.push(event);
    }
    let change = Change::replay(&events).map_err(|source| RecordError::NotARecord { path: path.to_owned(), source })?;
    view_agrees(&change, &fields, path)?;
    Ok(change)
}

/// The fields beside the events must say what the events say; a field that no version wrote is no harm.
fn view_agrees(change: &Change, fields: &Map<String, Value>, path: &Path) -> Result<(), RecordError> {
    let expected = view_v1::fields(change);
    let unexpected = ["verified_at", "verified_summary", "review_attestation"];
    let extra = unexpected.iter().filter(|key| fields.contains_key(**key) && !expected.contains_key(**key));
    // Earlier versions left the commit that was validated in the action after it was relinked.
    let unmoved =
        |key: &str| key == "rollback" && fields.get(key).and_then(Value::as_str) == Some(change.recorded_rollback());
    let differs = |key: &str, value: &Value| fields.get(key) != Some(value) && !unmoved(key);
    let wrong = expected.iter().find(|(key, value)| differs(key, value)).map(|(key, _)| key.as_str());
    let Some(field) = wrong.or_else(|| extra.copied().next()) else { return Ok(()) };
    let shown = |value: Option<&Value>| {
        value.map_or_else(|| "nothing".to_owned(), |value| value.to_string().chars().take(120).collect())
    };
    Err(RecordError::View {
        path: path.to_owned(),
        field: field.to_owned(),
        found: shown(fields.get(field)),
        expected: shown(expected.get(field)),
    })
}
