//! What a planner may ask of a cell, over gRPC: one call surface for every planner, local or on Kubernetes.
//!
//! Users of this crate see typed terms only; the wire's strings and numbers are checked in `convert.rs`, once.

pub mod client;
mod convert;
pub mod model;
pub mod refusal;
pub mod service;
pub mod token;
mod wire;

pub use client::Client;
pub use model::{CellIdentity, Fence, Found, HandOver, OperatorTerm, OwnedRange, SetVoters, Status};
pub use refusal::Refusal;
pub use service::{Admin, service};
pub use token::Token;
