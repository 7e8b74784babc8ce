//! Running one check: a command that must succeed, a health probe that must answer. Says why it failed, in words
//! that may be kept: scrubbed and short.

use std::path::Path;

use crate::config::HttpProbe;
use crate::measure::{Place, command, http};
use crate::model::scrub::scrub;
use crate::os::{Interrupt, process};

/// Runs a command in the project's root; `None` when it succeeded, else why not with the end of its output.
pub(crate) fn command(root: &Path, cmd: &str, timeout_s: f64, interrupt: &Interrupt) -> Option<String> {
    let mut spec = Place { root: root.to_owned(), env: Vec::new() }.shell(cmd, command::seconds(timeout_s));
    spec.stdout = spec.stderr;
    let finished = match process::run(&spec, interrupt) {
        Ok(finished) => finished,
        Err(error) => return Some(scrub(&error.to_string())),
    };
    let mut text = command::failure(finished.ended, spec.timeout)?;
    for captured in [&finished.stdout, &finished.stderr] {
        let tail = captured.tail_text(command::ERROR_BYTES);
        if !tail.trim().is_empty() {
            text.push('\n');
            text.push_str(scrub(tail.trim_end()).as_ref());
        }
    }
    Some(text)
}

/// Asks a health probe; its URL as it may be kept, and why it failed.
pub(crate) fn smoke(probe: &HttpProbe, interrupt: &Interrupt) -> (String, Option<String>) {
    let answer = http::probe(probe, &|| interrupt.requested());
    let failure = (!answer.ok).then(|| answer.error.unwrap_or_else(|| "no answer as expected".to_owned()));
    (answer.url, failure)
}
