//! A chat without a terminal or a network: what was typed, heard and answered goes in, what is to be done comes out.

use std::collections::{BTreeMap, VecDeque};

use cell_client::{ClientEvent, ConversationId, Cseq, MessageId, MessageView, Sent, Snapshot, StopReason, UserId};

use super::lines::{Ticks, message_line, tick_line};

/// Own messages whose ticks may still change; a person does not look further back.
const FOLLOWED_MAX: usize = 256;

/// Of what was said before, as much as one glance takes in.
const RECENT_LEN: usize = 10;

const HELP: &str = "/to NAME chooses whom to talk to; /history, /list, /help, /quit; anything else is sent";

/// What is to be done, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Do {
    Print(String),
    Send { to: UserId, text: String },
    MarkRead { conversation: ConversationId, upto: Cseq },
    ShowHistory { conversation: ConversationId },
    ShowList,
    Leave,
    Stop(StopReason),
}

pub(super) struct Talk {
    me: UserId,
    peer: Option<UserId>,
    /// In the outbox, not answered.
    waiting: BTreeMap<MessageId, String>,
    /// Answered; the newest last.
    followed: VecDeque<Own>,
    /// Up to where each conversation was shown.
    shown: BTreeMap<ConversationId, Cseq>,
    connection: Connection,
}

/// A message of one's own, typed here.
struct Own {
    mid: MessageId,
    conversation: ConversationId,
    cseq: Cseq,
    text: String,
    ticks: Ticks,
}

#[derive(PartialEq, Eq)]
enum Connection {
    NotYet,
    Live,
    Lost,
}

impl Talk {
    pub(super) fn new(me: UserId, peer: Option<UserId>) -> Self {
        Self {
            me,
            peer,
            waiting: BTreeMap::new(),
            followed: VecDeque::new(),
            shown: BTreeMap::new(),
            connection: Connection::NotYet,
        }
    }

    pub(super) fn greeting(&self) -> Vec<Do> {
        let talking = self.peer.as_ref().map_or_else(String::new, |peer| format!(", talking to {peer}"));
        vec![print(format!("you are {}{talking}", self.me)), print(HELP.to_owned())]
    }

    pub(super) fn prompt(&self) -> String {
        self.peer.as_ref().map_or_else(|| "> ".to_owned(), |peer| format!("{peer}> "))
    }

    /// A line that the person typed.
    pub(super) fn typed(&mut self, line: &str) -> Vec<Do> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (word, &self.peer) {
            ("", _) => Vec::new(),
            ("/quit", _) => vec![Do::Leave],
            ("/help", _) => vec![print(HELP.to_owned())],
            ("/list", _) => vec![Do::ShowList],
            ("/to", _) => self.turn_to(rest.trim()),
            ("/history", Some(peer)) => {
                vec![Do::ShowHistory { conversation: ConversationId::direct(&self.me, peer) }]
            }
            (command, _) if command.starts_with('/') && command != "/history" => {
                vec![print(format!("! unknown command {command}; {HELP}"))]
            }
            (_, None) => vec![print("! nobody to talk to yet: /to NAME".to_owned())],
            (_, Some(to)) => vec![Do::Send { to: to.clone(), text: line.to_owned() }],
        }
    }

    fn turn_to(&mut self, name: &str) -> Vec<Do> {
        match name.parse::<UserId>() {
            Err(error) => vec![print(format!("! {error}"))],
            Ok(peer) => {
                let conversation = ConversationId::direct(&self.me, &peer);
                let mut wants = vec![print(format!("talking to {peer}"))];
                wants.extend(self.shown.get(&conversation).map(|upto| Do::MarkRead { conversation, upto: *upto }));
                self.peer = Some(peer);
                wants
            }
        }
    }

    /// The message is durable here; its handle will tell more.
    pub(super) fn in_outbox(&mut self, mid: MessageId, text: String) {
        self.waiting.insert(mid, text);
    }

    /// The cluster has it.
    pub(super) fn sent(&mut self, mid: MessageId, sent: Sent) -> Vec<Do> {
        let Some(text) = self.waiting.remove(&mid) else { return Vec::new() };
        if self.followed.len() == FOLLOWED_MAX {
            self.followed.pop_front();
        }
        let line = print(tick_line(Ticks::Sent, &text));
        let Sent { conversation, cseq, .. } = sent;
        self.followed.push_back(Own { mid, conversation, cseq, text, ticks: Ticks::Sent });
        vec![line]
    }

    pub(super) fn not_sent(&mut self, mid: MessageId, why: &str) -> Vec<Do> {
        let text = self.waiting.remove(&mid);
        text.map(|text| print(format!("! not sent: {text}: {why}"))).into_iter().collect()
    }

    /// Something that the client heard.
    pub(super) fn heard(&mut self, event: ClientEvent) -> Vec<Do> {
        match event {
            ClientEvent::Connected { .. } | ClientEvent::Conversation(_) => Vec::new(),
            ClientEvent::Live => self.live(),
            ClientEvent::Reconnecting { why, .. } => self.lost(&why),
            ClientEvent::Reset { snapshot, .. } => self.reset(&snapshot),
            ClientEvent::Message(message) => self.message(&message),
            ClientEvent::Delivered { conversation, user, upto } => {
                self.ticked(conversation, &user, upto, Ticks::Delivered)
            }
            ClientEvent::Read { conversation, user, upto } => self.ticked(conversation, &user, upto, Ticks::Read),
            // The handle of the send says so too, unless it was sent in an earlier run.
            ClientEvent::SendFailed { mid, why, .. } if !self.waiting.contains_key(&mid) => {
                vec![print(format!("! a message of an earlier run was not sent: {why}"))]
            }
            ClientEvent::SendFailed { .. } => Vec::new(),
            ClientEvent::Replaced => vec![Do::Stop(StopReason::Replaced)],
            ClientEvent::Stopped { why } => vec![Do::Stop(why)],
        }
    }

    fn live(&mut self) -> Vec<Do> {
        let before = std::mem::replace(&mut self.connection, Connection::Live);
        match before {
            Connection::NotYet => vec![print("connected".to_owned())],
            Connection::Lost => vec![print("connected again".to_owned())],
            Connection::Live => Vec::new(),
        }
    }

    fn lost(&mut self, why: &str) -> Vec<Do> {
        if self.connection == Connection::Lost {
            return Vec::new();
        }
        self.connection = Connection::Lost;
        vec![print(format!("reconnecting… ({why})"))]
    }

    /// Shows what was not shown before: all of it to one who has just come, nothing twice to one who was here.
    fn reset(&mut self, snapshot: &Snapshot) -> Vec<Do> {
        let mut wants = Vec::new();
        for conversation in &snapshot.conversations {
            let is_peer = conversation.with.is_some() && conversation.with == self.peer;
            if is_peer {
                let recent = conversation.last.len().saturating_sub(RECENT_LEN);
                for message in &conversation.last[recent..] {
                    wants.extend(self.message(message));
                }
            } else if let Some(with) = conversation.with.as_ref().filter(|_| conversation.unread() > 0) {
                wants.push(print(format!("{} unread from {with}: /to {with}", conversation.unread())));
            }
        }
        wants
    }

    fn message(&mut self, message: &MessageView) -> Vec<Do> {
        let shown = self.shown.entry(message.conversation).or_default();
        if message.cseq <= *shown {
            return Vec::new();
        }
        *shown = message.cseq;
        let typed_here =
            |mid: &MessageId| self.waiting.contains_key(mid) || self.followed.iter().any(|own| own.mid == *mid);
        if message.from == self.me && message.mid.as_ref().is_some_and(typed_here) {
            return Vec::new();
        }
        let mut wants = vec![print(message_line(message))];
        let from_peer = self.peer.as_ref() == Some(&message.from) && message.from != self.me;
        if from_peer && message.conversation == ConversationId::direct(&self.me, &message.from) {
            wants.push(Do::MarkRead { conversation: message.conversation, upto: message.cseq });
        }
        wants
    }

    fn ticked(&mut self, conversation: ConversationId, by: &UserId, upto: Cseq, ticks: Ticks) -> Vec<Do> {
        if *by == self.me {
            return Vec::new();
        }
        let news = self
            .followed
            .iter_mut()
            .filter(|own| own.conversation == conversation && own.cseq <= upto && own.ticks < ticks);
        news.map(|own| {
            own.ticks = ticks;
            print(tick_line(ticks, &own.text))
        })
        .collect()
    }
}

fn print(line: String) -> Do {
    Do::Print(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cell_client::{ConversationView, Timestamp, to_body};

    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn conversation() -> ConversationId {
        ConversationId::direct(&user("alice"), &user("bob"))
    }

    fn alice_with_bob() -> Talk {
        Talk::new(user("alice"), Some(user("bob")))
    }

    fn message(from: &str, cseq: u64, text: &str) -> MessageView {
        MessageView {
            conversation: conversation(),
            cseq: Cseq::new(cseq),
            from: user(from),
            mid: Some(MessageId::from_u128(u128::from(cseq))),
            ts: Timestamp::from_millis(0),
            body: Some(to_body(text).unwrap()),
            rev: 0,
            deleted: false,
        }
    }

    fn sent(talk: &mut Talk, number: u64, text: &str) -> Vec<Do> {
        let mid = MessageId::from_u128(u128::from(number));
        talk.in_outbox(mid, text.to_owned());
        let (cseq, ts) = (Cseq::new(number), Timestamp::from_millis(0));
        talk.sent(mid, Sent { mid, conversation: conversation(), cseq, ts })
    }

    fn printed(wants: Vec<Do>) -> Vec<String> {
        wants.into_iter().filter_map(|want| if let Do::Print(line) = want { Some(line) } else { None }).collect()
    }

    #[test]
    fn a_plain_line_goes_to_the_one_talked_to() {
        let mut talk = Talk::new(user("alice"), None);
        assert_eq!(printed(talk.typed("hello")), ["! nobody to talk to yet: /to NAME"]);
        assert_eq!(printed(talk.typed("/to bob")), ["talking to bob"]);
        assert_eq!(talk.typed(" hello there "), [Do::Send { to: user("bob"), text: "hello there".into() }]);
        assert_eq!(talk.prompt(), "bob> ");
    }

    #[test]
    fn commands_are_never_sent_as_text() {
        let mut talk = alice_with_bob();
        assert_eq!(talk.typed("/quit"), [Do::Leave]);
        assert_eq!(talk.typed("/list"), [Do::ShowList]);
        assert_eq!(talk.typed("/history"), [Do::ShowHistory { conversation: conversation() }]);
        assert!(printed(talk.typed("/qiut"))[0].starts_with("! unknown command /qiut"));
        assert!(talk.typed("   ").is_empty());
    }

    #[test]
    fn an_own_message_is_ticked_when_sent_delivered_and_read_once_each() {
        let mut talk = alice_with_bob();
        assert_eq!(printed(sent(&mut talk, 1, "hi")), ["  ✓ hi"]);
        let delivered =
            |upto| ClientEvent::Delivered { conversation: conversation(), user: user("bob"), upto: Cseq::new(upto) };
        assert_eq!(printed(talk.heard(delivered(1))), ["  ✓✓ hi"]);
        assert!(talk.heard(delivered(1)).is_empty());
        let read = ClientEvent::Read { conversation: conversation(), user: user("bob"), upto: Cseq::new(1) };
        assert_eq!(printed(talk.heard(read.clone())), ["  ✓✓ (read) hi"]);
        assert!(talk.heard(delivered(1)).is_empty() && talk.heard(read).is_empty());
    }

    #[test]
    fn ones_own_reading_ticks_nothing() {
        let mut talk = alice_with_bob();
        sent(&mut talk, 1, "hi");
        let own = ClientEvent::Read { conversation: conversation(), user: user("alice"), upto: Cseq::new(1) };
        assert!(talk.heard(own).is_empty());
    }

    #[test]
    fn what_the_peer_says_is_shown_and_read() {
        let mut talk = alice_with_bob();
        let wants = talk.heard(ClientEvent::Message(message("bob", 4, "hello")));
        assert_eq!(
            wants,
            [Do::Print("bob: hello".into()), Do::MarkRead { conversation: conversation(), upto: Cseq::new(4) }]
        );
    }

    #[test]
    fn what_somebody_else_says_is_shown_and_read_only_when_turned_to() {
        let mut talk = Talk::new(user("alice"), Some(user("carol")));
        assert_eq!(talk.heard(ClientEvent::Message(message("bob", 4, "hello"))), [Do::Print("bob: hello".into())]);
        assert!(talk.typed("/to bob").contains(&Do::MarkRead { conversation: conversation(), upto: Cseq::new(4) }));
    }

    #[test]
    fn what_was_typed_here_is_not_shown_again_and_what_another_device_sent_is() {
        let mut talk = alice_with_bob();
        sent(&mut talk, 1, "hi");
        assert!(talk.heard(ClientEvent::Message(message("alice", 1, "hi"))).is_empty());
        talk.in_outbox(MessageId::from_u128(2), "before its answer".into());
        assert!(talk.heard(ClientEvent::Message(message("alice", 2, "before its answer"))).is_empty());
        assert_eq!(printed(talk.heard(ClientEvent::Message(message("alice", 3, "phone")))), ["alice: phone"]);
    }

    #[test]
    fn a_reset_shows_nothing_twice() {
        let mut talk = alice_with_bob();
        let snapshot = Snapshot {
            at: Default::default(),
            conversations: vec![ConversationView {
                id: conversation(),
                kind: cell_client::ConversationKind::Direct,
                with: Some(user("bob")),
                name: None,
                members: None,
                head: Cseq::new(2),
                read: Cseq::ZERO,
                last: vec![message("bob", 1, "one"), message("bob", 2, "two")],
            }],
            next: None,
        };
        let reset = ClientEvent::Reset { why: cell_client::WhyFresh::New, snapshot };
        assert_eq!(printed(talk.heard(reset.clone())), ["bob: one", "bob: two"]);
        assert!(talk.heard(reset).is_empty());
    }

    #[test]
    fn a_lost_connection_is_said_once_and_so_is_its_return() {
        let mut talk = alice_with_bob();
        let lost = || ClientEvent::Reconnecting { after: Duration::ZERO, why: "refused".into() };
        assert_eq!(printed(talk.heard(ClientEvent::Live)), ["connected"]);
        assert_eq!(printed(talk.heard(lost())), ["reconnecting… (refused)"]);
        assert!(talk.heard(lost()).is_empty());
        assert_eq!(printed(talk.heard(ClientEvent::Live)), ["connected again"]);
    }
}
