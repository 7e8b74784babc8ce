//! Follows printed advice as a person does: copies the commands literally and replaces placeholders by own words.

use std::path::Path;

use super::Sandbox;

/// Placeholders for a person's own words.
const OWN_WORDS: [&str; 7] = [
    "WHY",
    "WHAT HAPPENED",
    "WHAT WAS OBSERVED",
    "WHAT CHANGED",
    "SHORT HYPOTHESIS",
    "WHAT SHOULD IMPROVE, AND WHY",
    "HOW TO REMOVE THE OVERRIDE",
];

/// The printed steps by alternative: each begins with `next` or `or`.
pub(crate) fn alternatives(said: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for line in said.lines() {
        // At its prompt, zsh does not know comments, and a quote in one would swallow what follows.
        assert!(!line.trim().starts_with("# ") || !line.contains(['\'', '`']), "{line}");
        let step = |mark: &str| line.trim().strip_prefix(mark).map(|step| step.trim().to_owned());
        if let Some(step) = step("next: ").or(step("or: ")) {
            found.push(vec![step]);
        } else if let (Some(step), Some(last)) = (step("then: "), found.last_mut()) {
            last.push(step);
        }
    }
    found
}

impl Sandbox {
    /// Runs steps in a shell with the tool on its path until one fails; the error is that step's output.
    pub(crate) fn take(&self, steps: &[String]) -> Result<(), String> {
        let bin = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap().display().to_string();
        for step in steps {
            let words = |line: String, own: &&str| line.replace(&format!("\"{own}\""), "'own words'");
            let line = OWN_WORDS.iter().fold(step.clone(), words);
            let output = self.command("sh").args(["-c", &format!("PATH='{bin}':$PATH; {line}")]).output().unwrap();
            if !output.status.success() {
                return Err(format!("{step}:\n{}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        Ok(())
    }
}
