//! The house rules that no lint can say, as ordinary tests: `cargo test -p e2e-house`.
//!
//! Each rule is a pure function from text to violations, and each is shown a planted violation, so that it can fail.

mod arrows;
mod documents;
mod files;
mod generated;
mod manifests;
mod seams;
mod tree;
mod words;
