//! Commands that are known and come with many cells.

use std::process::ExitCode;

use crate::cli::Command;

/// As for any command line that cannot be followed.
const EXIT_USAGE: u8 = 2;

pub(crate) fn run(command: &Command) -> ExitCode {
    let name = match command {
        Command::Scale(_) => "scale",
        Command::Move(_) => "move",
        Command::Rebalance(_) => "rebalance",
        Command::Drain(_) => "drain",
        _ => "top",
    };
    eprintln!("chatctl {name}: not in this version: comes with many cells");
    ExitCode::from(EXIT_USAGE)
}
