//! `ChatCluster`: what a person wants of a whole cluster. Only fields that mean something in this version exist.

use std::num::NonZeroU32;

use cell_types::{ClusterId, ReplicaCount};
use operator_plan::{Desired, Error};
use serde::{Deserialize, Serialize};

/// The one version there is.
pub const API_VERSION: &str = "chatcells.dev/v1alpha1";

pub const KIND: &str = "ChatCluster";

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatCluster {
    pub api_version: String,
    pub kind: String,
    pub metadata: Metadata,
    #[serde(default)]
    pub spec: Spec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The cluster's id.
    pub name: ClusterId,
}

/// Every field may be left out: a first start takes its default, a later one leaves it as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// 1 by default, and for now at most.
    pub cells: Option<u32>,
    /// Per cell: 1, 3 (the default) or 5.
    pub replicas: Option<ReplicaCount>,
    pub tokens: Option<Tokens>,
    pub limits: Option<Limits>,
}

/// Which users' tokens are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tokens {
    /// Required `iss`.
    pub issuer: Option<String>,
    /// Required `aud`.
    pub audience: Option<String>,
}

/// Bounds of each replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Client connections at one time.
    pub connections_max: Option<NonZeroU32>,
}

impl Spec {
    /// This spec laid over an earlier wish: what is left out stays as it was.
    pub fn over(&self, earlier: &Desired) -> Result<Desired, Error> {
        let (mut tokens, mut limits) = (earlier.tokens.clone(), earlier.limits.clone());
        if let Some(Tokens { issuer, audience }) = self.tokens.clone() {
            tokens.issuer = issuer.or(tokens.issuer);
            tokens.audience = audience.or(tokens.audience);
        }
        if let Some(Limits { connections_max }) = self.limits.clone() {
            limits.connections_max = connections_max.or(limits.connections_max);
        }
        let cells = self.cells.unwrap_or_else(|| earlier.cells());
        Desired::new(earlier.cluster.clone(), cells, self.replicas.unwrap_or(earlier.replicas), tokens, limits)
    }
}

/// With the default of every field that is left out.
impl TryFrom<&ChatCluster> for Desired {
    type Error = Error;

    fn try_from(cluster: &ChatCluster) -> Result<Self, Error> {
        cluster.spec.over(&Desired::default_of(cluster.metadata.name.clone()))
    }
}

/// For executors that keep what was wanted last.
impl From<&Desired> for Spec {
    fn from(desired: &Desired) -> Self {
        let (tokens, limits) = (&desired.tokens, &desired.limits);
        Self {
            cells: Some(desired.cells()),
            replicas: Some(desired.replicas),
            tokens: Some(Tokens { issuer: tokens.issuer.clone(), audience: tokens.audience.clone() }),
            limits: Some(Limits { connections_max: limits.connections_max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_yaml;

    const MINIMAL: &str = "apiVersion: chatcells.dev/v1alpha1\nkind: ChatCluster\nmetadata: { name: local }\n";

    fn desired(spec: &str) -> Result<Desired, Error> {
        Desired::try_from(&from_yaml(&format!("{MINIMAL}{spec}")).unwrap())
    }

    #[test]
    fn the_minimal_document_wants_one_cell_of_three_replicas() {
        assert_eq!(desired("").unwrap(), Desired::default_of("local".parse().unwrap()));
        assert_eq!(desired("").unwrap().replicas, ReplicaCount::Three);
    }

    #[test]
    fn every_field_reaches_the_planner() {
        let spec = "spec:\n  cells: 1\n  replicas: 5\n  tokens: { issuer: me, audience: chat }\n  limits: { connectionsMax: 9 }\n";
        let desired = desired(spec).unwrap();
        assert_eq!((desired.cells(), desired.replicas), (1, ReplicaCount::Five));
        assert_eq!((desired.tokens.issuer.as_deref(), desired.tokens.audience.as_deref()), (Some("me"), Some("chat")));
        assert_eq!(desired.limits.connections_max, NonZeroU32::new(9));
    }

    #[test]
    fn what_is_left_out_stays_as_it_was() {
        let earlier = desired("spec: { replicas: 5, tokens: { issuer: me } }").unwrap();
        let change = from_yaml(&format!("{MINIMAL}spec: {{ tokens: {{ audience: chat }} }}")).unwrap();
        let changed = change.spec.over(&earlier).unwrap();
        assert_eq!(changed.replicas, ReplicaCount::Five);
        assert_eq!((changed.tokens.issuer.as_deref(), changed.tokens.audience.as_deref()), (Some("me"), Some("chat")));
    }

    #[test]
    fn a_wish_survives_being_written_down_as_a_spec() {
        let wish = desired("spec: { replicas: 5, tokens: { issuer: me }, limits: { connectionsMax: 9 } }").unwrap();
        assert_eq!(Spec::from(&wish).over(&Desired::default_of("local".parse().unwrap())), Ok(wish));
    }

    #[test]
    fn many_cells_are_read_and_refused_as_not_yet_possible() {
        let error = desired("spec: { cells: 4 }").unwrap_err();
        assert_eq!(error, Error::ManyCells(4));
        assert!(error.to_string().contains("not in this version"));
    }
}
