//! Choosing addresses: remembered ones where they are free, else the next free ones.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use cell_types::ReplicaName;

use super::cluster_file::Addresses;

/// Below the range from which the kernel takes ports for outgoing connections: a replica that is restarted must find its
/// port free, though its peers have dialled a thousand times meanwhile.
const OWN_PORTS: Range<u16> = 20_000..32_000;

/// How far above the first client port the others are looked for.
const NEXT_PORTS: u16 = 1_000;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "{0} is in use by another program, or cannot be listened on; choose another with --listen, for example --listen {1}:0"
    )]
    InUse(SocketAddr, std::net::IpAddr),
    #[error("no free port was found")]
    NoneFree,
}

/// The addresses of this start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) replicas: BTreeMap<ReplicaName, Addresses>,
    /// Client addresses that were remembered and are taken: old and new.
    pub(crate) moved: Vec<(ReplicaName, SocketAddr, SocketAddr)>,
}

/// What the choice depends on.
pub(crate) struct Wish<'a> {
    /// In order: the first gets `listen`.
    pub(crate) slots: &'a [ReplicaName],
    pub(crate) listen: SocketAddr,
    /// A port that is taken is an error, not a reason to take another: the person asked for it just now.
    pub(crate) insist: bool,
    /// Addresses of the last start.
    pub(crate) remembered: &'a BTreeMap<ReplicaName, Addresses>,
    /// `listen` is what it was at the last start, so the client addresses may be those of then.
    pub(crate) keep_client: bool,
    /// Where in the range of own ports to begin.
    pub(crate) seed: u16,
}

/// Whether an address can be listened on now.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// Chooses; `is_free` looks at the machine.
pub(crate) fn choose(wish: &Wish<'_>, is_free: impl Fn(SocketAddr) -> bool) -> Result<Chosen, Error> {
    let mut search = Search { is_free, used: BTreeSet::new(), next_own: wish.seed % (OWN_PORTS.end - OWN_PORTS.start) };
    let mut kept: BTreeMap<&ReplicaName, Kept> = BTreeMap::new();
    // What can stay is reserved first, so that nobody else is given it.
    for slot in wish.slots {
        let Some(last) = wish.remembered.get(slot) else { continue };
        let client = if wish.keep_client { search.reserve(last.client) } else { None };
        let own = |search: &mut Search<_>, address| search.reserve(address);
        let kept_own = [own(&mut search, last.peer), own(&mut search, last.admin), own(&mut search, last.metrics)];
        kept.insert(slot, Kept { client, own: kept_own });
    }
    let mut chosen = Chosen { replicas: BTreeMap::new(), moved: Vec::new() };
    let mut first_client = None;
    for slot in wish.slots {
        let kept = kept.remove(slot).unwrap_or_default();
        let client = match (kept.client, first_client) {
            (Some(client), _) => client,
            (None, None) => search.first_client(wish)?,
            (None, Some(first)) => search.next_client(wish, first)?,
        };
        first_client.get_or_insert(client);
        if let Some(last) = wish.remembered.get(slot).filter(|last| wish.keep_client && last.client != client) {
            chosen.moved.push((slot.clone(), last.client, client));
        }
        let [peer, admin, metrics] = kept.own;
        let mut own = |kept: Option<SocketAddr>| kept.map_or_else(|| search.own(Ipv4Addr::LOCALHOST.into()), Ok);
        let addresses = Addresses { client, peer: own(peer)?, admin: own(admin)?, metrics: own(metrics)? };
        chosen.replicas.insert(slot.clone(), addresses);
    }
    Ok(chosen)
}

#[derive(Default)]
struct Kept {
    client: Option<SocketAddr>,
    own: [Option<SocketAddr>; 3],
}

struct Search<F> {
    is_free: F,
    /// Ports given out in this choice, on whatever address.
    used: BTreeSet<u16>,
    next_own: u16,
}

impl<F: Fn(SocketAddr) -> bool> Search<F> {
    fn reserve(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        let free = !self.used.contains(&address.port()) && (self.is_free)(address);
        free.then(|| {
            self.used.insert(address.port());
            address
        })
    }

    fn first_client(&mut self, wish: &Wish<'_>) -> Result<SocketAddr, Error> {
        if wish.listen.port() == 0 {
            return self.own(wish.listen.ip());
        }
        match self.reserve(wish.listen) {
            Some(address) => Ok(address),
            None if wish.insist => Err(Error::InUse(wish.listen, wish.listen.ip())),
            None => self.next_client(wish, wish.listen),
        }
    }

    fn next_client(&mut self, wish: &Wish<'_>, first: SocketAddr) -> Result<SocketAddr, Error> {
        if wish.listen.port() == 0 {
            return self.own(wish.listen.ip());
        }
        let ports = first.port().saturating_add(1)..=first.port().saturating_add(NEXT_PORTS);
        let mut addresses = ports.map(|port| SocketAddr::new(wish.listen.ip(), port));
        addresses.find_map(|address| self.reserve(address)).ok_or(Error::NoneFree)
    }

    fn own(&mut self, ip: std::net::IpAddr) -> Result<SocketAddr, Error> {
        let count = OWN_PORTS.end - OWN_PORTS.start;
        for _ in 0..count {
            let port = OWN_PORTS.start + self.next_own;
            self.next_own = (self.next_own + 1) % count;
            if let Some(address) = self.reserve(SocketAddr::new(ip, port)) {
                return Ok(address);
            }
        }
        Err(Error::NoneFree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(count: u32) -> Vec<ReplicaName> {
        (0..count).map(|n| ReplicaName::in_cell(&"c0".parse().unwrap(), n)).collect()
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn first_start(count: u32, listen: u16, taken: &[u16]) -> Result<Chosen, Error> {
        let wish = Wish {
            slots: &slots(count),
            listen: at(listen),
            insist: true,
            remembered: &BTreeMap::new(),
            keep_client: false,
            seed: 5,
        };
        choose(&wish, |address| !taken.contains(&address.port()))
    }

    fn resumed(count: u32, last: &Chosen, taken: &[u16]) -> Chosen {
        let wish = Wish {
            slots: &slots(count),
            listen: at(8080),
            insist: false,
            remembered: &last.replicas,
            keep_client: true,
            seed: 99,
        };
        choose(&wish, |address| !taken.contains(&address.port())).unwrap()
    }

    fn clients(chosen: &Chosen) -> Vec<u16> {
        chosen.replicas.values().map(|addresses| addresses.client.port()).collect()
    }

    #[test]
    fn the_first_replica_gets_the_port_asked_for_and_the_others_the_next_free_ones() {
        assert_eq!(clients(&first_start(3, 8080, &[8081]).unwrap()), [8080, 8082, 8083]);
    }

    #[test]
    fn a_port_that_is_asked_for_and_in_use_is_named() {
        let error = first_start(3, 8080, &[8080]).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:8080 is in use"), "{error}");
    }

    #[test]
    fn port_zero_takes_free_ones_below_those_of_outgoing_connections() {
        let chosen = first_start(3, 0, &[20_006]).unwrap();
        assert!(chosen.replicas.values().all(|addresses| OWN_PORTS.contains(&addresses.client.port())));
    }

    #[test]
    fn no_port_is_given_twice() {
        let chosen = first_start(5, 20_005, &[]).unwrap();
        let ports: BTreeSet<u16> = chosen
            .replicas
            .values()
            .flat_map(|a| [a.client.port(), a.peer.port(), a.admin.port(), a.metrics.port()])
            .collect();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn a_resumed_cluster_has_the_same_addresses_where_they_are_free() {
        let last = first_start(3, 8080, &[]).unwrap();
        assert_eq!(resumed(3, &last, &[]), Chosen { replicas: last.replicas.clone(), moved: Vec::new() });
        let again = resumed(3, &last, &[8080]);
        assert_eq!(clients(&again), [8083, 8081, 8082]);
        assert_eq!(again.moved, [(slots(1)[0].clone(), at(8080), at(8083))]);
        let peer = last.replicas[&slots(1)[0]].peer;
        assert_ne!(resumed(3, &last, &[peer.port()]).replicas[&slots(1)[0]].peer, peer);
    }

    #[test]
    fn a_new_slot_does_not_take_what_another_one_keeps() {
        let last = first_start(3, 8080, &[]).unwrap();
        assert_eq!(clients(&resumed(5, &last, &[])), [8080, 8081, 8082, 8083, 8084]);
    }
}
