//! What a server says to a client, taken apart: lines, and messages with their payload behind the line.

/// Bytes that arrive in any pieces, as the frames that they are.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame.
    held: Vec<u8>,
}

impl Frames {
    /// The frames that are whole by now, without the messages on subjects that do not pass.
    pub(super) fn whole(&mut self, bytes: &[u8], mut passes: impl FnMut(&str) -> bool) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let (mut heard, mut done) = (Vec::new(), 0);
        while let Some((length, subject)) = frame(&self.held[done..]) {
            if subject.is_none_or(|subject| passes(&subject)) {
                heard.extend_from_slice(&self.held[done..done + length]);
            }
            done += length;
        }
        self.held.drain(..done);
        heard
    }
}

/// The length of the first frame, if it is whole, and the subject if it is a message: `MSG <subject> <sid> [reply] <bytes>`,
/// or `HMSG` with the bytes of the headers before those of all.
fn frame(bytes: &[u8]) -> Option<(usize, Option<String>)> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..line]);
    let mut words = text.split(' ');
    if !matches!(words.next(), Some("MSG" | "HMSG")) {
        return Some((line + 2, None));
    }
    let subject = words.next().map(str::to_owned);
    let payload: usize = words.next_back()?.parse().ok()?;
    let length = line + 2 + payload + 2;
    (bytes.len() >= length).then_some((length, subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_lost_as_a_whole_in_whatever_pieces_it_comes() {
        let said = b"PING\r\nMSG a.b 1 5\r\nx\r\ny!\r\nHMSG lost.c 2 _INBOX.r 4 6\r\nhh\r\nyy\r\n+OK\r\n";
        for size in 1..said.len() {
            let (mut frames, mut heard) = (Frames::default(), Vec::new());
            for piece in said.chunks(size) {
                heard.extend(frames.whole(piece, |subject| !subject.starts_with("lost.")));
            }
            assert_eq!(heard, b"PING\r\nMSG a.b 1 5\r\nx\r\ny!\r\n+OK\r\n", "in pieces of {size}");
        }
    }
}
