//! Writes what a server says. Bodies are copied as they came.

use cell_types::{ConversationId, ConversationKind, Cseq, UserId};

use crate::error::ErrorFrame;
use crate::json::ObjectWriter;
use crate::limits::VERSION;
use crate::server::{
    Answer, ConversationView, Event, EventKind, MessageView, PageMore, ServerFrame, Snapshot, Welcome,
};

/// A kind that no version has: what a frame or an event that was not understood is written as.
const UNKNOWN: &str = "unknown";

/// Appends one JSON object, without a line break.
pub fn write_server(frame: &ServerFrame, out: &mut Vec<u8>) {
    match frame {
        ServerFrame::Event(event) => write_event(event, out),
        ServerFrame::Answer { id, answer } => write_answer(*id, answer, out),
        ServerFrame::KeepAlive => out.extend_from_slice(b"{}"),
        ServerFrame::Welcome(welcome) => write_welcome(welcome, out),
        ServerFrame::Snapshot(snapshot) => write_snapshot(snapshot, out),
        ServerFrame::Live { head } => {
            let mut object = ObjectWriter::frame(out, "live");
            object.number("u", head.get());
            object.end();
        }
        ServerFrame::Error(error) => write_error(error, out),
        ServerFrame::GoAway { after_ms, url, why } => {
            let mut object = ObjectWriter::frame(out, "goaway");
            object.number("after_ms", *after_ms);
            optional_text("url", url.as_deref(), &mut object);
            optional_text("why", why.as_deref(), &mut object);
            object.end();
        }
        ServerFrame::Unknown => ObjectWriter::frame(out, UNKNOWN).end(),
    }
}

fn write_event(event: &Event, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::frame(out, "ev");
    object.number("u", event.useq.get());
    if event.covers > 1 {
        object.number("n", event.covers);
    }
    match &event.kind {
        EventKind::Message(message) => {
            object.plain("k", "msg");
            message_fields(message, &mut object);
        }
        EventKind::Read { conversation, user, upto } => watermark("read", *conversation, user, *upto, &mut object),
        EventKind::Delivered { conversation, user, upto } => watermark("dlvd", *conversation, user, *upto, &mut object),
        EventKind::Conversation(conversation) => {
            object.plain("k", "conv");
            conversation_fields(conversation, &mut object);
        }
        EventKind::Unknown => object.plain("k", UNKNOWN),
    }
    object.end();
}

fn watermark(kind: &str, conversation: ConversationId, user: &UserId, upto: Cseq, object: &mut ObjectWriter<'_>) {
    object.plain("k", kind);
    object.plain("conv", conversation);
    object.text("user", user.as_str());
    object.number("upto", upto.get());
}

fn write_answer(id: u32, answer: &Answer, out: &mut Vec<u8>) {
    let t = match answer {
        Answer::Sent { .. } | Answer::Done => "ok",
        Answer::Page { .. } => "page",
        Answer::Conversations { .. } => "convs",
        Answer::Pong { .. } => "pong",
    };
    let mut object = ObjectWriter::frame(out, t);
    object.number("id", u64::from(id));
    match answer {
        Answer::Sent { conversation, cseq, ts, again } => {
            object.plain("conv", conversation);
            object.number("cseq", cseq.get());
            object.number("ts", ts.as_millis());
            if *again {
                object.flag("dup", true);
            }
        }
        Answer::Done => {}
        Answer::Page { conversation, messages, more } => {
            object.plain("conv", conversation);
            object.array("msgs", messages, write_message);
            write_more(*more, &mut object);
        }
        Answer::Conversations { conversations, next } => {
            object.array("convs", conversations, write_conversation);
            object.text_or_null("next", next.as_deref());
        }
        Answer::Pong { now } => object.number("now", now.as_millis()),
    }
    object.end();
}

fn write_more(more: PageMore, object: &mut ObjectWriter<'_>) {
    match more {
        PageMore::OneWay(more) => object.flag("more", more),
        PageMore::Around { before, after } => {
            object.flag("more_before", before);
            object.flag("more_after", after);
        }
        PageMore::Since { more, eseq } => {
            object.flag("more", more);
            object.number("eseq", eseq.get());
        }
    }
}

fn write_welcome(welcome: &Welcome, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::frame(out, "welcome");
    object.number("v", u64::from(VERSION));
    object.text("user", welcome.user.as_str());
    object.text("sess", &welcome.session);
    object.text("rt", &welcome.resume_token);
    object.text("ep", &welcome.ep);
    object.number("head", welcome.head.get());
    object.flag("resumed", welcome.fresh.is_none());
    if let Some(why) = &welcome.fresh {
        object.value("why", why);
    }
    object.number("hb_ms", welcome.heartbeat_ms);
    object.value("limits", &welcome.limits);
    object.number("now", welcome.now.as_millis());
    object.end();
}

fn write_snapshot(snapshot: &Snapshot, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::frame(out, "snap");
    object.number("at", snapshot.at.get());
    object.array("convs", &snapshot.conversations, write_conversation);
    object.text_or_null("next", snapshot.next.as_deref());
    object.end();
}

fn write_error(error: &ErrorFrame, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::frame(out, "err");
    if let Some(id) = error.id {
        object.number("id", u64::from(id));
    }
    object.number("code", u64::from(error.code.code()));
    object.plain("name", error.code.name());
    object.flag("temp", error.code.is_temporary());
    if let Some(retry_ms) = error.retry_ms {
        object.number("retry_ms", retry_ms);
    }
    object.text("msg", &error.message);
    object.end();
}

fn write_message(message: &MessageView, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    message_fields(message, &mut object);
    object.end();
}

fn message_fields(message: &MessageView, object: &mut ObjectWriter<'_>) {
    object.plain("conv", message.conversation);
    object.number("cseq", message.cseq.get());
    object.text("from", message.from.as_str());
    if let Some(mid) = message.mid {
        object.plain("mid", mid);
    }
    object.number("ts", message.ts.as_millis());
    // A deleted body is never shown again, whoever filled it in.
    if let Some(body) = message.body.as_ref().filter(|_| !message.deleted) {
        object.raw("body", body.as_bytes());
    }
    if message.rev > 0 {
        object.number("rev", u64::from(message.rev));
    }
    if message.deleted {
        object.flag("deleted", true);
    }
}

fn write_conversation(conversation: &ConversationView, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    conversation_fields(conversation, &mut object);
    object.end();
}

fn conversation_fields(conversation: &ConversationView, object: &mut ObjectWriter<'_>) {
    object.plain("conv", conversation.id);
    object.plain(
        "kind",
        match conversation.kind {
            ConversationKind::Direct => "direct",
            ConversationKind::Group => "group",
        },
    );
    optional_text("with", conversation.with.as_ref().map(UserId::as_str), object);
    optional_text("name", conversation.name.as_deref(), object);
    if let Some(members) = conversation.members {
        object.number("members", u64::from(members));
    }
    object.number("head", conversation.head.get());
    object.number("read", conversation.read.get());
    object.number("unread", conversation.unread());
    object.array("last", &conversation.last, write_message);
}

fn optional_text(name: &str, text: Option<&str>, object: &mut ObjectWriter<'_>) {
    if let Some(text) = text {
        object.text(name, text);
    }
}
