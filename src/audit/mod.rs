//! Findings about commits and records. Decides nothing about gates itself.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
