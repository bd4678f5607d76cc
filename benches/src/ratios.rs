//! The ratios with names, and what they should be.

use std::fmt;

use crate::figures::Figures;
use crate::loopback::servers::{ASYNCIO, BY_HAND, CONNECTION, FRAMED, PLIMSOLL, RAW};
use crate::loopback::{ECHO, PROCESSOR};
use crate::memory::{CRLF_LINES, ONE_OR_ANY, READS_OF_16_KIB};
use crate::rows::{
    BORROWED, COPIED, FLOOR, LINES_CODEC, READ_LINE, SHARED, STD_READ_UNTIL, TOKIO_READ_UNTIL,
    UNTIL_ANY, UNTIL_CRLF, UNTIL_ONE,
};

/// One figure over another of the same table and column.
#[derive(Debug)]
pub struct Ratio {
    pub name: &'static str,
    table: &'static str,
    column: &'static str,
    over: &'static str,
    under: &'static str,
    pub target: Target,
}

#[derive(Clone, Copy, Debug)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

use Target::{AtLeast, AtMost};

const fn ratio(
    name: &'static str,
    (table, column): (&'static str, &'static str),
    over: &'static str,
    under: &'static str,
    target: Target,
) -> Ratio {
    Ratio {
        name,
        table,
        column,
        over,
        under,
        target,
    }
}

const OF_8: (&str, &str) = (READS_OF_16_KIB, "8");
const OF_32: (&str, &str) = (READS_OF_16_KIB, "32");
const OF_80: (&str, &str) = (READS_OF_16_KIB, "80");
const OF_1000: (&str, &str) = (READS_OF_16_KIB, "1000");
const OF_16000: (&str, &str) = (READS_OF_16_KIB, "16000");

const ECHO_64X1: (&str, &str) = (ECHO, "64x1");
const ECHO_64X64: (&str, &str) = (ECHO, "64x64");
const ECHO_8X512: (&str, &str) = (ECHO, "8x512");

pub const RATIOS: &[Ratio] = &[
    ratio("borrowed_over_floor_8", OF_8, BORROWED, FLOOR, AtMost(1.25)),
    ratio(
        "borrowed_over_floor_32",
        OF_32,
        BORROWED,
        FLOOR,
        AtMost(1.25),
    ),
    ratio(
        "borrowed_over_floor_80",
        OF_80,
        BORROWED,
        FLOOR,
        AtMost(1.25),
    ),
    ratio(
        "borrowed_over_floor_1000",
        OF_1000,
        BORROWED,
        FLOOR,
        AtMost(1.15),
    ),
    ratio(
        "borrowed_over_floor_16000",
        OF_16000,
        BORROWED,
        FLOOR,
        AtMost(1.15),
    ),
    ratio(
        "tokio_read_until_over_borrowed_8",
        OF_8,
        TOKIO_READ_UNTIL,
        BORROWED,
        AtLeast(1.5),
    ),
    ratio(
        "tokio_read_until_over_borrowed_80",
        OF_80,
        TOKIO_READ_UNTIL,
        BORROWED,
        AtLeast(1.0),
    ),
    ratio(
        "std_read_until_over_borrowed_80",
        OF_80,
        STD_READ_UNTIL,
        BORROWED,
        AtLeast(1.6),
    ),
    ratio(
        "lines_codec_over_shared_8",
        OF_8,
        LINES_CODEC,
        SHARED,
        AtLeast(3.0),
    ),
    ratio(
        "lines_codec_over_shared_80",
        OF_80,
        LINES_CODEC,
        SHARED,
        AtLeast(2.2),
    ),
    ratio(
        "lines_codec_over_copied_80",
        OF_80,
        LINES_CODEC,
        COPIED,
        AtLeast(1.3),
    ),
    ratio(
        "crlf_over_lf_80",
        (CRLF_LINES, "80"),
        UNTIL_CRLF,
        READ_LINE,
        AtMost(1.4),
    ),
    ratio(
        "absent_separator_over_one_80",
        (ONE_OR_ANY, "80"),
        UNTIL_ANY,
        UNTIL_ONE,
        AtMost(2.2),
    ),
    ratio(
        "echo_over_raw_64x64",
        ECHO_64X64,
        PLIMSOLL,
        RAW,
        AtLeast(0.9),
    ),
    ratio(
        "echo_over_raw_64x1",
        ECHO_64X1,
        PLIMSOLL,
        RAW,
        AtLeast(0.95),
    ),
    ratio(
        "echo_over_raw_8x512",
        ECHO_8X512,
        PLIMSOLL,
        RAW,
        AtLeast(0.6),
    ),
    ratio(
        "echo_over_dry_64x64",
        ECHO_64X64,
        PLIMSOLL,
        BY_HAND,
        AtLeast(1.0),
    ),
    ratio(
        "echo_over_dry_8x512",
        ECHO_8X512,
        PLIMSOLL,
        BY_HAND,
        AtLeast(1.05),
    ),
    ratio(
        "echo_over_framed_64x64",
        ECHO_64X64,
        PLIMSOLL,
        FRAMED,
        AtLeast(20.0),
    ),
    ratio(
        "echo_over_asyncio_64x64",
        ECHO_64X64,
        PLIMSOLL,
        ASYNCIO,
        AtLeast(20.0),
    ),
    ratio(
        "connection_cpu_over_dry_64x1",
        (PROCESSOR, "64x1"),
        CONNECTION,
        BY_HAND,
        AtMost(1.1),
    ),
    ratio(
        "connection_cpu_over_dry_64x64",
        (PROCESSOR, "64x64"),
        CONNECTION,
        BY_HAND,
        AtMost(1.2),
    ),
    ratio(
        "connection_cpu_over_dry_8x512",
        (PROCESSOR, "8x512"),
        CONNECTION,
        BY_HAND,
        AtMost(1.05),
    ),
];

impl Ratio {
    /// `None` if one of the two was not measured.
    pub fn value(&self, figures: &Figures) -> Option<f64> {
        let over = figures.get(self.table, self.over, self.column)?;
        let under = figures.get(self.table, self.under, self.column)?;
        Some(over / under)
    }
}

impl Target {
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(most) => write!(f, "at most {most}"),
            AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_two_rows_in_one_column() {
        let mut figures = Figures::default();
        figures.add(READS_OF_16_KIB, FLOOR, "8", 5.0);
        figures.add(READS_OF_16_KIB, BORROWED, "32", 9.0);
        assert_eq!(RATIOS[0].value(&figures), None);
        figures.add(READS_OF_16_KIB, BORROWED, "8", 6.0);
        assert_eq!(RATIOS[0].value(&figures), Some(1.2));
        assert!(RATIOS[0].target.is_met_by(1.25));
        assert!(!RATIOS[0].target.is_met_by(1.26));
    }
}
