//! What coordinator and workers say to each other: JSON lines over the workers' stdin and stdout.

use serde::{Deserialize, Serialize};

use crate::chat::{self, Progress};
use crate::modes::idle;

/// A worker's share of the work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    Chat(Box<chat::Config>),
    Idle(Box<idle::Config>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first line.
    Task(Task),
    /// All workers are ready: messages are sent from now on. Idle sessions end.
    Go,
    /// Ends the sending before its time.
    Stop,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum FromWorker {
    /// All sessions are live.
    Ready,
    Progress(Progress),
    /// The last line.
    Done(Outcome),
    /// The last line instead.
    Failed(String),
}

/// What a worker found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Outcome {
    Chat(Box<chat::Report>),
    Idle(idle::Outcome),
}
