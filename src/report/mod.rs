//! Rendering: one view model, several markups. Never prints, never decides.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
