//! The first frame of a connection: who is it, and from where does it go on?

use cell_protocol::limits::VERSION;
use cell_protocol::{ClientFrame, ClientMessage, CloseCode, ErrorCode, Hello, ServerFrame, parse_client};
use cell_types::Cursor;

use super::subscription::Opening;
use super::{Peer, Phase, Session, Turn};
use crate::home::OpenFrom;
use crate::token::Verdict;

impl Session {
    /// Takes the first line: nothing but a good `hello` keeps the connection open.
    pub(super) fn first(&mut self, turn: &mut Turn<'_>, line: &str) {
        match parse_client(line) {
            Ok(ClientFrame { message: ClientMessage::Hello(hello), .. }) => self.hello(turn, hello),
            Err(error) if error.hello || !is_json_object(line) => {
                self.say(turn, &ServerFrame::Error(error.to_frame()));
                self.close(turn, CloseCode::BadProtocol);
            }
            // A JSON object that says something else, well or badly.
            Ok(_) | Err(_) => self.close(turn, CloseCode::NoHello),
        }
    }

    fn hello(&mut self, turn: &mut Turn<'_>, hello: Hello) {
        if hello.version != VERSION {
            self.error(turn, None, ErrorCode::BadRequest, "this server speaks version 1");
            return self.close(turn, CloseCode::BadProtocol);
        }
        match turn.environment.verifier.verify(&hello.token, &hello.device, turn.now.wall) {
            Verdict::Expired => {
                self.error(turn, None, ErrorCode::Token, "the token has expired");
                self.close(turn, CloseCode::TokenExpired);
            }
            Verdict::Refused(why) => {
                tracing::debug!(session = self.id.0, why, "token refused");
                self.error(turn, None, ErrorCode::Token, "the token is not valid here");
                self.close(turn, CloseCode::TokenRefused);
            }
            Verdict::Valid(bearer) => {
                tracing::debug!(session = self.id.0, user = %bearer.user, device = %hello.device, "hello");
                self.peer = Some(Peer {
                    key: bearer.user.placement(),
                    bearer,
                    device: hello.device,
                    hello_at: turn.now.wall,
                    hello_nonce: turn.random(),
                });
                let from = match hello.resume {
                    None => OpenFrom::Nothing,
                    Some(resume) => match resume.ep.parse() {
                        Ok(ep) => OpenFrom::Cursor(Cursor { ep, useq: resume.useq }),
                        Err(_) => OpenFrom::ForeignCursor,
                    },
                };
                self.phase = Phase::Opening(Box::new(Opening::new(from, turn.ms())));
                self.open(turn);
            }
        }
    }
}

fn is_json_object(line: &str) -> bool {
    line.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok()
}
