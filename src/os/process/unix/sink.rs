//! Where a run's output goes on Unix: the null device, or a pipe read without ever waiting. Must not wait.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::process::Stdio;
use std::sync::OnceLock;

use crate::os::process::{Captured, Output};

/// Bytes read from a pipe in one go, and once the child is gone; only what a surviving writer keeps pouring in is more.
pub(crate) const DRAIN_LIMIT: usize = 1 << 20;

/// The null device, opened once.
pub(crate) fn null() -> io::Result<Stdio> {
    static NULL: OnceLock<File> = OnceLock::new();
    let file = match NULL.get() {
        Some(file) => file,
        None => {
            let opened = File::options().read(true).write(true).open("/dev/null")?;
            NULL.get_or_init(|| opened)
        }
    };
    Ok(Stdio::from(file.try_clone()?))
}

/// One output stream. A writer is held beside the reader: else the pipe would be ready at its end the moment the
/// child closes its files, and the wait for its exit would be woken twice, which is measurable.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) pipe: Option<(PipeReader, PipeWriter)>,
    pub(crate) captured: Captured,
}

#[derive(Default)]
pub(crate) struct Sinks {
    pub(crate) out: Sink,
    pub(crate) err: Sink,
}

impl Sink {
    pub(crate) fn open(output: Output) -> io::Result<(Stdio, Self)> {
        if output == Output::Discard {
            return Ok((null()?, Self::default()));
        }
        let (reader, writer) = io::pipe()?;
        let flags = rustix::fs::fcntl_getfl(&reader)?;
        rustix::fs::fcntl_setfl(&reader, flags | rustix::fs::OFlags::NONBLOCK)?;
        let held = writer.try_clone()?;
        Ok((Stdio::from(writer), Self { pipe: Some((reader, held)), captured: Captured::new(output) }))
    }

    /// Reads what is there, at most `limit` bytes.
    pub(crate) fn drain(&mut self, limit: usize) {
        let Some((pipe, _)) = &mut self.pipe else { return };
        let mut buffer = [0; 16 * 1024];
        let mut left = limit;
        while left > 0 {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => {
                    self.captured.push(&buffer[..n]);
                    left = left.saturating_sub(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }
}
