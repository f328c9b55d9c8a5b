//! The one spelling of integers, hashes and bytes in the line formats: notes, checkpoints, proofs, tile paths, policies.
//!
//! Promises that a text which is read here prints back as it was. Never trims, pads or ignores anything.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Reads a decimal without sign, leading zero or anything else around it.
pub(crate) fn parse_integer(text: &str) -> Option<u64> {
    let digits_only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only || has_leading_zero(text) {
        return None;
    }
    text.parse().ok()
}

/// Whether a decimal starts with a zero that is not all of it.
pub(crate) fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

/// Standard base64 with padding.
pub(crate) fn print_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64: padding required, no stray bits, no line breaks.
pub(crate) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads 32 bytes of base64, 44 characters.
pub(crate) fn parse_hash(text: &str) -> Option<[u8; 32]> {
    parse_base64(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_one_spelling() {
        assert_eq!(parse_integer("0"), Some(0));
        assert_eq!(parse_integer("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "00", "01", "+1", "-0", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "\u{661}"] {
            assert_eq!(parse_integer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(parse_base64("AA=="), Some(vec![0]));
        for wrong in ["AA", "AA=", "AB==", "AA==\n", " AA==", "-_==", "A"] {
            assert_eq!(parse_base64(wrong), None, "{wrong}");
        }
    }
}
