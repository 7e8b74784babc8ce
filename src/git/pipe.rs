//! Reading from a child and waiting for it, up to a point in time. Must not know which child it is.

use std::io::{self, BufRead, Read};
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const STDERR_TAIL: usize = 4000;
const CHUNK: usize = 64 * 1024;

/// A pipe that is read up to a point in time. The reading is done by a thread, since a pipe cannot be read
/// with a time limit, and a process that git started may hold it open after git has been ended.
pub(crate) struct Deadlined {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    deadline: Instant,
    chunk: Vec<u8>,
    at: usize,
}

impl Deadlined {
    pub(crate) fn new(mut pipe: impl Read + Send + 'static, deadline: Instant) -> Self {
        let (send, chunks) = mpsc::sync_channel(16);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0u8; CHUNK];
                let message = match pipe.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                // Nobody listens any more: closing the pipe stops git.
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        Self { chunks, deadline, chunk: Vec::new(), at: 0 }
    }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Deadlined {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.chunk.len() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            self.chunk = match self.chunks.recv_timeout(left) {
                Ok(chunk) => chunk?,
                Err(mpsc::RecvTimeoutError::Disconnected) => Vec::new(),
                Err(mpsc::RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
            };
            self.at = 0;
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

/// Waits for the end of a child; `None` when it has not come in time.
pub(crate) fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Reads to the end and keeps the last of it, as text.
pub(crate) fn tail(mut pipe: impl Read) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => kept.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept.len() > 2 * STDERR_TAIL {
            kept.drain(..kept.len() - STDERR_TAIL);
        }
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_stays_silent_ends_at_the_deadline() {
        let (reader, _writer) = io::pipe().unwrap();
        let mut pipe = Deadlined::new(reader, Instant::now() + Duration::from_millis(20));
        assert_eq!(pipe.fill_buf().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn everything_is_read_in_order() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut read = Vec::new();
        let far = Instant::now() + Duration::from_secs(60);
        Deadlined::new(io::Cursor::new(bytes.clone()), far).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn only_the_end_of_what_was_said_is_kept() {
        let text = format!("{}last words", "x".repeat(50_000));
        let kept = tail(io::Cursor::new(text));
        assert!(kept.ends_with("last words") && kept.len() <= 2 * STDERR_TAIL + 4096);
    }
}
