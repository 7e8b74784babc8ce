//! The environment as evidence: the values of watched variables, digests where they look secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::model::conceal::conceal_text;

/// Where variables come from: this process, or a table in tests.
pub trait Environment {
    /// The value of a variable; `None` when it is unset.
    fn get(&self, name: &str) -> Option<OsString>;
    /// The user's home directory.
    fn home(&self) -> Option<PathBuf>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
    }
}

/// What may be recorded of each watched variable: its value (or digest), `None` when it is unset. Bytes that are
/// no Unicode are replaced.
pub fn watched(names: &[String], environment: &dyn Environment) -> BTreeMap<String, Option<String>> {
    let recorded = |name: &String| environment.get(name).map(|value| conceal_text(name, &value.to_string_lossy()));
    names.iter().map(|name| (name.clone(), recorded(name))).collect()
}

#[cfg(test)]
pub(crate) mod table {
    //! An environment that is a table.

    use std::ffi::OsString;
    use std::path::PathBuf;

    use crate::measure::Environment;

    #[derive(Default)]
    pub(crate) struct Table {
        pub(crate) variables: Vec<(&'static str, &'static str)>,
        pub(crate) home: Option<PathBuf>,
    }

    impl Environment for Table {
        fn get(&self, name: &str) -> Option<OsString> {
            self.variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        }

        fn home(&self) -> Option<PathBuf> {
            self.home.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::env::table::Table;

    #[test]
    fn watched_variables_are_recorded_and_secrets_are_digests() {
        let table =
            Table { variables: vec![("MODE", "canary"), ("EMPTY", ""), ("API_TOKEN", "abcd1234efgh")], home: None };
        let names = ["MODE", "EMPTY", "API_TOKEN", "UNSET"].map(str::to_owned);
        let recorded = watched(&names, &table);
        assert_eq!(recorded["MODE"].as_deref(), Some("canary"));
        assert_eq!(recorded["EMPTY"].as_deref(), Some(""));
        assert_eq!(recorded["UNSET"], None);
        assert!(recorded["API_TOKEN"].as_deref().is_some_and(|value| value.starts_with("sha256:")));
    }
}
