//! The machine behind the seams: the only place in a cell's process that touches sockets, files, clocks, randomness.

pub mod clients;
pub mod clock;
pub mod entropy;
pub mod listen;
pub mod process;
pub mod signals;
pub mod volume;
pub mod wire;
