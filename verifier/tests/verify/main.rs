//! The verifier over whole records: good ones pass, and whatever is done to them is found where it was done.

mod record;

mod authority;
mod good;
mod heads;
mod program;
mod tamper;
