//! Messages between processes over TCP: length-prefixed frames, written together per wake-up.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use cell_raft::seams::{Connection, PEER_FRAME_LEN_MAX, PEER_FRAMES_QUEUED_MAX, Wire};
use cell_types::ReplicaName;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use crate::options::PeerAddress;

/// A peer that does not answer a SYN within this is treated as down; an election takes as long.
const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

/// Frames taken from the queue for one flush.
const FRAMES_PER_FLUSH_MAX: usize = 64;

/// TCP between the replicas of a cell.
#[derive(Debug)]
pub struct TcpWire {
    listener: TcpListener,
    peers: BTreeMap<ReplicaName, String>,
}

impl TcpWire {
    pub fn new(listener: TcpListener, peers: &[PeerAddress]) -> Self {
        let peers = peers.iter().map(|peer| (peer.replica.clone(), peer.address.clone())).collect();
        Self { listener, peers }
    }
}

impl Wire for TcpWire {
    fn dial(&self, to: &ReplicaName) -> BoxFuture<'_, io::Result<Connection>> {
        let address = self.peers.get(to).cloned().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no address is known for the replica {to}"))
        });
        Box::pin(async move {
            // Names are resolved at each dial: a restarted pod has another address.
            let dialled = timeout(DIAL_TIMEOUT, TcpStream::connect(address?)).await;
            let stream = dialled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            connection(stream)
        })
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, _) = self.listener.accept().await?;
            connection(stream)
        })
    }
}

/// Starts the two pumps of a stream.
fn connection(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let codec = LengthDelimitedCodec::builder().max_frame_length(PEER_FRAME_LEN_MAX).new_codec();
    let (read, write) = stream.into_split();
    let (outgoing, to_write) = mpsc::channel(PEER_FRAMES_QUEUED_MAX);
    let (read_out, incoming) = mpsc::channel(PEER_FRAMES_QUEUED_MAX);
    cell_raft::runtime::spawn(write_frames(FramedWrite::new(write, codec.clone()), to_write));
    cell_raft::runtime::spawn(read_frames(FramedRead::new(read, codec), read_out));
    Ok(Connection { outgoing, incoming })
}

async fn write_frames(
    mut sink: FramedWrite<tokio::net::tcp::OwnedWriteHalf, LengthDelimitedCodec>,
    mut frames: mpsc::Receiver<Bytes>,
) {
    let mut batch = Vec::new();
    while frames.recv_many(&mut batch, FRAMES_PER_FLUSH_MAX).await > 0 {
        for frame in batch.drain(..) {
            if let Err(error) = sink.feed(frame).await {
                tracing::debug!(%error, "a connection to a peer broke while writing");
                return;
            }
        }
        if let Err(error) = SinkExt::<Bytes>::flush(&mut sink).await {
            tracing::debug!(%error, "a connection to a peer broke while flushing");
            return;
        }
    }
}

async fn read_frames(
    mut stream: FramedRead<tokio::net::tcp::OwnedReadHalf, LengthDelimitedCodec>,
    frames: mpsc::Sender<Bytes>,
) {
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame,
            () = frames.closed() => return,
        };
        match frame {
            Some(Ok(frame)) => {
                if frames.send(frame.freeze()).await.is_err() {
                    return;
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to a peer broke while reading");
                return;
            }
            None => return,
        }
    }
}
