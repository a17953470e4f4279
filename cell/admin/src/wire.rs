//! The generated wire types; private, so that nobody outside sees an unchecked value.
#![allow(clippy::all, unreachable_pub, rust_2018_idioms, reason = "generated code")]

tonic::include_proto!("chatcells.admin.v1");
