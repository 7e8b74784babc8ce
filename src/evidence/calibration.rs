//! A calibration: the noise floors of this machine's paired measurements, with the proof that a known slowdown is seen.
//! Owns the file's shape and which machine it holds for; must not run anything.

use std::collections::BTreeMap;

use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;

use crate::evidence::digest::Digest;
use crate::evidence::judge::Change;
use crate::evidence::machine::Machine;
use crate::evidence::metric::MetricId;

/// Schema name of calibration files.
pub const SCHEMA: &str = "vibeship_optimizer.calibration.v1";

/// What one machine's calibration found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name and version of the tool.
    pub tool: String,
    /// When it was made.
    pub generated_at: DateTime<Utc>,
    /// The machine that it holds for.
    pub machine: Machine,
    /// The commands.
    pub commands: Vec<CalibratedCommand>,
}

/// What was found for one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedCommand {
    /// Configured name.
    pub name: String,
    /// The command: a floor holds for this one only.
    pub cmd: String,
    /// How many pairs of it with itself.
    pub pairs: u32,
    /// The smallest change, as a share, that counts, by metric.
    pub floors: BTreeMap<MetricId, f64>,
    /// The slowdown that was added, as a share of its time, and what was seen of it.
    pub injected: Option<Injected>,
}

/// A known slowdown and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Injected {
    /// The metric that decides about the command.
    pub metric: MetricId,
    /// What was added, as a share of the command's time.
    pub share: f64,
    /// What the pairs said.
    pub seen: Change,
}

/// The name of a machine's calibration file: what tells machines apart, and nothing that varies on one.
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
    /// The floors that hold for the commands as they are now, by metric.
    pub fn floors<'a>(&self, configured: impl Fn(&str) -> Option<&'a str>) -> BTreeMap<MetricId, f64> {
        let valid = self.commands.iter().filter(|command| configured(&command.name) == Some(command.cmd.as_str()));
        valid
            .flat_map(|command| command.floors.clone())
            .filter(|(_, floor)| floor.is_finite() && *floor >= 0.0)
            .collect()
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
                injected: None,
            }],
        };
        assert_eq!(calibration.floors(|_| Some("make")).len(), 1);
        assert!(calibration.floors(|_| Some("make -j2")).is_empty());
        assert!(calibration.floors(|_| None).is_empty());
    }

    #[test]
    fn load_does_not_make_another_machine() {
        let quiet = Machine { load_1m: Some(0.1), ..Machine::default() };
        let busy = Machine { load_1m: Some(9.0), on_battery: Some(true), ..Machine::default() };
        assert_eq!(key(&quiet), key(&busy));
        assert_ne!(key(&quiet), key(&Machine { cores: Some(64), ..Machine::default() }));
    }
}
