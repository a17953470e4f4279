//! The command line: arguments, and one function for each command.

mod arguments;
mod chat;
mod cluster;
mod other;

pub(crate) use arguments::Arguments;
use arguments::Command;

/// What a run says about the promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    Broken,
}

impl Verdict {
    fn of(violations: &e2e_load::check::Violations) -> Self {
        if violations.is_empty() { Self::Kept } else { Self::Broken }
    }
}

/// Does what the command line says.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    match arguments.command {
        Command::Chat(arguments) => Box::pin(chat::chat(&arguments)).await,
        Command::Failover(arguments) => Box::pin(chat::failover(&arguments)).await,
        Command::Fill(arguments) => Box::pin(chat::fill(&arguments)).await,
        Command::Idle(arguments) => Box::pin(other::idle(&arguments)).await,
        Command::Resume(arguments) => Box::pin(other::resume(&arguments)).await,
        Command::History(arguments) => Box::pin(other::history(&arguments)).await,
        Command::Worker => {
            Box::pin(e2e_load::processes::worker::work()).await?;
            Ok(Verdict::Kept)
        }
    }
}

/// A report for people or for scripts.
fn print(report: &(impl std::fmt::Display + serde::Serialize), json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
