//! Running one check: a command that must succeed, a health probe that must answer. Says why it failed, in words
//! that may be kept: scrubbed and short.

use std::path::Path;
use std::time::Duration;

use crate::config::HttpProbe;
use crate::measure::{command, http};
use crate::model::scrub::scrub;
use crate::os::process::{self, Invocation, Output};
use crate::os::{Interrupt, Spec};

/// Bytes of each output stream that are kept of a failed check.
const TAIL: usize = 4000;

/// Runs a command in the project's root; `None` when it succeeded, else why not with the end of its output.
pub(crate) fn command(root: &Path, cmd: &str, timeout_s: f64, interrupt: &Interrupt) -> Option<String> {
    let keep = Output::Keep { head_bytes: 0, tail_bytes: TAIL };
    let spec = Spec {
        invocation: Invocation::Shell(cmd.to_owned()),
        cwd: root.to_owned(),
        env: Vec::new(),
        timeout: Duration::try_from_secs_f64(timeout_s).unwrap_or(Duration::MAX),
        stdout: keep,
        stderr: keep,
    };
    let finished = match process::run(&spec, interrupt) {
        Ok(finished) => finished,
        Err(error) => return Some(scrub(&error.to_string())),
    };
    let mut text = command::failure(finished.ended, spec.timeout)?;
    for captured in [&finished.stdout, &finished.stderr] {
        let tail = captured.tail_text(TAIL);
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
