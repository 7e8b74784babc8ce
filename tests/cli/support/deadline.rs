//! Running a program to its end, but never for ever: a hanging one is killed and fails its test.

use std::io::Read;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Far beyond what any command takes, on a loaded machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs it without input.
pub(crate) fn output(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipes = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let deadline = Instant::now() + LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    let (Ok(stdout), Ok(stderr)) = (pipes.0.recv_timeout(left()), pipes.1.recv_timeout(left())) else {
        let _ = child.kill();
        panic!("still running after {LIMIT:?}: {command:?}");
    };
    Output { status: child.wait().unwrap(), stdout, stderr }
}

fn read(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}
