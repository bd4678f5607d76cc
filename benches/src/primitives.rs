//! What the machine takes for the atomic operations that shared bytes and shared halves cannot do without.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use cpu_time::ThreadTime;

use crate::figures::Figures;

/// The title of the table.
pub const PRIMITIVES: &str = "What sharing takes, nanoseconds, with nobody else who wants the same";

const CALLS: usize = 1_000;
const ROUNDS: usize = 1_000;
const QUICK_ROUNDS: usize = 3;
const FRAME: usize = 8;

/// Measures each in a loop of its own; the best round counts.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let mut row = |name, round: &mut dyn FnMut()| {
        let best = (0..rounds).map(|_| {
            let began = ThreadTime::now();
            round();
            began.elapsed().as_secs_f64()
        });
        let best = best.fold(f64::INFINITY, f64::min);
        figures.add(PRIMITIVES, name, "ns", 1e9 * best / CALLS as f64);
    };
    let flag = AtomicBool::new(false);
    row("AtomicBool, swap", &mut || {
        for _ in 0..CALLS {
            black_box(flag.swap(true, Ordering::AcqRel));
        }
    });
    let mutex = Mutex::new(0_u64);
    row("Mutex, lock and unlock", &mut || {
        for _ in 0..CALLS {
            *black_box(&mutex).lock().expect("nobody panics") += 1;
        }
    });
    let shared = Arc::new(0_u64);
    row("Arc, clone and drop", &mut || {
        for _ in 0..CALLS {
            drop(black_box(Arc::clone(&shared)));
        }
    });
    let block = Bytes::from(vec![b'x'; FRAME * (CALLS + 1)]);
    row("BytesMut, split_to, freeze and drop", &mut || {
        // The rest keeps the block from being freed with its last frame.
        let mut rest = BytesMut::from(&block[..]);
        let _all = rest.split_off(FRAME * CALLS);
        for _ in 0..CALLS {
            drop(black_box(rest.split_to(FRAME).freeze()));
        }
    });
    Ok(())
}
