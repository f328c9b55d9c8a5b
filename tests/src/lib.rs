//! What the tests that need more than one crate share: a disk that fails and forgets, and the record by its definition.
//!
//! Never shipped, and never used by what is: `tests/` may depend on everything, nothing depends on it.

pub mod simdisk;
pub mod model;
pub mod workload;
pub mod signing;
pub mod programs;
#[path = "../../schemas/tests/support/venv.rs"]
pub mod venv;
pub mod nats;
pub mod road;
pub mod history;
