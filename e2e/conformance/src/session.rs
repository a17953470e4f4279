//! A welcomed client: commands with their answers, and the events that came meanwhile.

use std::ops::{Deref, DerefMut};

use anyhow::Context;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Client;

/// Commands that are under way at a time when many are to be carried out.
const BATCH: usize = 50;

/// From `welcome` on.
#[derive(Debug)]
pub struct Session {
    client: Client,
    pub welcome: Value,
    /// What came between `welcome` and `live`.
    pub opening: Vec<Value>,
    /// The number that `live` named.
    pub live: u64,
    /// Events that came while an answer was waited for.
    pub heard: Vec<Value>,
    commands: u32,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A fresh message id.
pub fn mid() -> String {
    Uuid::new_v4().to_string()
}

/// A message to a user, without the command's id.
pub fn to_user(user: &str, mid: &str, body: impl Into<Value>) -> Value {
    json!({"t": "send", "to": {"user": user}, "mid": mid, "body": body.into()})
}

/// A message to a conversation, without the command's id.
pub fn to_conversation(conversation: &str, mid: &str, body: impl Into<Value>) -> Value {
    json!({"t": "send", "to": {"conv": conversation}, "mid": mid, "body": body.into()})
}

/// Whether this is an event.
pub fn is_event(frame: &Value) -> bool {
    frame["t"] == "ev"
}

/// The numbers of these events.
pub fn useqs(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["u"].as_u64()).collect()
}

impl Session {
    /// Says `hello` and waits for `live`.
    pub async fn open(client: Client, token: &str, device: &str, cursor: Option<Value>) -> anyhow::Result<Self> {
        let mut session = Self::welcomed(client, token, device, cursor).await?;
        loop {
            let frame = session.client.expect().await?;
            if frame["t"] == "live" {
                session.live = frame["u"].as_u64().context("`live` has a number")?;
                return Ok(session);
            }
            session.opening.push(frame);
        }
    }

    /// Says `hello` and waits for `welcome` only.
    pub async fn welcomed(
        mut client: Client,
        token: &str,
        device: &str,
        cursor: Option<Value>,
    ) -> anyhow::Result<Self> {
        let mut hello = json!({"t": "hello", "v": 1, "dev": device, "tok": token});
        if let Some(cursor) = cursor {
            hello["resume"] = cursor;
        }
        client.send(&hello).await?;
        let welcome = client.expect().await?;
        anyhow::ensure!(welcome["t"] == "welcome", "instead of a welcome: {welcome}");
        Ok(Self { client, welcome, opening: Vec::new(), live: 0, heard: Vec::new(), commands: 0 })
    }

    pub fn ep(&self) -> String {
        self.welcome["ep"].as_str().unwrap_or_default().to_owned()
    }

    /// The snapshot that the session began with; `null` if it was resumed.
    pub fn snapshot(&self) -> Value {
        self.opening.iter().find(|frame| frame["t"] == "snap").cloned().unwrap_or_default()
    }

    /// Sends a command under a fresh id and waits for its answer.
    pub async fn ask(&mut self, mut command: Value) -> anyhow::Result<Value> {
        self.commands += 1;
        let id = self.commands;
        command["id"] = id.into();
        self.client.send(&command).await?;
        self.answer(id).await
    }

    /// The answer to the command with this id.
    pub async fn answer(&mut self, id: u32) -> anyhow::Result<Value> {
        loop {
            let frame = self.client.expect().await?;
            if frame["id"] == id {
                return Ok(frame);
            }
            if is_event(&frame) {
                self.heard.push(frame);
            }
        }
    }

    /// Sends one message that has to be taken.
    pub async fn say(&mut self, user: &str, body: impl Into<Value>) -> anyhow::Result<Value> {
        let answer = self.ask(to_user(user, &mid(), body)).await?;
        anyhow::ensure!(answer["t"] == "ok", "a send was answered {answer}");
        Ok(answer)
    }

    /// Sends so many messages, a few at a time, and acks one's own; the conversation's id.
    pub async fn say_many(&mut self, user: &str, count: usize, body: &Value) -> anyhow::Result<String> {
        let batch = if body.to_string().len() > 1_000 { 1 } else { BATCH };
        let mut conversation = String::new();
        for from in (0..count).step_by(batch) {
            let first = self.commands + 1;
            let many = batch.min(count - from);
            let commands: Vec<Value> = (first..).take(many).map(|id| self.numbered(id, user, body)).collect();
            self.commands += u32::try_from(many)?;
            self.client.send_all(&commands).await?;
            let mut unanswered = many;
            while unanswered > 0 {
                let frame = self.client.expect().await?;
                if is_event(&frame) {
                    self.client.send(&json!({"t": "ack", "u": frame["u"]})).await?;
                } else {
                    anyhow::ensure!(frame["t"] == "ok", "a send was answered {frame}");
                    conversation = frame["conv"].as_str().unwrap_or_default().to_owned();
                    unanswered -= 1;
                }
            }
        }
        Ok(conversation)
    }

    fn numbered(&self, id: u32, user: &str, body: &Value) -> Value {
        let mut command = to_user(user, &mid(), body.clone());
        command["id"] = id.into();
        command
    }

    pub async fn ack(&mut self, upto: u64) -> anyhow::Result<()> {
        self.client.send(&json!({"t": "ack", "u": upto})).await
    }

    /// The next event; what else comes is dropped.
    pub async fn event(&mut self) -> anyhow::Result<Value> {
        if !self.heard.is_empty() {
            return Ok(self.heard.remove(0));
        }
        self.client.expect_that(is_event).await
    }

    /// The next event of this kind; events before it are dropped.
    pub async fn event_of(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let event = self.event().await?;
            if event["k"] == kind {
                return Ok(event);
            }
        }
    }

    /// All events up to the next silence.
    pub async fn events(&mut self) -> anyhow::Result<Vec<Value>> {
        let mut events = std::mem::take(&mut self.heard);
        events.extend(self.client.rest().await?.into_iter().filter(is_event));
        Ok(events)
    }
}
