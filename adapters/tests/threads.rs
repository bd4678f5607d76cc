//! How many threads of the process a close takes, one test at a time.
#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use io_test_support::executor::{Order, Tasks};
use io_test_support::runtimes::run_tokio;
use io_test_support::{pair, turn};
use plimsoll_io::{Connection, Error, Join, ReadHalf, Runtime, WriteHalf};

/// Takes nothing, and has nothing.
struct Stuck;

impl ReadHalf for Stuck {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl WriteHalf for Stuck {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

type Closing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Closes that wait take the runtime's clock, and no thread.
async fn closes_take_no_thread<C: Runtime>() {
    const CLOSES: usize = 300;
    C::sleep(Duration::from_millis(1)).await; // starts what the runtime has
    let before = threads();
    let mut closing: Vec<Closing> = Vec::new();
    for _ in 0..CLOSES {
        let mut connection = Connection::new(Join::<_, _, C>::with_clock(Stuck, Stuck));
        connection
            .write_with(|writer| writer.write(b"never sent"))
            .unwrap();
        closing.push(Box::pin(async move { connection.close().await }));
    }
    poll_fn(|cx| {
        let mut polled = closing.iter_mut().map(|close| close.as_mut().poll(cx));
        assert!(polled.all(|closed| closed.is_pending()));
        Poll::Ready(())
    })
    .await;
    let more = threads().saturating_sub(before);
    assert!(more < 50, "{more} threads for {CLOSES} closes");
}

#[test]
fn a_close_that_waits_takes_no_thread() {
    let _turn = turn();
    run_tokio(closes_take_no_thread::<plimsoll_io::tokio::Tokio>());
    smol::block_on(closes_take_no_thread::<plimsoll_io::smol::Smol>());
    async_std::task::block_on(closes_take_no_thread::<plimsoll_io::async_std::AsyncStd>());
    let on_threads = closes_take_no_thread::<plimsoll_io::blocking::Blocking>();
    plimsoll_io::blocking::block_on(on_threads);
}

#[test]
fn a_close_that_ends_leaves_no_thread_behind() {
    let _turn = turn();
    let before = threads();
    for _ in 0..200 {
        let (mut here, mut there) = pair(1);
        here.writer.write(b"output").unwrap();
        let mut tasks = Tasks::new();
        tasks.spawn("close", async {
            here.writer.close().await.unwrap();
        });
        tasks.spawn("read", async {
            assert_eq!(*there.reader.read_to_end(9).await.unwrap(), *b"output");
        });
        tasks.run(Order::Strict, 0);
    }
    // Those that are about to end, and those of other tests.
    for _ in 0..1000 {
        if threads() <= before + 20 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{} threads, {before} before", threads());
}
