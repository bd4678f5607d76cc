//! The bodies of the fuzz targets. `tests/corpus.rs` runs them too, on what is in `corpus`.
//!
//! Models and simulations are those of the tests, `connections`, `endpoints` and `streams` whole: there the
//! bytes of the fuzzer take the place of the seed.

pub mod cuts;
pub mod extremes;
mod input;
pub mod reader;
pub mod writer;

/// Two connections with one owner each, of which a server may have accepted one.
pub mod connections {
    use io_test_support::connections;
    use test_support::choices::Choices;

    pub fn run(data: &[u8]) {
        connections::run(Choices::from_bytes(data));
    }
}

/// Two connections of the core, on faulty wires.
pub mod endpoints {
    use test_support::choices::Choices;
    use test_support::endpoints;

    pub fn run(data: &[u8]) {
        endpoints::run(Choices::from_bytes(data));
    }
}

/// Two streams, over hostile transports.
pub mod streams {
    use io_test_support::streams;
    use test_support::choices::Choices;

    pub fn run(data: &[u8]) {
        streams::run(Choices::from_bytes(data));
    }
}
