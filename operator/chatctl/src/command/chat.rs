//! `chatctl chat`: a person at a terminal, or a pipe, as a client of the local cluster.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use cell_client::{Client, TokenError};

use crate::chat;
use crate::cli::ChatArgs;
use crate::local::user_token;

/// Asked for again whenever the server wants a fresh one.
const TOKEN_TTL: Duration = Duration::from_secs(60 * 60);

/// One device for each user of a folder: their outbox is there.
const DEVICE: &str = "chatctl";

pub(crate) fn run(args: ChatArgs) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let ended = runtime.block_on(run_chat(args));
    // A read of the terminal cannot be taken back; it must not keep the process.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

async fn run_chat(args: ChatArgs) -> anyhow::Result<()> {
    let (dir, cluster) = super::existing(&args.data)?.ok_or(user_token::Error::NoCluster)?;
    let outbox = dir.outbox(&args.user);
    let folder = outbox.parent().expect("an outbox lies in a folder");
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let urls = super::websocket_urls(&cluster).into_iter().map(|(_, url)| url);
    let (token_dir, user) = (dir.clone(), args.user.clone());
    let (client, events) = Client::builder(DEVICE.parse().expect("a valid device id"))
        .urls(urls)
        .user(args.user.clone())
        .outbox(outbox)
        .tokens(move || {
            let token = user_token::make(&token_dir, &user, TOKEN_TTL).map_err(TokenError::from);
            std::future::ready(token)
        })
        .connect()
        .await?;
    chat::run(client, events, args.user, args.to).await
}
