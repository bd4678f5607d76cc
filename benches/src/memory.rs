//! Lines out of memory: what reading costs without a network.

use std::hint::black_box;
use std::io;

use cpu_time::ThreadTime;

use crate::figures::Figures;
use crate::input;
use crate::rounds::{Noise, in_turns};
use crate::rows::{CRLF, LINES, Row, SEPARATORS};

/// How much a run reads, and how often.
struct Effort {
    /// Bytes in each input.
    input: usize,
    rounds: usize,
}

impl Effort {
    const FULL: Self = Self {
        input: 32 << 20,
        rounds: 9,
    };
    /// To see that everything works. Its figures tell nothing.
    const QUICK: Self = Self {
        input: 64 << 10,
        rounds: 1,
    };
}

/// The titles of the tables.
pub const READS_OF_16_KIB: &str =
    "In memory, nanoseconds a line, reads of 16 KiB, by length of line";
pub const READS_OF_64_KIB: &str =
    "In memory, nanoseconds a line, reads of 64 KiB, by length of line";
pub const ONE_OR_ANY: &str = "In memory, plimsoll, nanoseconds a line, one separator and several";
pub const CRLF_LINES: &str = "In memory, plimsoll, nanoseconds a line, lines that end with \\r\\n";

/// Mean lengths of lines, in bytes.
pub const LENGTHS: [usize; 5] = [8, 32, 80, 1000, 16_000];

/// A row with its input, and the place of its figure.
struct Cell<'a> {
    table: &'static str,
    mean: usize,
    row: &'static Row,
    read_size: usize,
    data: &'a [u8],
    lines: usize,
}

/// Measures every row.
///
/// A round is all of them: when other work slows the machine down for a while, that costs every row one
/// round, instead of some rows all rounds. Time is that of the processor, so that waiting for it is no cost.
///
/// # Panics
///
/// If a row gives a wrong answer.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let inputs = LENGTHS.map(|mean| (mean, input::lines(mean, b"\n", effort.input)));
    let crlf = input::lines(80, b"\r\n", effort.input);
    let mut cells = Vec::new();
    let mut add = |table, mean, rows: &'static [Row], read_size, data| {
        let lines = count_lines(data);
        cells.extend(rows.iter().map(|row| Cell {
            table,
            mean,
            row,
            read_size,
            data,
            lines,
        }));
    };
    for (mean, data) in &inputs {
        add(READS_OF_16_KIB, *mean, LINES, 16 << 10, data);
        add(READS_OF_64_KIB, *mean, LINES, 64 << 10, data);
        if *mean == 80 {
            add(ONE_OR_ANY, *mean, SEPARATORS, 16 << 10, data);
        }
    }
    add(CRLF_LINES, 80, CRLF, 16 << 10, &crlf);

    for cell in &cells {
        cell.row.check(cell.data, cell.read_size);
    }
    let taken = in_turns(effort.rounds, &cells, |cell| {
        let began = ThreadTime::now();
        black_box(cell.row.run(black_box(cell.data), cell.read_size));
        [began.elapsed().as_secs_f64() * 1e9 / cell.lines as f64]
    });
    let mut noise = Noise::default();
    for (cell, [taken]) in cells.iter().zip(&taken) {
        let column = cell.mean.to_string();
        figures.add(cell.table, cell.row.name, &column, taken.best());
        noise.add(taken);
    }
    println!("memory: {noise}\n");
    Ok(())
}

pub fn count_lines(data: &[u8]) -> usize {
    data.iter().filter(|&&byte| byte == b'\n').count()
}
