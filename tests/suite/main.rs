//! All tests that run the program or check the source's architecture, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect")]

mod architecture;
mod cli;
mod enforcement;
mod gates;
mod support;
