//! Two endpoints on a simulated network, one thread, one seed, no clock: nothing is lost under faults, and
//! everything arrives once they stop.
//!
//! A seed is a run. `PLIMSOLL_SEEDS=10000000` runs so many, `PLIMSOLL_SEED=7` only that one.

use test_support::campaign::Campaign;
use test_support::choices::Choices;
use test_support::endpoints;
use test_support::wire::Kind;

const CAMPAIGN: Campaign = Campaign {
    name: "simulation",
    command: "cargo test -p plimsoll simulation",
    never: &[Kind::Lie, Kind::Deadline],
};

#[test]
fn everything_arrives_once_faults_stop() {
    CAMPAIGN.run(|seed| endpoints::run(Choices::from_seed(seed)));
}

#[test]
fn a_seed_replays_its_run() {
    CAMPAIGN.replay(|seed| endpoints::run(Choices::from_seed(seed)));
}
