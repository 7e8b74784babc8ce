//! The effective tuneables: files as flat keys (`a.b[0].c`), where later files win, and overrides by variables. For
//! each key the value, its layer and the layers it hides. Also the watched variables as evidence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value};

use crate::config::{Diagnostic, Tuneables, yaml};
use crate::measure::pointer;
use crate::model::scrub::{conceal, conceal_text};
use crate::model::{Digest, Tuneable, TuneableFile, parse_json};
use crate::os::files;

/// The maximum size of a tuneables file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Effective {
    /// The value, layer and hidden layers of each flattened key. Likely secrets are recorded as digests.
    pub(crate) values: BTreeMap<String, Tuneable>,
    /// The files in layer order; a missing file is an absent layer without a digest.
    pub(crate) files: Vec<TuneableFile>,
}

#[derive(Debug, thiserror::Error)]
pub enum TuneablesError {
    #[error("cannot read the tuneables file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the tuneables file {} has {bytes} bytes, more than the {MAX_BYTES} that are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("the tuneables file {} {problem}", path.display())]
    Invalid { path: PathBuf, problem: String },
    #[error("the tuneables file {path} is in the home directory, which is unknown; set HOME or give the full path")]
    NoHome { path: String },
}

pub(crate) fn read(root: &Path, config: &Tuneables) -> Result<Effective, TuneablesError> {
    read_with(root, config, home().as_deref(), &|name| std::env::var_os(name))
}

fn read_with(
    root: &Path,
    config: &Tuneables,
    home: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Effective, TuneablesError> {
    let mut effective = Effective::default();
    for file in &config.files {
        let path = located(root, file, home)?;
        let bytes = read_file(&path)?;
        if let Some(bytes) = &bytes {
            effective.add_file(file, bytes).map_err(|problem| TuneablesError::Invalid { path, problem })?;
        }
        let sha256 = bytes.map(|bytes| Digest::of_bytes(&bytes));
        effective.files.push(TuneableFile { path: file.clone(), sha256 });
    }
    for (key, name) in &config.env {
        if let Some(text) = variable(name) {
            effective.add_layer(key, &format!("{key}.{name}"), typed(&text.to_string_lossy()), &format!("env:{name}"));
        }
    }
    Ok(effective)
}

/// The values of one file, as they are recorded.
pub(crate) fn values(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, Value>, String> {
    let mut effective = Effective::default();
    effective.add_file(name, bytes)?;
    Ok(effective.values.into_iter().map(|(key, tuneable)| (key, tuneable.value)).collect())
}

/// The value (or digest) to record for each watched variable; `None` if it is unset. Invalid Unicode is replaced.
pub(crate) fn watched(
    names: &[String],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> BTreeMap<String, Option<String>> {
    let recorded = |name: &String| variable(name).map(|value| conceal_text(name, &value.to_string_lossy()));
    names.iter().map(|name| (name.clone(), recorded(name))).collect()
}

/// The path of a configured tuneables file: `~` is the home directory; relative paths start at the project's root.
pub(crate) fn locate(root: &Path, file: &str) -> Result<PathBuf, TuneablesError> {
    located(root, file, home().as_deref())
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

fn located(root: &Path, file: &str, home: Option<&Path>) -> Result<PathBuf, TuneablesError> {
    let below_home = match file.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/').or_else(|| rest.strip_prefix('\\').filter(|_| cfg!(windows))),
        None => None,
    };
    match (below_home, home) {
        (None, _) => Ok(root.join(file)),
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        (Some(_), None) => Err(TuneablesError::NoHome { path: file.to_owned() }),
    }
}

impl Effective {
    fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        flatten(name, bytes)?.into_iter().for_each(|(key, value)| self.add_layer(&key, &key, value, name));
        Ok(())
    }

    /// Puts a value above the existing one. `names` decide whether it is secret.
    fn add_layer(&mut self, key: &str, names: &str, value: Value, layer: &str) {
        // A number in a group with a secret name (`password.min_length`) is a setting, unless its own name is secret.
        let name = if value.is_number() { last_name(names) } else { names };
        let hides = match self.values.remove(key) {
            Some(below) => [vec![below.layer], below.hides].concat(),
            None => Vec::new(),
        };
        let value = conceal(name, &value);
        self.values.insert(key.to_owned(), Tuneable { value, layer: layer.to_owned(), hides });
    }
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, TuneablesError> {
    let unreadable = |source| TuneablesError::Unreadable { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(error)),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            Err(TuneablesError::TooLarge { path: path.to_owned(), bytes: metadata.len() })
        }
        Ok(_) => files::read_file(path, MAX_BYTES).map(Some).map_err(unreadable),
    }
}

/// The last part of a flattened key that is a name, not an index.
fn last_name(key: &str) -> &str {
    let without_indexes = key.trim_end_matches(|c: char| c.is_ascii_digit() || "[]".contains(c));
    without_indexes.rsplit('.').next().unwrap_or(without_indexes)
}

/// Parses a variable's text: numbers and booleans are typed, anything else is text.
fn typed(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// The keys and values of a file, whose extension determines the format; an empty YAML or TOML file has none. Otherwise
/// what is wrong with it, as a sentence that continues the file's name.
pub(crate) fn flatten(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, Value>, String> {
    let value = match name.to_ascii_lowercase().rsplit('.').next() {
        Some("json") => parse_json(bytes).map_err(|error| malformed("JSON", &error.to_string()))?,
        Some("yml" | "yaml") => {
            let at = |it: Diagnostic| format!("line {}, column {}: {}", it.line, it.column, it.message);
            yaml::parse(text(bytes, "YAML")?).map_err(|error| malformed("YAML", &at(error)))?
        }
        Some("toml") => toml_value(text(bytes, "TOML")?)?,
        _ => return Err("ends in none of .json, .yml, .yaml, .toml".to_owned()),
    };
    let is_empty = value.is_null() && !bytes.starts_with(b"null") || value.as_object().is_some_and(Map::is_empty);
    if !value.is_object() && !is_empty {
        return Err(format!("holds {} where keys and values are expected", pointer::kind(&value)));
    }
    let mut flat = BTreeMap::new();
    if !is_empty {
        add("", value, &mut flat);
    }
    Ok(flat)
}

fn malformed(format: &str, message: &str) -> String {
    format!("is not valid {format}: {message}")
}

fn text<'b>(bytes: &'b [u8], format: &str) -> Result<&'b str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        malformed(format, &format!("line {line}: not UTF-8"))
    })
}

fn add(path: &str, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                add(&child(path, &key), item, flat);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.into_iter().enumerate() {
                add(&format!("{path}[{i}]"), item, flat);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            flat.insert(path.to_owned(), value);
        }
    }
}

/// `path.key`, or `path["key"]` if the key contains a character of the path syntax.
fn child(path: &str, key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ']', '"']) {
        format!("{path}[{}]", Value::from(key))
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn toml_value(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        malformed("TOML", &format!("line {line}, column {column}: {}", error.message()))
    })?;
    from_toml(toml::Value::Table(table)).ok_or_else(|| malformed("TOML", "a number that is not finite"))
}

/// `None` for a number that is not finite.
fn from_toml(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(from_toml).collect::<Option<_>>()?),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, item)| Some((key, from_toml(item)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An environment from a table.
    #[derive(Default)]
    struct Table {
        variables: Vec<(&'static str, &'static str)>,
        home: Option<PathBuf>,
    }

    impl Table {
        fn get(&self, name: &str) -> Option<OsString> {
            self.variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        }
    }

    fn read(root: &Path, config: &Tuneables, table: &Table) -> Result<Effective, TuneablesError> {
        read_with(root, config, table.home.as_deref(), &|name| table.get(name))
    }

    fn config(files: &[&str], env: &[(&str, &str)]) -> Tuneables {
        Tuneables {
            files: files.iter().map(|&file| file.to_owned()).collect(),
            env: env.iter().map(|&(key, name)| (key.to_owned(), name.to_owned())).collect(),
            watch_env: Vec::new(),
        }
    }

    #[test]
    fn later_layers_win_and_name_what_they_hide() {
        let dir = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("base.yml"), "advisor: {max: 3, mode: slow}\nkeep: 1\n").unwrap();
        fs::write(home.path().join("local.json"), "\u{feff}{\"advisor\": {\"max\": 5}}").unwrap();
        let table = Table { variables: vec![("ADVISOR_MAX", "8")], home: Some(home.path().to_owned()) };
        let config =
            config(&["base.yml", "absent.toml", "~/local.json"], &[("advisor.max", "ADVISOR_MAX"), ("keep", "UNSET")]);
        let effective = read(dir.path(), &config, &table).unwrap();
        let max = &effective.values["advisor.max"];
        assert_eq!((&max.value, max.layer.as_str()), (&json!(8), "env:ADVISOR_MAX"));
        assert_eq!(max.hides, ["~/local.json", "base.yml"]);
        assert_eq!(effective.values["advisor.mode"].layer, "base.yml");
        assert_eq!(effective.values["keep"].value, json!(1));
        let present: Vec<bool> = effective.files.iter().map(|file| file.sha256.is_some()).collect();
        assert_eq!(present, [true, false, true]);
    }

    #[test]
    fn secrets_are_digests_and_ordinary_numbers_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"db": {"password": "x"}, "max_tokens": 4096, "password": {"min_length": 8}, "keys": ["AKIA0123456789ABCDEF"]}"#;
        fs::write(dir.path().join("t.json"), text).unwrap();
        let table = Table { variables: vec![("DB_PASSWORD", "1234")], home: None };
        let effective = read(dir.path(), &config(&["t.json"], &[("db.user", "DB_PASSWORD")]), &table).unwrap();
        let digest = |key: &str| effective.values[key].value.as_str().is_some_and(|text| text.starts_with("sha256:"));
        assert!(digest("db.password") && digest("keys[0]") && digest("db.user"), "{effective:?}");
        assert_eq!(effective.values["max_tokens"].value, json!(4096));
        assert_eq!(effective.values["password.min_length"].value, json!(8));
    }

    #[test]
    fn an_invalid_file_is_an_error_with_its_name_and_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("t.json"), "{\n\"a\": }").unwrap();
        let error = read(dir.path(), &config(&["t.json"], &[]), &Table::default()).unwrap_err().to_string();
        assert!(error.contains("t.json is not valid JSON: line 2"), "{error}");
        fs::create_dir(dir.path().join("d.json")).unwrap();
        let error = read(dir.path(), &config(&["d.json"], &[]), &Table::default()).unwrap_err().to_string();
        assert!(error.contains("cannot read the tuneables file"), "{error}");
        let error = read(dir.path(), &config(&["~/t.json"], &[]), &Table::default()).unwrap_err().to_string();
        assert!(error.contains("set HOME"), "{error}");
    }

    #[test]
    fn a_variable_is_typed_like_the_value_that_it_overrides() {
        assert_eq!(
            [typed("0.5"), typed("true"), typed("x"), typed(""), typed("007")],
            [json!(0.5), json!(true), json!("x"), json!(""), json!("007")]
        );
    }

    #[test]
    fn watched_variables_are_recorded_and_secrets_are_digests() {
        let table =
            Table { variables: vec![("MODE", "canary"), ("EMPTY", ""), ("API_TOKEN", "abcd1234efgh")], home: None };
        let names = ["MODE", "EMPTY", "API_TOKEN", "UNSET"].map(str::to_owned);
        let recorded = watched(&names, &|name| table.get(name));
        assert_eq!(recorded["MODE"].as_deref(), Some("canary"));
        assert_eq!(recorded["EMPTY"].as_deref(), Some(""));
        assert_eq!(recorded["UNSET"], None);
        assert!(recorded["API_TOKEN"].as_deref().is_some_and(|value| value.starts_with("sha256:")));
    }

    fn flat(name: &str, text: &str) -> Value {
        json!(flatten(name, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}\n{text}")))
    }

    #[test]
    fn the_same_tuneables_in_three_formats_have_the_same_keys() {
        let expected = json!({"a.b[0].c": 1, "a.b[1]": "x", "a.e": [], "f": 0.5, "g": true});
        assert_eq!(
            flat("t.json", "\u{feff}{\"a\": {\"b\": [{\"c\": 1}, \"x\"], \"e\": []}, \"f\": 0.5, \"g\": true}"),
            expected
        );
        assert_eq!(
            flat("T.YAML", "\u{feff}a:\r\n  b:\r\n    - c: 1\r\n    - x\r\n  e: []\r\nf: 0.5\r\ng: true\r\n"),
            expected
        );
        assert_eq!(flat("t.toml", "\u{feff}f = 0.5\ng = true\n[a]\nb = [{c = 1}, 'x']\ne = []\n"), expected);
    }

    #[test]
    fn keys_that_hold_dots_or_brackets_cannot_be_mistaken_for_paths() {
        let value = flat("t.json", r#"{"gpt-4.1": {"limit": 1}, "a": {"b": 2}, "a.b": 3, "": 4}"#);
        assert_eq!(value, json!({"[\"gpt-4.1\"].limit": 1, "a.b": 2, "[\"a.b\"]": 3, "[\"\"]": 4}));
    }

    #[test]
    fn malformed_files_are_refused_with_their_line() {
        for (name, text, expected) in [
            ("t.json", "{\"a\": 1,\n \"a\": 2}", "is not valid JSON: line 2"),
            ("t.json", "{\"a\": NaN}", "NaN is not a finite number"),
            ("t.json", "[1]", "holds an array where keys and values are expected"),
            ("t.json", "", "is not valid JSON"),
            ("t.json", "null", "holds null"),
            ("t.yml", "a: 1\na: 2\n", "is not valid YAML: line 2"),
            ("t.yml", "a: 1\nb: .nan\n", "is not valid YAML: line 2, column 4"),
            ("t.yml", "text", "holds a text"),
            ("t.toml", "a = 1\nb = = 2\n", "is not valid TOML: line 2"),
            ("t.toml", "a = nan", "not finite"),
            ("t.ini", "", "ends in none"),
        ] {
            let error = flatten(name, text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{name} {text}: {error}");
        }
        assert!(flatten("t.yml", b"a: \xff").unwrap_err().contains("line 1: not UTF-8"));
        assert_eq!(
            (flat("t.yml", "# nothing\n"), flat("t.toml", ""), flat("t.json", "{}")),
            (json!({}), json!({}), json!({}))
        );
    }
}
