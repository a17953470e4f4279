//! Messages as `cell_protocol` reads them, in the form that the checker takes.

use cell_protocol::MessageView;

use crate::scan::Message;

/// Shows a message of a page or a snapshot to the checker.
pub fn with_message<T>(view: &MessageView, look: impl FnOnce(&Message<'_>) -> T) -> T {
    let conversation = view.conversation.to_string();
    let mid = view.mid.map(|mid| mid.to_string()).unwrap_or_default();
    look(&Message {
        conversation: conversation.as_bytes(),
        cseq: view.cseq.get(),
        from: view.from.as_str().as_bytes(),
        mid: mid.as_bytes(),
        body: view.body.as_ref().map_or(&[], |body| body.as_bytes()),
    })
}
