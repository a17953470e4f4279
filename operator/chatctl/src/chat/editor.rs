//! One line of typing on a raw terminal: bytes in, the line out. Enough to type, correct and send.

const BACKSPACE: u8 = 0x7f;
const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_H: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;

/// Longer than any message that the server takes.
const LINE_LEN_MAX: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Editor {
    line: String,
    /// The first bytes of a character.
    partial: Vec<u8>,
    escape: Escape,
}

/// Where in an escape sequence the input is. Arrows and the like are read over.
#[derive(Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Inside,
}

/// What a byte completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    None,
    Line(String),
    /// Ctrl-C, or Ctrl-D on an empty line.
    Leave,
}

impl Editor {
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    pub(super) fn feed(&mut self, byte: u8) -> Edit {
        match (&self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Inside,
            (Escape::Begun, _) => self.escape = Escape::None,
            (Escape::Inside, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Inside, _) => {}
            (Escape::None, ESCAPE) => self.escape = Escape::Begun,
            (Escape::None, b'\r' | b'\n') => return Edit::Line(std::mem::take(&mut self.line)),
            (Escape::None, CTRL_C) => return Edit::Leave,
            (Escape::None, CTRL_D) if self.line.is_empty() => return Edit::Leave,
            (Escape::None, BACKSPACE | CTRL_H) => drop(self.line.pop()),
            (Escape::None, CTRL_U) => self.line.clear(),
            (Escape::None, CTRL_W) => self.remove_word(),
            (Escape::None, b'\t') => self.push(b' '),
            (Escape::None, 0..=0x1f) => {}
            (Escape::None, byte) => self.push(byte),
        }
        Edit::None
    }

    fn remove_word(&mut self) {
        let rest = self.line.trim_end().rfind(' ').map_or(0, |space| space + 1);
        self.line.truncate(rest);
    }

    fn push(&mut self, byte: u8) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) if self.line.len() + text.len() <= LINE_LEN_MAX => {
                self.line.push_str(text);
                self.partial.clear();
            }
            Ok(_) => self.partial.clear(),
            // The rest of the character is still to come.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.partial.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> (String, Vec<Edit>) {
        let mut editor = Editor::default();
        let edits = bytes.iter().map(|byte| editor.feed(*byte)).filter(|edit| *edit != Edit::None).collect();
        (editor.line().to_owned(), edits)
    }

    #[test]
    fn a_line_is_what_was_typed_and_corrected() {
        assert_eq!(typed("hé\u{7f}i\r".as_bytes()), (String::new(), vec![Edit::Line("hi".into())]));
        assert_eq!(typed(b"two words\x17x"), ("two x".into(), vec![]));
        assert_eq!(typed(b"gone\x15new"), ("new".into(), vec![]));
        assert_eq!(typed("✓ 名前".as_bytes()), ("✓ 名前".into(), vec![]));
    }

    #[test]
    fn arrows_and_other_keys_type_nothing() {
        assert_eq!(typed(b"a\x1b[A\x1b[1;5C\x1bOPb\x01"), ("ab".into(), vec![]));
    }

    #[test]
    fn control_c_leaves_and_control_d_only_on_an_empty_line() {
        assert_eq!(typed(b"x\x03").1, [Edit::Leave]);
        assert_eq!(typed(b"\x04").1, [Edit::Leave]);
        assert_eq!(typed(b"x\x04"), ("x".into(), vec![]));
    }

    #[test]
    fn bytes_that_are_no_text_are_dropped() {
        assert_eq!(typed(b"a\xffb"), ("ab".into(), vec![]));
    }
}
