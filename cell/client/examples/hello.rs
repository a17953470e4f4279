//! Sends a message and prints what arrives: `hello <ws://host:port/v1/ws> <token> <to>`.

use cell_client::{Client, ClientEvent, UserId, from_body};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [url, token, to] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "URL TOKEN TO")?;
    let to: UserId = to.parse()?;
    let (client, mut events) = Client::builder("laptop".parse()?).url(url).token(token).connect().await?;

    let sent = client.send(to, "hello").await?.await?;
    println!("durable as number {} of {}", sent.cseq, sent.conversation);

    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Message(m) => {
                println!("{}: {}", m.from, from_body::<String>(&m).unwrap_or_default());
                if m.mid == Some(sent.mid) {
                    break;
                }
            }
            ClientEvent::Stopped { why } => return Err(why.into()),
            _ => {}
        }
    }
    client.close().await;
    Ok(())
}
