//! `cargo bench -p plimsoll-benches`: measures, and prints tables and ratios.

use std::process::ExitCode;

use lexopt::prelude::*;
use plimsoll_benches::figures::Figures;
use plimsoll_benches::memory;
use plimsoll_benches::ratios::RATIOS;

const USAGE: &str = "\
cargo bench -p plimsoll-benches [-- [PART...] [--quick]]

parts, all of them if none is named:
  memory     lines out of memory

options:
  --quick    tiny inputs: shows that everything works, and measures nothing
";

fn main() -> ExitCode {
    match arguments() {
        Ok(Some(chosen)) => {
            run(&chosen);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Chosen {
    parts: Vec<Part>,
    quick: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Memory,
}

/// `None` if only help was asked for.
fn arguments() -> Result<Option<Chosen>, lexopt::Error> {
    let mut chosen = Chosen::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(part) if part == "memory" => chosen.parts.push(Part::Memory),
            Long("quick") => chosen.quick = true,
            Long("help") => return Ok(None),
            Long("bench") => {} // cargo's own
            other => return Err(other.unexpected()),
        }
    }
    if chosen.parts.is_empty() {
        chosen.parts = vec![Part::Memory];
    }
    Ok(Some(chosen))
}

fn run(chosen: &Chosen) {
    let mut figures = Figures::default();
    for part in &chosen.parts {
        let noise = match part {
            Part::Memory => {
                let effort = if chosen.quick {
                    memory::Effort::QUICK
                } else {
                    memory::Effort::FULL
                };
                memory::measure(effort, &mut figures)
            }
        };
        println!("{noise}\n");
    }
    for table in figures.tables() {
        println!("{}", table.to_text());
    }
    for ratio in RATIOS {
        if let Some(value) = ratio.value(&figures) {
            println!("ratio {} {value:.3}", ratio.name);
        }
    }
    println!();
    for ratio in RATIOS {
        if let Some(value) = ratio.value(&figures) {
            if !ratio.target.is_met_by(value) {
                println!("off its target: {} should be {}", ratio.name, ratio.target);
            }
        }
    }
}
