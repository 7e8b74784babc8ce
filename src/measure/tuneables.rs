//! The effective tuneables: layered files, later ones winning, and explicit overrides by variables; for each key
//! the value, the layer that it comes from, and the layers that it hides. And the watched variables as evidence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::config::Tuneables;
use crate::measure::flatten::flatten;
use crate::model::scrub::{conceal, conceal_text};
use crate::model::{Digest, Tuneable, TuneableFile};

/// A tuneables file larger than this, in bytes, is none.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Effective {
    /// Each flattened key's value, layer and hidden layers. Values that look secret are digests.
    pub(crate) values: BTreeMap<String, Tuneable>,
    /// The files in layer order; one that does not exist is an absent layer and has no digest.
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
    /// A path begins with `~` and there is no home directory.
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
            let flat = flatten(file, bytes).map_err(|problem| TuneablesError::Invalid { path, problem })?;
            for (key, value) in flat {
                effective.add_layer(&key, &key, value, file);
            }
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

/// What may be recorded of each watched variable: its value (or digest), `None` when it is unset. Bytes that are
/// no Unicode are replaced.
pub(crate) fn watched(
    names: &[String],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> BTreeMap<String, Option<String>> {
    let recorded = |name: &String| variable(name).map(|value| conceal_text(name, &value.to_string_lossy()));
    names.iter().map(|name| (name.clone(), recorded(name))).collect()
}

/// Where a configured tuneables file is: `~` is the home directory, relative paths start at the project's root.
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
    /// Puts a value over what is there. `names` are the names by which it is judged whether it is secret.
    fn add_layer(&mut self, key: &str, names: &str, value: Value, layer: &str) {
        // A number under a telling group (`password.min_length`) is a setting; under a telling name it is not.
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
        Ok(_) => fs::read(path).map(Some).map_err(unreadable),
    }
}

/// The last part of a flattened key that is a name and no index.
fn last_name(key: &str) -> &str {
    let without_indexes = key.trim_end_matches(|c: char| c.is_ascii_digit() || "[]".contains(c));
    without_indexes.rsplit('.').next().unwrap_or(without_indexes)
}

/// A variable's text as the value that it stands for: numbers and switches are typed, anything else is text.
fn typed(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An environment that is a table.
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
}
