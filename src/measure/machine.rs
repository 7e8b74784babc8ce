//! This machine as evidence: its fingerprint and the reference workload, a small fixed piece of work that is run
//! between samples, so that a change of the machine is not mistaken for one of the code. The workload must never change
//! without a new name. It mixes integer arithmetic with dependent loads from a table larger than an L1 cache, which
//! reveals clock frequency, a shared core and cache contention.

use std::hint::black_box;
use std::time::Instant;

use crate::os::clock;

pub(crate) use crate::os::host::fingerprint;

/// Words in the table: 256 KiB.
const TABLE_WORDS: usize = 1 << 15;
/// Warms the caches, which the previous command has used.
const WARM_STEPS: u32 = Reference::STEPS / 5;

/// The reference workload with its table.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    table: Vec<u64>,
}

/// How long the work took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReferenceTime {
    pub(crate) wall_s: f64,
    /// CPU time; `None` if the system has no precise clock for it.
    pub(crate) cpu_s: Option<f64>,
}

impl Reference {
    /// Steps of one measurement: about 2 ms on a processor of 2020. A step of a debug build, used only for tests, takes
    /// ten times as long.
    pub(crate) const STEPS: u32 = if cfg!(debug_assertions) { 60_000 } else { 300_000 };

    pub(crate) fn new() -> Self {
        // SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
        let mut state = 0_u64;
        let table = std::iter::repeat_with(|| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Self { table: table.take(TABLE_WORDS).collect() }
    }

    /// Does the work once, after a short warm-up, and returns how long it took.
    pub(crate) fn measure_once(&self) -> ReferenceTime {
        self.work(WARM_STEPS);
        let cpu = clock::thread_cpu_time();
        let started = Instant::now();
        self.work(Self::STEPS);
        let wall_s = started.elapsed().as_secs_f64();
        let cpu_s = cpu.zip(clock::thread_cpu_time()).map(|(from, to)| to.saturating_sub(from).as_secs_f64());
        ReferenceTime { wall_s, cpu_s }
    }

    /// Does any number of steps of the same work.
    pub(crate) fn work(&self, steps: u32) {
        black_box(self.walk(black_box(steps)));
    }

    /// The address of each step depends on the value loaded by the step before.
    fn walk(&self, steps: u32) -> u64 {
        let mut value = 1_u64;
        for step in 0..steps {
            let at = usize::try_from(value % TABLE_WORDS as u64).unwrap_or(0);
            value = mix(value ^ self.table.get(at).copied().unwrap_or(0)).wrapping_add(u64::from(step));
        }
        value
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_the_same_at_every_time() {
        // Samples of different versions are compared, so the work must not change. (Computed separately in Python.)
        let reference = Reference::new();
        assert_eq!(reference.table[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(reference.walk(1_000), Reference::new().walk(1_000));
        assert_eq!(reference.walk(1_000), 10_368_611_066_376_256_567);
    }

    #[test]
    fn the_work_takes_time_on_both_clocks() {
        let time = Reference::new().measure_once();
        assert!(time.wall_s > 0.0);
        assert!(time.cpu_s.is_none_or(|cpu| cpu > 0.0));
    }
}
