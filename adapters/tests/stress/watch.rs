//! What is counted of the process: its progress, its tasks, its descriptors and threads. Who makes
//! no progress for long has the states of all connections printed, and ends the process.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use plimsoll_io::Runtime;

use super::record;
use io_test_support::report;

/// How long nothing may move. Longer than any timeout that a connection has.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOKS: u32 = 30;

/// A number that only grows.
#[derive(Debug)]
pub struct Count(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the test has done, for its report.
#[derive(Debug)]
pub struct Counts {
    pub connections: Count,
    pub bytes: Count,
    pub given_up: Count,
    /// Halves and connections that went to another task.
    pub moved: Count,
    /// Halves, connections and turns that were leaked; of these, the halves.
    pub leaked: Count,
    pub leaked_halves: Count,
    /// Commands to all connections of a server, and shutdowns amid them.
    pub commands: Count,
    pub panics: Count,
    pub losses: Count,
    /// Directions that came to a clean end.
    pub ends: Count,
}

pub static COUNTS: Counts = Counts {
    connections: Count::new(),
    bytes: Count::new(),
    given_up: Count::new(),
    moved: Count::new(),
    leaked: Count::new(),
    leaked_halves: Count::new(),
    commands: Count::new(),
    panics: Count::new(),
    losses: Count::new(),
    ends: Count::new(),
};

/// Changes whenever an operation of any connection has ended.
static PROGRESS: Count = Count::new();

pub fn note_progress() {
    PROGRESS.add(1);
}

/// What the test itself waits for.
static STEP: Mutex<String> = Mutex::new(String::new());

pub fn goes_on_with(step: String) {
    *STEP.lock().unwrap_or_else(PoisonError::into_inner) = step;
}

fn step() -> String {
    STEP.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

static TASKS: AtomicUsize = AtomicUsize::new(0);

/// A task that has not ended, nor was dropped.
#[derive(Debug)]
pub struct Task(());

impl Task {
    pub fn begin() -> Self {
        TASKS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn tasks() -> usize {
    TASKS.load(Ordering::Relaxed)
}

/// How many descriptors this process has; zero where that cannot be known.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// How many threads this process has, but for those of the pool that resolves names, which wait
/// for more to do; zero where that cannot be known.
pub fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| !name.starts_with("blocking-")).count()
}

/// Waits, within reason, until a number has come down.
pub async fn comes_down<R: Runtime>(what: &str, to: usize, count: impl Fn() -> usize) {
    for _ in 0..4000 {
        if count() <= to {
            return note_progress();
        }
        R::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} {what} after twenty seconds, not {to}", count());
}

/// Ends the process when a check fails in any task, and when nothing moves any more. The runtimes
/// would go on without a task that panics.
pub fn begin(how_to_repeat: String) {
    let fail = move || -> ! {
        report(&how_to_repeat);
        std::process::abort()
    };
    let end = fail.clone();
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        end();
    }));
    thread::spawn(move || {
        let (mut before, mut looks) = (PROGRESS.get(), 0);
        loop {
            thread::sleep(PATIENCE / LOOKS);
            let now = PROGRESS.get();
            looks = if now == before { looks + 1 } else { 0 };
            before = now;
            if looks == LOOKS {
                report(&format!(
                    "nothing has moved for {PATIENCE:?}, in {}",
                    step()
                ));
                report(&format!("{} tasks, {} descriptors", tasks(), descriptors()));
                let running = record::running();
                report(&format!("{} connections run", running.len()));
                running.iter().for_each(|one| report(&format!("{one}")));
                fail();
            }
        }
    });
}
