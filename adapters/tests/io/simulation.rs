//! Two streams, or two connections, on a simulated network, one thread, one seed, no clock but a
//! simulated one: nothing is lost under faults, and everything arrives once they stop.
//!
//! A seed is a run. `PLIMSOLL_SEEDS=10000000` runs so many, `PLIMSOLL_SEED=7` only that one.

use io_test_support::{connections, streams};
use test_support::campaign::Campaign;
use test_support::choices::Choices;
use test_support::wire::Kind;

const CAMPAIGN: Campaign = Campaign {
    name: "simulation of streams",
    command: "cargo test -p plimsoll-io --all-features simulation",
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
