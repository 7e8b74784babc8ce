//! Every test that runs the program or holds the source to its map, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect")]

mod architecture;
mod cli;
mod enforcement;
mod gates;
mod support;
