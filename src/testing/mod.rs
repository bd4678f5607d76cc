//! Tests of protocols, without a network and without a clock: every way to cut an input, a peer
//! that plays a script, and a driver for both.
//!
//! [`Chunking`] runs a protocol on the same input in many different chunks, and tells where its
//! outcome depends on them. [`ScriptedPeer`] stands in for a transport: it answers each call as its
//! script says, faults included, and records what it was sent. [`drive`] runs a [`Protocol`] over
//! it, and [`Driver`] does so with waits that are cancelled, timeouts and shutdowns. All of it is
//! plain data: no I/O, and the same run every time.
//!
//! `Debug` shows bytes here, as nowhere else in the crate: the input of a test is its own.
//!
//! [`Protocol`]: crate::Protocol

mod chunking;
mod driver;
mod scripted_peer;

pub use chunking::{Chunking, Chunks, Mismatch, assert_chunking_does_not_matter};
pub use driver::{Driven, Driver, drive};
pub use scripted_peer::{Call, ScriptedPeer};
