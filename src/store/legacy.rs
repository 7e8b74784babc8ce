//! Records of the original tool (version 1): their fields, none of which is trusted.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::{ChangeId, Class, Contract, Digest, Kind, Opened};

/// A record of the original: its fields as they stand. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq)]
pub struct Legacy {
    pub id: ChangeId,
    pub title: String,
    /// What it says of itself; `verified` there means only that somebody ran the command.
    pub status: String,
    /// When it says it began, as written.
    pub started_at: String,
    pub fields: Map<String, Value>,
}

impl Legacy {
    /// Takes the known fields out of a version 1 object.
    pub(crate) fn of(id: ChangeId, fields: Map<String, Value>) -> Self {
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { title: text("title"), status: text("status"), started_at: text("started_at"), id, fields }
    }

    /// Whether it claims no more than to have been planned.
    pub(crate) fn is_planned(&self) -> bool {
        self.status == "planned"
    }

    /// The events that continue it as a record of ours: opened again with its words, but none of its claims.
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

    /// When it began, where that can be read; records of the original write UTC to the second.
    pub(crate) fn began(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(&self.started_at).ok().map(|at| at.to_utc())
    }
}
