//! Records on disk, one file per change. Reading checks JSON, schema, chain, events, view and name; writing is atomic
//! and only appends events. Of the Python tool's records, only the fields are read, and none is trusted.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::model::{BadId, ChangeId, Class, Contract, Digest, Event, Fix, JsonError, Kind, Opened, fix, parse_json};
use crate::store::{self, Exclusive, Project, StoreError, UnfinishedList, atomic, guard};
use crate::workflow::{Broken, Change, NotARecord, chain, view_v1};

/// Records grow by a few kilobytes per event; this is far more than any has.
const LIMIT: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Tracked(Box<Change>),
    /// A record of the Python tool: shown, and converted when it is next written.
    Legacy(Legacy),
}

impl Record {
    pub(crate) fn id(&self) -> &ChangeId {
        match self {
            Self::Tracked(change) => change.id(),
            Self::Legacy(legacy) => &legacy.id,
        }
    }

    pub(crate) fn change(&self) -> Option<&Change> {
        match self {
            Self::Tracked(change) => Some(change),
            Self::Legacy(_) => None,
        }
    }

    pub(crate) fn into_change(self) -> Option<Change> {
        match self {
            Self::Tracked(change) => Some(*change),
            Self::Legacy(_) => None,
        }
    }

    pub(crate) fn read(project: &Project, id: &ChangeId) -> Result<Self, RecordError> {
        let path = project.record_path(id);
        guard::inside(project, &path)?;
        let seen = fs::metadata(&path);
        Self::read_file(path, seen, id)
    }

    /// Applies `keep` to every record, oldest id first. A damaged file does not hide the others.
    pub(crate) fn read_all<T: Send>(
        project: &Project,
        keep: impl Fn(Result<Self, RecordError>) -> Option<T> + Sync,
    ) -> Result<Vec<T>, RecordError> {
        Self::read_named(project, Self::names(project)?, |_, record| keep(record))
    }

    pub(crate) fn names(project: &Project) -> Result<Vec<String>, RecordError> {
        let mut names = store::names_in(&project.changes_dir())?;
        names.retain(|name| name.ends_with(".json"));
        Ok(names)
    }

    pub(crate) fn ids(project: &Project) -> Result<Vec<ChangeId>, RecordError> {
        Ok(Self::names(project)?.iter().filter_map(|name| id_of(name)).collect())
    }

    /// Applies `keep` to the records in these files, in order; reads them in parallel.
    pub(crate) fn read_named<T: Send>(
        project: &Project,
        names: Vec<String>,
        keep: impl Fn(&str, Result<Self, RecordError>) -> Option<T> + Sync,
    ) -> Result<Vec<T>, RecordError> {
        /// Starting a thread takes as long as reading a few records.
        const LEAST_EACH: usize = 64;
        let dir = project.changes_dir();
        guard::inside(project, &dir)?;
        let read = |name: &String| {
            let (path, stem) = (dir.join(name), name.strip_suffix(".json").unwrap_or(name));
            let record = match (stem.parse::<ChangeId>(), path.symlink_metadata()) {
                // Only a link can lead out of the directory.
                (Ok(id), Ok(seen)) if seen.is_symlink() => Self::read(project, &id),
                (Ok(id), seen) => Self::read_file(path, seen, &id),
                (Err(source), _) => Err(RecordError::Name { path, source }),
            };
            keep(name, record)
        };
        let parts: Vec<&[String]> = names.chunks(LEAST_EACH).collect();
        // Each thread takes the next part when it is done, since a core may have other work.
        let next = AtomicUsize::new(0);
        let work = || {
            let taken = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
            let taken = taken.map_while(|at| Some((at, parts.get(at)?)));
            taken.map(|(at, part)| (at, part.iter().filter_map(read).collect::<Vec<_>>())).collect::<Vec<_>>()
        };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(8)).min(parts.len());
        let mut found = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut found = work();
            for other in others {
                found.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            found
        });
        found.sort_unstable_by_key(|(at, _)| *at);
        Ok(found.into_iter().flat_map(|(_, part)| part).collect())
    }

    fn read_file(path: PathBuf, seen: io::Result<Metadata>, id: &ChangeId) -> Result<Self, RecordError> {
        let Some(bytes) = atomic::read_seen(&path, seen, LIMIT)? else {
            return Err(RecordError::Unknown { id: id.to_string(), path });
        };
        let record = Self::parse(&bytes, &path)?;
        if record.id() == id {
            Ok(record)
        } else {
            Err(RecordError::Misnamed { inside: record.id().to_string(), path })
        }
    }

    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, RecordError> {
        let value = parse_json(bytes).map_err(|source| RecordError::Json { path: path.to_owned(), source })?;
        let schema = value["schema"].as_str().unwrap_or_default().to_owned();
        let Value::Object(fields) = value else {
            return Err(RecordError::Schema { path: path.to_owned(), found: "no object".to_owned(), newer: false });
        };
        match schema.as_str() {
            view_v1::SCHEMA_V2 => tracked(fields, path).map(|change| Self::Tracked(Box::new(change))),
            view_v1::SCHEMA_V1 => legacy(fields, path).map(Self::Legacy),
            _ => {
                let newer = schema.starts_with("vibeship_optimizer.change.v");
                Err(RecordError::Schema { path: path.to_owned(), found: schema, newer })
            }
        }
    }
}

/// The change whose record has this file name; `None` for a file that cannot be a record, such as a copy made by
/// another program.
pub(crate) fn id_of(name: &str) -> Option<ChangeId> {
    name.strip_suffix(".json")?.parse().ok()
}

impl Exclusive {
    pub(crate) fn create_record(&self, change: &Change) -> Result<(), RecordError> {
        let path = self.project().record_path(change.id());
        guard::inside(self.project(), &path)?;
        let list = UnfinishedList::fresh(self.project());
        atomic::create_new(&path, &bytes(change))?;
        UnfinishedList::wrote(list, self.project(), change);
        Ok(())
    }

    /// Replaces a record by a version with more events. The events on disk must be a prefix of the new ones.
    pub(crate) fn extend_record(&self, change: &Change) -> Result<(), RecordError> {
        let path = self.project().record_path(change.id());
        if let Record::Tracked(on_disk) = Record::read(self.project(), change.id())?
            && !change.events.starts_with(&on_disk.events)
        {
            return Err(RecordError::Moved { path });
        }
        let list = UnfinishedList::fresh(self.project());
        guard::write(self.project(), &path, &bytes(change))?;
        UnfinishedList::wrote(list, self.project(), change);
        Ok(())
    }

    /// Keeps a copy of the Python tool's record before it is converted.
    pub(crate) fn keep_legacy(&self, legacy: &Legacy) -> Result<(), RecordError> {
        let path = self.project().state_dir().join("legacy").join(format!("{}.json", legacy.id));
        let mut text = serde_json::to_vec_pretty(&legacy.fields).unwrap_or_default();
        text.push(b'\n');
        guard::inside(self.project(), &path)?;
        match atomic::create_new(&path, &text) {
            Ok(()) | Err(StoreError::Exists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("unknown change `{id}` (looked for {})", path.display())]
    Unknown { id: String, path: PathBuf },
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: JsonError },
    #[error("{}: its schema is {found:?}; this version reads vibeship_optimizer.change.v1 and .v2{}", path.display(), if *newer { " and leaves newer ones alone: upgrade the tool" } else { "" })]
    Schema { path: PathBuf, found: String, newer: bool },
    #[error("{} was altered: {source}", path.display())]
    Chain { path: PathBuf, source: Broken },
    #[error("{} was altered: field {field:?} says {found} where its events say {expected}", path.display())]
    View { path: PathBuf, field: String, found: String, expected: String },
    /// An event has a kind or shape that this version does not know.
    #[error("{}: event {seq} cannot be read ({message}); it may come from a newer version of this tool", path.display())]
    Event { path: PathBuf, seq: usize, message: String },
    #[error("{}: {source}", path.display())]
    NotARecord { path: PathBuf, source: NotARecord },
    #[error("{} holds the record of {inside:?}: a record's file is named after its id", path.display())]
    Misnamed { path: PathBuf, inside: String },
    #[error("{}: {source}", path.display())]
    Name { path: PathBuf, source: BadId },
    #[error("{} changed while this command ran: another command recorded something; run it again", path.display())]
    Moved { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn legacy(fields: Map<String, Value>, path: &Path) -> Result<Legacy, RecordError> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = text("change_id").parse().map_err(|source: BadId| RecordError::Name { path: path.to_owned(), source });
    Ok(Legacy { id: named?, title: text("title"), status: text("status"), started_at: text("started_at"), fields })
}

fn tracked(fields: Map<String, Value>, path: &Path) -> Result<Change, RecordError> {
    let raw = fields.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    chain::verify(raw).map_err(|source| RecordError::Chain { path: path.to_owned(), source })?;
    let read = |(at, event): (usize, &Value)| {
        Event::deserialize(event).map_err(|error| RecordError::Event {
            path: path.to_owned(),
            seq: at + 1,
            message: error.to_string(),
        })
    };
    let events = raw.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let change = Change::replay(events).map_err(|source| RecordError::NotARecord { path: path.to_owned(), source })?;
    view_agrees(&change, &fields, path)?;
    Ok(change)
}

/// The fields outside the events must agree with them; unknown fields are ignored.
fn view_agrees(change: &Change, fields: &Map<String, Value>, path: &Path) -> Result<(), RecordError> {
    let expected = view_v1::fields(change);
    let unexpected = ["verified_at", "verified_summary", "review_attestation"];
    let extra = unexpected.iter().filter(|key| fields.contains_key(**key) && !expected.contains_key(**key));
    // Earlier versions kept the validated commit in the rollback command after a relink.
    let unmoved =
        |key: &str| key == "rollback" && fields.get(key).and_then(Value::as_str) == Some(change.recorded_rollback());
    let all_ticks =
        |key: &str| key == "verification_updates" && fields.get(key) == Some(&json!(view_v1::updates(change, false)));
    let differs = |key: &str, value: &Value| fields.get(key) != Some(value) && !unmoved(key) && !all_ticks(key);
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

pub fn bytes(change: &Change) -> Vec<u8> {
    let mut fields = view_v1::fields(change);
    fields.insert("events".to_owned(), Value::Array(change.events.iter().map(chain::to_value).collect()));
    // A map of JSON values always serializes.
    let mut text = serde_json::to_vec_pretty(&Value::Object(fields)).unwrap_or_default();
    text.push(b'\n');
    text
}

/// A record of the Python tool, with its fields unchanged. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq)]
pub struct Legacy {
    pub id: ChangeId,
    pub title: String,
    /// As the record claims; `verified` only means that somebody ran the command.
    pub status: String,
    pub started_at: String,
    pub fields: Map<String, Value>,
}

impl Legacy {
    /// Whether it only claims to be planned.
    pub(crate) fn is_planned(&self) -> bool {
        self.status == "planned"
    }

    pub(crate) fn sentence(&self) -> String {
        let (id, status) = (&self.id, &self.status);
        format!("the record of {id} was written by the Python tool, says {status:?} and carries no evidence")
    }

    /// How to go on. Only planned changes are continued: other states make unproven claims, which an open change in
    /// their place would hide.
    pub(crate) fn fixes(&self) -> Vec<Fix> {
        let show = Fix::or("look at it", fix::show(&self.id));
        let next = match self.is_planned() {
            true => Fix::next("continue it", fix::on(&self.id, "change contract")),
            false => Fix::next("prove it again, as a change of its own", fix::start()),
        };
        vec![next, show]
    }

    /// The events that continue it as our own record: opened again with its texts, without its claims.
    pub(crate) fn continued(&self) -> Vec<Kind> {
        let text = |key: &str| self.fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let title = if self.title.trim().is_empty() { self.id.to_string() } else { self.title.clone() };
        let opened = Opened {
            change_id: self.id.clone(),
            title,
            class: Class::Code,
            risk: text("risk"),
            validation_today: text("validation_today"),
            validation_next_days: text("validation_next_days"),
            from: None,
            incident: None,
            expires: None,
            imported: Some(Digest::of_json(&Value::Object(self.fields.clone()))),
        };
        let contract = Contract { hypothesis: text("hypothesis"), rollback: text("rollback"), ..Contract::default() };
        let mut events = vec![Kind::Opened(opened)];
        if contract != Contract::default() {
            events.push(Kind::ContractSet { contract });
        }
        events
    }

    /// When it started, if that can be parsed; the Python tool writes UTC to the second.
    pub(crate) fn began(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(&self.started_at).ok().map(|at| at.to_utc())
    }
}
