//! A calibration: the noise floors of a machine's paired measurements, and the evidence that a known slowdown is
//! detected. Owns the file format and the key of the machine; runs nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::judge::{Change, Settings};
use crate::model::scrub::scrub;
use crate::model::{Digest, Machine, MetricId};
pub const SCHEMA: &str = "vibeship_optimizer.calibration.v1";

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
    pub seen: Change,
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
            schema: SCHEMA.to_owned(),
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
}
