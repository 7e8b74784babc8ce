//! Timing a command: runs it several times and records every run in run order, failed ones included. Must not judge.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::words;
use crate::model::scrub::scrub;
use crate::model::{Run, Timing};
use crate::os::process::{self, Invocation, Launch, Output};
use crate::os::{Ended, Finished, Interrupt, SpawnError, Spec};

/// Characters of standard error that a timing keeps.
pub const ERROR_CHARS: usize = 400;
/// Bytes of standard error kept while running: enough for [`ERROR_CHARS`] of any character after scrubbing.
const ERROR_BYTES: usize = 4096;
/// Exit code recorded for a run that was ended at its timeout, as `timeout(1)` has it.
pub const TIMED_OUT: i32 = 124;
/// Exit code recorded for a command that could not be started, as the shell has it.
pub const NOT_STARTED: i32 = 127;

/// Something that makes runs: the system, or a script of a test.
pub trait Runner {
    /// Makes one run.
    fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError>;
}

/// Runs on this machine.
#[derive(Debug, Clone)]
pub struct SystemRunner {
    interrupt: Interrupt,
}

impl SystemRunner {
    /// A runner that ends its runs when `interrupt` is raised.
    pub fn new(interrupt: Interrupt) -> Self {
        Self { interrupt }
    }
}

impl Runner for SystemRunner {
    fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError> {
        process::run(spec, &self.interrupt)
    }
}

/// What to time, and how often.
#[derive(Debug, Clone)]
pub struct TimingPlan {
    pub name: String,
    pub cmd: String,
    /// Whether a shell reads it; otherwise its words are split as a shell would and the program started directly.
    pub shell: bool,
    pub runs: u32,
    /// Runs before those, which do not count.
    pub warmup: u32,
    pub timeout: Duration,
    pub cwd: PathBuf,
    pub env: Vec<(OsString, Option<OsString>)>,
}

impl TimingPlan {
    /// One run of this plan: output discarded but for the end of standard error.
    pub fn spec(&self) -> Spec {
        Spec {
            invocation: self.invocation(),
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            timeout: self.timeout,
            stdout: Output::Discard,
            stderr: Output::Keep { head_bytes: 0, tail_bytes: ERROR_BYTES },
        }
    }
}

impl TimingPlan {
    /// An unclosed quote leaves no words; starting nothing is then an error like any other.
    fn invocation(&self) -> Invocation {
        if self.shell {
            return Invocation::Shell(self.cmd.clone());
        }
        let words = words::split(&self.cmd).unwrap_or_default();
        Invocation::Argv(words.into_iter().map(OsString::from).collect())
    }
}

/// How far a series is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    pub name: &'a str,
    pub done: u32,
    pub of: u32,
    /// Wall time of the last run in seconds.
    pub last_wall_s: f64,
}

/// A series of runs, and whether it is all that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    pub timing: Timing,
    pub end: SeriesEnd,
    /// Set where peak memory could not be told from the tool's own: readings up to this many bytes say nothing,
    /// and the runs' `max_rss_bytes` were left out for it.
    pub rss_floor_bytes: Option<u64>,
}

/// How a series of runs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesEnd {
    Complete,
    /// A run took longer than its timeout, so no more were made.
    TimedOut,
    Interrupted,
    /// The command cannot be started at all; `last_err` says why.
    NotStarted,
}

/// Makes the runs of a plan. A failed run is recorded like any other and the series goes on; it ends early only when
/// a run times out, cannot be started, or the user asks to stop. `progress` is told of every run.
pub fn time(runner: &mut dyn Runner, plan: &TimingPlan, progress: &mut dyn FnMut(Progress<'_>)) -> Timed {
    let spec = plan.spec();
    let of = plan.warmup.saturating_add(plan.runs);
    let mut series = Series::default();
    process::reset_own_peak_rss();
    for done in 1..=of {
        let warming = done <= plan.warmup;
        let wall = match runner.run(&spec) {
            Ok(finished) => series.take(&finished, warming),
            Err(error) => {
                series.not_started(&error);
                break;
            }
        };
        progress(Progress { name: &plan.name, done, of, last_wall_s: wall.as_secs_f64() });
        if series.end != SeriesEnd::Complete {
            break;
        }
    }
    series.finish(plan)
}

struct Series {
    samples: Vec<Run>,
    end: SeriesEnd,
    last_rc: Option<i32>,
    last_err: String,
    direct: Option<bool>,
}

impl Default for Series {
    fn default() -> Self {
        Self { samples: Vec::new(), end: SeriesEnd::Complete, last_rc: None, last_err: String::new(), direct: None }
    }
}

impl Series {
    fn take(&mut self, finished: &Finished, warming: bool) -> Duration {
        self.direct = Some(finished.launch == Launch::Direct);
        self.end = match finished.ended {
            Ended::TimedOut => SeriesEnd::TimedOut,
            Ended::Interrupted => SeriesEnd::Interrupted,
            Ended::Code(_) | Ended::Signal(_) => SeriesEnd::Complete,
        };
        // An interrupted run measured nothing. A warm-up that timed out is the reason why there are no samples.
        let counts = match self.end {
            SeriesEnd::Interrupted => false,
            SeriesEnd::TimedOut => true,
            SeriesEnd::Complete | SeriesEnd::NotStarted => !warming,
        };
        if counts {
            self.samples.push(run_of(finished));
            self.last_rc = Some(return_code(finished.ended));
        }
        if !finished.success() {
            self.last_err = error_tail(finished);
        }
        finished.wall
    }

    fn not_started(&mut self, error: &SpawnError) {
        self.end = SeriesEnd::NotStarted;
        self.last_rc = Some(NOT_STARTED);
        self.last_err = scrub(&error.to_string()).chars().take(ERROR_CHARS).collect();
        self.samples.push(run_not_started());
    }

    fn finish(mut self, plan: &TimingPlan) -> Timed {
        let rss_floor_bytes =
            process::own_peak_rss().filter(|floor| hide_floor(self.samples.iter_mut().collect(), *floor));
        let mut all_s: Vec<f64> = self.samples.iter().map(|run| run.wall_s).collect();
        if self.end == SeriesEnd::NotStarted {
            all_s.pop();
        }
        let mut timing = Timing {
            name: plan.name.clone(),
            cmd: scrub(&plan.cmd),
            runs: plan.runs,
            timeout_s: plan.timeout.as_secs_f64(),
            last_rc: self.last_rc,
            last_err: self.last_err,
            mean_s: None,
            p95_s: None,
            all_s: Vec::new(),
            samples: self.samples,
            direct: self.direct,
            cpu_means: None,
        };
        timing.summarize(all_s);
        Timed { timing, end: self.end, rss_floor_bytes }
    }
}

/// Leaves out the peak memory of a series in which some run did not rise above the floor; says whether it did so.
pub(crate) fn hide_floor(runs: Vec<&mut Run>, floor: u64) -> bool {
    let hidden = runs.iter().any(|run| run.max_rss_bytes.is_some_and(|bytes| bytes <= floor));
    if hidden {
        runs.into_iter().for_each(|run| run.max_rss_bytes = None);
    }
    hidden
}

/// A finished run as evidence.
pub fn run_of(finished: &Finished) -> Run {
    Run {
        wall_s: finished.wall.as_secs_f64(),
        user_s: finished.user.map(|time| time.as_secs_f64()),
        system_s: finished.system.map(|time| time.as_secs_f64()),
        max_rss_bytes: finished.max_rss_bytes,
        queued_s: finished.queued_alone().map(|time| time.as_secs_f64()),
        exit_code: match finished.ended {
            Ended::Code(code) => Some(code),
            Ended::Signal(_) | Ended::TimedOut | Ended::Interrupted => None,
        },
        timed_out: finished.ended == Ended::TimedOut,
    }
}

/// What stands for a run that could not be started.
pub fn run_not_started() -> Run {
    Run {
        wall_s: 0.0,
        user_s: None,
        system_s: None,
        max_rss_bytes: None,
        queued_s: None,
        exit_code: Some(NOT_STARTED),
        timed_out: false,
    }
}

/// The end of what a run wrote to standard error, scrubbed, at most [`ERROR_CHARS`] characters. Where it wrote
/// nothing there, how it ended.
pub fn error_tail(finished: &Finished) -> String {
    let said = scrub(finished.stderr.tail_text(ERROR_BYTES).trim());
    let said = match (said.is_empty(), finished.ended) {
        (false, _) => said,
        (true, Ended::Code(_)) => String::new(),
        (true, Ended::Signal(signal)) => format!("ended by signal {signal}"),
        (true, Ended::TimedOut) => "timeout".to_owned(),
        (true, Ended::Interrupted) => "interrupted".to_owned(),
    };
    let skip = said.chars().count().saturating_sub(ERROR_CHARS);
    said.chars().skip(skip).collect()
}

/// The exit code as version 1 has it: a signal is its negative number.
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
    //! A runner that follows a script and remembers what it was asked to run.

    use std::collections::VecDeque;
    use std::time::Duration;

    use crate::measure::Runner;
    use crate::os::process::{Captured, Launch, Output};
    use crate::os::{Ended, Finished, FirstThread, SpawnError, Spec};

    /// One scripted run: milliseconds of wall time, how it ended, what it wrote to standard error.
    pub(crate) type Scripted = (u64, Ended, &'static str);

    #[derive(Default)]
    pub(crate) struct Script {
        /// Runs to come; when they are used up, runs of 10 ms that succeed.
        pub(crate) runs: VecDeque<Scripted>,
        /// What was run.
        pub(crate) seen: Vec<Spec>,
        /// What each run's first thread did.
        pub(crate) first_thread: Option<FirstThread>,
        /// Fails to start from this run on, counted from 0.
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
    use crate::measure::command::scripted::Script;

    use super::*;

    fn plan(runs: u32, warmup: u32) -> TimingPlan {
        TimingPlan {
            name: "tests".to_owned(),
            cmd: "make test".to_owned(),
            shell: true,
            runs,
            warmup,
            timeout: Duration::from_secs(9),
            cwd: PathBuf::from("."),
            env: Vec::new(),
        }
    }

    fn walls(timed: &Timed) -> Vec<f64> {
        timed.timing.samples.iter().map(|run| run.wall_s).collect()
    }

    #[test]
    fn runs_are_kept_in_run_order_and_the_warm_up_is_not() {
        let ok = Ended::Code(0);
        let mut script = Script::of(&[(900, ok, ""), (30, ok, ""), (10, ok, ""), (20, ok, "")]);
        let mut seen = Vec::new();
        let timed = time(&mut script, &plan(3, 1), &mut |p| seen.push((p.done, p.of)));
        assert_eq!(walls(&timed), [0.03, 0.01, 0.02]);
        assert_eq!(timed.timing.all_s, [0.01, 0.02, 0.03]);
        assert!((timed.timing.mean_s.unwrap() - 0.02).abs() < 1e-12);
        assert_eq!(timed.timing.p95_s, Some(0.03));
        assert_eq!((timed.timing.last_rc, timed.end), (Some(0), SeriesEnd::Complete));
        assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    }

    #[test]
    fn a_failed_run_is_recorded_and_the_series_goes_on() {
        let mut script = Script::of(&[(5, Ended::Code(3), "password=abc broke\n"), (6, Ended::Signal(11), "")]);
        let timed = time(&mut script, &plan(3, 0), &mut |_| {});
        let codes: Vec<_> = timed.timing.samples.iter().map(|run| run.exit_code).collect();
        assert_eq!(codes, [Some(3), None, Some(0)]);
        assert_eq!((timed.timing.last_rc, timed.end), (Some(0), SeriesEnd::Complete));
        assert_eq!(timed.timing.last_err, "ended by signal 11");
        let mut script = Script::of(&[(5, Ended::Code(3), "password=abc broke\n")]);
        assert_eq!(time(&mut script, &plan(1, 0), &mut |_| {}).timing.last_err, "password=*** broke");
    }

    #[test]
    fn a_timeout_ends_the_series_and_is_recorded() {
        let mut script = Script::of(&[(10, Ended::Code(0), ""), (9000, Ended::TimedOut, "")]);
        let timed = time(&mut script, &plan(5, 0), &mut |_| {});
        assert_eq!((walls(&timed).len(), timed.end), (2, SeriesEnd::TimedOut));
        assert!(timed.timing.samples[1].timed_out);
        assert_eq!((timed.timing.last_rc, timed.timing.last_err.as_str()), (Some(TIMED_OUT), "timeout"));
    }

    #[test]
    fn a_warm_up_that_times_out_leaves_its_trace() {
        let timed = time(&mut Script::of(&[(9000, Ended::TimedOut, "")]), &plan(5, 1), &mut |_| {});
        assert!(timed.timing.samples.iter().all(|run| run.timed_out) && timed.timing.samples.len() == 1);
    }

    #[test]
    fn an_interrupted_run_is_no_sample() {
        let timed =
            time(&mut Script::of(&[(10, Ended::Code(0), ""), (1, Ended::Interrupted, "")]), &plan(5, 0), &mut |_| {});
        assert_eq!((walls(&timed).len(), timed.end), (1, SeriesEnd::Interrupted));
    }

    #[test]
    fn a_command_that_cannot_be_started_is_a_failed_run_without_a_time() {
        let mut script = Script { broken_from: Some(0), ..Script::default() };
        let timed = time(&mut script, &plan(5, 0), &mut |_| {});
        assert_eq!((script.seen.len(), timed.end), (1, SeriesEnd::NotStarted));
        assert_eq!((timed.timing.last_rc, timed.timing.mean_s), (Some(NOT_STARTED), None));
        assert!(timed.timing.last_err.contains("empty"));
    }

    #[test]
    fn the_error_keeps_its_end() {
        let long: &'static str = String::leak(format!("{}é-end", "x ".repeat(900)));
        let timed = time(&mut Script::of(&[(1, Ended::Code(1), long)]), &plan(1, 0), &mut |_| {});
        assert_eq!(timed.timing.last_err.chars().count(), ERROR_CHARS);
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
        Script::default().run(&plan(1, 0).spec()).unwrap()
    }
}
