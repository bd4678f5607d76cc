//! Two executors on one thread: one polls only who was woken, the other anyone at any time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::Random;

/// Most polls of a run. No test needs as many.
const MOST_POLLS: u64 = 20_000_000;

/// Who is polled when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Only a task whose waker has fired, and only that of its latest poll counts.
    Strict,
    /// Any task that is not finished, woken or not.
    Random,
}

/// Tasks that run until all are finished.
pub struct Tasks<'a> {
    tasks: Vec<Task<'a>>,
    /// Lets something happen outside of the tasks; tells whether anything did.
    outside: Box<dyn FnMut() -> bool + 'a>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ran {
    /// How often a task was polled.
    pub polls: u64,
    /// How often a waker was woken that is not that of the task's latest poll. Nobody heard it.
    pub stale: u64,
}

struct Task<'a> {
    name: String,
    /// `None` once it is finished.
    future: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
    state: Arc<TaskState>,
}

#[derive(Default)]
struct TaskState {
    woken: AtomicBool,
    /// The number of the latest poll.
    poll: AtomicU64,
    stale: AtomicU64,
}

/// The waker of one poll. The parameter makes those of successive polls differ in their functions too.
struct Turn<const ODD: bool> {
    task: Arc<TaskState>,
    poll: u64,
}

impl Default for Tasks<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Tasks<'a> {
    pub fn new() -> Self {
        Self::with_outside(|| false)
    }

    /// `outside` is called when all tasks wait and, on the random executor, at any time.
    pub fn with_outside(outside: impl FnMut() -> bool + 'a) -> Self {
        Self {
            tasks: Vec::new(),
            outside: Box::new(outside),
        }
    }

    pub fn spawn(&mut self, name: impl Into<String>, future: impl Future<Output = ()> + 'a) {
        self.tasks.push(Task {
            name: name.into(),
            future: Some(Box::pin(future)),
            state: Arc::default(),
        });
    }

    /// Runs all tasks to their ends.
    ///
    /// # Panics
    ///
    /// If all that are left wait for something that nobody will do, or poll without end.
    pub fn run(mut self, order: Order, seed: u64) -> Ran {
        let mut random = Random(seed);
        for task in &self.tasks {
            task.state.woken.store(true, Ordering::Relaxed);
        }
        let mut polls = 0;
        loop {
            let left: Vec<usize> = (0..self.tasks.len())
                .filter(|&task| self.tasks[task].future.is_some())
                .collect();
            if left.is_empty() {
                let stale = |task: &Task<'_>| task.state.stale.load(Ordering::Relaxed);
                return Ran {
                    polls,
                    stale: self.tasks.iter().map(stale).sum(),
                };
            }
            let runnable = match order {
                Order::Strict => {
                    let woken = |&task: &usize| self.tasks[task].is_woken();
                    left.iter().copied().filter(woken).collect()
                }
                Order::Random => left.clone(),
            };
            if runnable.is_empty() {
                assert!((self.outside)(), "deadlock: {} wait", self.names(&left));
                continue;
            }
            if order == Order::Random && random.below(4) == 0 {
                (self.outside)();
            }
            polls += 1;
            assert!(
                polls < MOST_POLLS,
                "{} are polled and get nowhere",
                self.names(&left)
            );
            self.tasks[runnable[random.below(runnable.len())]].poll();
        }
    }

    fn names(&self, tasks: &[usize]) -> String {
        let names: Vec<_> = tasks
            .iter()
            .map(|&task| self.tasks[task].name.as_str())
            .collect();
        names.join(", ")
    }
}

impl Task<'_> {
    fn is_woken(&self) -> bool {
        self.state.woken.load(Ordering::Relaxed)
    }

    fn poll(&mut self) {
        let poll = self.state.poll.fetch_add(1, Ordering::Relaxed) + 1;
        self.state.woken.store(false, Ordering::Relaxed);
        let task = Arc::clone(&self.state);
        let waker: Waker = match poll % 2 {
            0 => Arc::new(Turn::<false> { task, poll }).into(),
            _ => Arc::new(Turn::<true> { task, poll }).into(),
        };
        let future = self.future.as_mut().expect("a task that is not finished");
        if future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            self.future = None;
        }
    }
}

impl<const ODD: bool> Wake for Turn<ODD> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.task.poll.load(Ordering::Relaxed) == self.poll {
            self.task.woken.store(true, Ordering::Relaxed);
        } else {
            self.task.stale.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs two futures as one task: whoever wakes one polls both.
pub async fn both(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_is_done, mut second_is_done) = (false, false);
    poll_fn(|cx| {
        first_is_done = first_is_done || first.as_mut().poll(cx).is_ready();
        second_is_done = second_is_done || second.as_mut().poll(cx).is_ready();
        if first_is_done && second_is_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Polls `future` at most `most` times; `None` if it is not ready by then.
pub async fn polled<A>(future: impl Future<Output = A>, most: usize) -> Option<A> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => {
            polls += 1;
            if polls == most {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        }
    })
    .await
}

/// Lets other tasks have a turn.
pub async fn yielded() {
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
