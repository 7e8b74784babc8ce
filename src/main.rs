//! Parses, dispatches, maps to an exit code.

fn main() {}
