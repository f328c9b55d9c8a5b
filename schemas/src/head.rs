//! The head of the record: how far it is committed, in two slots of one small file.
//!
//! It tells a torn tail, which was never acknowledged, from a damaged one. A batch writes the slot of its parity, so a
//! crash in the middle leaves the other slot whole. Promises that a slot is read only when every byte of it is as it
//! was written. Never says what the record holds: the record does. (docs/FORMAT.md, Head)

use sha2::{Digest, Sha256};

use crate::{digest::RootHash, merkle::empty_root};

/// One slot, in bytes: a disk sector of its own on every disk.
pub const SLOT_BYTES: usize = 4096;

/// The whole file, in bytes: two slots.
pub const HEAD_BYTES: usize = 8192;

/// What every slot starts with.
const MAGIC: [u8; 8] = *b"LINHEAD1";

/// Where the SHA-256 of everything before it stands.
const CHECKSUM_AT: usize = 4064;

/// Why a slot was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not exactly as long as it must be.
    #[error("{found} bytes of head instead of {expected}")]
    Length {
        /// The length found.
        found: usize,
        /// The length that it must have.
        expected: usize,
    },
    /// Never written, or some other file.
    #[error("head slot does not start with LINHEAD1")]
    Magic,
    /// Damaged or torn.
    #[error("head slot does not match its checksum")]
    Checksum,
    /// Bytes that a later format may use.
    #[error("head slot has unknown content at byte {0}")]
    UnknownContent(usize),
    /// The numbers contradict one another.
    #[error("head slot contradicts itself: {0}")]
    Contradiction(&'static str),
    /// Not where the batch's parity puts it.
    #[error("batch {0} stands in the slot of the other parity")]
    Misplaced(u64),
}

impl HeadError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "head-wrong-length",
            Self::Magic => "head-magic",
            Self::Checksum => "head-checksum",
            Self::UnknownContent(_) => "head-unknown-content",
            Self::Contradiction(_) => "head-contradiction",
            Self::Misplaced(_) => "head-misplaced",
        }
    }
}

/// The state of the record after a committed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The batch's number; its parity picks the slot.
    pub batch: u64,
    /// How many entries are committed.
    pub size: u64,
    /// The Merkle root over them.
    pub root: RootHash,
    /// The index of the first entry of the last segment, which names its file.
    pub segment: u64,
    /// How many bytes of the last segment are committed.
    pub length: u64,
}

impl Head {
    /// The slot's bytes, in the order magic, batch, size, root, segment, length; integers are big-endian.
    pub fn to_slot(&self) -> [u8; SLOT_BYTES] {
        let fields = [
            &MAGIC[..],
            &self.batch.to_be_bytes(),
            &self.size.to_be_bytes(),
            self.root.as_bytes(),
            &self.segment.to_be_bytes(),
            &self.length.to_be_bytes(),
        ];
        let mut slot = [0; SLOT_BYTES];
        let (content, checksum) = slot.split_at_mut(CHECKSUM_AT);
        for (to, from) in content.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        checksum.copy_from_slice(&Sha256::digest(&*content));
        slot
    }

    /// Reads one slot of exactly [`SLOT_BYTES`].
    pub fn from_slot(slot: &[u8]) -> Result<Self, HeadError> {
        let wrong_length = HeadError::Length { found: slot.len(), expected: SLOT_BYTES };
        let slot = <&[u8; SLOT_BYTES]>::try_from(slot).map_err(|_wrong_length| wrong_length)?;
        let (content, checksum) = slot.split_at(CHECKSUM_AT);
        let content = content.strip_prefix(&MAGIC).ok_or(HeadError::Magic)?;
        if Sha256::digest(slot.split_at(CHECKSUM_AT).0).as_slice() != checksum {
            return Err(HeadError::Checksum);
        }
        let head = Self::from_content(content).ok_or(HeadError::Magic)?;
        // The checksum holds, so these bytes were meant: a format that this program does not know.
        if let Some(at) = slot.iter().zip(&head.to_slot()).position(|(found, known)| found != known) {
            return Err(HeadError::UnknownContent(at));
        }
        head.contradiction().map_or(Ok(head), |what| Err(HeadError::Contradiction(what)))
    }

    fn from_content(content: &[u8]) -> Option<Self> {
        let (batch, rest) = content.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (root, rest) = rest.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (length, _) = rest.split_first_chunk()?;
        Some(Self {
            batch: u64::from_be_bytes(*batch),
            size: u64::from_be_bytes(*size),
            root: RootHash::from_bytes(*root),
            segment: u64::from_be_bytes(*segment),
            length: u64::from_be_bytes(*length),
        })
    }

    fn contradiction(&self) -> Option<&'static str> {
        if self.segment > self.size {
            Some("the last segment begins after the last entry")
        } else if self.size == 0 && self.root != empty_root() {
            Some("a tree without entries has another root")
        } else {
            None
        }
    }

    /// Where in the file this head's slot starts, in bytes.
    pub const fn slot_offset(&self) -> u64 {
        if self.batch.is_multiple_of(2) { 0 } else { 4096 }
    }

    /// The newer of the two slots of a whole file; if one is damaged, the other. Both damaged is an error.
    ///
    /// A commit writes one slot and syncs it before it is acknowledged, so a crash can damage only the one that nobody
    /// has been told of.
    pub fn newest(file: &[u8]) -> Result<Self, HeadError> {
        let wrong_length = HeadError::Length { found: file.len(), expected: HEAD_BYTES };
        let file = <&[u8; HEAD_BYTES]>::try_from(file).map_err(|_wrong_length| wrong_length)?;
        let (even, odd) = file.split_at(SLOT_BYTES);
        match (Self::placed(even, 0), Self::placed(odd, 4096)) {
            (Ok(even), Ok(odd)) => Ok(if even.batch > odd.batch { even } else { odd }),
            (Ok(head), Err(_)) | (Err(_), Ok(head)) => Ok(head),
            (Err(even), Err(HeadError::Magic)) => Err(even),
            (Err(_), Err(odd)) => Err(odd),
        }
    }

    fn placed(slot: &[u8], offset: u64) -> Result<Self, HeadError> {
        let head = Self::from_slot(slot)?;
        if head.slot_offset() == offset { Ok(head) } else { Err(HeadError::Misplaced(head.batch)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(batch: u64) -> Head {
        Head { batch, size: 0x0102, root: RootHash::from_bytes([9; 32]), segment: 0x0101, length: 0x0304 }
    }

    #[test]
    fn the_layout_is_fixed() {
        let slot = head(1).to_slot();
        let expected = format!(
            "{}{:016x}{:016x}{}{:016x}{:016x}",
            hex::encode("LINHEAD1"),
            1,
            0x0102,
            "09".repeat(32),
            0x0101,
            0x0304
        );
        assert_eq!(hex::encode(&slot[..72]), expected);
        assert!(slot[72..CHECKSUM_AT].iter().all(|&byte| byte == 0));
        assert_eq!(slot[CHECKSUM_AT..], Sha256::digest(&slot[..CHECKSUM_AT])[..]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let slot = head(1).to_slot();
        for bit in 0..SLOT_BYTES * 8 {
            let mut slot = slot;
            slot[bit / 8] ^= 1 << (bit % 8);
            assert!(Head::from_slot(&slot).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_torn_write_leaves_the_older_head() {
        let (old, new) = (head(6), head(7));
        let mut file = [0; HEAD_BYTES];
        file[..SLOT_BYTES].copy_from_slice(&old.to_slot());
        file[SLOT_BYTES..].copy_from_slice(&head(5).to_slot());
        for written in 0..SLOT_BYTES {
            let mut file = file;
            file[SLOT_BYTES..SLOT_BYTES + written].copy_from_slice(&new.to_slot()[..written]);
            // Cut within the checksum's last bytes the slot may be whole by chance: never for these values.
            assert_eq!(Head::newest(&file), Ok(old), "{written} bytes written");
        }
        file[SLOT_BYTES..].copy_from_slice(&new.to_slot());
        assert_eq!(Head::newest(&file), Ok(new));
    }

    #[test]
    fn a_file_without_a_whole_slot_is_refused() {
        assert_eq!(Head::newest(&[0; HEAD_BYTES]), Err(HeadError::Magic));
        assert_eq!(Head::newest(&[0; 10]).unwrap_err().code(), "head-wrong-length");
        let mut file = [0; HEAD_BYTES];
        file[..SLOT_BYTES].copy_from_slice(&head(7).to_slot());
        assert_eq!(Head::newest(&file), Err(HeadError::Misplaced(7)));
        file[20] ^= 1;
        assert_eq!(Head::newest(&file), Err(HeadError::Checksum));
    }

    proptest! {
        #[test]
        fn every_head_reads_back(batch: u64, size in 1..=u64::MAX, root: [u8; 32], segment: u64, length: u64) {
            let head = Head { batch, size, root: RootHash::from_bytes(root), segment: segment % size, length };
            prop_assert_eq!(Head::from_slot(&head.to_slot()), Ok(head));
        }
    }
}
