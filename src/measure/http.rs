//! Sends several requests to an endpoint, limited in time, size and redirects, and checks each answer against what is
//! expected, with a server started for it if the config names one. No secret of the URL is recorded.

use std::error::Error as _;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::ResponseExt as _;

use crate::config::{ExpectJson, HttpProbe, Method};
use crate::measure::pointer::follow;
use crate::measure::{Place, command};
use crate::model::scrub::{is_secret_name, scrub_url};
use crate::model::{Digest, Http, HttpRequest, Printed, parse_json, scrub};
use crate::os::{Finished, Interrupt, SpawnError, process};

/// The most redirects of one request that are followed.
const MAX_REDIRECTS: u32 = 5;
/// After this many timeouts in a row, no more requests are sent: each costs its full deadline.
const TIMEOUTS_TO_STOP: u32 = 2;

/// Sends as many requests as configured, unless `stop` returns true or the endpoint keeps timing out. A server that is
/// needed runs in `place`.
pub(crate) fn probe(config: &HttpProbe, place: &Place, stop: &dyn Fn() -> bool) -> Http {
    let served = config.start.as_ref().map(|cmd| Served::start(config, cmd, place, stop));
    match served {
        Some(Ok(served)) => return served.ask(place, stop),
        Some(Err(why)) => {
            let requests = vec![HttpRequest { latency_s: 0.0, ok: false }];
            return Http { error: Some(scrub(&why)), requests, ..bare(config) };
        }
        None => {}
    }
    let mut requests = Vec::new();
    let (mut status, mut failed, mut first_failure, mut timeouts) = (None, 0_u32, None, 0);
    for _ in 0..config.requests {
        if stop() || timeouts == TIMEOUTS_TO_STOP {
            break;
        }
        let answer = request(config);
        let waited = if let Err(HttpError::TimedOut(limit)) = answer { Some(limit) } else { None };
        timeouts = if waited.is_some() { timeouts + 1 } else { 0 };
        let (latency, failure) = match answer {
            Ok(answer) => {
                status = Some(answer.status);
                (answer.latency, unexpected(config, &answer))
            }
            Err(error) => (waited.unwrap_or_default(), Some(error.to_string())),
        };
        failed += u32::from(failure.is_some());
        requests.push(HttpRequest { latency_s: latency.as_secs_f64(), ok: failure.is_none() });
        first_failure = first_failure.or(failure.map(|failure| scrub(&failure)));
    }
    let made = requests.len();
    Http {
        ok: failed == 0 && made > 0,
        status,
        error: match first_failure {
            Some(failure) if made > 1 => Some(format!("{failed} of {made} requests: {failure}")),
            None if made == 0 => Some("not asked: interrupted".to_owned()),
            other => other,
        },
        requests,
        ..bare(config)
    }
}

/// What is recorded of an endpoint before it is asked.
fn bare(config: &HttpProbe) -> Http {
    let name = Some(config.name.clone());
    Http { url: scrub_url(&config.url), name, timeout_s: config.timeout_s, ..Http::default() }
}

/// The content of one answer, status before body; `None` if there is no answer.
pub(crate) fn printed(config: &HttpProbe) -> Option<Printed> {
    let answer = request(config).ok()?;
    let whole = [answer.status.to_string().as_bytes(), b"\n", &answer.body].concat();
    let bytes = answer.body.len() as u64;
    Some(Printed { bytes, sha256: Digest::of_bytes(&whole), seconds: answer.latency.as_secs_f64(), went_on: false })
}

/// How many redirects of one request are followed; with 0, the redirect itself is the answer.
fn max_redirects(config: &HttpProbe) -> u32 {
    // The redirect may be what is expected, and a secret header must not be sent to another host.
    let wants_redirect = config.expect_status.is_some_and(|status| (300..400).contains(&status));
    let is_secret = |name: &String| is_secret_name(name) || name.to_ascii_lowercase().contains("auth");
    if wants_redirect || config.headers.keys().any(is_secret) { 0 } else { MAX_REDIRECTS }
}

fn unexpected(config: &HttpProbe, answer: &Answer) -> Option<String> {
    let status = answer.status;
    if !config.accepts_status(status) {
        let expected = config.expect_status.map_or("200 to 399".to_owned(), |status| status.to_string());
        return Some(format!("status {status}, expected {expected}"));
    }
    let unfollowed = (300..400).contains(&status) && status != 304 && config.expect_status.is_none();
    if unfollowed && max_redirects(config) == 0 {
        return Some(format!("status {status}: redirects are not followed with a secret header; give the final URL"));
    }
    let looks_inside = config.expect_contains.is_some() || !config.expect_json.is_empty();
    if let Some(encoding) = answer.encoding.as_ref().filter(|encoding| looks_inside && *encoding != "identity") {
        return Some(format!(
            "the body is compressed with {encoding}, though that was not asked for; it is not looked into"
        ));
    }
    if let Some(expected) = &config.expect_contains
        && !String::from_utf8_lossy(&answer.body).contains(expected.as_str())
    {
        return Some(format!("the body ({} bytes) does not contain {expected:?}", answer.body.len()));
    }
    if config.expect_json.is_empty() {
        return None;
    }
    match parse_json(&answer.body) {
        Ok(value) => config.expect_json.iter().find_map(|expected| mismatch(&value, expected)),
        Err(error) => Some(format!("the body is not valid JSON: {error}")),
    }
}

fn mismatch(value: &Value, expected: &ExpectJson) -> Option<String> {
    let found = match follow(value, &expected.pointer) {
        Ok(found) => found,
        Err(nowhere) => return Some(nowhere),
    };
    let wanted = expected.equals.as_ref()?;
    let found = found.into_iter().map(|found| found.value).find(|found| !same(found, wanted))?;
    let shown: String = scrub(&found.to_string()).chars().take(100).collect();
    Some(format!("{} is {shown}, expected {wanted}", expected.pointer))
}

/// Equality that treats 1 and 1.0 as the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.as_f64().is_some() && x.as_f64() == y.as_f64()),
        _ => a == b,
    }
}

struct Answer {
    status: u16,
    /// Empty for a HEAD request.
    body: Vec<u8>,
    /// The content encoding of the body, if the answer has one.
    encoding: Option<String>,
    /// From the start of the request to the end of the body.
    latency: Duration,
}

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no complete answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("{0}")]
    Failed(String),
}

/// One request on its own connection, with the built-in root certificates. Proxy variables are honoured, except for
/// addresses of this machine, which a proxy could not reach.
fn request(config: &HttpProbe) -> Result<Answer, HttpError> {
    let agent = agent(config);
    let mut message = ureq::http::Request::builder().uri(&config.url);
    message = message.method(if config.method == Method::Head { "HEAD" } else { "GET" });
    for (name, value) in &config.headers {
        message = message.header(name, value);
    }
    let message = message.body(()).map_err(|error| cannot_be_asked(&error))?;
    let start = Instant::now();
    let is_plain = !config.url.to_ascii_lowercase().starts_with("https:");
    let answer = agent.run(message).map_err(|error| {
        let error = explain(error, config);
        if is_plain && matches!(&error, HttpError::Failed(said) if said == CLOSED) {
            return HttpError::Failed(format!("{CLOSED}; if what listens there speaks TLS, try https://"));
        }
        error
    })?;
    if let Some(scheme) = unknown_scheme(&config.url, answer.get_uri().path()) {
        return Err(HttpError::Failed(format!("a redirect leads to {scheme}, which is not a web address")));
    }
    let status = answer.status().as_u16();
    let encoding = answer.headers().get("content-encoding").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    if config.method != Method::Head {
        let limit = config.max_body_bytes;
        // One byte more than allowed distinguishes a body that is too long from one that just fits.
        let mut limited = answer.into_body().into_reader().take(limit.saturating_add(1));
        limited.read_to_end(&mut body).map_err(|error| explain(error.into(), config))?;
        if body.len() as u64 > limit {
            let why = format!("the body is longer than the {limit} bytes that are read (max_body_bytes)");
            return Err(HttpError::Failed(why));
        }
    }
    Ok(Answer { status, body, encoding, latency: start.elapsed() })
}

const CLOSED: &str = "the connection was closed before the answer was complete";

/// Schemes whose addresses have no host; the library refuses other unknown schemes.
const WITHOUT_HOST: [&str; 12] =
    ["view-source", "jar", "urn", "file", "data", "javascript", "vbscript", "about", "blob", "unix", "mailto", "tel"];

/// The scheme of a redirect that is no web address; the library would take it for a path on the same host.
fn unknown_scheme(asked: &str, answered: &str) -> Option<String> {
    let is_known = |part: &&str| {
        part.split_once(':').is_some_and(|(scheme, _)| WITHOUT_HOST.iter().any(|it| it.eq_ignore_ascii_case(scheme)))
    };
    let named = || answered.split('/').find(is_known).and_then(|part| part.split(':').next());
    let found = answered.split_once(":///").and_then(|(before, _)| before.rsplit('/').next()).or_else(named);
    found.filter(|_| !asked.contains(answered)).map(|scheme| format!("{scheme}:"))
}

fn agent(config: &HttpProbe) -> ureq::Agent {
    let redirects = max_redirects(config);
    let mut settings = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(command::seconds(config.timeout_s)))
        .max_redirects(redirects)
        .max_redirects_will_error(redirects > 0)
        .max_idle_connections(0)
        .user_agent(concat!("vibeship-optimizer/", env!("CARGO_PKG_VERSION")));
    if is_own_machine(&config.url) {
        settings = settings.proxy(None);
    }
    settings.build().new_agent()
}

fn is_own_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let without_port = if host.starts_with('[') {
        host.split(']').next().unwrap_or_default().trim_start_matches('[')
    } else {
        host.split(':').next().unwrap_or_default()
    };
    let loopback = without_port.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback || without_port == "localhost" || without_port.ends_with(".localhost")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum may grow")]
fn explain(error: ureq::Error, config: &HttpProbe) -> HttpError {
    let speaks_no_tls =
        |said: &str| said.contains("InvalidContentType") && config.url.to_ascii_lowercase().starts_with("https:");
    match error {
        ureq::Error::Timeout(_) => HttpError::TimedOut(command::seconds(config.timeout_s)),
        ureq::Error::TooManyRedirects => HttpError::Failed(format!("more than {} redirects", max_redirects(config))),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => cannot_be_asked(&error),
        ureq::Error::HostNotFound => HttpError::Failed("the host's name cannot be resolved".to_owned()),
        ureq::Error::Io(error) if !speaks_no_tls(&error.to_string()) => HttpError::Failed(explain_io(&error)),
        other => {
            let cause = other.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let said = format!("{other}{cause}");
            let plain = speaks_no_tls(&said);
            HttpError::Failed(if plain { "what listens there speaks no TLS; try http://".to_owned() } else { said })
        }
    }
}

fn cannot_be_asked(why: &dyn std::fmt::Display) -> HttpError {
    HttpError::Failed(format!("cannot be asked: {why}"))
}

fn explain_io(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::ConnectionRefused {
        "connection refused: nothing listens there".to_owned()
    } else if matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) {
        CLOSED.to_owned()
    } else {
        error.to_string()
    }
}

/// The variable with the port for a server.
const PORT: &str = "PORT";
/// How long a server may take until it answers as expected.
const READY: Duration = Duration::from_secs(60);
/// The pause between two checks whether it is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Served {
    /// The configured probe, with the address of this server.
    probe: HttpProbe,
    /// The URL to record, as configured: the port differs each time.
    url: String,
    end: Interrupt,
    running: Option<JoinHandle<Result<Finished, SpawnError>>>,
}

impl Served {
    /// Starts the server and waits until it answers as expected, or returns why it does not.
    pub(crate) fn start(config: &HttpProbe, cmd: &str, place: &Place, stop: &dyn Fn() -> bool) -> Result<Self, String> {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| Ok(free.local_addr()?.port()));
        let port = port.map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        let end = Interrupt::new().map_err(|error| error.to_string())?;
        let mut spec = place.shell(cmd, Duration::MAX);
        spec.env.push((PORT.into(), Some(port.to_string().into())));
        let own = end.clone();
        let running = Some(thread::spawn(move || process::run(&spec, &own)));
        let url = scrub_url(&config.url);
        let asked = HttpProbe { url: at_port(&config.url, port), start: None, ..config.clone() };
        let mut served = Self { probe: asked, url, end, running };
        let began = Instant::now();
        loop {
            let first = HttpProbe { requests: 1, ..served.probe.clone() };
            let answer = probe(&first, place, stop);
            if let Some(why) = served.ended() {
                return Err(format!("`{}` {why}", scrub(cmd)));
            }
            let why = match answer.error {
                None if answer.ok => return Ok(served),
                why => why.unwrap_or_default(),
            };
            if stop() || began.elapsed() > READY {
                let seconds = began.elapsed().as_secs();
                let (cmd, of) = (scrub(cmd), format!("{port}, the ${PORT} that it was given"));
                return Err(format!("`{cmd}` did not answer as expected at {of}, in {seconds} s: {why}"));
            }
            thread::sleep(PAUSE);
        }
    }

    pub(crate) fn ask(&self, place: &Place, stop: &dyn Fn() -> bool) -> Http {
        Http { url: self.url.clone(), ..probe(&self.probe, place, stop) }
    }

    pub(crate) fn printed(&self) -> Option<Printed> {
        printed(&self.probe)
    }

    fn ended(&mut self) -> Option<String> {
        let handle = self.running.take_if(|running| running.is_finished())?;
        Some(match handle.join() {
            Ok(Ok(finished)) => format!("ended before it answered at ${PORT}: {}", command::error_tail(&finished)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "could not be waited for".to_owned(),
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end.request();
        // Its exit status does not matter, since we ended it.
        let _ended = self.running.take().map(JoinHandle::join);
    }
}

/// The URL with 127.0.0.1 and this port in place of its host.
fn at_port(url: &str, port: u16) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let user = rest[..end].rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}127.0.0.1:{port}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    /// Serves each connection with `answer`, which gets the request's text, until the test ends.
    fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = Vec::new();
                let mut buffer = [0; 1024];
                while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                        _ => break,
                    }
                }
                answer(&String::from_utf8_lossy(&request), &mut stream);
            }
        });
        format!("http://{address}")
    }

    fn reply(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn fixed(status: &'static str, body: &'static str) -> String {
        serve(move |_, stream| {
            let _ = stream.write_all(reply(status, body).as_bytes());
        })
    }

    fn here() -> Place {
        Place { root: std::env::temp_dir(), env: Vec::new() }
    }

    fn asked(url: &str, set: impl Fn(&mut HttpProbe)) -> Http {
        let mut config = HttpProbe { name: "p".to_owned(), url: url.to_owned(), ..HttpProbe::default() };
        config.requests = 2;
        set(&mut config);
        probe(&config, &here(), &|| false)
    }

    fn error(http: &Http) -> &str {
        assert!(!http.ok, "{http:?}");
        http.error.as_deref().unwrap()
    }

    #[test]
    fn an_expected_answer_is_ok_with_a_latency_for_each_request() {
        let url = fixed("200 OK", r#"{"status": "ok", "n": 1}"#);
        let http = asked(&url, |c| {
            c.expect_contains = Some("ok".to_owned());
            c.expect_json = vec![ExpectJson { pointer: "/n".to_owned(), equals: Some(json!(1.0)) }];
        });
        assert!(http.ok, "{http:?}");
        assert_eq!((http.status, http.requests.len()), (Some(200), 2));
        assert!(http.requests.iter().all(|r| r.ok && r.latency_s > 0.0));
    }

    #[test]
    fn an_unexpected_answer_says_what_was_expected() {
        let url = fixed("500 Internal Server Error", "{}");
        assert_eq!(error(&asked(&url, |_| ())), "2 of 2 requests: status 500, expected 200 to 399");
        assert!(asked(&url, |c| c.expect_status = Some(500)).ok);
        let url = fixed("200 OK", r#"{"state": "down"}"#);
        let contains = asked(&url, |c| c.expect_contains = Some("up".to_owned()));
        assert!(error(&contains).contains("does not contain \"up\""), "{contains:?}");
        let pointer = |pointer: &str| ExpectJson { pointer: pointer.to_owned(), equals: Some(json!("up")) };
        let differs = asked(&url, |c| c.expect_json = vec![pointer("/state")]);
        assert!(error(&differs).ends_with("/state is \"down\", expected \"up\""), "{differs:?}");
        let nowhere = asked(&url, |c| c.expect_json = vec![pointer("/stat")]);
        assert!(error(&nowhere).contains("did you mean state?"), "{nowhere:?}");
        let url = fixed("200 OK", "<html>");
        let html = asked(&url, |c| c.expect_json = vec![pointer("/state")]);
        assert!(error(&html).contains("the body is not valid JSON"), "{html:?}");
    }

    #[test]
    fn a_refused_connection_and_a_bad_address_are_failures_and_no_panic() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(error(&asked(&url, |_| ())).contains("connection refused"));
        for bad in
            ["", "http://", "http://[::1", "http://a b/", "nonsense", "http://127.0.0.1:99999/", "ftp://127.0.0.1/"]
        {
            let http = asked(bad, |c| c.timeout_s = 2.0);
            assert!(!error(&http).is_empty(), "{bad}");
        }
        let header = asked(&fixed("200 OK", ""), |c| drop(c.headers.insert("a b".to_owned(), "x\ny".to_owned())));
        assert!(error(&header).contains("cannot be asked"), "{header:?}");
    }

    #[test]
    fn a_body_without_end_and_one_that_never_comes_are_cut_off() {
        let endless = serve(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let http = asked(&endless, |c| c.max_body_bytes = 10_000);
        assert!(error(&http).contains("longer than the 10000 bytes"), "{http:?}");
        let (hold, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let slow = serve(move |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
            let _ = stream.flush();
            // Until the test has seen its timeouts.
            let _ = held.lock().map(|held| held.recv());
        });
        let http = asked(&slow, |c| {
            c.requests = 9;
            c.timeout_s = 0.1;
        });
        drop(hold);
        assert!(error(&http).starts_with("2 of 2 requests: no complete answer within 0.1 s"), "{http:?}");
    }

    #[test]
    fn a_body_that_just_fits_is_read() {
        let url = fixed("200 OK", "12345");
        assert!(asked(&url, |c| c.max_body_bytes = 5).ok);
        assert!(!asked(&url, |c| c.max_body_bytes = 4).ok);
    }

    #[test]
    fn redirects_are_followed_to_a_limit_and_never_with_a_secret_header() {
        let once = serve(|request, stream| {
            let text = if request.starts_with("GET /end ") {
                reply("200 OK", "end")
            } else {
                "HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
            };
            let _ = stream.write_all(text.as_bytes());
        });
        assert!(asked(&once, |c| c.expect_contains = Some("end".to_owned())).ok);
        assert!(asked(&once, |c| c.expect_status = Some(302)).ok);
        let secret = asked(&once, |c| drop(c.headers.insert("X-Api-Key".to_owned(), "k".to_owned())));
        assert!(error(&secret).contains("redirects are not followed"), "{secret:?}");
        let forever = serve(|_, stream| {
            let _ = stream
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        });
        assert!(error(&asked(&forever, |_| ())).contains("more than 5 redirects"));
    }

    #[test]
    fn userinfo_authorizes_and_is_not_recorded() {
        let url = serve(|request, stream| {
            let authorized = request.to_ascii_lowercase().contains("authorization: basic dtpw");
            let _ = stream.write_all(reply(if authorized { "200 OK" } else { "401 No" }, "").as_bytes());
        });
        let http = asked(&format!("{}/?token=abc", url.replace("http://", "http://u:p@")), |_| ());
        assert!(http.ok, "{http:?}");
        assert_eq!(http.url, format!("{url}/?token=***"));
    }

    #[test]
    fn a_head_request_reads_no_body() {
        let url = serve(|request, stream| {
            let status = if request.starts_with("HEAD ") { "200 OK" } else { "405 No" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
        });
        let http = asked(&url, |c| c.method = Method::Head);
        assert!(http.ok, "{http:?}");
    }

    #[test]
    fn a_compressed_body_and_a_port_without_tls_are_named() {
        let zipped = serve(|_, stream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(&[head.as_bytes(), &[0x1f, 0x8b]].concat());
        });
        let wanted = || vec![ExpectJson { pointer: "/status".to_owned(), equals: Some(json!("ok")) }];
        let answer = asked(&zipped, |c| c.expect_json = wanted());
        assert!(error(&answer).contains("compressed with gzip"), "{answer:?}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = (stream.read(&mut [0; 64]), stream.write_all(reply("400 Bad Request", "").as_bytes()));
            }
        });
        let plain = asked(&format!("https://127.0.0.1:{port}"), |_| ());
        assert!(error(&plain).contains("speaks no TLS; try http://"), "{plain:?}");
    }

    #[test]
    fn nothing_is_asked_once_the_user_has_stopped_it() {
        let config = HttpProbe { name: "p".to_owned(), url: "http://x".to_owned(), ..HttpProbe::default() };
        let http = probe(&config, &here(), &|| true);
        assert_eq!(error(&http), "not asked: interrupted");
    }

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

    #[test]
    fn a_redirect_to_a_file_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut asked) = (stream.unwrap(), [0; 1024]);
                let read = stream.read(&mut asked).unwrap();
                let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
                let to = asked.strip_prefix("GET /away?").and_then(|rest| rest.split(' ').next());
                let head = to.map_or("200 OK".to_owned(), |to| format!("302 Found\r\nLocation: {to}"));
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let ask_for = |path: &str| {
            let url = format!("http://{address}/{path}");
            request(&HttpProbe { url, timeout_s: 20.0, max_body_bytes: 9, ..HttpProbe::default() })
        };
        for to in [
            "file:///etc/hostname",
            "FiLe:///x",
            "UNIX:/run/x",
            "x-app:///x",
            "Data:text/plain,x",
            "mailto:x",
            "view-source:http://x",
            "jar:file:/x",
        ] {
            let scheme = &to[..=to.find(':').unwrap()];
            assert!(
                matches!(ask_for(&format!("away?{to}")), Err(HttpError::Failed(why)) if why.contains(scheme)),
                "{to}"
            );
        }
        for to in ["/items:list", "/at/http://x", "?a=b:c"] {
            assert_eq!(ask_for(&format!("away?{to}")).unwrap().status, 200, "{to}");
        }
        assert_eq!(ask_for("here").unwrap().status, 200);
        assert_eq!(ask_for("file:/x").unwrap().status, 200, "an address that was asked for is one");
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        for own in ["http://127.0.0.1:80/x", "http://u:p@localhost/", "https://[::1]:8/x", "http://a.localhost?x"] {
            assert!(is_own_machine(own), "{own}");
        }
        for other in ["http://127.example.com/", "http://10.0.0.1/", "http://localhost.example.com", "nonsense"] {
            assert!(!is_own_machine(other), "{other}");
        }
    }
}
