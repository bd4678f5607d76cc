//! Many connections at once, each of which sends lines and compares every byte of the answers.

use std::time::Instant;

use plimsoll_io::tokio::{StreamReader, StreamWriter, open_connection};
use tokio::task::JoinSet;

use crate::server::{Held, Server};

/// How many lines are in flight on a connection.
const IN_FLIGHT: usize = 50;
/// How many connections are being opened at once.
const OPENING: usize = 100;

/// Line `number` of a connection: which it is, and up to 63 bytes more.
fn line(connection: usize, number: usize) -> String {
    let more = connection
        .wrapping_mul(31)
        .wrapping_add(number.wrapping_mul(7))
        % 64;
    format!("{connection} {number} {:x<more$}\n", "")
}

/// Sends all lines of a connection and reads the answers, some at a time, then ends it. Returns how many
/// were answered.
async fn exchange(
    connection: usize,
    lines: usize,
    (mut reader, mut writer): (StreamReader, StreamWriter),
) -> usize {
    for first in (0..lines).step_by(IN_FLIGHT) {
        let numbers = first..lines.min(first + IN_FLIGHT);
        for number in numbers.clone() {
            let line = line(connection, number);
            writer.write(line.as_bytes()).expect("a connection");
        }
        for number in numbers {
            let answer = reader.read_line().await.expect("an answer");
            assert_eq!(
                answer,
                line(connection, number).as_str(),
                "lost or out of order"
            );
        }
    }
    writer.finish().await.expect("a connection");
    let rest = reader.read_to_end(1).await.expect("the end");
    assert!(rest.is_empty(), "more than was sent");
    lines
}

pub async fn run(connections: usize, lines: usize) {
    let mut server = Server::start();
    let port = server.port();
    let before = Held::by(server.id());

    let mut open = Vec::new();
    while open.len() < connections {
        let mut opening = JoinSet::new();
        for _ in 0..OPENING.min(connections - open.len()) {
            opening.spawn(open_connection("127.0.0.1", port));
        }
        open.extend(opening.join_all().await);
    }
    let open: Vec<_> = open
        .into_iter()
        .map(|it| it.expect("a connection"))
        .collect();
    while server.counts().accepted < connections {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.counts().open, connections);
    let held = Held::by(server.id());
    assert_eq!(held.descriptors, before.descriptors + connections);

    let began = Instant::now();
    let mut exchanges = JoinSet::new();
    for (connection, halves) in open.into_iter().enumerate() {
        // What is left over goes to the first ones.
        let share = lines / connections + usize::from(connection < lines % connections);
        exchanges.spawn(exchange(connection, share, halves));
    }
    let answered: usize = exchanges.join_all().await.into_iter().sum();
    let took = began.elapsed();
    let peak = Held::by(server.id());

    assert_eq!(answered, lines);
    let counts = server.idle().await;
    assert_eq!((counts.accepted, counts.accept_errors), (connections, 0));
    before.again(server.id()).await;
    server.stop();
    println!(
        "load: {connections} connections at once, {answered} lines answered, none lost or out of order, in {:.1} s; \
         server: {} descriptors, {} KiB resident with all open, {} KiB after the last line",
        took.as_secs_f64(),
        held.descriptors,
        held.resident / 1024,
        peak.resident / 1024,
    );
}
