//! `http_probes`: endpoints that are asked, and what their answers must be.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::config::Section;
use crate::config::scalar::{MAX_RUNS, MAX_TIMEOUT_S};

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpProbe {
    /// Its unique name, the middle of its metrics' names; made from the URL when the file gives none.
    pub name: String,
    /// The URL, as configured (it may hold secrets: mask it before recording).
    pub url: String,
    /// The request's method.
    pub method: Method,
    /// Headers sent with it (they may hold secrets).
    pub headers: BTreeMap<String, String>,
    /// The status demanded; `None` accepts 200 to 399.
    pub expect_status: Option<u16>,
    /// Text that the body must contain.
    pub expect_contains: Option<String>,
    /// Values that the body, read as JSON, must hold.
    pub expect_json: Vec<ExpectJson>,
    /// How many requests are made, at least 1.
    pub requests: u32,
    /// Deadline of one request in seconds: connection, answer and body together.
    pub timeout_s: f64,
    /// Largest body that is read, in bytes; a longer one is a failure.
    pub max_body_bytes: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The answer with its body.
    Get,
    /// The answer without a body.
    Head,
}

/// A value demanded of a JSON answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectJson {
    /// Where (RFC 6901).
    pub pointer: String,
    /// What must stand there; `None` when anything may.
    pub equals: Option<Value>,
}

impl HttpProbe {
    /// Five requests, each on a connection of its own: enough to show the spread.
    pub const DEFAULT_REQUESTS: u32 = 5;
    /// Ten seconds for a request.
    pub const DEFAULT_TIMEOUT_S: f64 = 10.0;
    /// One MiB of body.
    pub const DEFAULT_MAX_BODY_BYTES: u64 = 1 << 20;

    const KEYS: &'static [&'static str] = &[
        "name",
        "url",
        "method",
        "headers",
        "expect_status",
        "expect_contains",
        "expect_json",
        "requests",
        "timeout_s",
        "max_body_bytes",
    ];

    /// A probe of that URL with every default.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            method: Method::Get,
            headers: BTreeMap::new(),
            expect_status: None,
            expect_contains: None,
            expect_json: Vec::new(),
            requests: Self::DEFAULT_REQUESTS,
            timeout_s: Self::DEFAULT_TIMEOUT_S,
            max_body_bytes: Self::DEFAULT_MAX_BODY_BYTES,
        }
    }

    /// Whether a status is an expected one.
    pub fn accepts_status(&self, status: u16) -> bool {
        self.expect_status.map_or((200..400).contains(&status), |expected| expected == status)
    }

    pub(crate) fn read_all(root: &Section<'_>) -> Vec<Self> {
        let mut probes = root.list("http_probes", Self::KEYS, Self::read);
        let mut taken: Vec<String> = probes.iter().map(|p| p.name.clone()).filter(|name| !name.is_empty()).collect();
        for probe in probes.iter_mut().filter(|probe| probe.name.is_empty()) {
            probe.name = unused_name(&probe.url, &taken);
            taken.push(probe.name.clone());
        }
        probes
    }

    fn read(s: &Section<'_>) -> Self {
        let url = s.required_text("url");
        if !url.is_empty() && !is_http_url(&url) {
            s.problem("url", "expected an http:// or https:// address with a host");
        }
        let method = s.choice("method", &[("GET", Method::Get), ("HEAD", Method::Head)]).unwrap_or(Method::Get);
        let probe = Self {
            name: s.optional_name("name").unwrap_or_default(),
            url,
            method,
            headers: s.variables("headers"),
            expect_status: s.count("expect_status", 100..=599).and_then(|n| u16::try_from(n).ok()),
            expect_contains: s.text("expect_contains").filter(|text| !text.is_empty()),
            expect_json: s.list("expect_json", ExpectJson::KEYS, ExpectJson::read),
            requests: s.count("requests", 1..=MAX_RUNS).unwrap_or(Self::DEFAULT_REQUESTS),
            timeout_s: s.positive("timeout_s", MAX_TIMEOUT_S).unwrap_or(Self::DEFAULT_TIMEOUT_S),
            max_body_bytes: s.count("max_body_bytes", 1..=1 << 30).map_or(Self::DEFAULT_MAX_BODY_BYTES, u64::from),
        };
        if method == Method::Head && (probe.expect_contains.is_some() || !probe.expect_json.is_empty()) {
            s.problem("method", "HEAD has no body to check: use GET, or drop `expect_contains` and `expect_json`");
        }
        probe
    }
}

impl ExpectJson {
    const KEYS: &'static [&'static str] = &["pointer", "equals"];

    fn read(s: &Section<'_>) -> Self {
        Self { pointer: s.pointer("pointer").unwrap_or_default(), equals: s.value("equals") }
    }
}

fn is_http_url(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty())
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A name from the URL: its last path segment, or the host; longer where that is taken.
fn unused_name(url: &str, taken: &[String]) -> String {
    let without_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = without_scheme.find(['?', '#']).unwrap_or(without_scheme.len());
    let (authority, path) = without_scheme[..end].split_once('/').unwrap_or((&without_scheme[..end], ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let last = path.split('/').rfind(|segment| !segment.is_empty()).unwrap_or(host);
    let long = format!("{host}/{path}");
    let numbered = (2_u32..).map(|n| format!("{}-{n}", slug(&long)));
    [slug(last), slug(&long)]
        .into_iter()
        .chain(numbered)
        .find(|name| !name.is_empty() && !taken.contains(name))
        .unwrap_or_default()
}

fn slug(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_probe_is_named_by_the_end_of_its_path_and_never_by_a_secret() {
        assert_eq!(unused_name("http://u:secret@127.0.0.1:8787/api/health?token=x", &[]), "health");
        assert_eq!(unused_name("http://127.0.0.1:8787/health", &["health".to_owned()]), "127-0-0-1-8787-health");
        assert_eq!(unused_name("http://u:secret@localhost", &[]), "localhost");
    }
}
