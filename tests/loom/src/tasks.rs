//! Tasks and threads of a model.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::thread;

/// A task that waits.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls until it is ready. Loom fails if it waits for ever.
pub(crate) fn block_on<A>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<A>) -> A {
    let task = Arc::new(Task(Notify::new()));
    let waker = Waker::from(Arc::clone(&task));
    loop {
        if let Poll::Ready(answer) = poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
        task.0.wait();
    }
}

/// Runs threads beside each other over what is `made` for each run, then checks what came of it.
///
/// A thread is interrupted so often at most where it need not wait. Without a bound a model takes hours.
pub(crate) fn explore<M: Clone + 'static, const COUNT: usize>(
    name: &'static str,
    preemptions: usize,
    make: impl Fn() -> M + Send + Sync + 'static,
    threads: [fn(&M); COUNT],
    check: impl Fn(&M) + Send + Sync + 'static,
) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        counted.fetch_add(1, Relaxed);
        let model = make();
        let others: Vec<_> = threads[1..]
            .iter()
            .map(|run| {
                let (run, model) = (*run, model.clone());
                thread::spawn(move || run(&model))
            })
            .collect();
        threads[0](&model);
        for other in others {
            other.join().unwrap();
        }
        check(&model);
    });
    let runs = runs.load(Relaxed);
    writeln!(std::io::stdout(), "loom: {name}, {runs} interleavings").unwrap();
}
