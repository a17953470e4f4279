//! What `load` does besides chat: idle sessions, resumes, pages, and what it says about kills.

pub mod failover;
pub mod history;
pub mod idle;
pub mod resume;
