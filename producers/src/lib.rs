//! Signs events about data, training, evaluation and deployment, and keeps each until its receipt is verified.
//!
//! The first step of event -> entry -> checkpoint -> proof: an event is drafted here, checked with the ledger's own
//! strict parser, signed once, synced into an outbox on disk and only then sent. A ledger that is away never fails the
//! work that an event is about. Nothing here decides what is admitted. [`Emitter::emit`] is the one call; the modules
//! stand in the order in which data flows.

pub use lineal_tree as tree;

pub mod capture;
pub mod object;

pub mod draft;
pub mod sdk;

pub mod check;
pub mod clock;

pub mod outbox;

pub mod tls;
pub mod target;

pub mod backoff;
pub mod delivery;

pub mod background;
pub mod emitter;

pub use draft::Draft;
pub use emitter::{EmitError, Emitter, Settings};
