//! What a chat's lines look like.

use cell_client::{ConversationView, MessageView, from_body};

/// How far an own message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ticks {
    Sent,
    Delivered,
    Read,
}

/// A line about an own message.
pub(super) fn tick_line(ticks: Ticks, text: &str) -> String {
    match ticks {
        Ticks::Sent => format!("  ✓ {text}"),
        Ticks::Delivered => format!("  ✓✓ {text}"),
        Ticks::Read => format!("  ✓✓ (read) {text}"),
    }
}

pub(super) fn message_line(message: &MessageView) -> String {
    format!("{}: {}", message.from, body_text(message))
}

/// A text is shown as it is, anything else as its JSON. A message must not steer the reader's terminal.
fn body_text(message: &MessageView) -> String {
    let text = match &message.body {
        None => "(deleted)".to_owned(),
        Some(body) => {
            from_body::<String>(message).unwrap_or_else(|| String::from_utf8_lossy(body.as_bytes()).into_owned())
        }
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn history_lines(messages: &[MessageView]) -> Vec<String> {
    let mut lines = vec![format!("— {} messages —", messages.len())];
    lines.extend(messages.iter().map(|message| format!("{} {}", message.cseq, message_line(message))));
    lines
}

pub(super) fn list_lines(conversations: &[ConversationView]) -> Vec<String> {
    let line = |conversation: &ConversationView| {
        let with = conversation.with.as_ref().map(ToString::to_string).or_else(|| conversation.name.clone());
        let last = conversation.last.last().map(message_line).unwrap_or_default();
        format!("{} ({} unread)  {last}", with.unwrap_or_default(), conversation.unread())
    };
    let mut lines = vec![format!("— {} conversations —", conversations.len())];
    lines.extend(conversations.iter().map(line));
    lines
}

#[cfg(test)]
mod tests {
    use cell_client::{ConversationId, Cseq, Timestamp, to_body};

    use super::*;

    fn message(body: &impl serde::Serialize) -> MessageView {
        MessageView {
            conversation: ConversationId::direct(&"alice".parse().unwrap(), &"bob".parse().unwrap()),
            cseq: Cseq::new(1),
            from: "bob".parse().unwrap(),
            mid: None,
            ts: Timestamp::from_millis(0),
            body: Some(to_body(body).unwrap()),
            rev: 0,
            deleted: false,
        }
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(message_line(&message(&"\x1b[2Jgone\r\nnew")), "bob:  [2Jgone  new");
    }

    #[test]
    fn a_body_that_is_no_text_is_shown_as_its_json_and_a_deleted_one_as_that() {
        assert_eq!(message_line(&message(&[1, 2])), "bob: [1,2]");
        assert_eq!(message_line(&MessageView { body: None, deleted: true, ..message(&0) }), "bob: (deleted)");
    }
}
