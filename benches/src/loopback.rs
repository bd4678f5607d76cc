//! A server that answers every line with itself, over TCP on the loopback interface.

pub mod child;
pub mod load;
pub mod servers;

use std::io;
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::rounds::{Noise, in_turns};
use child::Child;
use load::{Load, Shape};

/// How long each server is measured in each round, and how often.
struct Effort {
    duration: Duration,
    rounds: usize,
}

impl Effort {
    const FULL: Self = Self {
        duration: Duration::from_millis(300),
        rounds: 9,
    };
    /// To see that everything works. Its figures tell nothing.
    const QUICK: Self = Self {
        duration: Duration::from_millis(10),
        rounds: 1,
    };
}

/// The titles of the tables.
pub const ECHO: &str =
    "Line echo on loopback TCP, thousand lines a second, by connections x lines in flight";

pub const PROCESSOR: &str =
    "Line echo on loopback TCP, the server's processor time, nanoseconds a line";

const SHAPES: [Shape; 4] = [
    shape(1, 1, 64),
    shape(64, 1, 64),
    shape(64, 64, 64),
    shape(8, 512, 32),
];

const fn shape(connections: usize, in_flight: usize, line: usize) -> Shape {
    Shape {
        connections,
        in_flight,
        line,
    }
}

/// Measures every server that can run here.
///
/// # Panics
///
/// If a server gives a wrong answer, or none.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut running: Vec<(&str, Child)> = Vec::new();
    for server in servers::all() {
        match server {
            Ok(name) => running.push((name, servers::start(name)?)),
            Err(skipped) => println!("{skipped}"),
        }
    }
    let cells: Vec<_> = SHAPES
        .iter()
        .flat_map(|&shape| {
            running
                .iter()
                .map(move |(name, child)| (shape, *name, child))
        })
        .collect();
    let taken = in_turns(effort.rounds, &cells, |(shape, name, child)| {
        run(child, *shape, effort.duration)
            .unwrap_or_else(|error| panic!("{name}, {}: {error}", shape.name()))
    });
    let mut noise = Noise::default();
    for ((shape, name, _), [time, _]) in cells.iter().zip(&taken) {
        figures.add(ECHO, name, &shape.name(), 1e-3 / time.best());
        noise.add(time);
    }
    for ((shape, name, _), [_, processor]) in cells.iter().zip(&taken) {
        figures.add(PROCESSOR, name, &shape.name(), 1e9 * processor.best());
    }
    println!("loopback: {noise}\n");
    Ok(())
}

/// Returns how many seconds a line took, by the clock and of the server's processor time.
fn run(server: &Child, shape: Shape, duration: Duration) -> io::Result<[f64; 2]> {
    let mut load = Load::connect(server.port(), shape)?;
    load.send()?;
    load.run(duration / 10)?; // warms up
    let (began, before) = (Instant::now(), server.processor_time()?);
    let lines = load.run(duration)? as f64;
    let (time, processor) = (began.elapsed(), server.processor_time()? - before);
    load.receive()?;
    load.finish()?;
    Ok([time, processor].map(|taken| taken.as_secs_f64() / lines))
}
