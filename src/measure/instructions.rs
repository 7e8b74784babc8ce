//! Counting the instructions of a command, in a run of its own: what counts them slows the command down.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::config::Counter;
use crate::measure::{CommandPlan, Runner, command};
use crate::model::Run;
use crate::os::Spec;
use crate::os::process::{Invocation, Output, plain_words};

/// A counted run may take so many times as long as a timed one.
const SLOWER: u32 = 100;

/// The instructions of one more run, of all its processes; `None` where they are not to be counted, or cannot be.
pub(crate) fn count(runner: &mut dyn Runner, plan: &CommandPlan, spec: &Spec) -> Option<u64> {
    let counter = plan.instructions?;
    let dir = tempfile::tempdir().ok()?;
    let spec = started_by(counter_words(counter, dir.path()), SLOWER, spec);
    let finished = command::run_once(runner, plan, &spec).ok()?;
    if finished.success() { read(dir.path()) } else { None }
}

/// The run of `spec` as another program starts it, which takes so many times as long.
pub(crate) fn started_by(mut words: Vec<OsString>, slower: u32, spec: &Spec) -> Spec {
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

/// Why there is no count, where one was to be had.
pub(crate) fn missing<'r>(plan: &CommandPlan, mut runs: impl Iterator<Item = &'r Run>) -> Option<String> {
    let program = match plan.instructions? {
        Counter::Perf => "`perf stat -e instructions:u` counts none here",
        Counter::Cachegrind => "`valgrind --tool=cachegrind` counts none here",
    };
    let none = !runs.any(|run| run.instructions.is_some());
    none.then(|| format!("timing {}: no instructions were counted: {program}; try it by hand", plan.name))
}

/// What starts a command so that each of its processes leaves a file in `dir`.
fn counter_words(counter: Counter, dir: &Path) -> Vec<OsString> {
    let file = |option: &str, name: &str| {
        let mut word = OsString::from(option);
        word.push(dir.join(name));
        word
    };
    let plain = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    match counter {
        Counter::Perf => {
            [plain(&["perf", "stat", "-x,", "-e", "instructions:u"]), vec![file("--output=", "perf")], plain(&["--"])]
                .concat()
        }
        Counter::Cachegrind => [
            plain(&["valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes", "--quiet"]),
            vec![file("--cachegrind-out-file=", "out.%p"), file("--log-file=", "log.%p")],
        ]
        .concat(),
    }
}

/// The sum over all processes: `summary: N` of cachegrind, `N,,instructions:u,…` of perf. A processor that does not count
/// says so where the number would be.
fn read(dir: &Path) -> Option<u64> {
    let mut all = 0_u64;
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let text = String::from_utf8_lossy(&fs::read(entry.path()).ok()?).into_owned();
        let counted = |line: &str| {
            let of_perf =
                || line.split_once(',').filter(|(_, rest)| rest.contains("instructions")).map(|(number, _)| number);
            line.strip_prefix("summary:").or_else(of_perf)?.trim().parse::<u64>().ok()
        };
        all += text.lines().filter_map(counted).sum::<u64>();
    }
    (all > 0).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<u64> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), text).unwrap();
        fs::write(dir.path().join("two"), text).unwrap();
        read(dir.path())
    }

    #[test]
    fn the_counts_of_all_processes_are_added() {
        assert_eq!(of("desc: I1 cache\nevents: Ir\n12 3\nsummary: 1500\n"), Some(3000));
        assert_eq!(of("# started\n\n1500,,instructions:u,900,100.00,,\n"), Some(3000));
        assert_eq!(of("<not supported>,,instructions:u,0,100.00,,\n"), None);
    }
}
