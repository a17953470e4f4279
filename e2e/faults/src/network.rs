//! A network that can be cut between any two of its sites, in one direction or both: a namespace for each site, and one
//! that routes between them and this machine's own.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::namespace::ip;

/// The networks 198.19.N.0/30, which are reserved for tests between devices; number 0 is this machine's own.
const NETWORK: [u8; 2] = [198, 19];

/// One of the sites, counted from 0.
pub type Site = u8;

/// A running network. Removed when dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
    sites: Site,
    /// Rules that drop packets, as `ip rule` takes them.
    cuts: Vec<[String; 4]>,
}

impl Network {
    /// Needs root.
    pub fn make(sites: Site) -> anyhow::Result<Self> {
        let network = Self { name: format!("cn{}", std::process::id()), sites, cuts: Vec::new() };
        let router = network.router();
        ip(&["netns", "add", &router])?;
        network.enter(&router, &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        for site in 0..sites {
            let namespace = network.namespace(site);
            ip(&["netns", "add", &namespace])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            network.connect(site + 1, &["-n", &namespace])?;
            ip(&["-n", &namespace, "route", "add", "default", "via", &far(site + 1).to_string()])?;
        }
        network.connect(0, &[])?;
        let all = format!("{}/16", Ipv4Addr::new(NETWORK[0], NETWORK[1], 0, 0));
        ip(&["route", "add", &all, "via", &far(0).to_string()])?;
        Ok(network)
    }

    /// Where a site is reached, from everywhere.
    pub fn address(&self, site: Site) -> Ipv4Addr {
        near(site + 1)
    }

    /// A command that runs at a site; its process replaces the one that is started.
    pub fn at(&self, site: Site, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(site)]).arg(program);
        command
    }

    /// Packets between the two vanish, in both directions.
    pub fn cut(&mut self, one: Site, other: Site) -> anyhow::Result<()> {
        self.cut_one_way(one, other)?;
        self.cut_one_way(other, one)
    }

    /// Packets from one to the other vanish.
    pub fn cut_one_way(&mut self, from: Site, to: Site) -> anyhow::Result<()> {
        let rule = ["from".to_owned(), self.address(from).to_string(), "to".to_owned(), self.address(to).to_string()];
        self.rule("add", &rule)?;
        self.cuts.push(rule);
        Ok(())
    }

    /// All packets arrive again.
    pub fn mend(&mut self) -> anyhow::Result<()> {
        std::mem::take(&mut self.cuts).iter().try_for_each(|rule| self.rule("del", rule))
    }

    fn rule(&self, verb: &str, rule: &[String; 4]) -> anyhow::Result<()> {
        let [from, sender, to, receiver] = rule;
        ip(&["-n", &self.router(), "rule", verb, from, sender, to, receiver, "blackhole"])
    }

    fn router(&self) -> String {
        format!("{}r", self.name)
    }

    fn namespace(&self, site: Site) -> String {
        format!("{}s{site}", self.name)
    }

    /// A pair of devices: one where `place` says, with the near address, and one at the router.
    fn connect(&self, number: u8, place: &[&str]) -> anyhow::Result<()> {
        let (here, there) = (format!("{}-{number}", self.name), format!("{}r{number}", self.name));
        let router = self.router();
        let at = |arguments: &[&str]| ip(&[place, arguments].concat());
        at(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &router])?;
        at(&["address", "add", &format!("{}/30", near(number)), "dev", &here])?;
        at(&["link", "set", &here, "up"])?;
        ip(&["-n", &router, "address", "add", &format!("{}/30", far(number)), "dev", &there])?;
        ip(&["-n", &router, "link", "set", &there, "up"])
    }

    fn enter(&self, namespace: &str, command: &[&str]) -> anyhow::Result<()> {
        ip(&[&["netns", "exec", namespace], command].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Sockets keep a namespace for a while; without its device, the route to it is gone at once.
        let device = format!("{}-0", self.name);
        let mut removals = vec![vec!["link".to_owned(), "del".to_owned(), device]];
        let namespaces = (0..self.sites).map(|site| self.namespace(site)).chain([self.router()]);
        removals.extend(namespaces.map(|namespace| vec!["netns".to_owned(), "del".to_owned(), namespace]));
        for removal in removals {
            let arguments: Vec<_> = removal.iter().map(String::as_str).collect();
            if let Err(error) = ip(&arguments) {
                eprintln!("{error:#}");
            }
        }
    }
}

fn near(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(NETWORK[0], NETWORK[1], number, 1)
}

fn far(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(NETWORK[0], NETWORK[1], number, 2)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::may_administer;

    /// Whether a datagram from one site reaches the other: python and ping may be missing, bash is not.
    fn reaches(network: &Network, from: Site, to: Site) -> bool {
        let route =
            format!("get {} from {} iif {}r{}", network.address(to), network.address(from), network.name, from + 1);
        let arguments: Vec<_> = ["-n", "ROUTER", "route"].into_iter().chain(route.split(' ')).collect();
        let router = network.router();
        let arguments: Vec<_> =
            arguments.iter().map(|word| if *word == "ROUTER" { router.as_str() } else { word }).collect();
        ip(&arguments).is_ok()
    }

    #[test]
    fn sites_reach_each_other_unless_they_are_cut() {
        if !may_administer("a network") {
            return;
        }
        let mut network = Network::make(3).unwrap();
        assert!(network.at(0, Path::new("true")).status().unwrap().success());
        assert!(reaches(&network, 0, 1) && reaches(&network, 1, 0));
        network.cut_one_way(0, 1).unwrap();
        assert!(!reaches(&network, 0, 1) && reaches(&network, 1, 0) && reaches(&network, 0, 2));
        network.mend().unwrap();
        assert!(reaches(&network, 0, 1));
    }
}
