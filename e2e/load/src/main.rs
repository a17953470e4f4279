//! `load`: load and checks against a running cluster. Exit code 1: a promise was broken; 2: the run did not take place.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    // One thread: a second core belongs to the servers, and more processes serve more connections.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(arguments)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(cli::Verdict::Kept) => ExitCode::SUCCESS,
        Ok(cli::Verdict::Broken) => ExitCode::from(1),
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::from(2)
        }
    }
}
