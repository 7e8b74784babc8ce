//! The fingerprint of the machine on which something was measured. Owns when two machines count as the same;
//! must not read the system.

use serde::{Deserialize, Serialize};

/// What the machine was and how busy it was. Unknown parts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    pub cpu: Option<String>,
    pub cores: Option<u32>,
    pub memory_bytes: Option<u64>,
    pub governor: Option<String>,
    pub virtualization: Option<String>,
    /// Digest of host name and machine id: tells machines apart without naming them.
    pub host_digest: Option<String>,
    pub on_battery: Option<bool>,
    pub load_1m: Option<f64>,
}

impl Machine {
    /// The parts that differ and make two measurements incomparable; empty for the same machine.
    /// Load and battery vary on one machine and are not counted; a part unknown on either side is not either.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        let mut found = Vec::new();
        let mut note = |differs: bool, part: &'static str| {
            if differs {
                found.push(part);
            }
        };
        note(!self.os.is_empty() && !other.os.is_empty() && self.os != other.os, "operating system");
        note(!self.arch.is_empty() && !other.arch.is_empty() && self.arch != other.arch, "architecture");
        note(differ(self.cpu.as_ref(), other.cpu.as_ref()), "CPU model");
        note(differ(self.cores.as_ref(), other.cores.as_ref()), "number of cores");
        note(differ(self.governor.as_ref(), other.governor.as_ref()), "frequency governor");
        note(differ(self.virtualization.as_ref(), other.virtualization.as_ref()), "virtualization");
        note(differ(self.host_digest.as_ref(), other.host_digest.as_ref()), "host");
        found
    }
}
