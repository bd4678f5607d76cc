//! How much may wait to be sent before the writer asks its user to pause, and to go on.

/// The two marks of a writer's queue, in bytes.
///
/// Above `high` the writer is not writable; it is again once no more than `low` is pending. The
/// distance between them keeps a fast writer from being stopped and started at every byte.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WaterMarks {
    /// Invariant: at least `low`.
    high: usize,
    low: usize,
}

/// The low mark is above the high one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("low water mark of {low} bytes is above the high one of {high}")]
pub struct WaterMarksError {
    /// The high mark that was asked for, in bytes.
    pub high: usize,
    /// The low mark that was asked for, in bytes.
    pub low: usize,
}

impl WaterMarks {
    /// High 64 KiB, low 16 KiB, as in asyncio.
    pub const DEFAULT: Self = Self {
        high: 64 * 1024,
        low: 16 * 1024,
    };

    /// Creates a pair of marks.
    ///
    /// # Errors
    ///
    /// [`WaterMarksError`], if `low` is above `high`.
    pub const fn new(high: usize, low: usize) -> Result<Self, WaterMarksError> {
        if low > high {
            return Err(WaterMarksError { high, low });
        }
        Ok(Self { high, low })
    }

    /// Creates a pair of marks from the high one, with the low one at a quarter of it, as asyncio
    /// does.
    pub const fn with_high(high: usize) -> Self {
        Self {
            high,
            low: high / 4,
        }
    }

    /// Returns the mark above which the writer is not writable, in bytes.
    pub const fn high(self) -> usize {
        self.high
    }

    /// Returns the mark at which the writer is writable again, in bytes.
    pub const fn low(self) -> usize {
        self.low
    }
}

impl Default for WaterMarks {
    fn default() -> Self {
        Self::DEFAULT
    }
}
