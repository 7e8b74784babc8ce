//! A server for as long as it is measured: started by a command at a free port of this machine, asked until it answers, ended
//! with everything that it started.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::config::HttpProbe;
use crate::measure::command::error_tail;
use crate::measure::{Place, http};
use crate::model::scrub::{scrub, scrub_url};
use crate::model::{Http, Printed};
use crate::os::{Finished, Interrupt, SpawnError, process};

/// The variable that tells a server its port.
const PORT: &str = "PORT";
/// How long a server may take until it answers as expected.
const READY: Duration = Duration::from_secs(60);
/// Between two questions whether it is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Served {
    /// Asks it what the configured probe asks.
    probe: HttpProbe,
    /// The address as configured, as it may be kept: the port is another each time.
    url: String,
    end: Interrupt,
    running: Option<JoinHandle<Result<Finished, SpawnError>>>,
}

impl Served {
    /// Starts what `probe` says and waits until it answers as expected, or tells why it does not.
    pub(crate) fn start(probe: &HttpProbe, cmd: &str, place: &Place, stop: &dyn Fn() -> bool) -> Result<Self, String> {
        let port = free_port().map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        let end = Interrupt::new().map_err(|error| error.to_string())?;
        let mut spec = place.shell(cmd, Duration::MAX);
        spec.env.push((PORT.into(), Some(port.to_string().into())));
        let own = end.clone();
        let running = Some(thread::spawn(move || process::run(&spec, &own)));
        let url = scrub_url(&probe.url);
        let probe = HttpProbe { url: at_port(&probe.url, port), start: None, ..probe.clone() };
        let mut served = Self { probe, url, end, running };
        let began = Instant::now();
        loop {
            let first = HttpProbe { requests: 1, ..served.probe.clone() };
            let answer = http::probe(&first, place, stop);
            if let Some(why) = served.ended() {
                return Err(format!("`{}` {why}", scrub(cmd)));
            }
            let why = match answer.error {
                None if answer.ok => return Ok(served),
                why => why.unwrap_or_default(),
            };
            if stop() || began.elapsed() > READY {
                let seconds = began.elapsed().as_secs();
                return Err(format!("`{}` did not answer as expected in {seconds} s: {why}", scrub(cmd)));
            }
            thread::sleep(PAUSE);
        }
    }

    pub(crate) fn ask(&self, place: &Place, stop: &dyn Fn() -> bool) -> Http {
        Http { url: self.url.clone(), ..http::probe(&self.probe, place, stop) }
    }

    /// What it answers.
    pub(crate) fn held(&self) -> Option<Printed> {
        http::held(&self.probe)
    }

    /// Why it does not run any more.
    fn ended(&mut self) -> Option<String> {
        let handle = self.running.take_if(|running| running.is_finished())?;
        Some(match handle.join() {
            Ok(Ok(finished)) => format!("ended before it answered at ${PORT}: {}", error_tail(&finished)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "could not be waited for".to_owned(),
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end.request();
        // How it ended was its end's asking.
        let _ended = self.running.take().map(JoinHandle::join);
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The address with this machine's port in place of its host.
fn at_port(url: &str, port: u16) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let user = rest[..end].rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}127.0.0.1:{port}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_takes_the_place_of_the_host_and_nothing_else() {
        assert_eq!(at_port("http://api.local:80/a?b=http://c/", 7), "http://127.0.0.1:7/a?b=http://c/");
        assert_eq!(at_port("https://u:p@[::1]:9?q", 7), "https://u:p@127.0.0.1:7?q");
        assert_eq!(at_port("http://h", 7), "http://127.0.0.1:7");
    }

    #[test]
    fn a_server_that_ends_by_itself_says_how() {
        let probe = HttpProbe { url: "http://x/".to_owned(), requests: 1, ..HttpProbe::default() };
        let place = Place { root: std::env::temp_dir(), env: Vec::new() };
        let why = Served::start(&probe, "echo no such file >&2; exit 3", &place, &|| false).unwrap_err();
        assert!(why.contains("ended before it answered at $PORT: no such file"), "{why}");
    }
}
