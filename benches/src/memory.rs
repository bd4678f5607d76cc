//! Lines out of memory: what reading costs without a network.

use std::hint::black_box;
use std::time::Instant;

use crate::figures::Figures;
use crate::input;
use crate::rounds::{Noise, in_turns};
use crate::rows::{CRLF, LINES, Row, SEPARATORS};

/// How much a run reads, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Bytes in each input.
    pub input: usize,
    pub rounds: usize,
}

impl Effort {
    pub const FULL: Self = Self {
        input: 32 << 20,
        rounds: 7,
    };
    /// To see that everything works. Its figures tell nothing.
    pub const QUICK: Self = Self {
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
const LENGTHS: [usize; 5] = [8, 32, 80, 1000, 16_000];

/// Measures every row; panics if one gives a wrong answer.
pub fn measure(effort: Effort, figures: &mut Figures) -> Noise {
    let mut noise = Noise::default();
    let mut add = |table: &str, read_size, mean: usize, data: &[u8], rows: &[Row]| {
        for row in rows {
            row.check(data, read_size);
        }
        let lines = data.iter().filter(|&&byte| byte == b'\n').count();
        let taken = in_turns(effort.rounds, rows, |row| {
            let began = Instant::now();
            black_box(row.run(black_box(data), read_size));
            began.elapsed().as_secs_f64() * 1e9 / lines as f64
        });
        for (row, taken) in rows.iter().zip(&taken) {
            figures.add(table, row.name, &mean.to_string(), taken.best());
            noise.add(taken);
        }
    };
    for mean in LENGTHS {
        let data = input::lines(mean, b"\n", effort.input);
        add(READS_OF_16_KIB, 16 << 10, mean, &data, LINES);
        add(READS_OF_64_KIB, 64 << 10, mean, &data, LINES);
    }
    let data = input::lines(80, b"\n", effort.input);
    add(ONE_OR_ANY, 16 << 10, 80, &data, SEPARATORS);
    let data = input::lines(80, b"\r\n", effort.input);
    add(CRLF_LINES, 16 << 10, 80, &data, CRLF);
    noise
}
