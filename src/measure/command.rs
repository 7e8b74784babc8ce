//! Times a command: runs it several times and records every run in order, including failed ones.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config;
use crate::measure::profile;
use crate::model::text::excerpt;
use crate::model::{Run, Timing, scrub};
use crate::os::process::{self, Captured, Invocation, Launch, Output};
use crate::os::{Ended, Finished, Interrupt, SpawnError, Spec};

/// Characters of standard error that a timing keeps.
const ERROR_CHARS: usize = 400;
/// Bytes of output kept during a run: enough for [`ERROR_CHARS`] of any character after scrubbing.
pub(crate) const ERROR_BYTES: usize = 4096;
/// Exit code recorded for a run that timed out, as by `timeout(1)`.
const TIMED_OUT: i32 = 124;
/// Exit code recorded for a command that could not be started, as by the shell.
pub(crate) const NOT_STARTED: i32 = 127;

/// Variables to set (or, with `None`, remove) for a command.
pub type Env = Vec<(OsString, Option<OsString>)>;

/// Executes runs: the system, or a script in a test.
pub trait Runner {
    fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError>;

    fn stopped(&self) -> bool {
        false
    }
}

/// Executes runs on this machine and ends them on interrupt.
#[derive(Debug, Clone)]
pub struct SystemRunner {
    interrupt: Interrupt,
}

impl SystemRunner {
    pub fn new(interrupt: Interrupt) -> Self {
        Self { interrupt }
    }
}

impl Runner for SystemRunner {
    fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError> {
        process::run(spec, &self.interrupt)
    }

    fn stopped(&self) -> bool {
        self.interrupt.requested()
    }
}

/// Where commands run: the project itself, or one side of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub root: PathBuf,
    pub env: Env,
}

impl Place {
    /// A shell line to run here. The end of its standard error is kept.
    pub(crate) fn shell(&self, cmd: &str, timeout: Duration) -> Spec {
        Spec {
            invocation: Invocation::Shell(cmd.to_owned()),
            cwd: self.root.clone(),
            env: self.env.clone(),
            timeout,
            stdout: Output::Discard,
            stderr: Output::Keep { head_bytes: 0, tail_bytes: ERROR_BYTES },
            alone: false,
            stays: false,
        }
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// One run of a timing. Output is discarded except for the end of standard error.
pub(crate) fn spec(plan: &config::TimingConfig, place: &Place) -> Spec {
    let mut spec = Spec { alone: true, ..place.shell(plan.command(), seconds(plan.timeout_s)) };
    if !plan.shell {
        // An unclosed quote gives no words; starting nothing then fails like any other error.
        let words = shlex::split(plan.command()).unwrap_or_default();
        spec.invocation = Invocation::Argv(words.into_iter().map(OsString::from).collect());
    }
    if let Some(cwd) = &plan.cwd {
        spec.cwd = place.root.join(cwd);
    }
    // The place's own variables come last: they keep the sides of a pair apart.
    let own = plan.env.iter().map(|(name, value)| (name.into(), Some(value.into())));
    spec.env = own.chain(place.env.iter().cloned()).collect();
    spec
}

/// Runs once, between the `prepare` and `conclude` commands. If one of these fails, the run counts as failed.
pub(crate) fn run_once(
    runner: &mut dyn Runner,
    plan: &config::TimingConfig,
    spec: &Spec,
) -> Result<Finished, SpawnError> {
    if let Some(failed) = failed_beside(runner, ("prepare", plan.prepare.as_ref()), spec)? {
        return Ok(failed);
    }
    let finished = runner.run(spec)?;
    let concluded = failed_beside(runner, ("conclude", plan.conclude.as_ref()), spec)?;
    Ok(if finished.success() { concluded.unwrap_or(finished) } else { finished })
}

/// Prefixes the error of a failed `prepare` or `conclude` with its key.
fn failed_beside(
    runner: &mut dyn Runner,
    (key, cmd): (&str, Option<&String>),
    spec: &Spec,
) -> Result<Option<Finished>, SpawnError> {
    let Some(cmd) = cmd else { return Ok(None) };
    let (invocation, stdout) = (Invocation::Shell(cmd.clone()), Output::Discard);
    let mut finished = runner.run(&Spec { invocation, stdout, alone: false, stays: true, ..spec.clone() })?;
    if finished.success() {
        return Ok(None);
    }
    let said = format!("its {key} `{cmd}` failed: {}", error_tail(&finished));
    finished.stderr = Captured::new(spec.stderr);
    finished.stderr.push(said.trim_end_matches([':', ' ']).as_bytes());
    Ok(Some(finished))
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timed {
    pub(crate) timing: Timing,
    /// Set if peak memory could not be distinguished from the tool's own: readings up to this many bytes are
    /// meaningless, so `max_rss_bytes` was left out of all runs.
    pub(crate) rss_floor_bytes: Option<u64>,
}

/// Executes the runs of a plan. Failed runs are recorded and the series continues; it ends early only if a run times
/// out, cannot be started, or is interrupted. `progress` gets the number of runs done and planned.
pub(crate) fn time(
    runner: &mut dyn Runner,
    plan: &config::TimingConfig,
    place: &Place,
    progress: &mut dyn FnMut(u32, u32),
) -> Timed {
    let spec = spec(plan, place);
    let of = plan.warmup.saturating_add(plan.runs);
    let mut timing = no_runs(plan);
    let mut all_s = Vec::new();
    process::reset_own_peak_rss();
    for done in 1..=of {
        let finished = match run_once(runner, plan, &spec) {
            Ok(finished) => finished,
            Err(error) => {
                timing.last_rc = Some(NOT_STARTED);
                timing.last_err = scrub(&error.to_string()).chars().take(ERROR_CHARS).collect();
                timing.samples.push(run_not_started());
                break;
            }
        };
        timing.direct = Some(finished.launch == Launch::Direct);
        // An interrupted run measured nothing. A warm-up that timed out explains why there are no samples.
        let (counts, is_last) = match finished.ended {
            Ended::Interrupted => (false, true),
            Ended::TimedOut => (true, true),
            Ended::Code(_) | Ended::Signal(_) => (done > plan.warmup, false),
        };
        if counts {
            let instructions = if finished.success() { profile::count(runner, plan, &spec) } else { None };
            timing.samples.push(Run { instructions, ..run_of(&finished) });
            timing.last_rc = Some(return_code(finished.ended));
            all_s.push(finished.wall.as_secs_f64());
        }
        if !finished.success() {
            timing.last_err = error_tail(&finished);
        }
        progress(done, of);
        if is_last {
            break;
        }
    }
    let rss_floor_bytes = hide_rss_floor(timing.samples.iter_mut().collect());
    timing.summarize(all_s);
    Timed { timing, rss_floor_bytes }
}

fn no_runs(plan: &config::TimingConfig) -> Timing {
    Timing {
        name: plan.name.clone(),
        cmd: scrub(plan.command()),
        runs: plan.runs,
        timeout_s: plan.timeout_s,
        ..Timing::default()
    }
}

/// If some run's peak memory is not above this tool's own, removes that of all runs and returns the tool's.
pub(crate) fn hide_rss_floor(runs: Vec<&mut Run>) -> Option<u64> {
    process::own_peak_rss().filter(|floor| hide_floor(runs, *floor))
}

pub(crate) fn hide_floor(runs: Vec<&mut Run>, floor: u64) -> bool {
    let hidden = runs.iter().any(|run| run.max_rss_bytes.is_some_and(|bytes| bytes <= floor));
    if hidden {
        runs.into_iter().for_each(|run| run.max_rss_bytes = None);
    }
    hidden
}

pub fn run_of(finished: &Finished) -> Run {
    Run {
        wall_s: finished.wall.as_secs_f64(),
        user_s: finished.user.map(|time| time.as_secs_f64()),
        system_s: finished.system.map(|time| time.as_secs_f64()),
        max_rss_bytes: finished.max_rss_bytes,
        queued_s: finished.queued_alone().map(|time| time.as_secs_f64()),
        instructions: None,
        exit_code: match finished.ended {
            Ended::Code(code) => Some(code),
            Ended::Signal(_) | Ended::TimedOut | Ended::Interrupted => None,
        },
        timed_out: finished.ended == Ended::TimedOut,
    }
}

pub(crate) fn run_not_started() -> Run {
    Run { exit_code: Some(NOT_STARTED), ..Run::default() }
}

/// The end of a run's standard error, scrubbed, with at most [`ERROR_CHARS`] characters. If it is empty, how the run
/// ended.
pub(crate) fn error_tail(finished: &Finished) -> String {
    let said = scrub(finished.stderr.tail_text(ERROR_BYTES).trim());
    let said = match (said.is_empty(), finished.ended) {
        (false, _) => said,
        (true, Ended::Code(_)) => String::new(),
        (true, Ended::Signal(signal)) => format!("ended by signal {signal}"),
        (true, Ended::TimedOut) => "timeout".to_owned(),
        (true, Ended::Interrupted) => "interrupted".to_owned(),
    };
    excerpt(&said, ERROR_CHARS)
}

/// Why a command failed; `None` if it succeeded.
pub(crate) fn failure(ended: Ended, timeout: Duration) -> Option<String> {
    match ended {
        Ended::Code(0) => None,
        Ended::Code(code) => Some(format!("exit code {code}")),
        Ended::Signal(signal) => Some(format!("ended by signal {signal}")),
        Ended::TimedOut => Some(format!("took longer than {} s", timeout.as_secs_f64())),
        Ended::Interrupted => Some("interrupted".to_owned()),
    }
}

/// The exit code as in version 1: the negative number for a signal.
fn return_code(ended: Ended) -> i32 {
    match ended {
        Ended::Code(code) => code,
        Ended::Signal(signal) => -signal,
        Ended::TimedOut => TIMED_OUT,
        Ended::Interrupted => -2,
    }
}

#[cfg(test)]
pub(crate) mod scripted {
    //! A runner that follows a script and records what it was asked to run.

    use std::collections::VecDeque;
    use std::time::Duration;

    use crate::measure::Runner;
    use crate::os::process::{Captured, Launch, Output};
    use crate::os::{Ended, Finished, FirstThread, SpawnError, Spec};

    /// One scripted run: wall time in milliseconds, how it ended, its standard error.
    pub(crate) type Scripted = (u64, Ended, &'static str);

    #[derive(Default)]
    pub(crate) struct Script {
        /// Runs to come; after them, runs of 10 ms that succeed.
        pub(crate) runs: VecDeque<Scripted>,
        pub(crate) seen: Vec<Spec>,
        /// What each run's first thread did.
        pub(crate) first_thread: Option<FirstThread>,
        /// Runs fail to start from this one on, counted from 0.
        pub(crate) broken_from: Option<usize>,
    }

    impl Script {
        pub(crate) fn of(runs: &[Scripted]) -> Self {
            Self { runs: runs.iter().copied().collect(), ..Self::default() }
        }
    }

    impl Runner for Script {
        fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError> {
            self.seen.push(spec.clone());
            if self.broken_from.is_some_and(|from| self.seen.len() > from) {
                return Err(SpawnError::Empty);
            }
            let (wall, ended, wrote) = self.runs.pop_front().unwrap_or((10, Ended::Code(0), ""));
            let mut stderr = Captured::new(Output::Keep { head_bytes: 0, tail_bytes: 1 << 16 });
            stderr.push(wrote.as_bytes());
            Ok(Finished {
                first_thread: self.first_thread,
                went_on: false,
                wall: Duration::from_millis(wall),
                user: Some(Duration::from_millis(wall / 2)),
                system: Some(Duration::ZERO),
                max_rss_bytes: Some(1 << 40),
                ended,
                launch: Launch::Direct,
                stdout: Captured::default(),
                stderr,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::command::scripted::{Script, Scripted};

    use super::*;

    fn plan(runs: u32, warmup: u32) -> config::TimingConfig {
        let plan = config::TimingConfig::once("tests".to_owned(), "make test".to_owned(), 9.0);
        config::TimingConfig { shell: true, runs, warmup, ..plan }
    }

    fn here() -> Place {
        Place { root: PathBuf::from("."), env: Vec::new() }
    }

    fn timed_here(script: &mut Script, plan: &config::TimingConfig) -> Timed {
        time(script, plan, &here(), &mut |_, _| {})
    }

    fn walls(timed: &Timed) -> Vec<f64> {
        timed.timing.samples.iter().map(|run| run.wall_s).collect()
    }

    #[test]
    fn runs_are_kept_in_run_order_and_the_warm_up_is_not() {
        let ok = Ended::Code(0);
        let mut script = Script::of(&[(900, ok, ""), (30, ok, ""), (10, ok, ""), (20, ok, "")]);
        let mut seen = Vec::new();
        let timed = time(&mut script, &plan(3, 1), &here(), &mut |done, of| seen.push((done, of)));
        assert_eq!(walls(&timed), [0.03, 0.01, 0.02]);
        assert_eq!(timed.timing.all_s, [0.01, 0.02, 0.03]);
        assert!((timed.timing.mean_s.unwrap() - 0.02).abs() < 1e-12);
        assert_eq!(timed.timing.p95_s, Some(0.03));
        assert_eq!(timed.timing.last_rc, Some(0));
        assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    }

    #[test]
    fn a_failed_run_is_recorded_and_the_series_goes_on() {
        let mut script = Script::of(&[(5, Ended::Code(3), "password=abc broke\n"), (6, Ended::Signal(11), "")]);
        let timed = timed_here(&mut script, &plan(3, 0));
        let codes: Vec<_> = timed.timing.samples.iter().map(|run| run.exit_code).collect();
        assert_eq!(codes, [Some(3), None, Some(0)]);
        assert_eq!(timed.timing.last_rc, Some(0));
        assert_eq!(timed.timing.last_err, "ended by signal 11");
        let mut script = Script::of(&[(5, Ended::Code(3), "password=abc broke\n")]);
        assert_eq!(timed_here(&mut script, &plan(1, 0)).timing.last_err, "password=*** broke");
    }

    #[test]
    fn a_timeout_ends_the_series_and_is_recorded() {
        let mut script = Script::of(&[(10, Ended::Code(0), ""), (9000, Ended::TimedOut, "")]);
        let timed = timed_here(&mut script, &plan(5, 0));
        assert_eq!(walls(&timed).len(), 2);
        assert!(timed.timing.samples[1].timed_out);
        assert_eq!((timed.timing.last_rc, timed.timing.last_err.as_str()), (Some(TIMED_OUT), "timeout"));
    }

    #[test]
    fn a_warm_up_that_times_out_leaves_its_trace() {
        let timed = timed_here(&mut Script::of(&[(9000, Ended::TimedOut, "")]), &plan(5, 1));
        assert!(timed.timing.samples.iter().all(|run| run.timed_out) && timed.timing.samples.len() == 1);
    }

    #[test]
    fn what_fails_before_or_after_a_run_is_named() {
        let failed = |script: &[Scripted]| {
            let (prepare, conclude) = (Some("make clean".to_owned()), Some("rm out".to_owned()));
            let timed = timed_here(&mut Script::of(script), &config::TimingConfig { prepare, conclude, ..plan(1, 0) });
            timed.timing.last_err
        };
        let (ok, broke) = ((1, Ended::Code(0), ""), (1, Ended::Code(3), "no rule"));
        assert_eq!(failed(&[broke]), "its prepare `make clean` failed: no rule");
        assert_eq!(failed(&[ok, ok, (1, Ended::Code(3), "")]), "its conclude `rm out` failed");
        assert_eq!(failed(&[ok, broke]), "no rule");
    }

    #[test]
    fn an_interrupted_run_is_no_sample() {
        let timed = timed_here(&mut Script::of(&[(10, Ended::Code(0), ""), (1, Ended::Interrupted, "")]), &plan(5, 0));
        assert_eq!(walls(&timed).len(), 1);
    }

    #[test]
    fn a_command_that_cannot_be_started_is_a_failed_run_without_a_time() {
        let mut script = Script { broken_from: Some(0), ..Script::default() };
        let timed = timed_here(&mut script, &plan(5, 0));
        assert_eq!((script.seen.len(), timed.timing.samples.len()), (1, 1));
        assert_eq!((timed.timing.last_rc, timed.timing.mean_s), (Some(NOT_STARTED), None));
        assert!(timed.timing.last_err.contains("empty"));
    }

    #[test]
    fn the_error_keeps_its_end() {
        let long: &'static str = String::leak(format!("{}é-end", "x ".repeat(900)));
        let timed = timed_here(&mut Script::of(&[(1, Ended::Code(1), long)]), &plan(1, 0));
        assert!((ERROR_CHARS - 3..=ERROR_CHARS).contains(&timed.timing.last_err.chars().count()));
        assert!(timed.timing.last_err.ends_with("é-end"));
    }

    #[test]
    fn memory_at_the_floor_is_left_out_of_the_whole_series() {
        let run = |bytes| Run { max_rss_bytes: Some(bytes), ..run_of(&finished()) };
        let mut runs = [run(900), run(100)];
        assert!(!hide_floor(runs.iter_mut().collect(), 99));
        assert!(hide_floor(runs.iter_mut().collect(), 100));
        assert!(runs.iter().all(|run| run.max_rss_bytes.is_none()));
    }

    fn finished() -> Finished {
        Script::default().run(&spec(&plan(1, 0), &here())).unwrap()
    }
}
