//! The bytes of a simulated disk: of each file, what lasts, what is seen, and what was written in between.

use std::{collections::BTreeMap, sync::Arc};

use lineal_schemas::digest::sha256;

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// What a crash leaves of the sectors that each file was sent and did not sync, counted in the order of the writes.
///
/// A sector that is written over holds the old or the new bytes; one beyond the old end may also hold zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// All of them.
    Kept,
    /// None.
    Dropped,
    /// The first so many; the file ends there.
    Prefix(usize),
    /// The first so many; the file is as long as it was, and new places hold zeros.
    PrefixThenZeros(usize),
    /// Every second, the first included.
    EvenSectors,
    /// Every second, the first not included.
    OddSectors,
}

enum Fate {
    Kept,
    Lost,
    Zeroed,
}

impl Tail {
    fn fate(self, number: usize) -> Fate {
        let kept_if = |kept| if kept { Fate::Kept } else { Fate::Lost };
        match self {
            Self::Kept => kept_if(true),
            Self::Dropped => kept_if(false),
            Self::Prefix(count) => kept_if(number < count),
            Self::PrefixThenZeros(count) if number < count => Fate::Kept,
            Self::PrefixThenZeros(_) => Fate::Zeroed,
            Self::EvenSectors => kept_if(number.is_multiple_of(2)),
            Self::OddSectors => kept_if(!number.is_multiple_of(2)),
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let from = at(*offset);
                if to.len() < from + bytes.len() {
                    to.resize(from + bytes.len(), 0);
                }
                to.splice(from..from + bytes.len(), bytes.iter().copied());
            }
            Self::Length(length) => to.resize(at(*length), 0),
        }
    }

    /// Only the file's length comes through.
    fn extend(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => to.resize(to.len().max(at(*offset) + bytes.len()), 0),
            Self::Length(_) => self.apply(to),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    visible: Vec<u8>,
    /// A write is one change for each sector that it touches.
    unsynced: Vec<Change>,
    ever_synced: bool,
}

impl Inode {
    fn after_crash(&self, tail: Tail) -> Self {
        let mut bytes = self.durable.clone();
        for (number, change) in self.unsynced.iter().enumerate() {
            match tail.fate(number) {
                Fate::Kept => change.apply(&mut bytes),
                Fate::Zeroed => change.extend(&mut bytes),
                Fate::Lost => {}
            }
        }
        Self { visible: bytes.clone(), durable: bytes, unsynced: Vec::new(), ever_synced: true }
    }
}

/// All files of a disk, with what is not synced. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Image {
    names: BTreeMap<String, u64>,
    inodes: BTreeMap<u64, Arc<Inode>>,
    made: u64,
}

impl Image {
    /// The disk after a crash.
    #[must_use]
    pub fn crash(&self, tail: Tail) -> Self {
        let mut after = Self { names: self.names.clone(), inodes: BTreeMap::new(), made: self.made };
        for inode in self.names.values() {
            after.inodes.insert(*inode, Arc::new(self.get(*inode).after_crash(tail)));
        }
        after
    }

    /// The disk after a crash that also took the names of files that were never synced.
    #[must_use]
    pub fn without_new_names(&self) -> Self {
        let mut after = self.clone();
        after.names.retain(|_name, inode| self.get(*inode).ever_synced);
        after
    }

    /// How many unsynced sectors the one of the files has that has most, of those whose names begin so.
    pub fn unsynced_sectors(&self, prefix: &str) -> usize {
        let names = self.names.iter().filter(|(name, _inode)| name.starts_with(prefix));
        names.map(|(_name, inode)| self.get(*inode).unsynced.len()).max().unwrap_or(0)
    }

    /// A file's bytes as a program sees them.
    pub fn read(&self, name: &str) -> Option<&[u8]> {
        Some(self.visible(self.inode(name)?))
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// Names of the files in a folder.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let inside = |name: &String| name.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        self.names.keys().filter_map(inside).filter(|name| !name.contains('/')).collect()
    }

    /// Changes a file's bytes behind everybody's back, durably; made if there is none.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let inode = self.inode(name).unwrap_or_else(|| self.create(name));
        let file = self.get_mut(inode);
        change(&mut file.visible);
        *file = Inode {
            durable: file.visible.clone(),
            visible: file.visible.clone(),
            unsynced: Vec::new(),
            ever_synced: true,
        };
    }

    /// Removes a file.
    pub fn remove(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Gives a file another name.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(inode) = self.names.remove(from) {
            self.names.insert(to.to_owned(), inode);
        }
    }

    /// A digest of all that the disk holds: equal images behave alike.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut all = Vec::new();
        for (name, inode) in &self.names {
            let file = self.get(*inode);
            for part in [name.as_bytes(), &file.durable, &file.visible] {
                all.extend((part.len() as u64).to_be_bytes());
                all.extend(part);
            }
            all.extend(format!("{:?}", file.unsynced).bytes());
        }
        sha256(&all)
    }

    pub(super) fn inode(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub(super) fn visible(&self, inode: u64) -> &[u8] {
        &self.get(inode).visible
    }

    pub(super) fn create(&mut self, name: &str) -> u64 {
        let inode = self.made;
        self.made += 1;
        self.names.insert(name.to_owned(), inode);
        self.inodes.insert(inode, Arc::default());
        inode
    }

    pub(super) fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) {
        let file = self.get_mut(inode);
        let (mut offset, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let count = at(SECTOR_BYTES - offset % SECTOR_BYTES).min(rest.len());
            let (piece, left) = rest.split_at(count);
            let change = Change::Write { offset, bytes: piece.to_vec() };
            change.apply(&mut file.visible);
            file.unsynced.push(change);
            (offset, rest) = (offset + count as u64, left);
        }
    }

    pub(super) fn set_length(&mut self, inode: u64, length: u64) {
        let file = self.get_mut(inode);
        let change = Change::Length(length);
        change.apply(&mut file.visible);
        file.unsynced.push(change);
    }

    pub(super) fn sync(&mut self, inode: u64) {
        let file = self.get_mut(inode);
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.durable);
        }
        file.ever_synced = true;
    }

    /// What was not synced stays in the cache, marked as clean.
    pub(super) fn fail_sync(&mut self, inode: u64) {
        self.get_mut(inode).unsynced.clear();
    }

    fn get(&self, inode: u64) -> &Inode {
        &self.inodes[&inode]
    }

    fn get_mut(&mut self, inode: u64) -> &mut Inode {
        Arc::make_mut(self.inodes.get_mut(&inode).expect("an inode lives as long as the disk"))
    }
}

/// Simulated files fit into memory.
fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file is small")
}
