//! A tracked change and its gates. The only module that knows the gate order. Pure: `now` is an argument.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod chain;
pub mod class;
pub mod command;
pub mod contract;
pub mod decide;
pub mod event;
pub mod facts;
pub mod gate;
pub mod gates;
pub mod id;
pub mod lawful;
pub mod next;
pub mod proof;
pub mod refusal;
pub mod rollback_text;
pub mod route;
pub mod state;
pub mod surface;
pub mod view;
pub mod watch;
pub mod window;
