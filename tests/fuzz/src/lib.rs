//! The properties that every fuzz target checks: the same as in `schemas/tests/properties.rs`.

#[path = "../../../schemas/tests/support/properties.rs"]
pub mod properties;
