//! The core that both runs of a pair are pinned to. Each core of a virtual machine has its own speed at any moment, so
//! runs on different cores differ by that. Decides whether to pin, where, and when to move on.
//!
//! A program with several threads or processes is not pinned: on one core it would behave differently. The warm-up
//! shows which kind it is.

use crate::config::Pin;
use crate::model::{Pair, Run};
use crate::os::{Core, cpu};

/// If a run waits for the core for more than this share of its time, another core is tried.
const MOST_QUEUED: f64 = 0.1;

/// The shares of their time that the two runs of a pair waited for a core; `None` if a run is not known to be
/// single-threaded.
pub(crate) type Waited = [Option<f64>; 2];

pub(crate) fn waited(pair: &Pair) -> Waited {
    let share = |run: &Run| run.queued_s.map(|queued| queued / run.wall_s.max(f64::MIN_POSITIVE));
    [share(&pair.before), share(&pair.after)]
}

#[derive(Debug)]
pub(crate) struct CorePinning {
    pin: Pin,
    one_thread: Option<bool>,
    cores: Vec<Core>,
    at: usize,
}

impl CorePinning {
    /// Nothing is pinned until the warm-up is over.
    pub(crate) fn new(pin: Pin) -> Self {
        Self { pin, one_thread: None, cores: Vec::new(), at: 0 }
    }

    /// Records an unpinned pair.
    pub(crate) fn warmed_up(&mut self, waited: Waited) {
        let both = waited.iter().all(Option::is_some);
        self.one_thread = Some(both && self.one_thread.unwrap_or(true));
    }

    /// The core for the next pair; `None` for unpinned runs.
    pub(crate) fn core(&mut self) -> Option<Core> {
        let hold = match self.pin {
            Pin::Never => false,
            Pin::Always => true,
            Pin::Auto => self.one_thread == Some(true),
        };
        if hold && self.cores.is_empty() {
            self.cores = cpu::allowed();
        }
        self.cores.get(self.at).copied().filter(|_| hold)
    }

    /// Moves on to the next core if both runs of a pair had to wait for this one.
    pub(crate) fn measured(&mut self, waited: Waited) {
        let queued = waited.iter().all(|share| share.is_some_and(|share| share > MOST_QUEUED));
        if queued && !self.cores.is_empty() {
            self.at = (self.at + 1) % self.cores.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::command;

    fn after(pin: Pin, warm_ups: &[Waited]) -> CorePinning {
        let mut pinning = CorePinning::new(pin);
        warm_ups.iter().for_each(|waited| pinning.warmed_up(*waited));
        pinning
    }

    #[test]
    fn what_a_run_waited_is_a_share_of_its_own_time() {
        let run = |queued_s| Run { wall_s: 2.0, queued_s, ..command::run_not_started() };
        let (before, after) = (run(Some(0.5)), run(None));
        assert_eq!(
            waited(&Pair { before, after, after_first: false, reference_s: None, core: None }),
            [Some(0.25), None]
        );
    }

    #[test]
    fn only_runs_of_one_thread_on_both_sides_are_pinned() {
        let some = !cpu::allowed().is_empty();
        assert_eq!(after(Pin::Auto, &[[Some(0.0), Some(0.0)]]).core().is_some(), some);
        assert!(after(Pin::Auto, &[[Some(0.0), None]]).core().is_none());
        assert!(after(Pin::Auto, &[[Some(0.0), None], [Some(0.0), Some(0.0)]]).core().is_none());
        assert!(after(Pin::Auto, &[]).core().is_none());
        assert!(after(Pin::Never, &[[Some(0.0), Some(0.0)]]).core().is_none());
        assert_eq!(after(Pin::Always, &[[None, None]]).core().is_some(), some);
    }

    #[test]
    fn a_core_that_others_use_is_left_for_the_next() {
        let mut pinning = after(Pin::Always, &[]);
        let (Some(first), several) = (pinning.core(), cpu::allowed().len() > 1) else { return };
        pinning.measured([Some(0.5), Some(0.0)]);
        assert_eq!(pinning.core(), Some(first));
        pinning.measured([Some(0.5), Some(0.2)]);
        assert_eq!(pinning.core() != Some(first), several);
    }
}
