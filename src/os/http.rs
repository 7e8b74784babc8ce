//! One HTTP request, limited in time, size and redirects, on its own connection, with the built-in root certificates.
//! Proxy variables are honoured, except for addresses of this machine, which a proxy could not reach.

use std::error::Error as _;
use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use ureq::ResponseExt as _;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub url: String,
    pub head_only: bool,
    pub headers: Vec<(String, String)>,
    /// Deadline for everything: name lookup, connection, redirects, answer, body.
    pub timeout: Duration,
    /// Largest body that is read, in bytes.
    pub max_body_bytes: u64,
    /// How many redirects are followed; with 0, the redirect itself is the answer.
    pub max_redirects: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Empty for a HEAD request.
    pub body: Vec<u8>,
    /// The content encoding of the body, if the answer has one.
    pub encoding: Option<String>,
    /// From the start of the request to the end of the body.
    pub latency: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("cannot be asked: {0}")]
    BadRequest(String),
    #[error("no complete answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the body is longer than the {0} bytes that are read (max_body_bytes)")]
    BodyTooLarge(u64),
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    #[error("{0}")]
    Failed(String),
}

pub(crate) fn ask(request: &Request) -> Result<Answer, HttpError> {
    let agent = agent(request);
    let mut message = ureq::http::Request::builder().uri(&request.url);
    message = message.method(if request.head_only { "HEAD" } else { "GET" });
    for (name, value) in &request.headers {
        message = message.header(name, value);
    }
    let message = message.body(()).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let start = Instant::now();
    let is_plain = !request.url.to_ascii_lowercase().starts_with("https:");
    let answer = agent.run(message).map_err(|error| {
        let error = explain(error, request);
        if is_plain && matches!(&error, HttpError::Failed(said) if said == CLOSED) {
            return HttpError::Failed(format!("{CLOSED}; if what listens there speaks TLS, try https://"));
        }
        error
    })?;
    if let Some(scheme) = unknown_scheme(&request.url, answer.get_uri().path()) {
        return Err(HttpError::Failed(format!("a redirect leads to {scheme}, which is not a web address")));
    }
    let status = answer.status().as_u16();
    let encoding = answer.headers().get("content-encoding").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    if !request.head_only {
        // One byte more than allowed distinguishes a body that is too long from one that just fits.
        let mut limited = answer.into_body().into_reader().take(request.max_body_bytes.saturating_add(1));
        limited.read_to_end(&mut body).map_err(|error| explain(error.into(), request))?;
        if body.len() as u64 > request.max_body_bytes {
            return Err(HttpError::BodyTooLarge(request.max_body_bytes));
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

fn agent(request: &Request) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(request.timeout))
        .max_redirects(request.max_redirects)
        .max_redirects_will_error(request.max_redirects > 0)
        .max_idle_connections(0)
        .user_agent(concat!("vibeship-optimizer/", env!("CARGO_PKG_VERSION")));
    if is_own_machine(&request.url) {
        config = config.proxy(None);
    }
    config.build().new_agent()
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
fn explain(error: ureq::Error, request: &Request) -> HttpError {
    match error {
        ureq::Error::Timeout(_) => HttpError::TimedOut(request.timeout),
        ureq::Error::TooManyRedirects => HttpError::TooManyRedirects(request.max_redirects),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpError::BadRequest(error.to_string()),
        ureq::Error::HostNotFound => HttpError::Failed("the host's name cannot be resolved".to_owned()),
        ureq::Error::Io(error) if !speaks_no_tls(&error.to_string(), request) => HttpError::Failed(explain_io(&error)),
        other => {
            let cause = other.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let said = format!("{other}{cause}");
            let plain = speaks_no_tls(&said, request);
            HttpError::Failed(if plain { "what listens there speaks no TLS; try http://".to_owned() } else { said })
        }
    }
}

fn speaks_no_tls(said: &str, request: &Request) -> bool {
    said.contains("InvalidContentType") && request.url.to_ascii_lowercase().starts_with("https:")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_a_file_is_no_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut asked) = (stream.unwrap(), [0; 1024]);
                let read = stream.read(&mut asked).unwrap();
                let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
                let to = asked.strip_prefix("GET /away?").and_then(|rest| rest.split(' ').next());
                let head = to.map_or("200 OK".to_owned(), |to| format!("302 Found\r\nLocation: {to}"));
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            }
        });
        let ask_for = |path: &str| {
            let url = format!("http://{address}/{path}");
            let timeout = Duration::from_secs(20);
            ask(&Request { url, head_only: false, headers: Vec::new(), timeout, max_body_bytes: 9, max_redirects: 3 })
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
