//! Writing JSON objects into a buffer, without a tree in between.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

/// Why the `expect`s here hold.
const IN_MEMORY: &str = "writing to memory does not fail";

/// An object that is being written; [`Self::end`] closes it. Names of fields need no escapes.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out }
    }

    /// Starts a frame: its first field says what it is.
    pub(crate) fn frame(out: &'a mut Vec<u8>, t: &str) -> Self {
        out.extend_from_slice(b"{\"t\":\"");
        out.extend_from_slice(t.as_bytes());
        out.push(b'"');
        Self { out }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a field's name; the caller writes its value.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Text, with the escapes that it needs.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.value(name, text);
    }

    /// Text that needs no escapes by its type.
    pub(crate) fn plain(&mut self, name: &str, text: impl Display) {
        write!(self.key(name), "\"{text}\"").expect(IN_MEMORY);
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) {
        self.value(name, &number);
    }

    pub(crate) fn flag(&mut self, name: &str, flag: bool) {
        self.raw(name, if flag { b"true" } else { b"false" });
    }

    /// JSON as it is.
    pub(crate) fn raw(&mut self, name: &str, json: &[u8]) {
        self.key(name).extend_from_slice(json);
    }

    /// `null` when there is none.
    pub(crate) fn text_or_null(&mut self, name: &str, text: Option<&str>) {
        self.value(name, &text);
    }

    /// An array, each element written by `write`.
    pub(crate) fn array<T>(&mut self, name: &str, items: &[T], write: fn(&T, &mut Vec<u8>)) {
        let out = self.key(name);
        out.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            write(item, out);
        }
        out.push(b']');
    }

    /// Anything that serde can write.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        serde_json::to_writer(self.key(name), value).expect(IN_MEMORY);
    }
}
