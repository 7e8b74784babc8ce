//! Records of the original tool (version 1): their fields, none of which is trusted.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::{ChangeId, Class, CommandLine, Contract, Digest, Fix, Kind, Opened, fix};

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

    /// What it is and what it proves.
    pub(crate) fn sentence(&self) -> String {
        let (id, status) = (&self.id, &self.status);
        format!("the record of {id} was written by the Python tool, says {status:?} and carries no evidence")
    }

    /// How to go on. Only what was planned is continued: the other states claim what nothing proves, and an open change
    /// in their place would hide the claim.
    pub(crate) fn fixes(&self) -> Vec<Fix> {
        let show = Fix::or("look at it", CommandLine::tool("change show").word(self.id.as_str()));
        let next = match self.is_planned() {
            true => Fix::next("continue it", fix::on(&self.id, "change contract")),
            false => Fix::next("prove it again, as a change of its own", fix::start()),
        };
        vec![next, show]
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
