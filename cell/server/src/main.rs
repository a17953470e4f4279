//! The binary `cell`: one replica of one cell.

use clap::Parser;

/// One replica of a Chatcells cell.
#[derive(Debug, Parser)]
#[command(name = "cell", version)]
struct Cli {
    #[command(flatten)]
    options: cell_server::Options,
}

fn main() -> anyhow::Result<()> {
    cell_server::run(Cli::parse().options)
}
