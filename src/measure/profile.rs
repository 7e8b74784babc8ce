//! Profiling by programs that run the command: instruction counts, and the functions whose share of the time grew. It
//! uses separate runs, since it slows the command down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::config::{Counter, TimingConfig};
use crate::measure::command::{self, error_tail};
use crate::measure::{Place, Runner};
use crate::model::{Grown, Run};
use crate::os::process::{Invocation, Output, plain_words};
use crate::os::{SpawnError, Spec};

/// The smallest growth of a share that is reported.
const LEAST: f64 = 0.01;
/// How many functions are reported; those that grew most come first.
const MOST: usize = 5;
/// How many times longer than a timed run a recorded or counted one may take.
const RECORDED: u32 = 10;
const COUNTED: u32 = 100;
/// How many bytes of the list of functions are read.
const LIST_BYTES: usize = 4 << 20;

/// The functions whose share of the time grew from `before` to `after`, or why that is not known.
pub(crate) fn grown(
    runner: &mut dyn Runner,
    plan: &TimingConfig,
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

fn shares(runner: &mut dyn Runner, plan: &TimingConfig, place: &Place) -> Result<BTreeMap<String, f64>, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data = dir.path().join("perf.data");
    let spec = command::spec(plan, place);
    let record = words("perf record --quiet --freq=max", &[("--output=", &data)], "--");
    let spec = started_by(record, RECORDED, &spec);
    let failed = |error: SpawnError| {
        let is_missing = matches!(error, SpawnError::Start { .. });
        if is_missing { "perf is not installed".to_owned() } else { error.to_string() }
    };
    let recorded = command::run_once(runner, plan, &spec).map_err(failed)?;
    if !recorded.success() {
        return Err(format!("perf record: {}", error_tail(&recorded).lines().last().unwrap_or("failed")));
    }
    let list = "--stdio --quiet --no-children --fields=overhead,symbol --field-separator=\t";
    let report = Spec {
        invocation: Invocation::Argv(words("perf report", &[("--input=", &data)], list)),
        stdout: Output::Keep { head_bytes: LIST_BYTES, tail_bytes: 0 },
        ..spec
    };
    let listed = runner.run(&report).map_err(failed)?;
    let listed = listed.stdout.whole().unwrap_or_default();
    Ok(read(&String::from_utf8_lossy(&listed)))
}

/// The words of a line, then options that name files, then the words of another line.
fn words(first: &str, files: &[(&str, &Path)], last: &str) -> Vec<OsString> {
    let named = |(option, path): &(&str, &Path)| {
        let mut word = OsString::from(option);
        word.push(path);
        word
    };
    let plain = |line: &'_ str| line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect::<Vec<_>>();
    [plain(first), files.iter().map(named).collect(), plain(last)].concat()
}

/// Parses lines such as `88.58%`, a tab, `[.] hash_all`; `[k]` is the kernel. Skips functions without a name.
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
        // Rust's symbol hash differs between builds.
        let name = name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name);
        let name = if kernel { format!("{name} (kernel)") } else { name.to_owned() };
        *found.entry(name).or_insert(0.0) += share / 100.0;
    }
    found
}

/// The instructions of one more run, with all its processes; `None` if they are not configured or cannot be counted.
pub(crate) fn count(runner: &mut dyn Runner, plan: &TimingConfig, spec: &Spec) -> Option<u64> {
    let counter = plan.instructions?;
    let dir = tempfile::tempdir().ok()?;
    let spec = started_by(counter_words(counter, dir.path()), COUNTED, spec);
    let finished = command::run_once(runner, plan, &spec).ok()?;
    if finished.success() { counted(dir.path()) } else { None }
}

/// The run of `spec` started by another program, with a timeout `slower` times as long.
fn started_by(mut words: Vec<OsString>, slower: u32, spec: &Spec) -> Spec {
    match &spec.invocation {
        Invocation::Argv(own) => words.extend(own.iter().cloned()),
        Invocation::Shell(line) => match plain_words(line, cfg!(windows)) {
            Some(own) => words.extend(own.into_iter().map(OsString::from)),
            None => words.extend(["/bin/sh", "-c", line].map(OsString::from)),
        },
    }
    let timeout = spec.timeout.saturating_mul(slower);
    Spec { invocation: Invocation::Argv(words), timeout, stdout: Output::Discard, ..spec.clone() }
}

/// Why a configured count is missing.
pub(crate) fn missing<'r>(plan: &TimingConfig, mut runs: impl Iterator<Item = &'r Run>) -> Option<String> {
    let program = match plan.instructions? {
        Counter::Perf => "`perf stat -e instructions:u` counts none here",
        Counter::Cachegrind => "`valgrind --tool=cachegrind` counts none here",
    };
    let none = !runs.any(|run| run.instructions.is_some());
    none.then(|| format!("timing {}: no instructions were counted: {program}; try it by hand", plan.name))
}

/// The words before a command that make each of its processes leave a file in `dir`.
fn counter_words(counter: Counter, dir: &Path) -> Vec<OsString> {
    match counter {
        Counter::Perf => words("perf stat -x, -e instructions:u", &[("--output=", &dir.join("perf"))], "--"),
        Counter::Cachegrind => words(
            "valgrind --tool=cachegrind --cache-sim=no --trace-children=yes --quiet",
            &[("--cachegrind-out-file=", &dir.join("out.%p")), ("--log-file=", &dir.join("log.%p"))],
            "",
        ),
    }
}

/// The sum over all processes: `summary: N` by cachegrind, `N,,instructions:u,…` by perf. A processor that cannot count
/// prints a text in place of the number.
fn counted(dir: &Path) -> Option<u64> {
    let mut all = 0_u64;
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let text = String::from_utf8_lossy(&fs::read(entry.path()).ok()?).into_owned();
        let of_line = |line: &str| {
            let of_perf =
                || line.split_once(',').filter(|(_, rest)| rest.contains("instructions")).map(|(number, _)| number);
            line.strip_prefix("summary:").or_else(of_perf)?.trim().parse::<u64>().ok()
        };
        all += text.lines().filter_map(of_line).sum::<u64>();
    }
    (all > 0).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_whose_share_grew_are_listed_by_growth() {
        let before = read("60.00%\t[.] parse\n30.00%\t[.] hash\n5.00%\t[k] copy\n");
        let after =
            read("  25.00%\t[.] parse\n  55.50%\t[.] hash  \n 5.20%\t[k] copy\n9.00%\t[.] std::fmt\n3%\t[.] 0xffff\n");
        let found: Vec<(String, f64)> =
            compared(&before, &after).into_iter().map(|it| (it.function, it.after)).collect();
        assert_eq!(found, [("hash".to_owned(), 0.555), ("std::fmt".to_owned(), 0.09)]);
        assert!(after.contains_key("copy (kernel)"), "{after:?}");
    }

    fn of(text: &str) -> Option<u64> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), text).unwrap();
        fs::write(dir.path().join("two"), text).unwrap();
        counted(dir.path())
    }

    #[test]
    fn the_counts_of_all_processes_are_added() {
        assert_eq!(of("desc: I1 cache\nevents: Ir\n12 3\nsummary: 1500\n"), Some(3000));
        assert_eq!(of("# started\n\n1500,,instructions:u,900,100.00,,\n"), Some(3000));
        assert_eq!(of("<not supported>,,instructions:u,0,100.00,,\n"), None);
    }
}
