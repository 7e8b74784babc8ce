//! What may be recorded of a setting's value: itself, or its digest where it looks secret. The rule of what looks
//! secret is `scrub`'s.

use serde_json::Value;

use crate::model::Digest;
use crate::model::scrub::{is_secret, scrub};

/// What may be recorded of a value. Maps and lists are concealed whole where anything in them looks secret.
pub fn conceal(name: &str, value: &Value) -> Value {
    if !is_secret_value(name, value) {
        return value.clone();
    }
    Value::String(match value {
        Value::String(text) => stand_in(text),
        other => stand_in(&other.to_string()),
    })
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
}
