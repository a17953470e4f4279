//! The custom resources of Chatcells as types, one file per kind, the same for Kubernetes and for the local cluster.
//!
//! What an unknown field means cannot be guessed, so none is ignored: reading names it, with its path and line.

pub mod chat_cluster;
pub mod yaml;

pub use chat_cluster::ChatCluster;
pub use yaml::from_yaml;
