//! Facts about this machine: processor, memory, governor, virtualization, power, load. Each is `None` if it cannot be
//! read.

#[cfg(not(target_os = "linux"))]
use std::process::Command;
#[cfg(not(target_os = "linux"))]
use std::process::Stdio;

use crate::model::{Digest, Machine};

/// The host name, which shows a person which machine holds a lock; `None` if there is no cheap way to read it.
pub(crate) fn name() -> Option<String> {
    let of_variable = || std::env::var("COMPUTERNAME").or_else(|_| std::env::var("HOSTNAME")).ok();
    let of_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    of_kernel().or_else(of_variable).map(|name| name.trim().to_owned())
}

/// Describes this machine: takes some milliseconds on Linux, some tens elsewhere, where other programs are run.
pub(crate) fn fingerprint() -> Machine {
    let cores = std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
    let (os, arch) = (std::env::consts::OS.to_owned(), std::env::consts::ARCH.to_owned());
    system::fill(Machine { os, arch, cores, ..Machine::default() })
}

/// A digest in place of host name and installation id, since they would identify the machine.
fn host_digest(name: Option<String>, id: Option<String>) -> Option<String> {
    // The NUL keeps ("ab", "c") and ("a", "bc") apart.
    let named = name.is_some() || id.is_some();
    let both = [name.unwrap_or_default(), id.unwrap_or_default()].join("\0");
    named.then(|| Digest::of_bytes(both.as_bytes()).to_string())
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::path::Path;

    use crate::model::Machine;
    use crate::os::host::{host_digest, text};

    pub(crate) fn fill(host: Machine) -> Machine {
        let file = |path: &str| fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let cpuinfo = file("/proc/cpuinfo").unwrap_or_default();
        Machine {
            cpu: text::cpu_model(&cpuinfo),
            memory_bytes: file("/proc/meminfo").and_then(|meminfo| text::memory_total(&meminfo)),
            governor: file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").and_then(text::line),
            virtualization: virtualization(&cpuinfo, &file),
            host_digest: host_digest(
                file("/proc/sys/kernel/hostname").and_then(text::line),
                file("/etc/machine-id").or_else(|| file("/var/lib/dbus/machine-id")).and_then(text::line),
            ),
            on_battery: on_battery(&file),
            load_1m: file("/proc/loadavg").and_then(|load| text::first_number(&load)),
            ..host
        }
    }

    fn virtualization(cpuinfo: &str, file: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let container = if Path::new("/.dockerenv").exists() {
            Some("docker".to_owned())
        } else if Path::new("/run/.containerenv").exists() {
            Some("podman".to_owned())
        } else {
            file("/run/systemd/container").and_then(text::line)
        };
        let wsl =
            file("/proc/sys/kernel/osrelease").filter(|release| release.to_ascii_lowercase().contains("microsoft"));
        let product = ["sys_vendor", "product_name"].map(|name| file(&format!("/sys/class/dmi/id/{name}")));
        let dmi = text::hypervisor_of(&product.map(Option::unwrap_or_default).join(" "));
        let flag = text::has_hypervisor_flag(cpuinfo).then(|| "hypervisor".to_owned());
        let machine = wsl.map(|_| "wsl".to_owned()).or(dmi.map(str::to_owned)).or(flag);
        match (machine, container) {
            (Some(machine), Some(container)) => Some(format!("{container} in {machine}")),
            (machine, container) => container.or(machine),
        }
    }

    /// On battery: a battery discharges, or there are mains supplies and none is online.
    fn on_battery(file: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
        let supplies = fs::read_dir("/sys/class/power_supply").ok()?;
        let mut mains = Vec::new();
        let mut discharging = false;
        for supply in supplies.flatten() {
            let path = supply.path();
            let read = |name: &str| file(&path.join(name).to_string_lossy()).and_then(text::line);
            match read("type").as_deref() {
                Some("Mains") => mains.extend(read("online").map(|online| online == "1")),
                // The battery of a mouse does not power the machine.
                Some("Battery") if read("scope").as_deref() != Some("Device") => {
                    discharging |= read("status").as_deref() == Some("Discharging");
                }
                _ => {}
            }
        }
        if mains.is_empty() { discharging.then_some(true) } else { Some(!mains.contains(&true)) }
    }
}

#[cfg(target_os = "macos")]
mod system {
    use crate::model::Machine;
    use crate::os::host::{answer, host_digest, text};

    pub(crate) fn fill(host: Machine) -> Machine {
        let sysctl = |name: &str| answer("/usr/sbin/sysctl", &["-n", name]).and_then(text::line);
        let hypervisor = sysctl("kern.hv_vmm_present").filter(|present| present == "1");
        Machine {
            cpu: sysctl("machdep.cpu.brand_string"),
            memory_bytes: sysctl("hw.memsize").and_then(|bytes| bytes.parse().ok()),
            virtualization: hypervisor.map(|_| "hypervisor".to_owned()),
            host_digest: host_digest(
                sysctl("kern.hostname"),
                answer("/usr/sbin/ioreg", &["-rd1", "-c", "IOPlatformExpertDevice"])
                    .and_then(|tree| text::quoted_value(&tree, "IOPlatformUUID")),
            ),
            on_battery: answer("/usr/bin/pmset", &["-g", "batt"]).map(|power| power.contains("'Battery Power'")),
            load_1m: sysctl("vm.loadavg").and_then(|load| text::first_number(load.trim_start_matches(['{', ' ']))),
            ..host
        }
    }
}

#[cfg(windows)]
mod system {
    use crate::model::Machine;
    use crate::os::host::{answer, host_digest, text};

    pub(crate) fn fill(host: Machine) -> Machine {
        let registry = |key: &str, value: &str| {
            answer("reg", &["query", key, "/v", value]).and_then(|out| text::registry_value(&out, value))
        };
        let cpu = registry(r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0", "ProcessorNameString");
        let bios = r"HKLM\HARDWARE\DESCRIPTION\System\BIOS";
        let product =
            ["SystemManufacturer", "SystemProductName"].map(|value| registry(bios, value).unwrap_or_default());
        Machine {
            cpu: cpu.or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok()),
            cores: host.cores.or_else(|| std::env::var("NUMBER_OF_PROCESSORS").ok()?.parse().ok()),
            virtualization: text::hypervisor_of(&product.join(" ")).map(str::to_owned),
            host_digest: host_digest(
                std::env::var("COMPUTERNAME").ok(),
                registry(r"HKLM\SOFTWARE\Microsoft\Cryptography", "MachineGuid"),
            ),
            governor: answer("powercfg", &["/getactivescheme"]).and_then(|scheme| text::power_scheme(&scheme)),
            ..host
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod system {
    use crate::model::Machine;
    use crate::os::host::{answer, host_digest, text};

    pub(crate) fn fill(host: Machine) -> Machine {
        Machine { host_digest: host_digest(answer("uname", &["-n"]).and_then(text::line), None), ..host }
    }
}

/// The output of a system program; `None` if it is missing or fails.
#[cfg(not(target_os = "linux"))]
fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Parsers for all systems, compiled on every platform so that its tests cover them.
#[cfg_attr(not(test), expect(dead_code, reason = "each system reads some of these"))]
mod text {
    pub(crate) fn line(text: String) -> Option<String> {
        let line = text.lines().next()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    pub(crate) fn first_number(text: &str) -> Option<f64> {
        text.split_whitespace().next()?.replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
        text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()))
    }

    /// x86 has `model name`; other architectures name the machine or only the core's numbers.
    pub(crate) fn cpu_model(cpuinfo: &str) -> Option<String> {
        let value = |wanted: &str| fields(cpuinfo).find(|(key, value)| *key == wanted && !value.is_empty());
        let named = ["model name", "cpu model", "Model", "Hardware", "cpu", "uarch"].into_iter().find_map(value);
        let parts = || {
            let (_, implementer) = value("CPU implementer")?;
            let (_, part) = value("CPU part")?;
            Some(format!("implementer {implementer} part {part}"))
        };
        named.map(|(_, name)| name.to_owned()).or_else(parts)
    }

    pub(crate) fn has_hypervisor_flag(cpuinfo: &str) -> bool {
        fields(cpuinfo).any(|(key, value)| key == "flags" && value.split_whitespace().any(|flag| flag == "hypervisor"))
    }

    pub(crate) fn memory_total(meminfo: &str) -> Option<u64> {
        let (_, value) = fields(meminfo).find(|(key, _)| *key == "MemTotal")?;
        value.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The hypervisor that a vendor and product name stand for.
    pub(crate) fn hypervisor_of(product: &str) -> Option<&'static str> {
        const NAMES: [&str; 8] = ["qemu", "kvm", "vmware", "virtualbox", "xen", "parallels", "bhyve", "firecracker"];
        const MARKS: [(&str, &str); 4] = [
            ("innotek", "virtualbox"),
            ("microsoft corporation virtual machine", "hyper-v"),
            ("amazon ec2", "ec2"),
            ("google compute engine", "gce"),
        ];
        let product = product.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let named = NAMES.iter().map(|name| (*name, *name)).chain(MARKS).find(|(mark, _)| product.contains(mark));
        named.map(|(_, name)| name)
    }

    pub(crate) fn quoted_value(tree: &str, key: &str) -> Option<String> {
        let (_, rest) = tree.split_once(&format!("\"{key}\""))?;
        rest.split('"').nth(1).map(str::to_owned)
    }

    /// The data of `    Name    REG_SZ    data`.
    pub(crate) fn registry_value(out: &str, name: &str) -> Option<String> {
        let line = out.lines().find_map(|line| line.trim().strip_prefix(name))?;
        let (_, data) = line.trim_start().split_once(char::is_whitespace)?;
        let data = data.trim();
        (!data.is_empty()).then(|| data.to_owned())
    }

    /// The name in the parentheses at the end of powercfg's line (the rest is localized), or else the scheme's id.
    pub(crate) fn power_scheme(out: &str) -> Option<String> {
        let line = out.lines().map(str::trim).find(|line| !line.is_empty())?;
        let named = line.strip_suffix(')').and_then(|line| line.rsplit_once('(')).map(|(_, name)| name);
        let id = || line.split_whitespace().find(|word| word.len() == 36 && word.matches('-').count() == 4);
        named.or_else(id).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_itself_and_is_not_named() {
        let machine = fingerprint();
        assert!(!machine.os.is_empty() && !machine.arch.is_empty() && machine.cores.is_some_and(|cores| cores > 0));
        assert!(machine.differences(&fingerprint()).is_empty());
        let of = |name: &str| host_digest(Some(name.to_owned()), Some("id".to_owned()));
        assert!(of("alpha") != of("beta") && !of("alpha").unwrap().contains("alpha"));
        assert_eq!(host_digest(None, None), None);
    }

    #[test]
    fn the_cpu_is_named_on_every_architecture() {
        let x86 = "processor\t: 0\nmodel name\t: Fast CPU @ 3GHz\nflags\t\t: fpu hypervisor lm\n";
        assert_eq!(text::cpu_model(x86).as_deref(), Some("Fast CPU @ 3GHz"));
        assert!(text::has_hypervisor_flag(x86));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(text::cpu_model(arm).as_deref(), Some("implementer 0x41 part 0xd0c"));
        assert!(!text::has_hypervisor_flag(arm));
        assert_eq!(text::cpu_model(""), None);
    }

    #[test]
    fn numbers_are_read_with_their_units() {
        assert_eq!(text::memory_total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2048 * 1024));
        assert_eq!(text::first_number("0.52 0.58 0.59 1/389 1234"), Some(0.52));
        assert_eq!(text::first_number("nan"), None);
        assert_eq!(text::line(" powersave \nx".to_owned()).as_deref(), Some("powersave"));
        assert_eq!(text::line("\n".to_owned()), None);
    }

    #[test]
    fn hypervisors_are_known_by_their_products() {
        assert_eq!(text::hypervisor_of("QEMU\n Standard PC"), Some("qemu"));
        assert_eq!(text::hypervisor_of("Microsoft Corporation\n Virtual Machine\n"), Some("hyper-v"));
        assert_eq!(text::hypervisor_of("Microsoft Corporation Surface"), None);
    }

    #[test]
    fn other_systems_answers_are_read() {
        assert_eq!(
            text::quoted_value("  \"IOPlatformUUID\" = \"AB-CD\"\n", "IOPlatformUUID").as_deref(),
            Some("AB-CD")
        );
        let query = "\r\nHKEY_LOCAL_MACHINE\\X\r\n    MachineGuid    REG_SZ    12-34 x\r\n\r\n";
        assert_eq!(text::registry_value(query, "MachineGuid").as_deref(), Some("12-34 x"));
        let scheme = "Energieschema-GUID: 381b4222-f694-41f0-9685-ff5bb260df2e  (Ausbalanciert)\r\n";
        assert_eq!(text::power_scheme(scheme).as_deref(), Some("Ausbalanciert"));
    }
}
