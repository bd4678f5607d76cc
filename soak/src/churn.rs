//! Connections that come and go in every way. What both processes hold is looked at whenever none is open.

use std::time::{Duration, Instant};

use plimsoll_io::tokio::{StreamReader, StreamWriter, open_connection};
use plimsoll_io::{ConnectionError, Error};
use tokio::task::JoinSet;

use crate::server::{ABORT, Held, LEAVE, LIMIT, PANIC, Server, TOO_LONG};
use test_support::random::Random;

/// How many connections are open at once, about.
const AT_ONCE: usize = 64;
/// After each round no connection is open, and both processes are looked at.
const ROUNDS: usize = 30;
/// How much more may be resident in the last third of the rounds than in the one before.
const MORE: usize = 1 << 20;

/// How a connection comes to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The client closes.
    Close,
    /// The client ends its stream, and reads on.
    HalfClose,
    /// The same, in the middle of a line.
    HalfLine,
    /// A line is too long, and the next one is answered.
    TooLong,
    /// A read is given up in the middle of a line.
    GivenUp,
    /// The client resets the connection.
    Reset,
    /// The client is gone with answers on their way.
    Vanish,
    /// The server resets the connection.
    ServerResets,
    /// The handler returns.
    ServerLeaves,
    /// The handler panics.
    ServerPanics,
}

const KINDS: [Kind; 10] = [
    Kind::Close,
    Kind::HalfClose,
    Kind::HalfLine,
    Kind::TooLong,
    Kind::GivenUp,
    Kind::Reset,
    Kind::Vanish,
    Kind::ServerResets,
    Kind::ServerLeaves,
    Kind::ServerPanics,
];

type Counts = [usize; KINDS.len()];

/// Reads until the end of the stream, and compares.
async fn expect_answers(reader: &mut StreamReader, sent: &[u8]) -> Result<(), Error> {
    let mut rest = sent;
    loop {
        let answer = reader.read(LIMIT).await?;
        if answer.is_empty() {
            assert!(
                rest.is_empty(),
                "{} bytes of answers are missing",
                rest.len()
            );
            return Ok(());
        }
        let (expected, behind) = rest
            .split_at_checked(answer.len())
            .expect("no more than was sent");
        assert_eq!(answer, expected);
        rest = behind;
    }
}

async fn connection(
    kind: Kind,
    mut random: Random,
    halves: (StreamReader, StreamWriter),
) -> Result<(), Error> {
    let (mut reader, mut writer) = halves;
    let mut sent = Vec::new();
    for _ in 0..random.below(40) {
        sent.extend(std::iter::repeat_n(
            b'a' + random.below(26) as u8,
            random.below(LIMIT),
        ));
        sent.push(b'\n');
    }
    writer.write(&sent)?;
    match kind {
        Kind::Close => {
            for line in sent.split_inclusive(|byte| *byte == b'\n') {
                assert_eq!(reader.read_line().await?, line);
            }
            return writer.close().await;
        }
        Kind::HalfClose => writer.finish().await?,
        Kind::HalfLine => {
            writer.write(b"half a li")?;
            sent.extend(b"half a li");
            writer.finish().await?;
        }
        Kind::TooLong => {
            writer.write(&[b'x'; 3 * LIMIT])?;
            writer.write(b"\nnext\n")?;
            sent.extend([TOO_LONG, b"next\n"].concat());
            writer.finish().await?;
        }
        Kind::GivenUp => {
            writer.write(b"first half, ")?;
            let waits = Duration::from_millis(random.below(3) as u64);
            let never = tokio::time::timeout(waits, reader.read_exact(sent.len() + 1)).await;
            assert!(never.is_err(), "half a line is no answer");
            writer.write(b"second half\n")?;
            sent.extend(b"first half, second half\n");
            writer.finish().await?;
        }
        Kind::Reset => {
            writer.flush().await?;
            writer.abort();
            return Ok(());
        }
        Kind::Vanish => return writer.flush().await,
        // Whose connection is reset as well.
        Kind::ServerResets | Kind::ServerPanics => {
            writer.write(match kind {
                Kind::ServerPanics => PANIC,
                _ => ABORT,
            })?;
            let mut seen = 0;
            return loop {
                match reader.read(LIMIT).await {
                    Ok(answer) if answer.is_empty() => panic!("a reset looks like a clean end"),
                    Ok(answer) => {
                        assert_eq!(answer, &sent[seen..seen + answer.len()]);
                        seen += answer.len();
                    }
                    Err(Error::ConnectionLost(lost)) if lost.kind == ConnectionError::Reset => {
                        break Ok(());
                    }
                    Err(error) => break Err(error),
                }
            };
        }
        Kind::ServerLeaves => writer.write(LEAVE)?,
    }
    expect_answers(&mut reader, &sent).await
}

/// Opens one connection after another until `end`.
async fn come_and_go(port: u16, mut random: Random, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while Instant::now() < end {
        let number = random.below(KINDS.len());
        let halves = open_connection("127.0.0.1", port)
            .await
            .expect("a connection");
        let of_its_own = Random(random.below(usize::MAX) as u64);
        if let Err(error) = connection(KINDS[number], of_its_own, halves).await {
            panic!("{:?}: {error}", KINDS[number]);
        }
        counts[number] += 1;
    }
    counts
}

/// The most that is resident in some rounds.
fn most(held: &[[Held; 2]], process: usize) -> usize {
    let resident = held.iter().map(|both| both[process].resident);
    resident.max().unwrap_or_default()
}

pub async fn run(duration: Duration) {
    let mut server = Server::start();
    let processes = [server.id(), std::process::id()];
    let before = processes.map(Held::by);
    let mut random = Random(1);
    let mut counts = Counts::default();
    let mut held: Vec<[Held; 2]> = Vec::new();
    for round in 1..=ROUNDS {
        let end = Instant::now() + duration / ROUNDS as u32;
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let of_its_own = Random(random.below(usize::MAX) as u64);
            tasks.spawn(come_and_go(server.port(), of_its_own, end));
        }
        for of_one in tasks.join_all().await {
            for (sum, count) in counts.iter_mut().zip(of_one) {
                *sum += count;
            }
        }
        let accepted = server.idle().await;
        let connections: usize = counts.iter().sum();
        assert_eq!(
            (accepted.accepted, accepted.accept_errors),
            (connections, 0)
        );
        let now = [
            before[0].again(processes[0]).await,
            before[1].again(processes[1]).await,
        ];
        held.push(now);
        let [of_server, of_client] = now;
        println!(
            "churn: round {round} of {ROUNDS}, {connections} connections; server: {} KiB, {} descriptors; client: {} KiB, {} descriptors",
            of_server.resident / 1024,
            of_server.descriptors,
            of_client.resident / 1024,
            of_client.descriptors,
        );
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let (before, last) = held.split_at(2 * ROUNDS / 3);
    let before = &before[ROUNDS / 3..];
    for (process, name) in ["server", "client"].into_iter().enumerate() {
        let (before, last) = (most(before, process), most(last, process));
        assert!(
            last <= before + MORE,
            "the {name} grew from {before} to {last} bytes"
        );
        println!(
            "churn: {name}: at most {} KiB in the second third, {} KiB in the last",
            before / 1024,
            last / 1024
        );
    }
    server.stop();
    for (kind, count) in KINDS.iter().zip(counts) {
        println!("churn: {kind:?}: {count}");
    }
    println!(
        "churn: {} connections in {} s, flat",
        counts.iter().sum::<usize>(),
        duration.as_secs()
    );
}
