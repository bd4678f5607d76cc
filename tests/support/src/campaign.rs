//! Many seeds, each a run: how many, what went wrong in them, and how to have one again.

use crate::parallel::count_in_parallel;
use crate::report;
use crate::wire::{Kind, Ran};

/// How many seeds there are unless `PLIMSOLL_SEEDS` says so.
const SEEDS: u64 = 50_000;

/// Each kind of fault occurs at least as often as if every so many seeds had one.
const QUOTA: u64 = 50;

/// A kind of run.
pub struct Campaign {
    /// What its line of counts begins with.
    pub name: &'static str,
    /// What runs its test.
    pub command: &'static str,
    /// What cannot go wrong in it. All else has to.
    pub never: &'static [Kind],
}

/// Tells of a run that panics how to have it again.
struct Seed<'a>(&'a Campaign, u64);

impl Campaign {
    /// Runs every seed, and prints the counts.
    ///
    /// # Panics
    ///
    /// If a run fails, or a kind of fault occurred too seldom.
    pub fn run(&self, run: impl Fn(u64) -> Ran + Sync) {
        if let Some(seed) = number("PLIMSOLL_SEED") {
            let _seed = Seed(self, seed);
            let ran = run(seed);
            return report(&format!("{}: seed {seed}: {ran:?}", self.name));
        }
        let seeds = number("PLIMSOLL_SEEDS").unwrap_or(SEEDS);
        let sum = std::sync::Mutex::new(Ran::default());
        let batches: Vec<u64> = (0..seeds.div_ceil(BATCH)).collect();
        let done = count_in_parallel(&batches, |batch| {
            let of_batch = batch * BATCH..seeds.min((batch + 1) * BATCH);
            let mut ran = Ran::default();
            for seed in of_batch.clone() {
                let _seed = Seed(self, seed);
                ran.add(&run(seed));
            }
            sum.lock().expect("no panic while it is locked").add(&ran);
            of_batch.count() as u64
        });
        let sum = sum.into_inner().expect("no panic while it is locked");
        let faults = sum.faults.counts(self.never);
        let described = faults.iter().map(|(name, count)| format!("{count} {name}"));
        let described = described.collect::<Vec<_>>().join(", ");
        report(&format!(
            "{}: {done} seeds, {} steps, {} bytes, {described}",
            self.name, sum.steps, sum.bytes
        ));
        assert_eq!(done, seeds);
        for (name, count) in faults {
            assert!(
                count >= (seeds / QUOTA).max(1),
                "only {count} {name} in {seeds} seeds"
            );
        }
    }

    /// Runs some seeds twice.
    ///
    /// # Panics
    ///
    /// If a seed does not give the same run again, or two of them give the same.
    pub fn replay(&self, run: impl Fn(u64) -> Ran) {
        let first: Vec<Ran> = (0..REPLAYED).map(&run).collect();
        let again: Vec<Ran> = (0..REPLAYED).map(&run).collect();
        assert_eq!(first, again);
        let traces: std::collections::BTreeSet<u64> = first.iter().map(|ran| ran.trace).collect();
        assert_eq!(
            traces.len() as u64,
            REPLAYED,
            "each seed is a run of its own"
        );
    }
}

/// Seeds that a thread takes at once.
const BATCH: u64 = 100;

/// How many seeds are run twice.
const REPLAYED: u64 = 500;

impl Drop for Seed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(campaign, seed) = self;
            report(&format!(
                "{}: seed {seed} failed; again: PLIMSOLL_SEED={seed} {}",
                campaign.name, campaign.command
            ));
        }
    }
}

/// A number from the environment.
///
/// # Panics
///
/// If there is something else.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {value}")),
    )
}
