//! A layer over a pair: put in place, what ends it, given-up calls, and under a server on every
//! runtime. `layers.rs` has the same over a connection with one owner.

mod ends;
mod given_up;
mod in_place;
mod limit;
mod served;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use io_test_support::Case;
use io_test_support::executor::{Order, Tasks, polled, yielded};
use io_test_support::pair;
use io_test_support::toy_layer::{Toy, push_record};
use limit::Limit;
use plimsoll_io::{DuplexStream, Error, StreamPair, Transport, duplex};

const CAPACITIES: [usize; 6] = [1, 2, 3, 64, 1000, 1 << 20];
const ROUNDS: usize = 10;

fn block_on<A>(test: impl Future<Output = A>) -> A {
    let _limit = Limit::start();
    smol::block_on(smol::future::or(test, async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("it waits for ever")
    }))
}

/// Runs tasks that are made anew for each order of polls. One that waits for ever is found.
fn in_each_order<'a>(spawn: impl Fn(&mut Tasks<'a>)) {
    for (order, seeds) in [(Order::Strict, 0..3), (Order::Random, 3..6)] {
        for seed in seeds {
            let _limit = Limit::start();
            let _case = Case(format!("{order:?}, seed {seed}"));
            let mut tasks = Tasks::new();
            spawn(&mut tasks);
            tasks.run(order, seed);
        }
    }
}

/// Runs two sides at once.
async fn zip(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    smol::future::zip(one, other).await;
}

fn toys(pings: bool) -> [Toy; 2] {
    let toys = [Toy::client(), Toy::server()];
    if pings { toys.map(Toy::pinging) } else { toys }
}

/// A pair whose sides have put their layers in place, and have not greeted each other yet.
async fn layered(capacity: usize) -> (StreamPair<DuplexStream>, StreamPair<DuplexStream>) {
    layered_with(pair(capacity), toys(false)).await
}

async fn layered_with(
    (mut client, mut server): (StreamPair<DuplexStream>, StreamPair<DuplexStream>),
    [asking, replying]: [Toy; 2],
) -> (StreamPair<DuplexStream>, StreamPair<DuplexStream>) {
    client.put_layer(asking).await.unwrap();
    server.put_layer(replying).await.unwrap();
    (client, server)
}

fn line(round: usize) -> String {
    format!("line {round} {}\n", "x".repeat(round * 50))
}

/// What a record of the toy looks like on the wire.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    push_record(&mut record, kind, body);
    record
}

/// The text of what a loss came from.
fn cause<A>(result: Result<A, Error>) -> String {
    let Err(Error::ConnectionLost(lost)) = result else {
        panic!("no loss");
    };
    lost.cause
        .map_or("none".to_owned(), |cause| cause.to_string())
}

/// Polls `future` so often, woken or not, and lets others run in between. `None` if it is given up.
async fn pressed<A>(future: impl Future<Output = A>, polls: usize) -> Option<A> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Some(answer) = polled(future.as_mut(), 1).await {
            return Some(answer);
        }
        yielded().await;
    }
    None
}

/// Upgrades after a reply in the clear.
async fn upgraded_client<T: Transport>(mut stream: StreamPair<T>, toy: Toy) -> StreamPair<T> {
    stream.writer.write(b"STARTTLS\n").unwrap();
    assert_eq!(stream.reader.read_line().await.unwrap(), "go\n");
    stream.put_layer(toy).await.unwrap();
    stream.open().await.unwrap();
    stream
}

async fn upgraded_server<T: Transport>(mut stream: StreamPair<T>, toy: Toy) -> StreamPair<T> {
    assert_eq!(stream.reader.read_line().await.unwrap(), "STARTTLS\n");
    stream.writer.write(b"go\n").unwrap();
    stream.put_layer(toy).await.unwrap();
    stream.open().await.unwrap();
    stream
}

async fn ask<T: Transport>(mut stream: StreamPair<T>) {
    for round in 0..ROUNDS {
        stream.writer.write(line(round).as_bytes()).unwrap();
        assert_eq!(
            stream.reader.read_line().await.unwrap(),
            line(round).as_str()
        );
    }
    // What was written when the peer's end comes is still read.
    stream.writer.write(b"last\n").unwrap();
    stream.writer.finish().await.unwrap();
    assert_eq!(stream.reader.read_line().await.unwrap(), "last\n");
    assert_eq!(stream.reader.read_line().await.unwrap(), "");
}

async fn echo<T: Transport>(mut stream: StreamPair<T>) {
    loop {
        let line = stream.reader.read_line().await.unwrap();
        if line.is_empty() {
            break;
        }
        stream.writer.write(&line).unwrap();
    }
    stream.writer.close().await.unwrap();
}
