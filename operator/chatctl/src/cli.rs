//! The command line. What a command means is in its own file under `command/`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use cell_types::{ReplicaCount, UserId};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;

/// A chat cluster on this machine.
#[derive(Debug, Parser)]
#[command(name = "chatctl", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a cluster in the foreground; Ctrl-C stops it, and the next `up` goes on from its data
    Up(UpArgs),
    /// Stops the cluster that `up` runs, and waits for it
    Down(Data),
    /// Shows how the cluster is: exit code 0 when ready, 3 when not, 4 when nothing runs
    Status(StatusArgs),
    /// Prints a token for a user of the local cluster
    Token(TokenArgs),
    /// Chats in this terminal
    Chat(ChatArgs),
    /// Changes the number of cells (comes with many cells)
    Scale(ScaleArgs),
    /// Moves a range of users to another cell (comes with many cells)
    Move(MoveArgs),
    /// Spreads the load over the cells (comes with many cells)
    Rebalance(RebalanceArgs),
    /// Empties a cell (comes with many cells)
    Drain(DrainArgs),
    /// Shows load as it changes (comes with many cells)
    Top(Data),
    /// One replica; started by `up`
    #[command(hide = true)]
    Cell(Box<cell_server::Options>),
}

/// Which local cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct Data {
    /// Folder of the local cluster
    #[arg(long, value_name = "DIR", default_value = "./.chatcells")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// A ChatCluster; flags win over it, and what neither says stays as it was
    #[arg(short = 'f', long = "file", value_name = "cluster.yaml")]
    pub(crate) file: Option<PathBuf>,
    /// Number of cells (in this version 1)
    #[arg(long, value_name = "N")]
    pub(crate) cells: Option<u32>,
    /// Replicas of each cell: 1, 3 or 5
    #[arg(long, value_name = "1|3|5", value_parser = replica_count)]
    pub(crate) replicas: Option<ReplicaCount>,
    /// Client connections of each replica at one time
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<NonZeroU32>,
    /// Client address of the first replica; the others take the next free ports; port 0 takes free ones
    /// [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Shows the replicas' logs here too, for example info or cell_raft=debug
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Prints again every second
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Whose token
    pub(crate) user: UserId,
    /// How long it is valid: 30s, 15m, 1h, 7d
    #[arg(long, default_value = "1h", value_parser = duration::parse)]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Who you are
    pub(crate) user: UserId,
    /// Whom to talk to first
    #[arg(long, value_name = "PEER")]
    pub(crate) to: Option<UserId>,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    pub(crate) cells: u32,
    /// Does not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// START-END in hexadecimal
    pub(crate) range: String,
    #[arg(long, value_name = "CELL")]
    pub(crate) to: String,
    /// Does not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct RebalanceArgs {
    /// Only shows the plan
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    pub(crate) cell: String,
    /// Does not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

fn replica_count(text: &str) -> Result<ReplicaCount, String> {
    let expected = || "expected 1, 3 or 5".to_owned();
    text.parse::<u32>().ok().and_then(|count| count.try_into().ok()).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_replica_count_that_a_cell_cannot_have_is_refused() {
        let up = |replicas| Cli::try_parse_from(["chatctl", "up", "--replicas", replicas]);
        assert!(up("3").is_ok());
        for wrong in ["0", "2", "4", "x", "-1"] {
            assert!(up(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commands_of_a_later_version_are_shown_and_the_inner_one_is_not() {
        let help = Cli::command().render_help().to_string();
        for shown in ["scale", "move", "rebalance", "drain", "top"] {
            assert!(help.contains(&format!("\n  {shown} ")), "{help}");
        }
        assert!(!help.contains("\n  cell "), "{help}");
    }
}
