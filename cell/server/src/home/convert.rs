//! From the core's rows to the protocol's frames and back.

use cell_core::view::{
    ConversationPage, ConversationSummary, History, HistoryPage, MailboxEntry, MailboxKind, Message, Why,
};
use cell_gateway::home::{HomePage, conversations_cursor};
use cell_protocol::server::PageMore;
use cell_protocol::{Answer, ConversationView, Event, EventKind, MessageView, Snapshot, WhyFresh};
use cell_types::{ConversationId, Cseq, Useq};

/// A mailbox entry as its user sees it.
pub(super) fn event(useq: Useq, entry: &MailboxEntry) -> Event {
    let kind = match &entry.kind {
        MailboxKind::Conversation { conversation, with } => EventKind::Conversation(ConversationView {
            id: *conversation,
            kind: conversation.kind(),
            with: Some(with.clone()),
            name: None,
            members: None,
            // The event precedes the conversation's first message.
            head: Cseq::ZERO,
            read: Cseq::ZERO,
            last: Vec::new(),
        }),
        MailboxKind::Message { conversation, message: of } => EventKind::Message(message(*conversation, of)),
        MailboxKind::Read { conversation, user, upto } => {
            EventKind::Read { conversation: *conversation, user: user.clone(), upto: *upto }
        }
        MailboxKind::Delivered { conversation, user, upto } => {
            EventKind::Delivered { conversation: *conversation, user: user.clone(), upto: *upto }
        }
    };
    Event { useq, covers: 1, kind }
}

/// About how many bytes an entry takes as a frame: counted against the window of a session.
pub(super) fn frame_len(entry: &MailboxEntry) -> usize {
    /// Names, numbers and ids around a body.
    const ENVELOPE_LEN: usize = 220;
    match &entry.kind {
        MailboxKind::Message { message, .. } => {
            ENVELOPE_LEN + message.body.as_ref().map_or(0, |body| body.as_bytes().len())
        }
        _ => ENVELOPE_LEN,
    }
}

fn message(conversation: ConversationId, message: &Message) -> MessageView {
    MessageView {
        conversation,
        cseq: message.cseq,
        from: message.sender.clone(),
        mid: message.mid,
        ts: message.ts,
        body: message.body.clone(),
        rev: message.revision,
        deleted: message.body.is_none(),
    }
}

fn summary(summary: ConversationSummary) -> ConversationView {
    ConversationView {
        id: summary.id,
        kind: summary.id.kind(),
        with: Some(summary.with),
        name: None,
        members: None,
        head: summary.head,
        read: summary.read,
        last: summary.last.iter().map(|of| message(summary.id, of)).collect(),
    }
}

pub(super) fn snapshot(at: Useq, page: ConversationPage) -> Snapshot {
    let (conversations, next) = conversations(page);
    Snapshot { at, conversations, next }
}

pub(super) fn conversations(page: ConversationPage) -> (Vec<ConversationView>, Option<String>) {
    (page.conversations.into_iter().map(summary).collect(), page.next.map(conversations_cursor))
}

pub(super) fn why(why: Why) -> WhyFresh {
    match why {
        Why::New => WhyFresh::New,
        Why::Trimmed => WhyFresh::Trimmed,
        Why::Epoch => WhyFresh::Epoch,
        Why::Ahead => WhyFresh::Ahead,
    }
}

pub(super) fn history_page(page: HomePage) -> HistoryPage {
    match page {
        HomePage::Newest => HistoryPage::Newest,
        HomePage::Before(cseq) => HistoryPage::Before(cseq),
        HomePage::After(cseq) => HistoryPage::After(cseq),
        HomePage::Around(cseq) => HistoryPage::Around(cseq),
        HomePage::Since(eseq) => HistoryPage::Since(eseq),
    }
}

/// The answer to a history command, with what is left in the direction that was asked.
pub(super) fn history(conversation: ConversationId, page: HomePage, history: History) -> Answer {
    let more = match page {
        HomePage::Newest | HomePage::Before(_) => PageMore::OneWay(history.more_before),
        HomePage::After(_) => PageMore::OneWay(history.more_after),
        HomePage::Around(_) => PageMore::Around { before: history.more_before, after: history.more_after },
        HomePage::Since(_) => PageMore::Since { more: history.more_after, eseq: history.eseq },
    };
    let messages = history.messages.iter().map(|of| message(conversation, of)).collect();
    Answer::Page { conversation, messages, more }
}
