//! Measures plimsoll against what a user would pick instead, on the same input, in the same run.
//!
//! ```sh
//! cargo bench -p plimsoll-benches              # all parts, in under five minutes
//! cargo bench -p plimsoll-benches -- memory    # one of them
//! cargo bench -p plimsoll-benches -- --help
//! ```
//!
//! Rows are run in turns, several rounds of them, and the best of each row counts: on a machine that
//! does other work, the fastest run is the one that was disturbed least. Every row first shows that its
//! answer is right.
//!
//! | module | what lives in it |
//! | --- | --- |
//! | [`input`] | the lines, and the source from which every row receives them |
//! | [`answer`] | what a row makes of its lines, and the answer that it must come to |
//! | [`rows`] | a file for each peer: how its users read lines |
//! | [`rounds`] | rows in turns, the best of each |
//! | [`memory`] | the part that runs without a network |
//! | [`primitives`] | the part that times atomic operations |
//! | [`loopback`] | the part over TCP: its servers, a file each, and its clients |
//! | [`idle`] | the part that counts the memory of idle connections |
//! | [`instructions`] | the part that counts instructions |
//! | [`figures`] | what was measured, in a file and as tables |
//! | [`table`] | tables for people, as text and as Markdown |
//! | [`ratios`] | the ratios with names, and what they should be |
//! | [`report`] | the figures in `docs/`, and the tables that are made of them |
//! | [`chart`] | bars, as SVG |
//! | [`machine`] | when and where a run was made |

#![forbid(unsafe_code)]

pub mod answer;
pub mod chart;
pub mod figures;
pub mod idle;
pub mod input;
pub mod instructions;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod primitives;
pub mod ratios;
pub mod report;
pub mod rounds;
pub mod rows;
pub mod table;
