//! The gate's table: every case that a gate has to get right, each a test with its name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "gate/numbers.rs"]
mod numbers;
#[path = "gate/many.rs"]
mod many;
#[path = "gate/evidence.rs"]
mod evidence;
#[path = "gate/people.rs"]
mod people;
#[path = "gate/fooled.rs"]
mod fooled;
#[path = "gate/policies.rs"]
mod policies;
#[path = "gate/world.rs"]
mod world;
