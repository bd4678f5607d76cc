//! Rows in turns, the best of each.

use std::fmt;

/// What several rounds of one row took, in whatever unit was measured.
#[derive(Clone, Debug)]
pub struct Taken(Vec<f64>);

/// Measures every one of `rows` once a round. Less is better, of each of the values that were measured.
pub fn in_turns<R, const VALUES: usize>(
    rounds: usize,
    rows: &[R],
    mut measure: impl FnMut(&R) -> [f64; VALUES],
) -> Vec<[Taken; VALUES]> {
    let none = || std::array::from_fn(|_| Taken(Vec::with_capacity(rounds)));
    let mut taken: Vec<[Taken; VALUES]> = rows.iter().map(|_| none()).collect();
    for _ in 0..rounds {
        for (row, taken) in rows.iter().zip(&mut taken) {
            for (taken, value) in taken.iter_mut().zip(measure(row)) {
                taken.0.push(value);
            }
        }
    }
    for taken in taken.iter_mut().flatten() {
        taken.0.sort_by(f64::total_cmp);
    }
    taken
}

impl Taken {
    pub fn best(&self) -> f64 {
        self.0[0]
    }

    /// How much more than the best the median round took, as a part of the best.
    pub fn noise(&self) -> f64 {
        self.0[self.0.len() / 2] / self.best() - 1.0
    }
}

/// How far medians were from the best, over all rows of a part.
#[derive(Debug, Default)]
pub struct Noise(Vec<f64>);

impl Noise {
    pub fn add(&mut self, taken: &Taken) {
        self.0.push(taken.noise());
        self.0.sort_by(f64::total_cmp);
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(most), middle) = (self.0.last(), self.0.len() / 2) else {
            return Ok(());
        };
        write!(
            f,
            "the median round took {:.0} % more than the best; in the noisiest row {:.0} %",
            self.0[middle] * 100.0,
            most * 100.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_turns_and_the_least_counts() {
        let mut order = String::new();
        let mut next = [5.0, 9.0, 4.0, 8.0, 8.0, 10.0].into_iter();
        let taken = in_turns(3, &["a", "b"], |row| {
            order.push_str(row);
            [next.next().unwrap(), 1.0]
        });
        assert!(taken.iter().all(|[_, one]| one.best() == 1.0));
        let taken: Vec<&Taken> = taken.iter().map(|[taken, _]| taken).collect();
        assert_eq!(order, "ababab");
        assert_eq!([taken[0].best(), taken[1].best()], [4.0, 8.0]);
        assert_eq!([taken[0].noise(), taken[1].noise()], [0.25, 0.125]);
        let mut noise = Noise::default();
        taken.iter().for_each(|taken| noise.add(taken));
        assert!(noise.to_string().ends_with("25 %"), "{noise}");
    }
}
