//! A WebSocket text message as lines: one or more JSON objects, one a line.

/// The lines of a text message; those of nothing but white space are skipped.
///
/// A CR before the LF stays on its line: to JSON it is white space.
pub fn split_lines(message: &str) -> impl Iterator<Item = &str> {
    message.split('\n').filter(|line| line.bytes().any(|b| !matches!(b, b' ' | b'\t' | b'\r')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientMessage;
    use crate::parse_client::parse_client;

    #[test]
    fn each_line_is_a_frame_and_empty_lines_are_none() {
        let lines: Vec<_> = split_lines("{}\n\n{\"a\":1}\r\n \t\r\n{\"a\":2}").collect();
        assert_eq!(lines, ["{}", "{\"a\":1}\r", "{\"a\":2}"]);
        assert_eq!(parse_client(lines[1]).unwrap().message, ClientMessage::KeepAlive);
        assert_eq!(split_lines("").count(), 0);
    }
}
