//! Connections between the processes of a cell: each is for one purpose, and both ends prove where they belong.

mod handshake;
mod mesh;

pub use handshake::{Belonging, Error as HandshakeError, Purpose};
pub use mesh::{Accepted, Mesh};
