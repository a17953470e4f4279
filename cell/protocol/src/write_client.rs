//! Writes what a client says.

use crate::client::{ClientFrame, ClientMessage, Command, ConversationRef, Hello, Page, Target};
use crate::json::ObjectWriter;

/// Stands for a conversation that no server made: well-formed, and never an id.
const NO_CONVERSATION: &str = "-";

/// Appends one JSON object, without a line break.
pub fn write_client(frame: &ClientFrame, out: &mut Vec<u8>) {
    let mut object = match &frame.message {
        ClientMessage::KeepAlive => ObjectWriter::begin(out),
        ClientMessage::Ack => {
            let mut object = ObjectWriter::frame(out, "ack");
            // Without a number it acks nothing, which 0 says too.
            object.number("u", frame.ack.unwrap_or_default().get());
            return object.end();
        }
        ClientMessage::Hello(message) => hello(message, out),
        ClientMessage::Command { id, command } => {
            let mut object = ObjectWriter::frame(out, name(command));
            object.number("id", u64::from(*id));
            fields(command, &mut object);
            object
        }
    };
    if let Some(ack) = frame.ack {
        object.number("a", ack.get());
    }
    object.end();
}

fn hello<'a>(hello: &Hello, out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
    let mut object = ObjectWriter::frame(out, "hello");
    object.number("v", u64::from(hello.version));
    object.plain("dev", &hello.device);
    object.text("tok", &hello.token);
    if let Some(resume) = &hello.resume {
        let mut cursor = ObjectWriter::begin(object.key("resume"));
        cursor.text("ep", &resume.ep);
        cursor.number("useq", resume.useq.get());
        cursor.end();
    }
    object
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Send { .. } => "send",
        Command::History { .. } => "hist",
        Command::Conversations { .. } => "convs",
        Command::Read { .. } => "read",
        Command::Ping => "ping",
    }
}

fn fields(command: &Command, object: &mut ObjectWriter<'_>) {
    match command {
        Command::Send { to, mid, body, after } => {
            let mut target = ObjectWriter::begin(object.key("to"));
            match to {
                Target::User(user) => target.text("user", user.as_str()),
                Target::Conversation(id) => conversation(id, &mut target),
            }
            target.end();
            object.plain("mid", mid);
            object.raw("body", body.as_bytes());
            if let Some(after) = after {
                object.plain("after", after);
            }
        }
        Command::History { conversation: id, page, limit } => {
            conversation(id, object);
            match page {
                Page::Newest => {}
                Page::Before(cseq) => object.number("before", cseq.get()),
                Page::After(cseq) => object.number("after", cseq.get()),
                Page::Around(cseq) => object.number("around", cseq.get()),
                Page::Since(eseq) => object.number("since", eseq.get()),
            }
            optional_number("limit", *limit, object);
        }
        Command::Conversations { cursor, limit } => {
            if let Some(cursor) = cursor {
                object.text("cursor", cursor);
            }
            optional_number("limit", *limit, object);
        }
        Command::Read { conversation: id, upto } => {
            conversation(id, object);
            object.number("upto", upto.get());
        }
        Command::Ping => {}
    }
}

fn conversation(conversation: &ConversationRef, object: &mut ObjectWriter<'_>) {
    match conversation {
        Ok(id) => object.plain("conv", id),
        Err(_) => object.plain("conv", NO_CONVERSATION),
    }
}

fn optional_number(name: &str, number: Option<u64>, object: &mut ObjectWriter<'_>) {
    if let Some(number) = number {
        object.number(name, number);
    }
}
