//! What is wanted: the validated form of a `ChatCluster`.

use std::num::NonZeroU32;

use cell_types::{CellName, ClusterId, ReplicaCount};

/// Why a wish cannot be planned for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a cluster of {0} cells is not in this version: it comes with many cells; ask for 1")]
    ManyCells(u32),
}

/// A wish that can be planned for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub cluster: ClusterId,
    cells: u32,
    pub replicas: ReplicaCount,
    pub tokens: Tokens,
    pub limits: Limits,
}

/// Which users' tokens are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Required `iss`; any if none.
    pub issuer: Option<String>,
    /// Required `aud`; any if none.
    pub audience: Option<String>,
}

/// Bounds of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at one time; none: the server's own default.
    pub connections_max: Option<NonZeroU32>,
}

impl Desired {
    pub fn new(
        cluster: ClusterId,
        cells: u32,
        replicas: ReplicaCount,
        tokens: Tokens,
        limits: Limits,
    ) -> Result<Self, Error> {
        if cells != 1 {
            return Err(Error::ManyCells(cells));
        }
        Ok(Self { cluster, cells, replicas, tokens, limits })
    }

    /// What is wanted of a cluster when nothing is said: one cell that survives the loss of any one replica.
    pub fn default_of(cluster: ClusterId) -> Self {
        let (tokens, limits) = (Tokens::default(), Limits::default());
        Self { cluster, cells: 1, replicas: ReplicaCount::Three, tokens, limits }
    }

    pub fn cells(&self) -> u32 {
        self.cells
    }

    /// Names come from a counter.
    pub fn cell_names(&self) -> impl Iterator<Item = CellName> + use<> {
        (0..self.cells).map(|number| format!("c{number}").parse().expect("a letter and digits are a valid name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_cell_can_be_asked_for_now() {
        let ask = |cells| {
            Desired::new("local".parse().unwrap(), cells, ReplicaCount::Three, Tokens::default(), Limits::default())
        };
        assert_eq!(ask(1).unwrap().cell_names().map(|name| name.to_string()).collect::<Vec<_>>(), ["c0"]);
        for cells in [0, 2, 7] {
            assert_eq!(ask(cells), Err(Error::ManyCells(cells)));
        }
    }
}
