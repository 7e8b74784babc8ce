//! The schemas in `docs/schemas/`, made from the types. A stale file fails; `OPTIMIZER_SCHEMAS=write` writes it anew.

use std::borrow::Cow;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Config;
use crate::judge::compare::Comparison;
use crate::model::{CommandLine, CommitName, Criterion, Event, PairSession, Snapshot, Stated, Trigger};
use crate::report::StatusAnswer;
use crate::report::findings::CheckAnswer;
use crate::workflow::view_v1::ViewV1;

/// Types that are written as one text.
macro_rules! texts {
    ($($name:ident: $what:literal;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $what })
            }
        }
    )*};
}

texts! {
    CommandLine: "A command line as it is to be run.";
    Criterion: "`METRIC OP BOUND`, such as `timing.tests.wall <= -10%`.";
    Stated: "A criterion as it was stated.";
    Trigger: "A criterion, or words for a person to judge by.";
}

/// What a finding names as its commit: the commit, or a hash alone.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is of use")]
pub(crate) enum CommitOrHash {
    Commit(CommitName),
    Hash(String),
}

/// A change: what version 1 had, and the events, which everything else follows from.
#[derive(JsonSchema, Serialize)]
struct Record {
    #[serde(flatten)]
    view: ViewV1,
    events: Vec<Event>,
}

/// In a config, a key without a value is the same as no key, and an unknown key has no effect.
fn as_people_write_it(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for value in properties.values_mut().filter_map(Value::as_object_mut) {
        value.retain(|key, value| !value.is_null() && key != "format");
        let reference = value.remove("$ref").or_else(|| Some(value.remove("allOf")?[0]["$ref"].take()));
        if let Some(reference) = reference {
            value.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
        } else if let Some(Value::String(kind)) = value.get("type") {
            let kinds = json!([kind, "null"]);
            value.insert("type".to_owned(), kinds);
        }
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
}

fn written<T: JsonSchema>(what: &str) -> Schema {
    named(SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>(), what)
}

fn read_by_people<T: JsonSchema>(what: &str) -> Schema {
    let mut schema = SchemaSettings::draft07().for_deserialize().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(as_people_write_it).transform(&mut schema);
    named(schema, what)
}

fn named(mut schema: Schema, what: &str) -> Schema {
    schema.remove("description");
    schema.insert("title".to_owned(), json!(format!("vibeship-optimizer: {what}")));
    schema
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let all = [
        ("config", read_by_people::<Config>("config")),
        ("record", written::<Record>("record of a change")),
        ("snapshot", written::<Snapshot>("snapshot")),
        ("pair", written::<PairSession>("pairs of measurements")),
        ("compare", written::<Comparison>("comparison")),
        ("check", written::<CheckAnswer<'static>>("answer of check")),
        ("status", written::<StatusAnswer>("answer of status")),
    ];
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in all {
        let (path, text) = (dir.join(format!("{name}.json")), format!("{:#}\n", schema.as_value()));
        if std::env::var("OPTIMIZER_SCHEMAS").is_ok_and(|what| what == "write") {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(
            published == text,
            "{name}.json is stale; OPTIMIZER_SCHEMAS=write cargo test --lib schemas writes it anew"
        );
    }
}
