//! Users, mailboxes and conversations of the fake server, and the lies that are told while storing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cell_protocol::{
    Answer, ConversationView, ErrorCode, ErrorFrame, Event, EventKind, MessageView, Page, PageMore, ServerFrame,
    Snapshot, write_server,
};
use cell_types::{Body, ConversationId, ConversationKind, Cseq, MessageId, Timestamp, Useq, UserId};
use tokio::sync::watch;

use super::{Lie, Manners};

/// A lie is told at this chance: late enough that a normal run is under way.
const LIE_AT: u64 = 40;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) manners: Manners,
    users: HashMap<UserId, User>,
    conversations: HashMap<ConversationId, Conversation>,
    pub(crate) commands: u64,
    sends: u64,
    chances: u64,
}

#[derive(Debug)]
struct User {
    /// Written events by `useq`; a lie may leave a number out or use one twice.
    events: Vec<(u64, Arc<str>)>,
    head: u64,
    told: watch::Sender<usize>,
}

#[derive(Debug)]
struct Conversation {
    members: [UserId; 2],
    messages: Vec<MessageView>,
    sent: HashMap<(UserId, MessageId), (Cseq, Body)>,
    delivered: BTreeMap<UserId, u64>,
    /// A message that waits for the next one of its sender, to be stored after it.
    held: Option<MessageView>,
}

impl Default for User {
    fn default() -> Self {
        Self { events: Vec::new(), head: 0, told: watch::Sender::new(0) }
    }
}

impl State {
    pub(crate) fn new(manners: Manners) -> Self {
        Self { manners, users: HashMap::new(), conversations: HashMap::new(), commands: 0, sends: 0, chances: 0 }
    }

    /// Whether to lie now.
    pub(crate) fn lies(&mut self, lie: Lie) -> bool {
        if self.manners.lie != Some(lie) {
            return false;
        }
        self.chances += 1;
        self.chances == LIE_AT
    }

    pub(crate) fn subscribe(&mut self, user: &UserId) -> watch::Receiver<usize> {
        self.users.entry(user.clone()).or_default().told.subscribe()
    }

    pub(crate) fn head(&self, user: &UserId) -> u64 {
        self.users.get(user).map_or(0, |user| user.head)
    }

    /// The events from an index on, and the index to go on from.
    pub(crate) fn events_from(&self, user: &UserId, index: usize) -> (Vec<(u64, Arc<str>)>, usize) {
        let events = &self.users[user].events;
        (events[index.min(events.len())..].to_vec(), events.len())
    }

    /// The index of the first event after a cursor.
    pub(crate) fn index_after(&self, user: &UserId, useq: u64) -> usize {
        self.users.get(user).map_or(0, |user| user.events.partition_point(|(u, _)| *u <= useq))
    }

    pub(crate) fn snapshot(&self, user: &UserId) -> Snapshot {
        let mine = self.conversations.iter().filter(|(_, conversation)| conversation.members.contains(user));
        let conversations = mine.map(|(id, conversation)| conversation.view(*id, user)).collect();
        Snapshot { at: Useq::new(self.head(user)), conversations, next: None }
    }

    fn push(&mut self, user: &UserId, kind: EventKind) {
        let skips = matches!(kind, EventKind::Message(_)) && self.lies(Lie::SkipsAUseq);
        let user = self.users.entry(user.clone()).or_default();
        user.head += if skips { 2 } else { 1 };
        let mut line = Vec::new();
        write_server(&ServerFrame::Event(Event { useq: Useq::new(user.head), covers: 1, kind }), &mut line);
        user.events.push((user.head, String::from_utf8(line).unwrap().into()));
        user.told.send_replace(user.events.len());
    }

    pub(crate) fn send(
        &mut self,
        from: &UserId,
        to: Recipient,
        mid: MessageId,
        body: Body,
        after: Option<MessageId>,
    ) -> Outcome {
        self.sends += 1;
        let refuses = self.manners.refuses_every.is_some_and(|every| self.sends.is_multiple_of(every));
        let id = match to {
            Recipient::User(to) => {
                let id = ConversationId::direct(from, &to);
                if !self.conversations.contains_key(&id) {
                    self.found(id, [from.clone(), to]);
                }
                id
            }
            Recipient::Conversation(id) => id,
        };
        let Some(conversation) = self.conversations.get_mut(&id) else { return refusal(ErrorCode::NotFound) };
        if let Some((cseq, first)) = conversation.sent.get(&(from.clone(), mid)) {
            return if first.as_bytes() == body.as_bytes() {
                sent(id, *cseq, true)
            } else {
                refusal(ErrorCode::MidReuse)
            };
        }
        if refuses {
            return refusal(ErrorCode::Unavailable);
        }
        if after.is_some_and(|after| !conversation.sent.contains_key(&(from.clone(), after))) {
            return refusal(ErrorCode::OutOfOrder);
        }
        let cseq = Cseq::new(conversation.messages.len() as u64 + 1);
        conversation.sent.insert((from.clone(), mid), (cseq, body.clone()));
        if self.lies(Lie::DropsAnAckedMessage) {
            return sent(id, cseq, false);
        }
        let body = if self.lies(Lie::ChangesABody) { change(&body) } else { body };
        let message = message(id, cseq, from, mid, body);
        if self.lies(Lie::ForgetsTheNewest) {
            // Shown and acked, and its number is given away again.
            self.deliver(id, message);
            self.conversations.get_mut(&id).unwrap().messages.pop();
            return sent(id, cseq, false);
        }
        if self.lies(Lie::SwapsTwoMessages) {
            self.conversations.get_mut(&id).unwrap().held = Some(message);
            return sent(id, cseq.next(), false);
        }
        if let Some(held) = self.conversations.get_mut(&id).unwrap().held.take() {
            self.deliver(id, message);
            self.deliver(id, MessageView { cseq: cseq.next(), ..held });
            return sent(id, cseq, false);
        }
        self.deliver(id, message.clone());
        if self.lies(Lie::StoresOneTwice) {
            self.deliver(id, MessageView { cseq: cseq.next(), ..message });
        }
        let said = if self.lies(Lie::AcksAnotherCseq) { cseq.next() } else { cseq };
        sent(id, said, false)
    }

    fn found(&mut self, id: ConversationId, members: [UserId; 2]) {
        let conversation = Conversation {
            members: members.clone(),
            messages: Vec::new(),
            sent: HashMap::new(),
            delivered: BTreeMap::new(),
            held: None,
        };
        let views = members.each_ref().map(|user| conversation.view(id, user));
        self.conversations.insert(id, conversation);
        for (user, view) in members.iter().zip(views) {
            self.push(user, EventKind::Conversation(view));
        }
    }

    fn deliver(&mut self, id: ConversationId, message: MessageView) {
        let conversation = self.conversations.get_mut(&id).unwrap();
        conversation.messages.push(message.clone());
        let members = conversation.members.clone();
        for user in &members {
            self.push(user, EventKind::Message(message.clone()));
            if self.lies(Lie::ShowsOneTwice) {
                self.push(user, EventKind::Message(message.clone()));
            }
        }
    }

    /// A device's ack: the others of its conversations get `dlvd`.
    pub(crate) fn acked(&mut self, user: &UserId, useq: u64) {
        let early = self.lies(Lie::ReportsDeliveryTooEarly);
        let Some(mailbox) = self.users.get(user) else { return };
        let acked = mailbox.events.iter().rev().find(|(u, line)| *u <= useq && line.contains("\"k\":\"msg\""));
        let Some((_, line)) = acked else { return };
        let Ok(ServerFrame::Event(Event { kind: EventKind::Message(message), .. })) = cell_protocol::parse_server(line)
        else {
            return;
        };
        let conversation = self.conversations.get_mut(&message.conversation).unwrap();
        let upto = message.cseq.get() + if early { 100_000 } else { 0 };
        let known = conversation.delivered.entry(user.clone()).or_default();
        if upto <= *known {
            return;
        }
        *known = upto;
        let other = conversation.members.iter().find(|member| *member != user).unwrap_or(user).clone();
        let kind =
            EventKind::Delivered { conversation: message.conversation, user: user.clone(), upto: Cseq::new(upto) };
        self.push(&other, kind);
    }

    pub(crate) fn page(&mut self, id: ConversationId, page: Page, limit: usize) -> Answer {
        let all = &self.conversations[&id].messages;
        let chosen: Vec<_> = match page {
            Page::After(after) => all.iter().filter(|message| message.cseq > after).cloned().collect(),
            Page::Before(before) => all.iter().filter(|message| message.cseq < before).cloned().collect(),
            other => panic!("the generator does not ask this: {other:?}"),
        };
        let more = PageMore::OneWay(chosen.len() > limit);
        let mut messages = match page {
            Page::Before(_) => chosen[chosen.len().saturating_sub(limit)..].to_vec(),
            _ => chosen.into_iter().take(limit).collect(),
        };
        if self.manners.lie == Some(Lie::HidesOneFromHistory) {
            messages.retain(|message| message.cseq.get() != LIE_AT);
        }
        Answer::Page { conversation: id, messages, more }
    }
}

impl Conversation {
    fn view(&self, id: ConversationId, user: &UserId) -> ConversationView {
        let last = self.messages.len().saturating_sub(15);
        ConversationView {
            id,
            kind: ConversationKind::Direct,
            with: self.members.iter().find(|member| *member != user).cloned(),
            name: None,
            members: None,
            head: Cseq::new(self.messages.len() as u64),
            read: Cseq::ZERO,
            last: self.messages[last..].to_vec(),
        }
    }
}

/// Whom a send names.
#[derive(Debug, Clone)]
pub(crate) enum Recipient {
    User(UserId),
    Conversation(ConversationId),
}

/// An answer to a send.
pub(crate) type Outcome = Result<Answer, ErrorFrame>;

fn sent(conversation: ConversationId, cseq: Cseq, again: bool) -> Outcome {
    Ok(Answer::Sent { conversation, cseq, ts: Timestamp::from_millis(1), again })
}

fn refusal(code: ErrorCode) -> Outcome {
    Err(ErrorFrame { id: None, code, retry_ms: Some(5), message: "not now".into() })
}

fn change(body: &Body) -> Body {
    let mut bytes = body.as_bytes().to_vec();
    let last_letter = bytes.len() - 2;
    bytes[last_letter] ^= 1;
    Body::from_checked(bytes.into())
}

fn message(conversation: ConversationId, cseq: Cseq, from: &UserId, mid: MessageId, body: Body) -> MessageView {
    MessageView {
        conversation,
        cseq,
        from: from.clone(),
        mid: Some(mid),
        ts: Timestamp::from_millis(1),
        body: Some(body),
        rev: 0,
        deleted: false,
    }
}
