//! Clock, processes, files and host: all differences between platforms.

pub mod clock;
pub mod cpu;
pub mod files;
pub mod host;
pub mod interrupt;
pub mod opens;
pub mod process;

pub use cpu::Core;
pub use interrupt::Interrupt;
pub use opens::Opens;
pub use process::{Ended, Finished, FirstThread, SpawnError, Spec};
