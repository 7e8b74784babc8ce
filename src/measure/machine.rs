//! The fingerprint of this machine as evidence. Must not judge whether two machines are the same.

use crate::model::{Digest, Machine};
use crate::os::Host;

/// This machine, now.
pub fn fingerprint() -> Machine {
    of_host(Host::read())
}

fn of_host(host: Host) -> Machine {
    // The NUL keeps ("ab", "c") and ("a", "bc") apart.
    let identity = host.machine_id.as_deref().or(host.hostname.as_deref()).map(|_| {
        let parts = [host.hostname.as_deref().unwrap_or(""), host.machine_id.as_deref().unwrap_or("")];
        Digest::of_bytes(parts.join("\0").as_bytes()).to_string()
    });
    Machine {
        os: host.os,
        arch: host.arch,
        cpu: host.cpu,
        cores: host.cores,
        memory_bytes: host.memory_bytes,
        governor: host.governor,
        virtualization: host.virtualization,
        host_digest: identity,
        on_battery: host.on_battery,
        load_1m: host.load_1m,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_apart_but_not_named() {
        let host =
            |name: &str| Host { hostname: Some(name.to_owned()), machine_id: Some("id".to_owned()), ..Host::default() };
        let (a, b) = (of_host(host("alpha")), of_host(host("beta")));
        assert_eq!(a.differences(&b), ["host"]);
        assert!(!serde_json::to_string(&a).unwrap().contains("alpha"));
    }

    #[test]
    fn a_host_that_tells_nothing_has_no_digest() {
        assert_eq!(of_host(Host::default()).host_digest, None);
    }

    #[test]
    fn this_machine_is_itself() {
        let machine = fingerprint();
        assert!(machine.cores.is_some_and(|cores| cores > 0));
        assert!(machine.differences(&fingerprint()).is_empty());
    }
}
