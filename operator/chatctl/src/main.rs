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
            eprintln!("chatctl: {error:#}");
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
