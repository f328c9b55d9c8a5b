//! Listings: what files a tree has, a line `<sha256>  <path>` for each, sorted bytewise by path.
//!
//! SHA-256 of a listing's bytes is its tree's `dirHash`, the identity of a folder, so `sha256sum` and `sort` reproduce
//! it. Promises that a line is what [`write_line`] writes, or an error. Never reads a file. (docs/FORMAT.md, Attachments)

use crate::digest::EventDigest;

/// A line that no listing has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line of a listing is `<sha256>  <path>`, found `{found}`")]
pub struct ListingError {
    /// The line as found, cut at 80 characters.
    pub found: String,
}

impl ListingError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-listing"
    }
}

/// A file of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: &'a str,
    /// Its path below the root of the tree, with `/`.
    pub path: &'a str,
}

impl<'a> Listed<'a> {
    /// Reads a line, without the newline that ends it.
    pub fn parse(line: &'a [u8]) -> Result<Self, ListingError> {
        let read = || {
            let (sha256, path) = std::str::from_utf8(line).ok()?.split_once("  ")?;
            let fits = sha256.parse::<EventDigest>().is_ok() && is_path(path);
            fits.then_some(Self { sha256, path })
        };
        read().ok_or_else(|| ListingError { found: String::from_utf8_lossy(line).chars().take(80).collect() })
    }
}

/// Adds the line of a file.
pub fn write_line(listing: &mut Vec<u8>, sha256: &str, path: &str) {
    for part in [sha256, "  ", path, "\n"] {
        listing.extend_from_slice(part.as_bytes());
    }
}

/// A character that no name in a listing has: `sha256sum` would escape it.
pub fn refused_character(name: &str) -> Option<char> {
    name.chars().find(|character| *character == '\\' || character.is_control())
}

fn is_path(path: &str) -> bool {
    refused_character(path).is_none() && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for path in ["a", "b/c", "a b", "a  b", "-x", ".hidden", "ünï"] {
            let mut line = Vec::new();
            write_line(&mut line, HEX, path);
            let listed = Listed::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
            assert_eq!(listed, Listed { sha256: HEX, path });
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let upper = HEX.to_uppercase();
        for line in [
            String::new(),
            HEX.to_owned(),
            format!("{HEX} a"),
            format!("{HEX}  "),
            format!("{HEX} *a"),
            format!("{upper}  a"),
            format!("{HEX}  /a"),
            format!("{HEX}  a/../b"),
            format!("{HEX}  a//b"),
            format!("{HEX}  back\\slash"),
            format!("\\{HEX}  a"),
            format!("{HEX}  a\r"),
        ] {
            let error = Listed::parse(line.as_bytes()).unwrap_err();
            assert_eq!((error.code(), error.found.is_empty()), ("malformed-listing", line.is_empty()), "{line}");
        }
        assert!(Listed::parse(b"\xff").is_err());
    }
}
