//! vibeship-optimizer: every tuning change proves itself, or is not called verified.
//!
//! The modules, and which may import which (enforced by a test):
//!
//! | module | may import | invariant |
//! |---|---|---|
//! | [`model`], [`stats`] | – | plain data and arithmetic; no I/O, no clock |
//! | [`judge`] | `model`, `stats` | pure |
//! | [`workflow`] | `model`, `judge` | the only module that knows the gate order; `now` is an argument |
//! | [`audit`] | `model`, `judge`, `workflow` | decides nothing about gates itself |
//! | [`report`] | `model`, `judge`, `stats`, `workflow`, `audit` | never prints |
//! | [`os`] | `model` | adapters; know nothing about changes |
//! | [`ui`], [`exit`] | – | the terminal; exit codes |
//! | [`git`] | `model`, `os` | runs git; makes no decisions |
//! | [`store`] | `model`, `workflow`, `os`, `git` | the only writer of the state and report directories |
//! | [`config`] | `model` | read once in `commands/mod.rs` |
//! | [`measure`] | `model`, `stats`, `judge`, `config`, `git`, `os` | returns measurements, never judges |
//! | [`project`] | `model`, `os`, `config` | looks at a project's files to propose a set-up |
//! | [`hooks`] | `git`, `os` | edits only between its own markers |
//! | [`error`] | `model`, `workflow`, `exit` | how a command fails, and with which code |
//! | [`commands`] | all but `cli` | the only module that uses all the others |
//! | [`cli`] | `commands`, `error`, `exit`, `ui` | the grammar of the command line; no logic of commands |

#![cfg_attr(test, expect(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect"))]

mod audit;
pub mod cli;
mod commands;
pub mod config;
mod error;
pub mod exit;
mod git;
mod hooks;
pub mod judge;
pub mod measure;
pub mod model;
pub mod os;
mod project;
mod report;
pub mod stats;
pub mod store;
mod ui;
pub mod workflow;

#[cfg(test)]
#[path = "../tests/unit/fuzz.rs"]
mod fuzz;
#[cfg(test)]
#[path = "../tests/unit/schemas.rs"]
mod schemas;
