//! Keeping secrets out of evidence: by the names of what holds them, and by how the tokens of well-known services begin.
//! Owns the one rule for that, the digests that stand in for such values, and the masking of URLs and of captured
//! output. A rule of thumb: it must rather hide too much.

use std::sync::LazyLock;

use regex::{Captures, Match, Regex};
use serde_json::Value;

use crate::model::Digest;

/// What stands in place of a secret in running text.
pub const MASK: &str = "***";

/// Words of a name that make any text a secret, also at the end of a longer word (`PGPASSWORD`).
const STRONG: &str = "apikey authorization bearer cookie credential credentials jwt accesskey passphrase passwd password \
    passwords passwort privatekey pwd secret secretkey secrets";
/// Last words of a name that make a secret of any text, as in `GITHUB_TOKEN=…` and `--pass …`.
const LAST: &str = "pass pat token";
/// Words that end in `pass` and hold no secret, as the end of `PGPASS` does.
const PASSES: &str = "allpass bandpass bypass compass highpass lowpass multipass singlepass";
/// Words that make a secret of a text that looks drawn at random; `max_tokens: 4096` and `cache_key: users` do not.
const WEAK: &str = "auth dsn key keys session sid sig signature tokens";
/// What is said of a password instead of it.
const STATES: &str = "a an empty expired incorrect invalid missing no not null required set the too unset wrong";
/// Words before `token` that make it a sign of a language, not a secret, or a measure of one.
const TOKEN_KINDS: &str = "begin bos cls end eol eos image mask pad per sep special start stop unk";
/// Words before `key` that make the name a strong one.
const KEY_KINDS: &str = "access account api encryption license master private secret shared signing ssh";
/// How the tokens of well-known services begin.
const PREFIXES: &str = "AGE-SECRET-KEY- AIza AKIA ASIA ATATT3x NRAK- SG. dckr_pat_ dop_v1_ figd_ gho_ ghp_ ghr_ ghs_ ghu_ \
    github_pat_ glpat- glsa_ gsk_ hf_ hvb. hvs. lin_api_ npm_ pplx- pscale_tkn_ pypi- r8_ rk_live_ rubygems_ sbp_ shpat_ sk- \
    sk_live_ sk_test_ tskey-auth- xai- xoxa- xoxb- xoxp- xoxr- ya29.";
/// Tokens that begin as words do, by their length, too: of Databricks, Mailgun, Twilio, NuGet and Telegram.
const SHAPES: &str = r"\b(?:(?:dapi|key-|SK)[0-9a-f]{32}|oy2[a-z0-9]{43}|[0-9]{8,10}:AA[A-Za-z0-9_-]{33})\b";
/// A number of fewer digits may be a setting.
const LEAST_DIGITS: usize = 10;
/// Fewer characters after a prefix are a word like any other.
const LEAST_TOKEN: usize = 16;

/// How secrets are recognized in a text.
struct Patterns {
    known_token: Regex,
    /// What stands between `://` and the last `@` before the path; or, in addresses that nobody escaped, `user:pass/word@`.
    userinfo: Regex,
    named: Regex,
    /// `<name>value</`, as XML has it.
    element: Regex,
    /// `-u name:password`, as curl and many after it take it.
    user: Regex,
    /// What follows the name of a scheme of authentication.
    scheme: Regex,
    /// A value that only says where the secret is: `$NAME`, `${NAME}`, `$(…)`, `%NAME%`.
    reference: Regex,
}

/// Were one not to compile, everything would be hidden; a test shows that all do.
static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| Patterns::new().ok());

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        let prefixes: Vec<String> = PREFIXES.split(' ').map(regex::escape).collect();
        let tokens = format!(r"\b(?:{})[A-Za-z0-9_\-./+=]{{{LEAST_TOKEN},}}", prefixes.join("|"));
        let jwt = r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*";
        let hook = r"\bhooks\.slack\.com/services/[A-Za-z0-9/]+|\bdiscord(?:app)?\.com/api/webhooks/[A-Za-z0-9/_\-]+";
        let pem = r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)";
        let escaped = r#"[^/?#\s@"']*(?:@[^/?#\s@"']*)*@"#;
        let plain = r#"[^/?#\s@:"']+:[0-9]*[^0-9/\s@"'][^\s"']*@"#;
        let option = r#"(?:^|\s)(?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?"#;
        let name = r#"([A-Za-z][A-Za-z0-9_.\-]*)(?:\\?["'])?"#;
        let scheme = "(?i:(?:bearer|basic|token)[ \\t]+)?";
        Ok(Self {
            known_token: Regex::new(&format!("{tokens}|{jwt}|{hook}|{pem}|{SHAPES}"))?,
            userinfo: Regex::new(&format!(r"([A-Za-z][A-Za-z0-9+.\-]*://)(?:{escaped}|{plain})"))?,
            named: Regex::new(&format!(r"{name}[ \t]*(?:[=:][ \t]*|,\s*|[ \t]+(?:(?:is|was)[ \t]+)?)"))?,
            element: Regex::new(r"(<([A-Za-z][A-Za-z0-9_.:\-]*)(?:\s[^<>]*)?>)([^<>]+)</")?,
            user: Regex::new(&format!(r#"({option}[^\s:"'=]+:)([^\s"'@]+)"#))?,
            scheme: Regex::new(r"(?i)\b(bearer|basic)[ \t]+([A-Za-z0-9._~+/=\-]{8,})")?,
            reference: Regex::new(&format!(
                r#"^{scheme}["']?(?:\$(?:env:)?\w+|\$\{{\w+\}}?|\$\([^)]*\)?|%\w+%)["']?$"#
            ))?,
        })
    }

    /// The text without what is a secret by its form alone.
    fn unmistakable(&self, text: &str) -> String {
        let text = self.userinfo.replace_all(text, format!("$1{MASK}@"));
        let text = self.known_token.replace_all(&text, MASK);
        let scheme = |found: &Captures<'_>| {
            if looks_random(&found[2]) { format!("{} {MASK}", &found[1]) } else { found[0].to_owned() }
        };
        self.scheme.replace_all(&text, scheme).into_owned()
    }
}

/// Whether the text `value` of the key, variable or option `name` looks secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    if value.trim().is_empty() || matches!(value.trim(), "true" | "false" | "null") {
        return false;
    }
    match strength(name) {
        SecretStrength::Strong => true,
        SecretStrength::Last => is_text(value),
        SecretStrength::Weak => looks_random(value),
        SecretStrength::None => false,
    }
}

/// Any text, however short; a number only where it is too long to be a setting.
fn is_text(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let long = value.bytes().filter(u8::is_ascii_digit).count() >= LEAST_DIGITS;
    value.chars().any(char::is_alphanumeric) && (long || value.parse::<f64>().is_err())
}

/// Whether a key, variable, header or query parameter of that name usually holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    strength(name) != SecretStrength::None
}

/// A URL without its userinfo, and with the values of secret query parameters masked.
pub fn scrub_url(url: &str) -> String {
    let Some(patterns) = PATTERNS.as_ref() else { return MASK.to_owned() };
    let tokens_hidden = |text: &str| patterns.known_token.replace_all(text, MASK).into_owned();
    let masked = patterns.userinfo.replace_all(url, "$1");
    let (address, fragment) = masked.split_once('#').map_or((&*masked, None), |(a, f)| (a, Some(f)));
    let Some((path, query)) = address.split_once('?') else { return tokens_hidden(&masked) };
    let pairs: Vec<String> = query.split('&').map(query_pair).collect();
    let fragment = fragment.map(|fragment| format!("#{}", query_pair(fragment))).unwrap_or_default();
    tokens_hidden(&format!("{path}?{}{fragment}", pairs.join("&")))
}

/// A command line or captured output with everything masked that looks secret: userinfo in URLs, `name=value` and
/// `name: value` of secret names, authorization headers, private keys, tokens of well-known services, `-u name:password`.
/// What only names a variable stays.
pub fn scrub(text: &str) -> String {
    let Some(patterns) = PATTERNS.as_ref() else { return MASK.to_owned() };
    let text = patterns.unmistakable(text);
    let hide = |found: &Captures<'_>| {
        let value = &found[2];
        let kept = is_reference(value) || value.bytes().all(|byte| byte.is_ascii_digit());
        if kept { found[0].to_owned() } else { format!("{}{MASK}", &found[1]) }
    };
    let text = patterns.user.replace_all(&text, hide);
    let hide = |found: &Captures<'_>| {
        if is_secret(&found[2], &found[3]) { format!("{}{MASK}</", &found[1]) } else { found[0].to_owned() }
    };
    let text = patterns.element.replace_all(&text, hide);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = patterns.named.captures_at(&text, at) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { break };
        out.push_str(&text[at..whole.end()]);
        at = whole.end();
        let value = value_at(&text, &name, at);
        if is_given(&text, &name, whole.end()) && is_secret_here(&text, &name, value) {
            out.push_str(MASK);
            at += value.len();
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Prose with only that masked which can be nothing but a secret: tokens and keys by their form, userinfo in URLs.
/// `password: hashing is slow` stays.
pub fn scrub_prose(text: &str) -> String {
    if is_too_short_for_a_secret(text) {
        return text.to_owned();
    }
    PATTERNS.as_ref().map_or_else(|| MASK.to_owned(), |patterns| patterns.unmistakable(text))
}

/// Whether no pattern of [`Patterns::unmistakable`] can match: each needs a word of at least `LEAST_TOKEN` bytes, `://`,
/// `-----BEGIN` or a scheme's name. Compiling the patterns takes 4 ms, longer than most commands.
fn is_too_short_for_a_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_short = lower.split_whitespace().all(|word| word.len() < LEAST_TOKEN);
    is_short && !["://", "-----begin", "bearer", "basic"].iter().any(|sign| lower.contains(sign))
}

/// Whether what follows a name is its value: after `=` or `:`, after an option's name, or after `is` where it is no state.
fn is_given(text: &str, name: &Match<'_>, end: usize) -> bool {
    let between = &text[name.end()..end];
    if matches!(between.trim(), "is" | "was") {
        let word = text[end..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        return strength(name.as_str()) == SecretStrength::Strong && !is_among(STATES, &word.to_lowercase());
    }
    between.contains(['=', ':'])
        || is_option(text, name) && (!between.contains(',') || between.starts_with(['"', '\'', '\\']))
}

/// `--name` or `-name`, at the beginning of a word.
fn is_option(text: &str, name: &Match<'_>) -> bool {
    let dashes = text[..name.start()].trim_end_matches('-');
    dashes.len() < name.start() && dashes.chars().next_back().is_none_or(|c| c.is_whitespace() || "\"'=([".contains(c))
}

/// Whether the value of a name is a secret, where it stands: any value of a URL's secret parameter; but a bare `token: word`
/// with a space is what parsers say of their input.
fn is_secret_here(text: &str, name: &Match<'_>, value: &str) -> bool {
    if value.is_empty() || is_reference(value) {
        return false;
    }
    let after = &text[name.end()..];
    let between = &after[..after.find(value).unwrap_or(0)];
    let is_bare = is_among(LAST, &name.as_str().to_lowercase()) && !is_option(text, name);
    if is_bare && between.contains(char::is_whitespace) && !between.starts_with(['"', '\'', '\\']) {
        return looks_random(value);
    }
    let is_parameter = text[..name.start()].ends_with(['?', '&']) && after.starts_with('=');
    is_secret(name.as_str(), value) || (is_parameter && is_secret_name(name.as_str()))
}

fn is_reference(value: &str) -> bool {
    PATTERNS.as_ref().is_some_and(|patterns| patterns.reference.is_match(value.trim().trim_end_matches(['"', '\''])))
}

#[derive(PartialEq, Eq)]
enum SecretStrength {
    None,
    Weak,
    Last,
    Strong,
}

fn is_among(list: &str, word: &str) -> bool {
    list.split(' ').any(|it| it == word)
}

fn strength(name: &str) -> SecretStrength {
    let words = words(name);
    let has = |list: &str| words.iter().any(|word| is_among(list, word));
    let ends_strong = |word: &String| STRONG.split(' ').any(|end| end.len() > 5 && word.ends_with(end));
    let special_key = words.windows(2).any(|pair| is_among(KEY_KINDS, &pair[0]) && pair[1].starts_with("key"));
    if has(STRONG) || words.iter().any(ends_strong) || special_key {
        SecretStrength::Strong
    } else if ends_as_token(&words) {
        SecretStrength::Last
    } else if has(WEAK) || has(LAST) || words.iter().any(|word| word.ends_with("token")) {
        SecretStrength::Weak
    } else {
        SecretStrength::None
    }
}

/// Whether a name ends as one of what proves who somebody is: `api_token`, `accessToken`, `cache.token`. Those of a
/// language (`pad_token`) do not, nor do counts (`max_tokens`, `token_count`).
fn ends_as_token(words: &[String]) -> bool {
    let mut backwards = words.iter().rev().skip_while(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let is_last = |last: &String| {
        let passes = last.ends_with("pass") && !is_among(PASSES, last);
        passes || last.ends_with("token") || is_among(LAST, last)
    };
    let ends = backwards.next().is_some_and(is_last);
    ends && backwards.next().is_none_or(|kind| !is_among(TOKEN_KINDS, kind))
}

/// The words of `snake_case`, `kebab-case`, `dotted.names` and `camelCase`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_lower = false;
    for c in name.chars() {
        let boundary = !c.is_alphanumeric() || (c.is_uppercase() && last_lower);
        if boundary {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        last_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Eight characters or more in one piece, that are no number and no path, with digits or mixed case among them.
fn looks_random(text: &str) -> bool {
    let text = text.trim();
    let mixed = text.chars().any(|c| c.is_ascii_digit())
        || (text.chars().any(char::is_uppercase) && text.chars().any(char::is_lowercase));
    text.chars().count() >= 8 && mixed && !text.contains(char::is_whitespace) && text.parse::<f64>().is_err()
}

fn query_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if is_secret_name(name) && !value.is_empty() => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    }
}

/// The value of a name, from `at`, to the end of its word: a quoted string, what is left of the quotes that the name
/// stands in, the rest of the line after a header's name, or the whole object or list of what can be nothing but secret.
fn value_at<'t>(text: &'t str, name: &Match<'_>, at: usize) -> &'t str {
    let begun = at + whole_part(&text[at..], name.as_str()).len();
    let line = text[begun..].split(['\n', '\r']).next().unwrap_or_default();
    let around = text[..name.start()].chars().next_back().filter(|c| matches!(c, '"' | '\''));
    let closed = around.filter(|quote| !text[name.end()..].starts_with(*quote)).and_then(|quote| line.find(quote));
    let line = &line[..closed.unwrap_or(line.len())];
    let lower = name.as_str().to_ascii_lowercase();
    let is_header = begun == at && (lower.ends_with("authorization") || lower.ends_with("cookie"));
    let word_end = if is_header { None } else { line.find([' ', '\t', ',', ';', '&', ')', '}', ']']) };
    &text[at..begun + word_end.unwrap_or(line.len())]
}

/// What a value begins with that belongs together, whatever is in it: an object, a list or a quoted string.
fn whole_part<'t>(value: &'t str, name: &str) -> &'t str {
    if value.starts_with(['{', '[']) && strength(name) == SecretStrength::Strong {
        return enclosed(value);
    }
    let line = value.split(['\n', '\r']).next().unwrap_or_default();
    for quote in ["\\\"", "\"", "'"] {
        if let Some(inner) = line.strip_prefix(quote) {
            return inner.find(quote).map_or(line, |end| &line[..end + 2 * quote.len()]);
        }
    }
    ""
}

/// From the bracket at the beginning to the one that closes it, or all where none does.
fn enclosed(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at + c.len_utf8()];
        }
    }
    text
}

/// What may be recorded of a value. Maps and lists are concealed whole where anything in them looks secret.
pub fn conceal(name: &str, value: &Value) -> Value {
    if !is_secret_value(name, value) {
        return value.clone();
    }
    Value::String(value.as_str().map_or_else(|| stand_in(&value.to_string()), stand_in))
}

/// What may be recorded of a text.
pub fn conceal_text(name: &str, text: &str) -> String {
    if is_secret_text(name, text) { stand_in(text) } else { text.to_owned() }
}

/// What stands for a secret. Equal secrets have equal digests, so that a change of one is seen; the digest is cut
/// short, so that it confirms no guess beyond doubt.
fn stand_in(secret: &str) -> String {
    format!("sha256:{}", Digest::of_bytes(secret.as_bytes()).short())
}

fn is_secret_value(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => is_secret(name, &number.to_string()),
        Value::String(text) => is_secret_text(name, text),
        Value::Array(items) => items.iter().any(|item| is_secret_value(name, item)),
        Value::Object(map) => map.iter().any(|(key, item)| is_secret_value(key, item)),
    }
}

fn is_secret_text(name: &str, text: &str) -> bool {
    is_secret(name, text) || scrub(text) != text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_values_that_look_secret_become_digests_and_tuneables_stay() {
        for (name, secret) in [
            ("DB_PASSWORD", json!("x")),
            ("clientSecret", json!("abc")),
            ("OPENAI_API_KEY", json!("abc")),
            ("auth_token", json!("a1b2c3d4e5")),
            ("api_token", json!("abcdefgh")),
            ("myToken", json!("tok")),
            ("cache.token", json!("abc")),
            ("csrfToken", json!("abcdefgh")),
            ("accesstoken_2", json!("abcdefgh")),
            ("authToken", json!("1234567890")),
            ("endpoint", json!("https://u:p@host/x")),
            ("anything", json!("ghp_0123456789abcdefghij")),
            ("headers", json!({"Authorization": "Basic eA=="})),
        ] {
            let recorded = conceal(name, &secret);
            assert!(recorded.as_str().is_some_and(|text| text.starts_with("sha256:")), "{name}: {recorded}");
        }
        for (name, plain) in [
            ("max_tokens", json!(4096)),
            ("MAX_TOKENS", json!("4096")),
            ("token_count", json!("many")),
            ("tokens_per_second", json!("fast")),
            ("pad_token", json!("<pad>")),
            ("model.eosToken", json!("endoftext")),
            ("token", json!(4)),
            ("tokenizer", json!("cl100k_base_v2")),
            ("cache_key", json!("user-profile")),
            ("require_password", json!(true)),
            ("password", json!("")),
            ("monkey", json!("Abcdefgh1")),
            ("threshold", json!(0.32)),
            ("url", json!("https://host/path@x")),
        ] {
            assert_eq!(conceal(name, &plain), plain, "{name}");
        }
    }

    #[test]
    fn equal_secrets_have_equal_digests() {
        assert_eq!(conceal_text("password", "a"), conceal_text("PASSWORD", "a"));
        assert_ne!(conceal_text("password", "a"), conceal_text("password", "b"));
    }

    #[test]
    fn every_pattern_compiles() {
        assert!(PATTERNS.is_some());
    }

    #[test]
    fn urls_lose_userinfo_and_secret_parameters() {
        assert_eq!(
            scrub_url("http://u:p@ss@h:1/x?a=1&api_key=zz&token=t#frag"),
            "http://h:1/x?a=1&api_key=***&token=***#frag"
        );
        assert_eq!(scrub_url("https://h/x?q=max"), "https://h/x?q=max");
        assert_eq!(scrub_url("not a url"), "not a url");
    }

    #[test]
    fn output_is_masked_where_it_looks_secret_and_nowhere_else() {
        for (output, masked) in [
            ("Error: password=hunter2 refused", "Error: password=*** refused"),
            ("{\"api_key\": \"abc def\", \"n\": 1}", "{\"api_key\": ***, \"n\": 1}"),
            ("> Authorization: Bearer abc.def\r\n> Host: x", "> Authorization: ***\r\n> Host: x"),
            ("run --password hunter2 --verbose", "run --password *** --verbose"),
            ("git clone https://me:tok@host/r.git", "git clone https://***@host/r.git"),
            ("use sk-abcdefghijklmnopqrstuv now", "use *** now"),
            ("vault: hvs.abcdefghijklmnopqrstuv", "vault: ***"),
            ("dapi0123456789abcdef0123456789abcdef monkey-0123456789", "*** monkey-0123456789"),
            ("PGPASS=x psql; bypass=never", "PGPASS=*** psql; bypass=never"),
            (
                "<db><password a='1'>x</password><port>1</port></db>",
                "<db><password a='1'>***</password><port>1</port></db>",
            ),
            ("{\"credentials\": {\"value\": \"}x\", \"of\": [1]}, \"n\": 1}", "{\"credentials\": ***, \"n\": 1}"),
            ("[\"run\", \"--password\",\n  \"x\", \"--fast\"]", "[\"run\", \"--password\",\n  ***, \"--fast\"]"),
            ("try --password, then ask", "try --password, then ask"),
            ("the password was wrong", "the password was wrong"),
            ("Password is hunter2; the token is read", "Password is ***; the token is read"),
            ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "a\n***"),
            ("assert token == 3, max_tokens: 4096 é", "assert token == 3, max_tokens: 4096 é"),
            ("SECRET='a b' next", "SECRET=*** next"),
            ("SECRET='a b'c'd password={}password", "SECRET=*** password=***"),
            ("{\"token\": \"abc\"} api_token: abc", "{\"token\": ***} api_token: ***"),
            ("unexpected token: comma; let token = next;", "unexpected token: comma; let token = next;"),
        ] {
            assert_eq!(scrub(output), masked);
        }
    }

    #[test]
    fn secrets_in_command_lines_are_masked_and_the_rest_of_the_command_stays() {
        for (cmd, masked) in [
            ("curl -H \"Authorization: Bearer abcd\" http://h/x", "curl -H \"Authorization: ***\" http://h/x"),
            ("curl -H 'X-Auth-Token: correcthorse' h", "curl -H 'X-Auth-Token: ***' h"),
            ("bench --token=correcthorse --runs 5", "bench --token=*** --runs 5"),
            ("bench -token correcthorse", "bench -token ***"),
            ("PASSWORD=x PGPASSWORD='a b' make", "PASSWORD=*** PGPASSWORD=*** make"),
            ("GH_TOKEN=correcthorse make", "GH_TOKEN=*** make"),
            ("curl -u admin:hunter2 h", "curl -u admin:*** h"),
            ("curl 'http://h/?q=1&token=abc'", "curl 'http://h/?q=1&token=***"),
            ("psql postgres://u:p/w@h/db", "psql postgres://***@h/db"),
            (r#"curl -d "{\"password\": \"hunter 2\"}" h"#, r#"curl -d "{\"password\": ***}" h"#),
            ("curl https://hooks.slack.com/services/T0/B0/abcd", "curl https://***"),
            ("do Bearer abcdEFGH1234", "do Bearer ***"),
            ("http h Authorization:\"Basic eA==\"", "http h Authorization:***"),
        ] {
            assert_eq!(scrub(cmd), masked);
        }
        for plain in [
            "cargo test --release -- --test-threads=1",
            "bench --token $TOKEN --password \"$DB_PASSWORD\" --pass ${X}",
            "curl -H \"Authorization: Bearer $TOKEN\" http://localhost:8080/p@x",
            "docker run -u 1000:1000 -p 8080:80 image",
            "sort --key=2 -k3 --max_tokens 4096",
            "mkdir -p x && mysql -p db",
            "python -m tokenize --pad_token 3 a:b",
        ] {
            assert_eq!(scrub(plain), plain);
        }
    }

    #[test]
    fn prose_keeps_its_words() {
        assert_eq!(scrub_prose("password: hashing is slow; token = word"), "password: hashing is slow; token = word");
        assert_eq!(scrub_prose("with ghp_0123456789abcdefghij"), "with ***");
    }

    #[test]
    fn digests_and_identifiers_are_no_secrets() {
        for plain in [
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
            "test_the_Very_Long_Name_Of_Some_Function_number_12",
            "PASS: test_login",
        ] {
            assert_eq!(scrub(plain), plain);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scrubbed_without_a_panic_and_only_once(text in "([a-z_]{0,9}|password|token|[=:&?#@/'\" \n\té{},]){0,12}") {
            let once = scrub(&text);
            proptest::prop_assert_eq!(scrub(&once), once);
            drop(scrub_url(&text));
        }

        #[test]
        fn a_text_that_needs_no_pattern_is_changed_by_none(
            text in "([a-z]{0,6}|://|@|:|Basic |bEARER |sk-|eyJ|-----BEGIN PRIVATE KEY-----|[A-Z0-9._/=]{1,9}|[ \u{a0}\n]){0,9}"
        ) {
            let patterns = PATTERNS.as_ref().unwrap();
            proptest::prop_assert_eq!(scrub_prose(&text), patterns.unmistakable(&text));
        }
    }
}
