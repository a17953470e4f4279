//! About how many bytes of memory a message between a gateway and a home holds.

use cell_gateway::home::{FromHome, HomeCommand, Opened, ToHome};
use cell_protocol::{Answer, ConversationView, Event, EventKind, MessageView};

/// Ids, numbers and names of a message without its body.
const ENVELOPE_LEN: usize = 256;

/// Says how much of a queue's room an item takes.
pub(super) trait Weigh {
    /// In bytes, about.
    fn weight(&self) -> usize;
}

impl Weigh for ToHome {
    fn weight(&self) -> usize {
        let body = match self {
            Self::Command { command: HomeCommand::Send { body, .. }, .. } => body.as_bytes().len(),
            _ => 0,
        };
        ENVELOPE_LEN + body
    }
}

impl Weigh for FromHome {
    fn weight(&self) -> usize {
        let content = match self {
            Self::Opened(Opened { fresh: Some((_, snapshot)), .. }) => conversations(&snapshot.conversations),
            Self::Events { events, .. } => events.iter().map(event).sum(),
            Self::Answered { result: Ok(Answer::Page { messages, .. }), .. } => messages.iter().map(message).sum(),
            Self::Answered { result: Ok(Answer::Conversations { conversations: all, .. }), .. } => conversations(all),
            _ => 0,
        };
        ENVELOPE_LEN + content
    }
}

fn event(event: &Event) -> usize {
    match &event.kind {
        EventKind::Message(of) => message(of),
        _ => ENVELOPE_LEN,
    }
}

fn message(message: &MessageView) -> usize {
    ENVELOPE_LEN + message.body.as_ref().map_or(0, |body| body.as_bytes().len())
}

fn conversations(conversations: &[ConversationView]) -> usize {
    conversations.iter().map(|one| ENVELOPE_LEN + one.last.iter().map(message).sum::<usize>()).sum()
}
