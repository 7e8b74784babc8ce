//! vibeship-optimizer: every tuning change proves itself, or is not called verified.
//!
//! The map, and which module may import which (a test holds the code to it):
//!
//! | module | may import | invariant |
//! |---|---|---|
//! | [`evidence`] | – | no I/O, no clock |
//! | [`change`] | `evidence` | the only module that knows the gate order; `now` is an argument |
//! | [`audit`] | `change`, `evidence` | decides nothing about gates itself |
//! | [`report`] | `audit`, `change`, `evidence` | never prints |
//! | [`sys`], [`ui`], [`exit`] | – | adapters; know nothing of changes |
//! | [`store`] | `change`, `evidence`, `sys` | the only writer of the state and report directories |
//! | [`config`] | `change`, `evidence` | read once in `commands/mod.rs` |
//! | [`probe`] | `evidence`, `config`, `sys` | returns measurements, never judges |
//! | [`hooks`] | `sys` | edits only between its own markers |
//! | [`error`] | `change`, `exit` | how a command fails, and with which code |
//! | [`commands`] | all but `cli` | the only place where they meet |
//! | [`cli`] | `commands`, `error`, `exit`, `ui` | the grammar; holds no logic of a command |

pub mod audit;
pub mod change;
pub mod cli;
pub mod commands;
pub mod config;
pub mod error;
pub mod evidence;
pub mod exit;
pub mod hooks;
pub mod probe;
pub mod report;
pub mod store;
pub mod sys;
pub mod ui;
