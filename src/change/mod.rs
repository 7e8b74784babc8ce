//! A tracked change and its gates. The only module that knows the gate order. Pure: `now` is an argument.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
