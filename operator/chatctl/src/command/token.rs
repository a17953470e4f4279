//! `chatctl token`: a JWT for a user of the local cluster, alone on standard output.

use std::process::ExitCode;

use crate::cli::TokenArgs;
use crate::local::data_dir::DataDir;
use crate::local::user_token;

pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let dir = DataDir::open(&args.data.data)?.ok_or(user_token::Error::NoCluster)?;
    println!("{}", user_token::make(&dir, &args.user, args.ttl)?);
    Ok(ExitCode::SUCCESS)
}
