//! `cargo bench -p plimsoll-benches`: measures, and prints tables and ratios.

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;
use plimsoll_benches::figures::Figures;
use plimsoll_benches::ratios::RATIOS;
use plimsoll_benches::{idle, loopback, memory};

const USAGE: &str = "\
cargo bench -p plimsoll-benches [-- [PART...] [--quick]]

parts, all of them if none is named:
  memory     lines out of memory
  loopback   line echo over TCP
  idle       memory of 10,000 idle connections

options:
  --quick    tiny inputs: shows that everything works, and measures nothing
";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match arguments().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Measure {
        parts: Vec<Part>,
        quick: bool,
    },
    /// To be one of the servers: how `loopback` starts them.
    Serve(String),
}

#[derive(Clone, Copy)]
enum Part {
    Memory,
    Loopback,
    Idle,
}

impl Part {
    const ALL: [Self; 3] = [Self::Memory, Self::Loopback, Self::Idle];
}

fn arguments() -> Result<Command> {
    let mut parts = Vec::new();
    let mut quick = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(word) => match word.string()?.as_str() {
                "memory" => parts.push(Part::Memory),
                "loopback" => parts.push(Part::Loopback),
                "idle" => parts.push(Part::Idle),
                "serve" => return Ok(Command::Serve(arguments.value()?.string()?)),
                other => return Err(format!("no part is called {other}\n\n{USAGE}").into()),
            },
            Long("quick") => quick = true,
            Long("help") => return Ok(Command::Help),
            Long("bench") => {} // cargo's own
            other => return Err(other.unexpected().into()),
        }
    }
    if parts.is_empty() {
        parts = Part::ALL.into();
    }
    Ok(Command::Measure { parts, quick })
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Measure { parts, quick } => print(&measure(&parts, quick)?),
        Command::Serve(name) => loopback::servers::serve(&name)?,
    }
    Ok(())
}

fn measure(parts: &[Part], quick: bool) -> Result<Figures> {
    let mut figures = Figures::default();
    for part in parts {
        match (part, quick) {
            (Part::Memory, false) => memory::measure(memory::Effort::FULL, &mut figures),
            (Part::Memory, true) => memory::measure(memory::Effort::QUICK, &mut figures),
            (Part::Loopback, false) => loopback::measure(loopback::Effort::FULL, &mut figures)?,
            (Part::Loopback, true) => loopback::measure(loopback::Effort::QUICK, &mut figures)?,
            (Part::Idle, quick) => idle::measure(quick, &mut figures)?,
        }
    }
    Ok(figures)
}

fn print(figures: &Figures) {
    for table in figures.tables() {
        println!("{}", table.to_text());
    }
    let measured = RATIOS
        .iter()
        .filter_map(|ratio| Some((ratio, ratio.value(figures)?)));
    for (ratio, value) in measured.clone() {
        println!("ratio {} {value:.3}", ratio.name);
    }
    println!();
    for (ratio, value) in measured {
        if !ratio.target.is_met_by(value) {
            println!("off its target: {} should be {}", ratio.name, ratio.target);
        }
    }
}
