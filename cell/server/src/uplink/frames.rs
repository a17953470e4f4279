//! The two pumps of a session link: batches of messages as frames, and a sign of life when there is nothing to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::queue::Queue;
use super::weight::Weigh;

/// An empty frame goes out after this long without a message.
const ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// A link that is silent for this long is dead: its process was paused, or the network between is gone.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// A frame is closed when it holds this much; one page of history is the largest message.
const FRAME_LEN_SOFT_MAX: usize = 1 << 20;

/// Messages of one frame.
const MESSAGES_PER_FRAME_MAX: usize = 4_096;

/// Writes what comes into the queue until the connection breaks, or too much waits.
pub(super) async fn write<T: Serialize + Weigh>(queue: Arc<Queue<T>>, frames: mpsc::Sender<Bytes>) {
    loop {
        let messages = match timeout(ALIVE_INTERVAL, queue.take()).await {
            Ok(Some(messages)) => messages,
            Ok(None) => {
                tracing::warn!("a link to another replica cannot keep up: it is closed, and its sessions go on anew");
                return;
            }
            Err(_) => Vec::new(),
        };
        for frame in encode(&messages) {
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    }
}

/// Reads messages until the connection breaks or falls silent.
pub(super) async fn read<T: DeserializeOwned>(frames: &mut mpsc::Receiver<Bytes>, mut take: impl FnMut(T)) {
    while let Ok(Some(frame)) = timeout(SILENCE_MAX, frames.recv()).await {
        let mut rest: &[u8] = &frame;
        while !rest.is_empty() {
            match postcard::take_from_bytes(rest) {
                Ok((message, left)) => {
                    take(message);
                    rest = left;
                }
                Err(error) => {
                    tracing::error!(%error, "a peer sent a message that cannot be read; is it of another version?");
                    return;
                }
            }
        }
    }
}

/// Messages one after the other, in frames of a bounded size; no message makes one empty frame.
fn encode<T: Serialize>(messages: &[T]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut frame = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        frame = postcard::to_extend(message, frame).expect("messages between processes are plain data");
        if frame.len() >= FRAME_LEN_SOFT_MAX || (number + 1) % MESSAGES_PER_FRAME_MAX == 0 {
            frames.push(Bytes::from(std::mem::take(&mut frame)));
        }
    }
    if !frame.is_empty() || frames.is_empty() {
        frames.push(Bytes::from(frame));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_whatever_frames_carried_them() {
        let (sender, mut receiver) = mpsc::channel(64);
        let sent: Vec<String> = (0..100).map(|n| "x".repeat(n * 1000)).collect();
        for frame in encode(&sent) {
            sender.send(frame).await.unwrap();
        }
        drop(sender);
        let mut got: Vec<String> = Vec::new();
        read(&mut receiver, |message| got.push(message)).await;
        assert_eq!(got, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_link_is_given_up() {
        let (_sender, mut receiver) = mpsc::channel(1);
        read(&mut receiver, |(): ()| panic!("nothing was sent")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_writer_shows_that_it_lives() {
        let (sender, mut receiver) = mpsc::channel(1);
        let writer = tokio::spawn(write::<usize>(Arc::default(), sender));
        assert_eq!(receiver.recv().await, Some(Bytes::new()));
        drop(receiver);
        writer.await.unwrap();
    }
}
