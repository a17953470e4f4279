//! The checker, sans-I/O: every acked message reaches every device of both users once, in order, without gaps.

pub mod history;
pub mod ledger;
pub mod mailbox;
pub mod pair;
pub mod view;
pub mod violation;

pub use history::HistoryCheck;
pub use ledger::Ledger;
pub use mailbox::{Cursor, Mailbox};
pub use pair::{DeviceIndex, Pair};
pub use view::with_message;
pub use violation::{Kind, Violation, Violations};
