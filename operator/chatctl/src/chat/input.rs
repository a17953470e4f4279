//! Where lines come from: a terminal, byte by byte through the editor, or a pipe, line by line.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Stdin};

use super::editor::{Edit, Editor};

/// A few keys, or a pasted paragraph.
const READ_LEN: usize = 1024;

pub(super) enum Input {
    Terminal { stdin: Stdin, editor: Editor, ready: VecDeque<Edit> },
    Pipe { stdin: BufReader<Stdin>, line: Vec<u8> },
}

/// What the person did.
pub(super) enum Typed {
    /// The line being typed has changed.
    Editing,
    Line(String),
    Leave,
    /// There will be no more.
    End,
}

impl Input {
    pub(super) fn open(is_terminal: bool) -> Self {
        let stdin = tokio::io::stdin();
        match is_terminal {
            true => Self::Terminal { stdin, editor: Editor::default(), ready: VecDeque::new() },
            false => Self::Pipe { stdin: BufReader::new(stdin), line: Vec::new() },
        }
    }

    /// The line being typed.
    pub(super) fn typed(&self) -> &str {
        match self {
            Self::Terminal { editor, .. } => editor.line(),
            Self::Pipe { .. } => "",
        }
    }

    /// Cancel-safe: what was read and not returned is kept.
    pub(super) async fn next(&mut self) -> io::Result<Typed> {
        match self {
            Self::Terminal { stdin, editor, ready } => {
                if ready.is_empty() {
                    let mut bytes = [0; READ_LEN];
                    let len = stdin.read(&mut bytes).await?;
                    if len == 0 {
                        return Ok(Typed::End);
                    }
                    ready.extend(bytes[..len].iter().map(|byte| editor.feed(*byte)).filter(|edit| *edit != Edit::None));
                }
                Ok(match ready.pop_front() {
                    None | Some(Edit::None) => Typed::Editing,
                    Some(Edit::Line(line)) => Typed::Line(line),
                    Some(Edit::Leave) => Typed::Leave,
                })
            }
            Self::Pipe { stdin, line } => {
                let len = stdin.read_until(b'\n', line).await?;
                if len == 0 && line.is_empty() {
                    return Ok(Typed::End);
                }
                Ok(Typed::Line(String::from_utf8_lossy(&std::mem::take(line)).into_owned()))
            }
        }
    }
}
