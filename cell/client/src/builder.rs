//! How a client is put together.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use cell_types::{DeviceId, UserId};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

use crate::client::Client;
use crate::error::Error;
use crate::events::Events;
use crate::session::{Config, Session};
use crate::shell;
use crate::store::{FileStore, MemoryStore, Store};

/// Why a token provider gave no token; shown to the application, and tried again after a while.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// Asks for a fresh JWT.
pub(crate) type TokenProvider = Arc<dyn Fn() -> TokenFuture + Send + Sync>;
pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// Collects what a client needs; ends with [`Builder::connect`].
#[must_use]
pub struct Builder {
    config: Config,
    tokens: TokenProvider,
    store: StoreChoice,
    seed: Option<u64>,
}

enum StoreChoice {
    Memory,
    File(PathBuf),
    Given(Box<dyn Store>),
}

impl Builder {
    pub(crate) fn new(device: DeviceId) -> Self {
        Self {
            config: Config { device, urls: Vec::new(), user: None, keep_cursor: false },
            tokens: Arc::new(|| Box::pin(async { Err("the application set no token provider".into()) })),
            store: StoreChoice::Memory,
            seed: None,
        }
    }

    /// Adds a server, as `ws://host:port/v1/ws`. With several, the client starts at any and goes to the next when one
    /// fails.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.config.urls.push(url.into());
        self
    }

    /// Adds servers.
    pub fn urls<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.config.urls.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Where JWTs come from. Asked at the first connection and whenever the server no longer takes what the client has.
    pub fn tokens<F, T>(mut self, provider: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.tokens = Arc::new(move || Box::pin(provider()));
        self
    }

    /// One token for good, for short-lived clients.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.tokens(move || std::future::ready(Ok(token.clone())))
    }

    /// Whom the token must name; the client stops when it names another.
    pub fn user(mut self, user: UserId) -> Self {
        self.config.user = Some(user);
        self
    }

    /// Keeps unanswered sends in this file. Without it they die with the process.
    pub fn outbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = StoreChoice::File(path.into());
        self
    }

    /// Keeps unanswered sends in a store of one's own.
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = StoreChoice::Given(Box::new(store));
        self
    }

    /// Keeps the cursor beside the outbox, so that a restarted client gets what it missed instead of a
    /// [`Reset`](crate::ClientEvent::Reset). For applications that keep what they were shown.
    pub fn keep_cursor(mut self) -> Self {
        self.config.keep_cursor = true;
        self
    }

    /// Makes jitter and message ids follow from a seed, for tests. Never the same seed twice for one user.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the client on the current tokio runtime; it connects, and reconnects, by itself.
    ///
    /// # Errors
    /// [`Error::NoUrl`]; [`Error::Store`] when the outbox's file cannot be opened.
    pub async fn connect(self) -> Result<(Client, Events), Error> {
        let Self { config, tokens, store, seed } = self;
        if config.urls.is_empty() {
            return Err(Error::NoUrl);
        }
        let store: Box<dyn Store> = match store {
            StoreChoice::Memory => Box::new(MemoryStore::default()),
            StoreChoice::Given(store) => store,
            StoreChoice::File(path) => {
                let open = tokio::task::spawn_blocking(move || FileStore::open(path));
                Box::new(
                    open.await
                        .map_err(std::io::Error::from)
                        .map_err(|source| crate::store::Error::Io { path: "the outbox".into(), source })??,
                )
            }
        };
        let rng = match seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::try_from_rng(&mut SysRng).expect("the operating system gives random bytes"),
        };
        let session = Session::new(config, store.load(), rng);
        Ok(shell::start(session, store, tokens))
    }
}
