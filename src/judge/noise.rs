//! The noise of paired measurement on a machine, from pairs of one unchanged program (A/A): the noise floor, the rates of
//! false alarms and of detected slowdowns, and the calibration that keeps them. Owns its file format; runs nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::judge::{
    Circumstances, MetricChange, MetricReadings, PairSample, PairedReading, PairedSeries, Settings, rule, series,
};
use crate::model::{Better, Digest, Machine, MetricId, MetricKind, PairedCommand, scrub};
use crate::stats::{LookPlan, proportion, real, winsorized};

/// Probability below which a number of false alarms is not attributed to chance.
const IMPLAUSIBLE: f64 = 0.01;

/// The results of judging many trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub trials: u32,
    pub slower: u32,
    pub faster: u32,
    /// Judged not different beyond the minimum effect.
    pub same: u32,
    pub open: u32,
}

/// The noise floor of an A/A measurement, as a share: the end of its interval further from zero, as a change that a
/// comparison of a program with itself cannot exclude must not count. `None` if there are too few pairs for an
/// interval, or times that are not positive.
pub fn floor(series: &PairedSeries) -> Option<f64> {
    let positive = series.pairs.iter().all(|pair| pair.before > 0.0 && pair.after > 0.0);
    let ratios = series.side(|pair| (pair.after / pair.before).ln());
    let found = winsorized::interval(&ratios, series.plan.level(ratios.len())?).filter(|_| positive)?;
    Some(found.low.exp_m1().abs().max(found.high.exp_m1().abs()))
}

/// The difference between sessions, as a share: the 90th percentile (nearest rank) over all pairs of sessions. Takes
/// each session's median; `None` for fewer than 3 sessions or medians that are not positive.
pub fn session_floor(medians: &[f64]) -> Option<f64> {
    if medians.len() < 3 || medians.iter().any(|median| *median <= 0.0) {
        return None;
    }
    let mut apart: Vec<f64> = Vec::new();
    for (i, a) in medians.iter().enumerate() {
        apart.extend(medians[i + 1..].iter().map(|b| (b / a).ln().abs()));
    }
    apart.sort_by(f64::total_cmp);
    let rank = (apart.len() * 9).div_ceil(10).saturating_sub(1);
    apart.get(rank).map(|distance| distance.exp_m1())
}

/// Splits an A/A measurement into trials of `plan_pairs` pairs each and judges them under the stopping rule, with the
/// head's times multiplied by 1 + `slowdown` (0 for false alarms). Pairs that do not fill a trial are ignored.
pub fn tally(series: &PairedSeries, plan_pairs: u32, slowdown: f64, known: &Circumstances) -> Tally {
    let mut found = Tally::default();
    for trial in series.pairs.chunks_exact((plan_pairs as usize).max(1)) {
        let slowed = |pair: &PairSample| PairSample { after: pair.after * (1.0 + slowdown), ..*pair };
        let pairs: Vec<PairSample> = trial.iter().map(slowed).collect();
        found.trials += 1;
        match trial_result(series, &pairs, plan_pairs, known) {
            MetricChange::Regressed(_) => found.slower += 1,
            MetricChange::Improved(_) => found.faster += 1,
            MetricChange::NoDifference(_) => found.same += 1,
            MetricChange::Inconclusive { .. } | MetricChange::Invalid { .. } => found.open += 1,
        }
    }
    found
}

/// The absolute error of each trial's estimate, as a share, in ascending order. A trial is estimated from all of its
/// `plan_pairs` pairs; `share` is the true change (0.05 if the head is 5 % slower).
pub fn errors(series: &PairedSeries, plan_pairs: u32, share: f64) -> Vec<f64> {
    let error = |trial: &[PairSample]| {
        let ratios: Vec<f64> = trial.iter().map(|pair| (pair.after / pair.before).ln()).collect();
        let level = LookPlan::new(0, plan_pairs).level(ratios.len())?;
        Some((winsorized::interval(&ratios, level)?.value.exp_m1() - share).abs())
    };
    let mut found: Vec<f64> = series.pairs.chunks_exact((plan_pairs as usize).max(1)).filter_map(error).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// The result at the first look that settles the question, or else at the end.
fn trial_result(series: &PairedSeries, pairs: &[PairSample], plan_pairs: u32, known: &Circumstances) -> MetricChange {
    let plan = LookPlan::new(0, plan_pairs);
    let at = |n: usize| {
        let paired: PairedReading = Ok(PairedSeries { plan, pairs: pairs[..n].to_vec(), ..series.clone() });
        rule::change(MetricReadings::of_pairs(&paired), Better::Lower, known)
    };
    let looks = (1..pairs.len()).filter(|n| plan.is_look(*n));
    looks.map(at).find(|change| !change.is_open()).unwrap_or_else(|| at(pairs.len()))
}

impl Tally {
    /// Whether there are more false alarms than a true rate of `level` explains: at least as many would occur in fewer
    /// than 1 % of such tallies.
    pub fn exceeds(&self, level: f64) -> bool {
        proportion::upper_tail(self.trials as usize, (self.slower + self.faster) as usize, level) < IMPLAUSIBLE
    }

    /// The share of trials judged faster or slower, from 0 to 1; 0 without trials.
    pub fn share_changed(&self) -> f64 {
        real((self.slower + self.faster) as usize) / real(self.trials.max(1) as usize)
    }
}
pub const SELFTEST_SCHEMA: &str = "vibeship_optimizer.selftest.v1";

/// The result of a self-test for one metric and one true slowdown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelftestRow {
    pub metric: MetricId,
    /// The true slowdown, as a share; 0 if the program is compared with itself.
    pub slowdown: f64,
    pub pairs: u32,
    /// Results with the minimum effect.
    pub tally: Tally,
    /// Results if any difference counts.
    pub without_min_effect: Tally,
    /// The 90th percentile of the absolute errors of the estimates, as a share; null without trials.
    pub error_90: Option<f64>,
}

/// A row for CPU time and one for wall time, from pairs that contain many consecutive trials.
pub fn selftest(paired: &PairedCommand, slowdown: f64, pairs: u32, min_effect: f64) -> Vec<SelftestRow> {
    let known = |min_effect: f64| Circumstances { min_effect, ..Circumstances::default() };
    let mut rows = Vec::new();
    for (metric, reading) in series::command_pairs(paired) {
        let timed = matches!(metric.kind(), Some(MetricKind::Cpu | MetricKind::Wall));
        let Some(series) = reading.as_ref().ok().filter(|_| timed) else { continue };
        let errors = errors(series, pairs, slowdown);
        rows.push(SelftestRow {
            metric,
            slowdown,
            pairs,
            tally: tally(series, pairs, 0.0, &known(min_effect)),
            without_min_effect: tally(series, pairs, 0.0, &known(0.0)),
            error_90: (errors.len() * 9).div_ceil(10).checked_sub(1).and_then(|rank| errors.get(rank)).copied(),
        });
    }
    rows
}

pub const CALIBRATION_SCHEMA: &str = "vibeship_optimizer.calibration.v1";

/// The least difference assumed between sessions, as a share: the few sessions of a calibration say little about other
/// days.
pub const LEAST_SESSION_FLOOR: f64 = 0.02;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub schema: String,
    pub tool: String,
    pub generated_at: DateTime<Utc>,
    pub machine: Machine,
    pub commands: Vec<CalibratedCommand>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedCommand {
    pub name: String,
    /// The command with secrets masked; the floors are valid for this command only.
    pub cmd: String,
    /// Number of A/A pairs.
    pub pairs: u32,
    /// Noise floor by metric: the smallest change that counts, as a share.
    pub floors: BTreeMap<MetricId, f64>,
    /// Number of separate sessions that were compared; 0 if none.
    #[serde(default)]
    pub sessions: u32,
    /// Difference between sessions by metric, as a share.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_floors: BTreeMap<MetricId, f64>,
    /// The injected slowdown and the change that was detected.
    pub injected: Option<Injected>,
}

/// A known slowdown and the change that was detected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Injected {
    pub metric: MetricId,
    /// The slowdown, as a share of the command's time.
    pub share: f64,
    pub seen: MetricChange,
}

/// The name of a machine's calibration file: a digest of what identifies the machine, without what varies on it.
pub fn key(machine: &Machine) -> String {
    let parts = json!({
        "os": machine.os,
        "arch": machine.arch,
        "cpu": machine.cpu,
        "cores": machine.cores,
        "virtualization": machine.virtualization,
        "host": machine.host_digest,
    });
    Digest::of_json(&parts).short().to_owned()
}

impl Calibration {
    /// Sets the noise floors and session floors in `settings`, for those commands that have not changed since. A
    /// session floor is at least [`LEAST_SESSION_FLOOR`].
    pub fn apply<'a>(&self, configured: impl Fn(&str) -> Option<&'a str>, settings: &mut Settings) {
        // An older version stored the command unmasked.
        let same = |command: &&CalibratedCommand| {
            configured(&command.name).is_some_and(|cmd| scrub(cmd) == scrub(&command.cmd))
        };
        for command in self.commands.iter().filter(same) {
            let finite = |(_, floor): &(&MetricId, &f64)| floor.is_finite();
            let (floors, apart) = (command.floors.iter().filter(finite), command.session_floors.iter().filter(finite));
            settings.noise_floors.extend(floors.map(|(metric, floor)| (metric.clone(), floor.max(0.0))));
            settings
                .session_floors
                .extend(apart.map(|(metric, floor)| (metric.clone(), floor.max(LEAST_SESSION_FLOOR))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_only_for_the_command_it_was_found_with() {
        let calibration = Calibration {
            schema: CALIBRATION_SCHEMA.to_owned(),
            tool: String::new(),
            generated_at: DateTime::UNIX_EPOCH,
            machine: Machine::default(),
            commands: vec![CalibratedCommand {
                name: "t".to_owned(),
                cmd: "make".to_owned(),
                pairs: 30,
                floors: BTreeMap::from([(MetricId::new("timing.t.cpu"), 0.004)]),
                sessions: 5,
                session_floors: BTreeMap::from([(MetricId::new("timing.t.cpu"), 0.001)]),
                injected: None,
            }],
        };
        let settings = |calibration: &Calibration, configured: Option<&str>| {
            let mut settings = Settings::default();
            calibration.apply(|_| configured, &mut settings);
            settings
        };
        let make = settings(&calibration, Some("make"));
        assert_eq!(make.session_floors.into_values().collect::<Vec<f64>>(), [LEAST_SESSION_FLOOR]);
        assert_eq!(make.noise_floors.len(), 1);
        assert!(settings(&calibration, Some("make -j2")).noise_floors.is_empty());
        assert!(settings(&calibration, None).noise_floors.is_empty());
        let kept = scrub("bench --token correcthorse");
        let mut secret = calibration;
        secret.commands[0].cmd = kept;
        assert_eq!(settings(&secret, Some("bench --token correcthorse")).noise_floors.len(), 1);
    }

    #[test]
    fn load_does_not_make_another_machine() {
        let quiet = Machine { load_1m: Some(0.1), ..Machine::default() };
        let busy = Machine { load_1m: Some(9.0), on_battery: Some(true), ..Machine::default() };
        assert_eq!(key(&quiet), key(&busy));
        assert_ne!(key(&quiet), key(&Machine { cores: Some(64), ..Machine::default() }));
    }

    /// Noise of ±0.5 % in random order, with one outlier in twenty runs.
    fn unchanged(n: u32) -> PairedSeries {
        let noise = |i: u32| {
            let hash = i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519);
            let scatter = f64::from(hash >> 16) / 65_536.0 * 0.01 - 0.005;
            if hash.is_multiple_of(20) { 1.3 } else { 1.0 + scatter }
        };
        let pair = |i: u32| PairSample { before: noise(2 * i), after: noise(2 * i + 1) };
        let pairs = (0..n).map(pair).collect();
        PairedSeries { spec: MetricKind::Cpu.spec("t"), plan: LookPlan::default(), pairs, machines: Vec::new() }
    }

    fn known() -> Circumstances {
        Circumstances { min_effect: 0.01, ..Circumstances::default() }
    }

    #[test]
    fn the_floor_is_what_the_program_compared_with_itself_cannot_exclude() {
        let found = floor(&unchanged(40)).unwrap();
        assert!(found > 0.0005 && found < 0.01, "{found}");
        assert_eq!(floor(&unchanged(5)), None);
    }

    #[test]
    fn trials_of_the_unchanged_program_raise_few_alarms_and_slowed_ones_are_seen() {
        let series = unchanged(1000);
        let same = tally(&series, 20, 0.0, &known());
        assert_eq!(same.trials, 50);
        assert!(same.share_changed() <= 0.02 && same.same >= 45, "{same:?}");
        let slowed = tally(&series, 20, 0.05, &known());
        assert!(f64::from(slowed.slower) >= 0.98 * f64::from(slowed.trials) && slowed.faster == 0, "{slowed:?}");
    }

    #[test]
    fn a_few_alarms_of_few_trials_are_chance_and_many_are_not() {
        let tally = |slower, trials| Tally { trials, slower, ..Tally::default() };
        assert!(!tally(0, 0).exceeds(0.05) && !tally(2, 20).exceeds(0.05) && !tally(4, 20).exceeds(0.05));
        assert!(tally(5, 20).exceeds(0.05) && tally(20, 200).exceeds(0.05) && !tally(15, 200).exceeds(0.05));
    }

    #[test]
    fn the_session_floor_is_the_90th_percentile_of_their_differences() {
        assert_eq!(session_floor(&[1.0, 1.1]), None);
        assert!((session_floor(&[1.0, 1.0, 1.0, 1.1]).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(session_floor(&[1.0, 0.0, 1.0]), None);
    }
}
