//! The bodies of the fuzz targets. `tests/corpus.rs` runs them too, on what is in `corpus`.
//!
//! Models and simulations are those of the tests, `connections`, `endpoints` and `streams` whole: there the
//! bytes of the fuzzer take the place of the seed.

use random::Random;

pub mod cuts;
pub mod extremes;
mod input;
pub mod reader;
pub mod writer;

#[path = "../../tests/simulation/choices.rs"]
mod choices;
#[path = "../../adapters/tests/common/executor.rs"]
#[allow(dead_code, reason = "no run fails in a way that needs all of it")]
mod executor;
#[path = "../../adapters/tests/simulation/limits.rs"]
mod limits;
#[path = "../../adapters/tests/simulation/network.rs"]
mod network;
#[path = "../../tests/common/random.rs"]
mod random;
#[path = "../../tests/common/reader_model.rs"]
mod reader_model;
#[path = "../../tests/simulation/reads.rs"]
mod reads;
#[path = "../../adapters/tests/simulation/server.rs"]
mod server;
#[path = "../../adapters/tests/simulation/connections.rs"]
mod simulated_connections;
#[path = "../../tests/simulation/endpoints.rs"]
mod simulated_endpoints;
#[path = "../../adapters/tests/simulation/streams.rs"]
mod simulated_streams;
#[path = "../../tests/simulation/wire.rs"]
mod wire;
#[path = "../../tests/common/writer_model.rs"]
mod writer_model;

/// Two connections with one owner each, of which a server may have accepted one.
pub mod connections {
    use crate::{choices::Choices, simulated_connections};

    pub fn run(data: &[u8]) {
        simulated_connections::run(Choices::from_bytes(data));
    }
}

/// Two connections of the core, on faulty wires.
pub mod endpoints {
    use crate::{choices::Choices, simulated_endpoints};

    pub fn run(data: &[u8]) {
        simulated_endpoints::run(Choices::from_bytes(data));
    }
}

/// Two streams, over hostile transports.
pub mod streams {
    use crate::{choices::Choices, simulated_streams};

    pub fn run(data: &[u8]) {
        simulated_streams::run(Choices::from_bytes(data));
    }
}
