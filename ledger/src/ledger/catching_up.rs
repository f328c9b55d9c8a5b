//! Catching up: what the index does not reflect yet is replayed from the record when a ledger is opened.

use std::sync::Arc;

use lineal_schemas::{digest::EventDigest, facts::Facts, registry::Registry, vocabulary::Payload};

use super::{LedgerError, View};
use crate::{
    index::{Index, Projected},
    log::record::{Record, StoredEntry},
    sources::Sources,
};

/// Entries handed on at a time while catching up.
const PIECE: usize = 1024;

/// Replays what the index does not reflect yet, and every key event, into the registry and the sources.
pub(super) struct CatchUp {
    record: Arc<Record>,
    pub(super) registry: Registry,
    pub(super) sources: Sources,
    from: u64,
}

impl CatchUp {
    pub(super) fn start(record: &Arc<Record>, index: Index, pinned: EventDigest) -> Result<Self, LedgerError> {
        let stamp = index.stamp()?;
        let genesis = record.get(0)?;
        let entry = genesis.entry();
        let facts = genesis.facts().filter(|facts| facts.digest == pinned);
        let facts = facts.ok_or(LedgerError::OtherGenesis { pinned, found: entry.event })?;
        let registry =
            Registry::create(&facts, &entry.signatures).map_err(|source| LedgerError::Registry { index: 0, source })?;
        let mut catching_up = Self {
            record: record.clone(),
            registry,
            sources: Sources::new(index.clone(), stamp.sources),
            from: stamp.size,
        };
        for at in index.key_events()? {
            let stored = record.get(at)?;
            catching_up.apply_key_event(&stored, stored.facts().as_ref())?;
        }
        Ok(catching_up)
    }

    fn apply_key_event(&mut self, stored: &StoredEntry, facts: Option<&Facts>) -> Result<(), LedgerError> {
        let Some(Ok(payload)) = facts.map(|facts| &facts.payload) else { return Ok(()) };
        if !matches!(
            payload,
            Payload::KeyEnrolled(_) | Payload::KeyRotated(_) | Payload::KeyRevoked(_) | Payload::LedgerKeyRotated(_)
        ) {
            return Ok(());
        }
        let (index, received) = (stored.index, stored.entry().received);
        self.registry.apply(index, received, payload).map_err(|source| LedgerError::Registry { index, source })
    }

    /// Gives what is to be projected to `next`, piece by piece; it answers how far the index has come.
    pub(super) fn run(&mut self, next: &mut dyn FnMut(Vec<Projected>, u32) -> u64) -> Result<(), LedgerError> {
        let (size, mut at) = (self.record.size(), self.from);
        let record = self.record.clone();
        while at < size {
            let to = size.min(at + PIECE as u64);
            let mut piece = Vec::with_capacity(PIECE);
            let mut stored = Vec::with_capacity(PIECE);
            record.scan(at, to, &mut |entry| {
                stored.push(entry);
                Ok(())
            })?;
            for entry in stored {
                let facts = entry.facts();
                self.apply_key_event(&entry, facts.as_ref())?;
                let touches = match &facts {
                    Some(facts) => self.sources.follow(entry.index, facts)?,
                    None => Vec::new(),
                };
                let stamped = entry.entry();
                let signers = stamped.signatures.iter().map(|signature| signature.keyid).collect();
                let (index, received, facts) = (entry.index, stamped.received, facts.map(Arc::new));
                piece.push(Projected { index, received, signers, facts, touches });
            }
            let applied = next(piece, self.sources.numbered());
            self.sources.forget(applied);
            at = to;
        }
        Ok(())
    }
}

/// The keys as they stood after the first `size` entries.
pub(super) fn registry_at(view: &View, size: u64) -> Result<Registry, LedgerError> {
    let genesis = view.record.get(0)?;
    let entry = genesis.entry();
    let pinned = view.registry().genesis();
    let facts = genesis.facts().ok_or(LedgerError::OtherGenesis { pinned, found: entry.event })?;
    let mut registry =
        Registry::create(&facts, &entry.signatures).map_err(|source| LedgerError::Registry { index: 0, source })?;
    for index in view.index.key_events()?.into_iter().filter(|index| *index < size) {
        let stored = view.record.get(index)?;
        if let Some(Ok(payload)) = stored.facts().map(|facts| facts.payload) {
            let applied = registry.apply(index, stored.entry().received, &payload);
            applied.map_err(|source| LedgerError::Registry { index, source })?;
        }
    }
    Ok(registry)
}
