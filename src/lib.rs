//! vibeship-optimizer: every tuning change proves itself, or is not called verified.
//!
//! The map, and which module may import which (a test holds the code to it):
//!
//! | module | may import | invariant |
//! |---|---|---|
//! | [`model`], [`stats`] | – | plain data and arithmetic; no I/O, no clock |
//! | [`judge`] | `model`, `stats` | pure |
//! | [`workflow`] | `model`, `judge` | the only module that knows the gate order; `now` is an argument |
//! | [`audit`] | `model`, `judge`, `workflow` | decides nothing about gates itself |
//! | [`report`] | `model`, `judge`, `stats`, `workflow`, `audit` | never prints |
//! | [`os`] | `model` | adapters; know nothing of changes |
//! | [`ui`], [`exit`] | – | the terminal; exit codes |
//! | [`git`] | `model`, `os` | asks git; judges nothing |
//! | [`store`] | `model`, `workflow`, `os`, `git` | the only writer of the state and report directories |
//! | [`config`] | `model` | read once in `commands/mod.rs` |
//! | [`measure`] | `model`, `stats`, `judge`, `config`, `git`, `os` | returns measurements, never judges |
//! | [`project`] | `model`, `os`, `config` | looks at a project's files to propose a set-up |
//! | [`hooks`] | `git`, `os` | edits only between its own markers |
//! | [`error`] | `model`, `workflow`, `exit` | how a command fails, and with which code |
//! | [`commands`] | all but `cli` | the only place where they meet |
//! | [`cli`] | `commands`, `error`, `exit`, `ui` | the grammar; holds no logic of a command |

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
