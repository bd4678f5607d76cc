//! Where a connection rests, the slot, which is the product's own files, through every interleaving of its
//! parties' threads that interrupts each a few times where it need not wait, and every order in which they may
//! see what the others did: a party that waits is woken when there is something to see, a command is carried out
//! once, and what rests is dropped once.
#![cfg(test)]

#[path = "../../../adapters/src/caught.rs"]
mod caught;
#[allow(dead_code, unused_imports, reason = "the models ask less of it than the product does")]
#[path = "../../../adapters/src/slot/mod.rs"]
mod slot;

mod connection;
mod pair;
mod socket;
mod sync;
mod tasks;
