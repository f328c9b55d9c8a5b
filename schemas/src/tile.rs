//! C2SP tlog-tiles: how the outside names and reads pieces of the log, 256 hashes or entries at a time.
//!
//! Promises one path for each tile, and that a bundle or a tile is read only when it holds exactly what its path says.
//! Never stores anything: tiles are made from the record when they are asked for. (C2SP tlog-tiles v0.1.0;
//! docs/FORMAT.md, Tiles)

use std::{fmt, str::FromStr};

use crate::spelling::parse_integer;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// The longest entry that a bundle can hold, in bytes: its length is written in 16 bits.
pub const MAX_TILE_ENTRY_BYTES: usize = 65_535;

/// The highest level that a path can name.
const MAX_LEVEL: u8 = 63;

/// No 64-bit tree has a tile above this level: one hash on it stands for 2^64 entries or more.
const HIGHEST_TILE_LEVEL: u8 = 7;

/// Why a tile's path or content was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path in the one spelling.
    #[error("`{0}` is not a tile path")]
    Path(String),
    /// A level beyond 63.
    #[error("tile level {0} is above {MAX_LEVEL}")]
    Level(u8),
    /// Not 1 to 256.
    #[error("tile width {0} is not 1 to {TILE_WIDTH}")]
    Width(u16),
    /// Longer than 16 bits can say.
    #[error("entry {position} of {length} bytes does not fit into a bundle, at most {MAX_TILE_ENTRY_BYTES}")]
    EntryTooLong {
        /// The entry's place in the bundle, from 0.
        position: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// The bytes end within an entry or before it.
    #[error("bundle ends in entry {position} of {count}")]
    Truncated {
        /// The place of the entry that is not whole, from 0.
        position: u16,
        /// How many the path promises.
        count: u16,
    },
    /// Bytes after the last entry.
    #[error("bundle has {0} bytes after its last entry")]
    TrailingBytes(usize),
    /// Not 32 bytes for each hash.
    #[error("tile of width {width} has {length} bytes")]
    TileLength {
        /// How many hashes the path promises.
        width: u16,
        /// The length in bytes.
        length: usize,
    },
}

impl TileError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "tile-malformed-path",
            Self::Level(_) => "tile-level",
            Self::Width(_) => "tile-width",
            Self::EntryTooLong { .. } => "tile-entry-too-long",
            Self::Truncated { .. } => "tile-truncated",
            Self::TrailingBytes(_) => "tile-trailing-bytes",
            Self::TileLength { .. } => "tile-wrong-length",
        }
    }
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// The entries themselves, beside the tiles of level 0.
    Entries,
    /// Hashes, each over 256 to the power of this level entries; 0 holds leaf hashes.
    Hashes(u8),
}

impl TileLevel {
    /// How many hashes or entries this level has in a tree of `size` entries.
    fn count(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => size.unbounded_shr(u32::from(level).saturating_mul(8)),
        }
    }
}

/// The name of one tile: `tile/<level>/<index>`, `tile/entries/<index>`, with `.p/<width>` when it is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    level: TileLevel,
    index: u64,
    width: u16,
}

impl TilePath {
    /// The tile of `width` (1 to 256) hashes or entries at `index` within its level.
    pub const fn new(level: TileLevel, index: u64, width: u16) -> Result<Self, TileError> {
        if let TileLevel::Hashes(number) = level
            && number > MAX_LEVEL
        {
            return Err(TileError::Level(number));
        }
        if width == 0 || width > TILE_WIDTH {
            return Err(TileError::Width(width));
        }
        Ok(Self { level, index, width })
    }

    /// The tile at `index` as a tree of `size` entries has it, full or partial; nothing when it has none there.
    pub fn in_tree(level: TileLevel, index: u64, size: u64) -> Option<Self> {
        let first = index.checked_mul(u64::from(TILE_WIDTH))?;
        let rest = level.count(size).checked_sub(first).filter(|&rest| rest > 0)?;
        let width = u16::try_from(rest).map_or(TILE_WIDTH, |rest| rest.min(TILE_WIDTH));
        Some(Self { level, index, width })
    }

    /// Every tile of a tree of `size` entries: bundles, then hashes level by level, each with at most one partial.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..=HIGHEST_TILE_LEVEL).map(TileLevel::Hashes);
        std::iter::once(TileLevel::Entries)
            .chain(levels)
            .flat_map(move |level| (0..).map_while(move |index| Self::in_tree(level, index, size)))
    }

    /// What it holds.
    pub const fn level(&self) -> TileLevel {
        self.level
    }

    /// Its number within the level, from 0.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds fewer than 256.
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            TileLevel::Entries => write!(f, "tile/entries/")?,
            TileLevel::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        write_index(f, self.index)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Groups of three digits, all but the last with an `x` before them.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let (high, low) = (index / 1000, index % 1000);
    if high > 0 {
        write_high_groups(f, high)?;
    }
    write!(f, "{low:03}")
}

fn write_high_groups(f: &mut fmt::Formatter<'_>, number: u64) -> fmt::Result {
    if number >= 1000 {
        write_high_groups(f, number / 1000)?;
    }
    write!(f, "x{:03}/", number % 1000)
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let malformed = || TileError::Path(text.chars().take(80).collect());
        let parsed = parse_path(text).ok_or_else(malformed)?;
        // Only one spelling: an index with a group of zeros in front, or `.p/256`, reads but does not print back.
        if parsed.to_string() == text { Ok(parsed) } else { Err(malformed()) }
    }
}

fn parse_path(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, u16::try_from(parse_integer(width)?).ok()?),
        None => (rest, TILE_WIDTH),
    };
    let level = match level {
        "entries" => TileLevel::Entries,
        level => TileLevel::Hashes(u8::try_from(parse_integer(level)?).ok()?),
    };
    TilePath::new(level, parse_index(index)?, width).ok()
}

fn parse_index(text: &str) -> Option<u64> {
    text.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let is_group = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_group.then(|| digits.parse().ok()).flatten()?;
        index.checked_mul(1000)?.checked_add(number)
    })
}

/// Writes entries as a bundle: each with its length before it, as a 16-bit big-endian integer.
pub fn encode_bundle<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let length = u16::try_from(entry.len())
            .map_err(|_over_16_bits| TileError::EntryTooLong { position, length: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Reads a bundle of exactly `count` entries.
pub fn parse_bundle(mut bytes: &[u8], count: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(count));
    for position in 0..count {
        let (entry, rest) = split_entry(bytes).ok_or(TileError::Truncated { position, count })?;
        entries.push(entry);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(TileError::TrailingBytes(bytes.len())) }
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Writes a tile of hashes: one after the other.
pub fn encode_tile(hashes: &[[u8; 32]]) -> Vec<u8> {
    hashes.concat()
}

/// Reads a tile of exactly `width` hashes.
pub fn parse_tile(bytes: &[u8], width: u16) -> Result<Vec<[u8; 32]>, TileError> {
    let (hashes, rest) = bytes.as_chunks();
    if hashes.len() != usize::from(width) || !rest.is_empty() {
        return Err(TileError::TileLength { width, length: bytes.len() });
    }
    Ok(hashes.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(level: TileLevel, index: u64, width: u16) -> String {
        TilePath::new(level, index, width).unwrap().to_string()
    }

    #[test]
    fn paths_are_spelled_as_the_specification_says() {
        assert_eq!(path(TileLevel::Hashes(0), 0, 256), "tile/0/000");
        assert_eq!(path(TileLevel::Hashes(63), 999, 1), "tile/63/999.p/1");
        assert_eq!(path(TileLevel::Entries, 1000, 255), "tile/entries/x001/000.p/255");
        assert_eq!(path(TileLevel::Hashes(1), 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(path(TileLevel::Entries, u64::MAX, 256), "tile/entries/x018/x446/x744/x073/x709/x551/615");
    }

    #[test]
    fn a_path_has_one_spelling() {
        for wrong in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/+1/000",
            "tile/0/001/000",
            "tile/0/x000/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000/",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/1/",
            "tile/8/0/000",
            "tile/data/000",
            "tile/0/000.P/1",
            "tile/0/00a",
            "tile/entries/x018/x446/x744/x073/x709/x551/616",
        ] {
            let refused = wrong.parse::<TilePath>().map_err(|error| error.code());
            assert_eq!(refused, Err("tile-malformed-path"), "{wrong}");
        }
    }

    #[test]
    fn a_tree_of_70000_has_the_partial_tiles_of_the_specification() {
        let partial: Vec<_> = TilePath::all(70_000).filter(TilePath::is_partial).map(|tile| tile.to_string()).collect();
        assert_eq!(partial, ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(TilePath::all(70_000).count(), 274 + 274 + 2 + 1);
        assert_eq!(TilePath::all(0).count(), 0);
        assert_eq!(TilePath::all(256).map(|tile| tile.to_string()).last().unwrap(), "tile/1/000.p/1");
        assert_eq!(TilePath::in_tree(TileLevel::Hashes(7), 0, u64::MAX).unwrap().width(), 255);
        assert_eq!(TilePath::in_tree(TileLevel::Hashes(8), 0, u64::MAX), None);
        assert_eq!(TilePath::in_tree(TileLevel::Entries, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn the_vectors_bundle() {
        let bundle = hex::decode("0005616c7068610005627261766f0007636861726c6965").unwrap();
        let entries: [&[u8]; 3] = [b"alpha", b"bravo", b"charlie"];
        assert_eq!(encode_bundle(entries).unwrap(), bundle);
        assert_eq!(parse_bundle(&bundle, 3).unwrap(), entries);
        assert_eq!(parse_bundle(&bundle, 2).unwrap_err(), TileError::TrailingBytes(9));
        assert_eq!(parse_bundle(&bundle, 4).unwrap_err(), TileError::Truncated { position: 3, count: 4 });
        assert_eq!(parse_bundle(&bundle[..22], 3).unwrap_err(), TileError::Truncated { position: 2, count: 3 });
    }

    #[test]
    fn an_entry_over_16_bits_is_refused() {
        let long = vec![0; MAX_TILE_ENTRY_BYTES + 1];
        assert!(encode_bundle([&long[1..]]).is_ok());
        assert_eq!(encode_bundle([&[][..], &long]).unwrap_err().code(), "tile-entry-too-long");
    }

    #[test]
    fn a_tile_holds_exactly_its_width() {
        let hashes = [[1; 32], [2; 32]];
        let tile = encode_tile(&hashes);
        assert_eq!(parse_tile(&tile, 2).unwrap(), hashes);
        for (bytes, width) in [(&tile[..], 1), (&tile[..], 3), (&tile[..63], 2), (&tile[..63], 1)] {
            assert_eq!(parse_tile(bytes, width).unwrap_err().code(), "tile-wrong-length");
        }
    }

    proptest! {
        #[test]
        fn every_path_prints_and_reads_back(level in 0..=MAX_LEVEL, entries: bool, index: u64, width in 1..=TILE_WIDTH) {
            let level = if entries { TileLevel::Entries } else { TileLevel::Hashes(level) };
            let path = TilePath::new(level, index >> (width % 64), width).unwrap();
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn what_is_read_prints_back(text in "tile/(0|1|01|64|entries)(/x?[01]{2,4}){1,3}(\\.p/[0-2]{1,3})?") {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        #[test]
        fn every_bundle_reads_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(parse_bundle(&bundle, u16::try_from(entries.len()).unwrap()).unwrap(), entries);
        }

        #[test]
        fn what_is_read_as_a_bundle_encodes_back(bytes in prop::collection::vec(0..4_u8, 0..40), count in 0..8_u16) {
            if let Ok(entries) = parse_bundle(&bytes, count) {
                prop_assert_eq!(encode_bundle(entries).unwrap(), bytes);
            }
        }
    }
}
