//! A client whose network vanishes: a network namespace behind a pair of veth devices, and a relay into it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// The first of the networks 198.18.N.0/30, which are reserved for tests between devices.
const NETWORK: [u8; 2] = [198, 18];

/// Whether this process may mount and make network namespaces; says so when a test is left out for want of it.
pub fn may_administer(what: &str) -> bool {
    let may = rustix::process::geteuid().is_root();
    if !may {
        eprintln!("LEFT OUT: {what} needs root");
    }
    may
}

/// A network of two addresses. Removed when dropped.
#[derive(Debug)]
pub struct Link {
    name: String,
    octet: u8,
    relays: Vec<JoinHandle<()>>,
}

impl Link {
    /// Needs root.
    pub fn make() -> anyhow::Result<Self> {
        static LINKS: AtomicU8 = AtomicU8::new(0);
        let octet = LINKS.fetch_add(1, Ordering::Relaxed);
        // Names of devices have 15 bytes at most; two runs of the tests at a time are told apart by the process.
        let name = format!("cf{}-{octet}", std::process::id());
        let (near, far) = (format!("{name}n"), format!("{name}f"));
        ip(&["netns", "add", &name])?;
        let link = Self { name, octet, relays: Vec::new() };
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &link.name])?;
        ip(&["address", "add", &format!("{}/30", link.near()), "dev", &near])?;
        ip(&["link", "set", &near, "up"])?;
        ip(&["-n", &link.name, "address", "add", &format!("{}/30", link.far()), "dev", &far])?;
        ip(&["-n", &link.name, "link", "set", &far, "up"])?;
        Ok(link)
    }

    /// The address on this side: servers that listen on it are reached through the link.
    pub fn near(&self) -> Ipv4Addr {
        Ipv4Addr::new(NETWORK[0], NETWORK[1], self.octet, 1)
    }

    fn far(&self) -> Ipv4Addr {
        Ipv4Addr::new(NETWORK[0], NETWORK[1], self.octet, 2)
    }

    /// A port on loopback; what connects to it reaches `server` from the far side of the link.
    pub async fn relay(&mut self, server: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let name = self.name.clone();
        self.relays.push(tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                match far_socket(&name) {
                    Ok(socket) => drop(tokio::spawn(carry(near, socket, server))),
                    Err(error) => eprintln!("no socket in the namespace {name}: {error:#}"),
                }
            }
        }));
        Ok(address)
    }

    /// Packets vanish from now on; nobody is told.
    pub fn cut(&self) -> anyhow::Result<()> {
        ip(&["-n", &self.name, "link", "set", &format!("{}f", self.name), "down"])
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for relay in &self.relays {
            relay.abort();
        }
        // The device is named too, because sockets keep the namespace for a while; it takes its peer with it.
        for arguments in [["link", "del", &format!("{}n", self.name)], ["netns", "del", &self.name]] {
            if let Err(error) = ip(&arguments) {
                eprintln!("{error:#}");
            }
        }
    }
}

async fn carry(mut near: TcpStream, socket: TcpSocket, server: SocketAddr) {
    let carried = async {
        let mut far = socket.connect(server).await?;
        far.set_nodelay(true)?;
        near.set_nodelay(true)?;
        copy_bidirectional(&mut near, &mut far).await
    };
    if let Err(error) = carried.await {
        eprintln!("a relayed connection ended: {error}");
    }
}

/// A socket belongs to the namespace of the thread that makes it, wherever it is used.
fn far_socket(namespace: &str) -> anyhow::Result<TcpSocket> {
    let file = File::open(format!("/run/netns/{namespace}")).context("the namespace is gone")?;
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpSocket::new_v4()
        });
        made.join().expect("nothing there panics").context("failed to make a socket in the namespace")
    })
}

/// Runs `ip`; what it says on failure is in the error.
pub(crate) fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("failed to run ip (iproute2)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "ip {} failed: {said}", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_is_relayed_arrives_until_the_link_is_cut() {
        if !may_administer("a network namespace") {
            return;
        }
        let mut link = Link::make().unwrap();
        let server = TcpListener::bind((link.near(), 0)).await.unwrap();
        let address = link.relay(server.local_addr().unwrap()).await.unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut accepted, from) = server.accept().await.unwrap();
        assert_eq!(from.ip(), link.far());
        client.write_all(b"a").await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'a');
        link.cut().unwrap();
        client.write_all(b"b").await.unwrap();
        assert!(timeout(Duration::from_millis(300), accepted.read_u8()).await.is_err(), "neither data nor an end");
    }
}
