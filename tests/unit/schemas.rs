//! Checks that the schemas in `docs/schemas/` match the types; `OPTIMIZER_SCHEMAS=write` updates them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Config;
use crate::judge::compare::Comparison;
use crate::model::{CommandLine, CommitName, Criterion, Event, PairSession, Snapshot, Trigger};
use crate::report::StatusAnswer;
use crate::report::findings::CheckAnswer;
use crate::workflow::view_v1::ViewV1;

/// Types that are serialized as a string.
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

/// Adds ranges and required keys from the config's checks, so that an editor marks what would be refused.
fn with_demands(schema: &mut Schema) {
    let source = include_str!("../../src/config/check.rs");
    let pattern = |pattern: &str| regex::Regex::new(pattern).unwrap();
    let (section, known) =
        (pattern(r": &(?:mut )?([A-Z]\w+), mut s\b.*[^;]$"), pattern(r"const (\w+): \w+ = ([\d._]+);"));
    let (whole, positive) =
        (pattern(r#"whole\("(\w+)", .*, (\d+)\.\.=(\w+(?: << \d+)?)\);"#), pattern(r#"positive\("(\w+)""#));
    let needed = pattern(r#"s\.required\("(\w+)"|if !s\.has\("(\w+)"\) \{|s\.(name)\(&"#);
    let constants: BTreeMap<&str, String> =
        known.captures_iter(source).map(|it| (it.get(1).unwrap().as_str(), it[2].replace('_', ""))).collect();
    let number = |text: &str| match text.split_once(" << ") {
        Some((base, shift)) => base.parse::<u64>().unwrap() << shift.parse::<u32>().unwrap(),
        None => constants.get(text).map_or(text, |whole| whole.trim_end_matches(".0")).parse().unwrap(),
    };
    let mut of = String::new();
    let lines: Vec<&str> = source.lines().collect();
    for around in lines.windows(3) {
        let line = around[1];
        if let Some(named) = section.captures(line) {
            named[1].clone_into(&mut of);
        }
        let place = match line.trim() {
            it if it.starts_with("root.") => String::new(),
            it if it.starts_with("commands.") => "/definitions/Commands".to_owned(),
            _ => format!("/definitions/{of}"),
        };
        let Some(there) = schema.pointer_mut(&place).and_then(Value::as_object_mut) else { continue };
        let mut range = |key: &str, least: (&str, u64), most: u64| {
            let value = there["properties"][key].as_object_mut().unwrap_or_else(|| panic!("{place} has no {key}"));
            value.insert(least.0.to_owned(), json!(least.1));
            value.insert("maximum".to_owned(), json!(most));
        };
        if let Some(found) = whole.captures(line) {
            range(&found[1], ("minimum", number(&found[2])), number(&found[3]));
        } else if let Some(found) = positive.captures(line) {
            range(&found[1], ("exclusiveMinimum", 0), number("MAX_TIMEOUT_S"));
        } else if let Some(found) = needed.captures(line)
            && !around[0].contains("if s.has(")
            && (!line.contains("if !") || around[2].contains("problem_here"))
        {
            let key = found.iter().skip(1).flatten().next().unwrap().as_str();
            there.entry("required").or_insert_with(|| json!([])).as_array_mut().unwrap().push(json!(key));
        }
    }
}

fn written<T: JsonSchema>(what: &str) -> Schema {
    named(SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>(), what)
}

fn read_by_people<T: JsonSchema>(what: &str) -> Schema {
    let mut schema = SchemaSettings::draft07().for_deserialize().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(as_people_write_it).transform(&mut schema);
    with_demands(&mut schema);
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
