//! Two streams, or two connections, on a simulated network, one thread, one seed, no clock but a
//! simulated one: nothing is lost under faults, and everything arrives once they stop.
//!
//! A seed is a run. `PLIMSOLL_SEEDS=10000000` runs so many, `PLIMSOLL_SEED=7` only that one.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../tests/common/reader_model.rs"]
#[allow(dead_code, reason = "streams have less to show than a reader")]
mod reader_model;

#[path = "../../../tests/simulation/campaign.rs"]
mod campaign;
#[path = "../../../tests/simulation/choices.rs"]
mod choices;
mod connections;
mod limits;
mod network;
#[path = "../../../tests/common/parallel.rs"]
mod parallel;
#[path = "../../../tests/simulation/reads.rs"]
mod reads;
mod server;
mod streams;
#[path = "../../../tests/simulation/wire.rs"]
mod wire;

use campaign::Campaign;
use choices::Choices;
use common::{executor, random};
use wire::Kind;

const CAMPAIGN: Campaign = Campaign {
    name: "simulation of streams",
    command: "cargo test -p plimsoll-io --test simulation",
    never: &[Kind::DroppedPipe],
};

const OF_CONNECTIONS: Campaign = Campaign {
    name: "simulation of connections",
    ..CAMPAIGN
};

#[test]
fn everything_arrives_once_faults_stop() {
    CAMPAIGN.run(|seed| streams::run(Choices::from_seed(seed)));
}

#[test]
fn a_seed_replays_its_run() {
    CAMPAIGN.replay(|seed| streams::run(Choices::from_seed(seed)));
}

#[test]
fn connections_bring_everything_once_faults_stop() {
    OF_CONNECTIONS.run(|seed| connections::run(Choices::from_seed(seed)));
}

#[test]
fn a_seed_of_connections_replays_its_run() {
    OF_CONNECTIONS.replay(|seed| connections::run(Choices::from_seed(seed)));
}
