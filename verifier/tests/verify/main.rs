//! The verifier over whole records: good ones pass, and whatever is done to them is found where it was done.

#[cfg(test)]
mod record;

#[cfg(test)]
mod authority;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod good;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod program;
#[cfg(test)]
mod rollbacks;
#[cfg(test)]
mod tamper;
