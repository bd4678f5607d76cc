//! The tests of the core, by subject. `panics` is beside this folder: it has the process's panic hook.

mod allocations;
mod asyncio_names;
mod chunking;
mod connection;
#[cfg(feature = "counters")]
mod costs;
mod departures;
mod documentation;
mod edge_cases;
mod layers;
mod length_prefixed;
mod limits;
mod line_echo;
mod parity;
mod properties;
mod reader_sequences;
mod simulation;
#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "counters")]
mod threats;
mod writer_sequences;

#[global_allocator]
static ALLOCATOR: test_support::heap::Counting = test_support::heap::Counting;
