//! What `chatctl status -o json` says, parsed.

use std::fmt;
use std::net::SocketAddr;

use anyhow::Context;
use serde::Deserialize;

use crate::process::Pid;

/// The whole document.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub cluster: String,
    pub ready: bool,
    pub conditions: Vec<Condition>,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Cell {
    pub name: String,
    pub leader: Option<String>,
    pub replicas: Vec<Replica>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Replica {
    pub name: String,
    pub role: Role,
    pub pid: Option<Pid>,
    pub client: SocketAddr,
    pub admin: SocketAddr,
    pub metrics: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Leader,
    Follower,
    Learner,
    Down,
}

impl Status {
    /// Errors if the text is not what the documentation of `status` promises.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let status: Self = serde_json::from_str(text).with_context(|| format!("a status of another shape: {text}"))?;
        anyhow::ensure!(status.cells.len() <= 1, "these tests know one cell, not {}", status.cells.len());
        Ok(status)
    }

    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.cells.iter().flat_map(|cell| &cell.replicas)
    }

    pub fn replica(&self, name: &str) -> Option<&Replica> {
        self.replicas().find(|replica| replica.name == name)
    }

    /// The leader, if the cell has one and that one says so too.
    pub fn leader(&self) -> Option<&Replica> {
        let name = self.cells.first()?.leader.as_deref()?;
        self.replica(name).filter(|replica| replica.role == Role::Leader)
    }

    pub fn followers(&self) -> impl Iterator<Item = &Replica> {
        self.replicas().filter(|replica| replica.role == Role::Follower)
    }

    /// Ready, and every replica is a voter that lives.
    pub fn is_whole(&self) -> bool {
        let votes = |replica: &Replica| matches!(replica.role, Role::Leader | Role::Follower) && replica.pid.is_some();
        self.ready && self.leader().is_some() && self.replicas().all(votes)
    }
}

/// One line: who is what.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ready: {}", self.ready)?;
        for replica in self.replicas() {
            let pid = replica.pid.map_or("-".to_owned(), |pid| pid.to_string());
            write!(f, ", {} {:?} {pid}", replica.name, replica.role)?;
        }
        for condition in &self.conditions {
            write!(f, ", {}={} ({}: {})", condition.kind, condition.status, condition.reason, condition.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"cluster":"local","ready":true,
        "conditions":[{"type":"Ready","status":"True","reason":"AllServe","message":"…"}],
        "cells":[{"name":"c0","leader":"c0-1","ranges":[{"start":"0000000000000000","end":"10000000000000000","epoch":1}],
        "replicas":[
        {"name":"c0-0","role":"follower","pid":4242,"client":"127.0.0.1:8080","admin":"127.0.0.1:41001","metrics":"http://127.0.0.1:41002/metrics"},
        {"name":"c0-1","role":"leader","pid":4243,"client":"127.0.0.1:8081","admin":"127.0.0.1:41003","metrics":"http://127.0.0.1:41004/metrics"},
        {"name":"c0-2","role":"ROLE","pid":null,"client":"127.0.0.1:8082","admin":"127.0.0.1:41005","metrics":"http://127.0.0.1:41006/metrics"}]}],
        "moves":[]}"#;

    #[test]
    fn the_documented_shape_is_read() {
        let status = Status::parse(&DOCUMENT.replace("ROLE", "down")).unwrap();
        assert_eq!(status.leader().unwrap().name, "c0-1");
        assert_eq!(status.followers().count(), 1);
        assert!(!status.is_whole(), "c0-2 is down");
    }

    #[test]
    fn a_leader_that_does_not_know_it_is_none() {
        let status =
            Status::parse(&DOCUMENT.replace(r#""leader":"c0-1""#, r#""leader":"c0-0""#).replace("ROLE", "learner"));
        assert!(status.unwrap().leader().is_none());
    }

    #[test]
    fn another_shape_is_an_error() {
        assert!(Status::parse(&DOCUMENT.replace("ROLE", "king")).is_err());
        assert!(Status::parse("{}").is_err());
    }
}
