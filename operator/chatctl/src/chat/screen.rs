//! Where lines go: a terminal, above the line being typed, or a pipe.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Goes to the start of the line and erases it.
const ERASE: &str = "\r\x1b[K";

/// When the terminal does not say.
const WIDTH_DEFAULT: usize = 80;

/// Gives the terminal back as it was, however it is left.
pub(super) struct Screen {
    /// The terminal's modes before; none on a pipe.
    before: Option<Termios>,
    /// What stands on the terminal's last line.
    prompted: String,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stdout().is_terminal() {
            return Ok(Self { before: None, prompted: String::new() });
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Self { before: Some(before), prompted: String::new() })
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.before.is_some()
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        match self.is_terminal() {
            true => write!(out, "{ERASE}{text}\n{}", self.prompted)?,
            false => writeln!(out, "{text}")?,
        }
        out.flush()
    }

    /// Shows the line being typed; nothing on a pipe.
    pub(super) fn prompt(&mut self, prompt: &str, typed: &str) -> io::Result<()> {
        if !self.is_terminal() {
            return Ok(());
        }
        let width = tcgetwinsize(io::stdin()).map_or(WIDTH_DEFAULT, |size| usize::from(size.ws_col).max(1));
        let shown = format!("{prompt}{}", tail(typed, width.saturating_sub(prompt.len() + 1)));
        if shown != self.prompted {
            self.prompted = shown;
            let mut out = io::stdout();
            write!(out, "{ERASE}{}", self.prompted)?;
            out.flush()?;
        }
        Ok(())
    }

    /// Leaves the terminal on a fresh line.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let Some(before) = self.before.take() else { return Ok(()) };
        let mut out = io::stdout();
        write!(out, "{ERASE}")?;
        out.flush()?;
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &before)?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            eprintln!("chatctl: failed to give the terminal back: {error}");
        }
    }
}

/// The end of a text that fits: a line that wraps could not be erased. Characters outside ASCII may be two columns wide.
fn tail(text: &str, columns: usize) -> &str {
    let mut left = columns;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        let width = if c.is_ascii() { 1 } else { 2 };
        if width > left {
            break;
        }
        left -= width;
        start = at;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_shows_its_end() {
        assert_eq!(tail("hello", 10), "hello");
        assert_eq!(tail("hello", 3), "llo");
        assert_eq!(tail("名前x", 3), "前x");
        assert_eq!(tail("x", 0), "");
    }
}
