//! How each metric is measured, as digests: what a later snapshot must share with an earlier one before the two may
//! be compared. Must not hold the commands themselves; they may name secrets.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::config::Config;
use crate::evidence::digest::Digest;

/// The key of the definition of the tuneables.
pub const TUNEABLES: &str = "tuneables";

impl Config {
    /// A digest of every measuring definition by the beginning of its metrics' names: `timing.NAME`, `http.NAME`,
    /// `kpi.NAME`, and [`TUNEABLES`]. How often something is run, and for how long, is no part of it.
    pub fn definitions(&self) -> BTreeMap<String, Digest> {
        let mut found = BTreeMap::new();
        let mut put = |key: String, value: Value| {
            found.insert(key, Digest::of_json(&value));
        };
        for timing in &self.timings {
            let how = json!([timing.cmd, timing.cwd, timing.env, timing.shell, timing.hyperfine]);
            put(format!("timing.{}", timing.name), how);
        }
        for probe in &self.http_probes {
            let asked = json!([probe.url, probe.method, probe.headers]);
            let expected = json!([probe.expect_status, probe.expect_contains, probe.expect_json]);
            put(format!("http.{}", probe.name), json!([asked, expected]));
        }
        for kpi in &self.kpis {
            let source = json!([kpi.cmd, kpi.file, kpi.extract]);
            put(format!("kpi.{}", kpi.name), json!([source, kpi.unit, kpi.better, kpi.exact]));
        }
        put(TUNEABLES.to_owned(), json!([self.tuneables.files, self.tuneables.env]));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file::parse;

    fn definitions(text: &str) -> BTreeMap<String, Digest> {
        parse(text, Path::new("config.yml")).unwrap().0.definitions()
    }

    #[test]
    fn another_command_is_another_definition_and_more_runs_are_not() {
        let one = definitions("timings: [{name: t, cmd: make, runs: 5}]\n");
        assert_eq!(one, definitions("timings: [{name: t, cmd: make, runs: 50, timeout_s: 9}]\n"));
        assert_ne!(one, definitions("timings: [{name: t, cmd: make -j2, runs: 5}]\n"));
    }

    #[test]
    fn a_kpi_is_defined_by_where_its_number_comes_from() {
        let kpi = |rest: &str| definitions(&format!("kpis: [{{name: v, better: lower, {rest}}}]\n"));
        assert_ne!(kpi("cmd: a, pointer: /x"), kpi("cmd: a, pointer: /y"));
        assert_ne!(kpi("cmd: a, pointer: /x"), kpi("cmd: b, pointer: /x"));
    }

    #[test]
    fn a_tuneables_file_more_is_another_definition() {
        assert_ne!(
            definitions("tuneables: {files: [a.json]}\n"),
            definitions("tuneables: {files: [a.json, b.json]}\n")
        );
    }
}
