//! Reads what serves out of Kubernetes objects, before it becomes an event: JSON in, serving sets out.
//!
//! Two questions, kept apart: [`asked`] says what a spec asks for, and [`running`] what a pod's status says runs. Both name
//! images, models and their digests by one set of rules ([`image`], [`storage`]). Promises that a digest is only ever what a
//! reference or the kubelet says it is, that an address that can move is a pointer and never more, and that whatever
//! can't be read is an error or said to be unknown: never left out in silence, never a panic. Everything here is pure:
//! no I/O, no clock. The modules stand in the order in which data flows.
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod yaml;
pub mod kubeconfig;
pub mod object;
pub mod image;
pub mod storage;
mod containers;
pub mod asked;
pub mod running;
pub mod naming;
pub mod traffic;
pub mod docker;
pub mod look;
pub mod listing;
pub mod change;
pub mod runtime;
pub mod hint;
