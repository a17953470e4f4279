//! Which server to connect to next.

use rand::{Rng, RngExt};

/// The configured servers in rotation, and at most one hint from a `goaway`.
#[derive(Debug)]
pub(super) struct Addresses {
    urls: Vec<String>,
    at: usize,
    hint: Option<String>,
}

impl Addresses {
    /// Starts anywhere, so that clients with the same list spread over it.
    pub(super) fn new(urls: Vec<String>, rng: &mut impl Rng) -> Self {
        let at = if urls.is_empty() { 0 } else { rng.random_range(0..urls.len()) };
        Self { urls, at, hint: None }
    }

    /// Takes a hint, unless it would leave the protection that the configured servers have.
    pub(super) fn hint(&mut self, url: String) {
        let is_ours = |scheme: &str| self.urls.iter().any(|ours| ours.starts_with(scheme));
        if url.starts_with("wss://") || (url.starts_with("ws://") && is_ours("ws://")) {
            self.hint = Some(url);
        }
    }

    /// Where to connect now. A hint is good for one attempt; then the rotation goes on.
    pub(super) fn next(&mut self) -> String {
        if let Some(hint) = self.hint.take() {
            return hint;
        }
        let url = self.urls[self.at].clone();
        self.at = (self.at + 1) % self.urls.len();
        url
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn addresses(urls: &[&str], seed: u64) -> Addresses {
        Addresses::new(urls.iter().map(ToString::to_string).collect(), &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn every_server_gets_its_turn_and_clients_start_at_different_ones() {
        let mut starts = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut addresses = addresses(&["ws://a", "ws://b", "ws://c"], seed);
            let mut turns: Vec<_> = (0..3).map(|_| addresses.next()).collect();
            starts.insert(turns[0].clone());
            assert_eq!(addresses.next(), turns[0]);
            turns.sort();
            assert_eq!(turns, ["ws://a", "ws://b", "ws://c"]);
        }
        assert_eq!(starts.len(), 3);
    }

    #[test]
    fn a_hint_is_used_once() {
        let mut addresses = addresses(&["ws://a"], 0);
        addresses.hint("ws://b".into());
        assert_eq!([addresses.next(), addresses.next()], ["ws://b", "ws://a"]);
    }

    #[test]
    fn a_hint_from_tls_to_plain_text_is_ignored() {
        let mut addresses = addresses(&["wss://a"], 0);
        addresses.hint("ws://b".into());
        addresses.hint("http://b".into());
        assert_eq!(addresses.next(), "wss://a");
    }
}
