//! How clients' bytes come in and go out. One transport today: WebSocket.

mod connection;
mod frame;
mod http;
mod outgoing;
mod talk;

#[cfg(test)]
mod tests;

pub(crate) use connection::Connection;
