//! `cargo bench -p plimsoll-benches`: measures, and prints tables and ratios.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use lexopt::prelude::*;
use plimsoll_benches::figures::Figures;
use plimsoll_benches::ratios::{RATIOS, Ratio};
use plimsoll_benches::{idle, instructions, loopback, memory, primitives, report};

const USAGE: &str = "\
cargo bench -p plimsoll-benches [-- [PART...] [--quick]]
cargo bench -p plimsoll-benches -- --save
cargo bench -p plimsoll-benches -- report

parts, all of them if none is named:
  memory        lines out of memory
  primitives    the atomic operations that sharing takes
  loopback      line echo over TCP
  idle          memory of 10,000 idle connections
  instructions  instructions that a line or a write takes

options:
  --quick       tiny inputs: shows that everything works, and measures nothing
  --save        keeps the figures of a full run in docs/, and makes the report of them

report: writes the tables and the chart in docs/ from the figures that were kept last
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

/// Measures, tiny inputs only if so told, and adds its figures.
type Part = fn(bool, &mut Figures) -> io::Result<()>;

const PARTS: [(&str, Part); 5] = [
    ("memory", memory::measure),
    ("primitives", primitives::measure),
    ("loopback", loopback::measure),
    ("idle", idle::measure),
    ("instructions", instructions::measure),
];

enum Command {
    Help,
    Measure {
        parts: Vec<Part>,
        quick: bool,
        save: bool,
    },
    Report,
    /// To be one of the servers: how `loopback` starts them.
    Serve(String),
    /// To read lines so many times: what `instructions` counts.
    Read {
        row: String,
        mean: usize,
        passes: usize,
    },
    /// To write so many times, behind a queue: the same.
    Write {
        parts: usize,
        passes: usize,
    },
}

fn arguments() -> Result<Command> {
    let mut parts = Vec::new();
    let mut quick = false;
    let mut save = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(word) => match word.string()?.as_str() {
                "report" => return Ok(Command::Report),
                "serve" => return Ok(Command::Serve(arguments.value()?.string()?)),
                "read" => {
                    return Ok(Command::Read {
                        row: arguments.value()?.string()?,
                        mean: arguments.value()?.parse()?,
                        passes: arguments.value()?.parse()?,
                    });
                }
                "write" => {
                    return Ok(Command::Write {
                        parts: arguments.value()?.parse()?,
                        passes: arguments.value()?.parse()?,
                    });
                }
                name => match PARTS.iter().find(|(part, _)| *part == name) {
                    Some((_, part)) => parts.push(*part),
                    None => return Err(format!("no part is called {name}\n\n{USAGE}").into()),
                },
            },
            Long("quick") => quick = true,
            Long("save") => save = true,
            Long("help") => return Ok(Command::Help),
            Long("bench") => {} // cargo's own
            other => return Err(other.unexpected().into()),
        }
    }
    // The page is of one whole run.
    if save && (quick || !parts.is_empty()) {
        return Err(format!("only a full run can be kept\n\n{USAGE}").into());
    }
    if parts.is_empty() {
        parts = PARTS.map(|(_, part)| part).into();
    }
    Ok(Command::Measure { parts, quick, save })
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Measure { parts, quick, save } => {
            let mut figures = Figures::default();
            for part in parts {
                part(quick, &mut figures)?;
            }
            print(&figures);
            if save {
                report::save(&figures)?;
                report::write()?;
            }
        }
        Command::Report => report::write()?,
        Command::Serve(name) => loopback::servers::serve(&name)?,
        Command::Read { row, mean, passes } => instructions::read(&row, mean, passes)?,
        Command::Write { parts, passes } => instructions::write(parts, passes)?,
    }
    Ok(())
}

fn print(figures: &Figures) {
    for table in figures.tables() {
        println!("{}", table.to_text());
    }
    let measured = || {
        let value = |ratio: &'static Ratio| Some((ratio, ratio.value(figures)?));
        RATIOS.iter().filter_map(value)
    };
    for (ratio, value) in measured() {
        println!("ratio {} {value:.3}", ratio.name);
    }
    for (ratio, value) in measured() {
        if !ratio.target.is_met_by(value) {
            println!("off its target: {} should be {}", ratio.name, ratio.target);
        }
    }
}
