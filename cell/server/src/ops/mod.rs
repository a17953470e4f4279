//! What people on call see: health, metrics, logs. Another listener, never the clients'.

mod http;
pub mod logs;
mod meters;
mod scrape;

pub use http::{Health, serve};
pub use meters::{Commit, Meters};
pub use scrape::Scrape;
