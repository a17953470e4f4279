//! `chatctl`: a whole chat cluster on one machine, and the commands that look at it and talk through it.

mod chat;
mod cli;
mod command;
mod duration;
mod local;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chatctl: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // A replica builds its own runtime, and ties its life to its parent's from the main thread.
        Command::Cell(options) => cell_server::run(*options).map(|()| ExitCode::SUCCESS),
        Command::Up(args) => command::up::run(args),
        Command::Down(args) => command::down::run(&args),
        Command::Status(args) => command::status::run(&args),
        Command::Token(args) => command::token::run(&args),
        Command::Chat(args) => command::chat::run(args),
        later
        @ (Command::Scale(_) | Command::Move(_) | Command::Rebalance(_) | Command::Drain(_) | Command::Top(_)) => {
            Ok(command::later::run(&later))
        }
    }
}

/// The error and its causes; a cause that was told already is not told again.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match &*told {
        "" => cause,
        _ if told.ends_with(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to read: {source}")]
    struct SaysItsCause {
        source: std::fmt::Error,
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = std::fmt::Error.to_string();
        let error = Err::<(), _>(SaysItsCause { source: std::fmt::Error }).context("failed to start").unwrap_err();
        assert_eq!(in_words(&error), format!("failed to start: failed to read: {cause}"));
        let error = Err::<(), _>(std::fmt::Error).context("failed to start").unwrap_err();
        assert_eq!(in_words(&error), format!("failed to start: {cause}"));
    }
}
