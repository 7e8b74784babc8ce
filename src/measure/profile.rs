//! Why a command became slower: one run of each side under `perf record`, and the functions whose share of the time grew.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::measure::command::{self, error_tail};
use crate::measure::{CommandPlan, Place, Runner, instructions};
use crate::model::Grown;
use crate::os::process::{Invocation, Output};
use crate::os::{SpawnError, Spec};

/// A share has to grow by this much to be told.
const LEAST: f64 = 0.01;
/// So many functions are told, those that grew most.
const MOST: usize = 5;
/// A run under `perf` may take so many times as long as a timed one.
const SLOWER: u32 = 10;
/// Bytes of the list of functions that are read.
const LIST_BYTES: usize = 4 << 20;

/// The functions whose share of the time grew from `before` to `after`, or why that is not known.
pub(crate) fn grown(
    runner: &mut dyn Runner,
    plan: &CommandPlan,
    before: &Place,
    after: &Place,
) -> Result<Vec<Grown>, String> {
    let before = shares(runner, plan, before)?;
    Ok(compared(&before, &shares(runner, plan, after)?))
}

fn compared(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> Vec<Grown> {
    let grown = |(function, after): (&String, &f64)| Grown {
        function: function.clone(),
        before: before.get(function).copied().unwrap_or(0.0),
        after: *after,
    };
    let mut found: Vec<Grown> = after.iter().map(grown).filter(|it| it.after - it.before >= LEAST).collect();
    found.sort_by(|a, b| (b.after - b.before).total_cmp(&(a.after - a.before)));
    found.truncate(MOST);
    found
}

fn shares(runner: &mut dyn Runner, plan: &CommandPlan, place: &Place) -> Result<BTreeMap<String, f64>, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data = dir.path().join("perf.data");
    let spec = plan.spec(place);
    let record = words(&["perf", "record", "--quiet", "--freq=max", "--output"], &data, &["--"]);
    let spec = instructions::started_by(record, SLOWER, &spec);
    let failed = |error: SpawnError| {
        let is_missing = matches!(error, SpawnError::Start { .. });
        if is_missing { "perf is not installed".to_owned() } else { error.to_string() }
    };
    let recorded = command::run_once(runner, plan, &spec).map_err(failed)?;
    if !recorded.success() {
        return Err(format!("perf record: {}", error_tail(&recorded).lines().last().unwrap_or("failed")));
    }
    let list = ["--stdio", "--quiet", "--no-children", "--fields=overhead,symbol", "--field-separator=\t"];
    let report = Spec {
        invocation: Invocation::Argv(words(&["perf", "report", "--input"], &data, &list)),
        stdout: Output::Keep { head_bytes: LIST_BYTES, tail_bytes: 0 },
        ..spec
    };
    let listed = runner.run(&report).map_err(failed)?;
    let listed = listed.stdout.whole().unwrap_or_default();
    Ok(read(&String::from_utf8_lossy(&listed)))
}

fn words(first: &[&str], file: &Path, last: &[&str]) -> Vec<OsString> {
    let plain = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    [plain(first), vec![file.into()], plain(last)].concat()
}

/// Lines such as `88.58%`, a tab, and `[.] hash_all`; `[k]` is the kernel's. What has no name is left out.
fn read(listed: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for line in listed.lines() {
        let Some((share, symbol)) = line.split_once('\t') else { continue };
        let Ok(share) = share.trim().trim_end_matches('%').parse::<f64>() else { continue };
        let symbol = symbol.trim();
        let (kernel, name) = match symbol.split_once("] ") {
            Some((space, name)) => (space == "[k", name.trim()),
            None => (false, symbol),
        };
        if name.is_empty() || name.starts_with("0x") {
            continue;
        }
        // Rust's hash of a build tells two builds apart and nothing else.
        let name = name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name);
        let name = if kernel { format!("{name} (kernel)") } else { name.to_owned() };
        *found.entry(name).or_insert(0.0) += share / 100.0;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_whose_share_grew_are_told_those_that_grew_most_first() {
        let before = read("60.00%\t[.] parse\n30.00%\t[.] hash\n5.00%\t[k] copy\n");
        let after =
            read("  25.00%\t[.] parse\n  55.50%\t[.] hash  \n 5.20%\t[k] copy\n9.00%\t[.] std::fmt\n3%\t[.] 0xffff\n");
        let told: Vec<(String, f64)> =
            compared(&before, &after).into_iter().map(|it| (it.function, it.after)).collect();
        assert_eq!(told, [("hash".to_owned(), 0.555), ("std::fmt".to_owned(), 0.09)]);
        assert!(after.contains_key("copy (kernel)"), "{after:?}");
    }
}
