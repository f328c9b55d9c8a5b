//! The properties that every fuzz target checks: the same as in `schemas/tests/properties.rs` and `tests/tests/parsers.rs`.

#[path = "../../../schemas/tests/support/properties.rs"]
pub mod properties;

#[path = "../../tests/parsers/properties.rs"]
pub mod around;
