//! A debug build has a fixed address, so that no start of it waits for a hundred thousand relocations: the tests start
//! the program some thousand times.

fn main() {
    println!("cargo::rerun-if-changed=tests/link/build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "debug") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
