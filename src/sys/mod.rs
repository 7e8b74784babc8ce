//! Adapters to the operating system: clock, processes, git, HTTP, host facts. Knows nothing of changes or evidence files.

pub mod clock;
pub mod cpu;
pub mod files;
pub mod git;
pub mod host;
pub mod http;
pub mod interrupt;
pub mod process;
pub mod tree;
