//! What kind of project this is, seen from its files. Reads marker files only; runs nothing and writes nothing.

pub mod commands;

mod marker;
