//! Every test that runs the program or holds the source to its map, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod cli;
mod enforcement;
mod gates;
mod support;
