//! Which servers, and the key that makes tokens for them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use cell_protocol::limits::WEBSOCKET_PATH;
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::clock::unix_ms;

/// Tokens outlive any run.
const TOKEN_TTL_S: u64 = 24 * 3600;

/// The address or the key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{url:?} is no server's address: expected ws://HOST:PORT[/PATH] or HOST:PORT, with an IP address or localhost as HOST"
    )]
    Url { url: String },
    #[error("no server's address is given")]
    NoUrl,
    #[error("the token key is empty")]
    NoKey,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    pub address: SocketAddr,
    pub path: String,
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let rest = text.strip_prefix("ws://").unwrap_or(text);
        let (host, path) = rest.find('/').map_or((rest, WEBSOCKET_PATH), |at| rest.split_at(at));
        let path = if path == "/" { WEBSOCKET_PATH } else { path };
        let host = host.strip_prefix("localhost:").map_or(host.to_owned(), |port| format!("127.0.0.1:{port}"));
        let address = host.parse().map_err(|_| Error::Url { url: text.to_owned() })?;
        Ok(Self { address, path: path.to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}{}", self.address, self.path)
    }
}

impl TryFrom<String> for Url {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.to_string()
    }
}

/// Servers of one cluster and its token key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub urls: Vec<Url>,
    /// The HS256 key: the text of the key's file without white space around it.
    pub key: String,
}

impl Target {
    pub fn new(urls: Vec<Url>, key: &str) -> Result<Self, Error> {
        let key = key.trim().to_owned();
        if urls.is_empty() {
            return Err(Error::NoUrl);
        }
        if key.is_empty() {
            return Err(Error::NoKey);
        }
        Ok(Self { urls, key })
    }

    /// A JWT for a user.
    pub fn token(&self, user: &str) -> String {
        #[derive(Serialize)]
        struct Claims<'a> {
            sub: &'a str,
            exp: u64,
        }
        let claims = Claims { sub: user, exp: unix_ms() / 1000 + TOKEN_TTL_S };
        let key = EncodingKey::from_secret(self.key.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("two plain claims can be signed with HS256")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_with_and_without_scheme_and_path() {
        let url = |text: &str| text.parse::<Url>().map(|url| url.to_string()).ok();
        assert_eq!(url("127.0.0.1:8080").unwrap(), "ws://127.0.0.1:8080/v1/ws");
        assert_eq!(url("ws://localhost:8080/").unwrap(), "ws://127.0.0.1:8080/v1/ws");
        assert_eq!(url("ws://[::1]:80/other").unwrap(), "ws://[::1]:80/other");
        for wrong in ["", "127.0.0.1", "wss://127.0.0.1:80", "http://127.0.0.1:80", "chat.example:80"] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_target_needs_servers_and_a_key() {
        assert!(matches!(Target::new(vec![], "k"), Err(Error::NoUrl)));
        let urls = vec!["127.0.0.1:1".parse().unwrap()];
        assert!(matches!(Target::new(urls.clone(), " \n"), Err(Error::NoKey)));
        assert_eq!(Target::new(urls, "secret\n").unwrap().token("alice").split('.').count(), 3);
    }
}
