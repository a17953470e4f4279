//! A load generator that is also a checker: real sessions over WebSocket, and every promise of the protocol about
//! messages checked on every device.
//!
//! Tests that break servers use [`chat::Run`]; people use the binary `load`.

pub mod cast;
pub mod chat;
pub mod check;
pub mod clock;
pub mod measure;
pub mod mix;
pub mod modes;
pub mod net;
pub mod processes;
pub mod scan;
