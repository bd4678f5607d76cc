//! What peers do to streams and servers, where no other file has it: `docs/proof.md` has the table of all.
#![cfg(feature = "tokio")]

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use io_test_support::executor::{Order, Tasks, yielded};
use io_test_support::pair;
use io_test_support::report;
use io_test_support::scripted::{Lie, Scripted};
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::tokio::{StreamReader, StreamWriter, Tokio};
use plimsoll_io::{
    ConnectionError, Error, LineEnding, Separator, Server, ServerOptions, StreamPair, WriteError,
};
use tokio::time::timeout;

const LOCALHOST: &[&str] = &["127.0.0.1"];
const SOON: Duration = Duration::from_secs(20);

/// Polls once what has to wait.
async fn begin(mut waiting: Pin<&mut impl Future>) {
    poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// It is an error, told as what it is, and the transport is not asked again.
#[test]
fn t14_a_write_that_takes_nothing_is_an_error() {
    for (before, number) in [(ScriptedPeer::new(), 0), (ScriptedPeer::new().takes(3), 1)] {
        let transport = Scripted::lying(before, Some((number, Lie::Zero)));
        let mut stream = StreamPair::new(transport.clone());
        stream.writer.write(b"output").unwrap();
        let mut tasks = Tasks::new();
        tasks.spawn("the only task", async {
            for _ in 0..3 {
                let error = stream.writer.drain().await.unwrap_err();
                assert_eq!(io::Error::from(error).kind(), io::ErrorKind::WriteZero);
            }
        });
        tasks.run(Order::Strict, 0);
        assert_eq!(transport.lock().calls, vec![Call::Write; number + 1]);
    }
}

/// A million lines that are always there, on the one thread of a pinger.
///
/// Counted is how many lines are answered before a neighbour has its turn: that bounds its wait.
#[tokio::test]
async fn t15_a_flooder_leaves_its_neighbours_their_turns() {
    const LINES: usize = 1_000_000;
    const PINGS: usize = 500;
    /// A turn of each of two streams, in answers.
    const MOST: usize = 2 * 1024;
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let handler = move |mut reader: StreamReader, mut writer: StreamWriter| {
        let taken = Arc::clone(&count);
        async move {
            loop {
                match reader.read_line().await?.content() {
                    b"" => return Ok::<(), Error>(()),
                    b"ping" => writer.write(b"pong\n")?,
                    _ => drop(taken.fetch_add(1, Ordering::Relaxed)),
                }
            }
        }
    };
    let options = ServerOptions::new();
    let server = Server::<Tokio>::start(handler, LOCALHOST, 0, &options);
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    let pinged = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&pinged);
    let flooder = thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        let piece = b"a\n".repeat(10_000);
        let mut sent = 0;
        while sent < LINES || !done.load(Ordering::Relaxed) {
            client.write_all(&piece).unwrap();
            sent += 10_000;
        }
        sent
    });
    let pinger = thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        let mut waits: Vec<Duration> = (0..PINGS)
            .map(|_| {
                let asked = Instant::now();
                client.write_all(b"ping\n").unwrap();
                client.read_exact(&mut [0; 5]).unwrap();
                asked.elapsed()
            })
            .collect();
        pinged.store(true, Ordering::Relaxed);
        waits.sort();
        waits[PINGS * 99 / 100]
    });
    // A neighbour that wants every turn, and a task of its own: the runtime has others for this one.
    let lines = Arc::clone(&taken);
    let neighbour = tokio::spawn(async move {
        let (mut last, mut most) = (0, 0);
        while !flooder.is_finished() || !pinger.is_finished() {
            yielded().await;
            let now = lines.load(Ordering::Relaxed);
            most = most.max(now - last);
            last = now;
        }
        (most, flooder.join().unwrap(), pinger.join().unwrap())
    });
    let (most, sent, wait) = neighbour.await.unwrap();
    assert!(0 < most && most <= MOST, "{most} lines in a turn");
    assert!(sent >= LINES);
    server.close();
    timeout(SOON, server.wait_closed()).await.unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), sent);
    report(&format!(
        "threats: flood of {sent} lines, {most} at most in a turn; 99 of 100 pings within {wait:?}"
    ));
}

/// A half whose future is there and is not polled any more holds nothing that the other half needs.
#[tokio::test]
async fn t44_a_half_that_is_not_polled_holds_up_no_other() {
    const SIZE: usize = 1000;
    let (mut here, mut there) = pair(16);
    here.writer.write(&[b'a'; SIZE]).unwrap();
    let (mut reader, mut writer) = here.split();
    {
        let mut drain = pin!(writer.drain());
        begin(drain.as_mut()).await;
        there.writer.write(b"hello\n").unwrap();
        let (line, taken) = timeout(SOON, async {
            tokio::join!(reader.read_line(), there.reader.read_exact(16))
        })
        .await
        .unwrap();
        drop((line.unwrap(), taken.unwrap()));
        // A read that waits goes on sending.
        let mut read = pin!(reader.read_line());
        let rest = poll_fn(|cx| {
            assert!(read.as_mut().poll(cx).is_pending());
            pin!(there.reader.read_exact(SIZE - 16))
                .poll(cx)
                .map(|rest| rest.map(|_| ()))
        });
        timeout(SOON, rest).await.unwrap().unwrap();
    }
    let mut read = pin!(reader.read_line());
    begin(read.as_mut()).await;
    writer.write(&[b'b'; SIZE]).unwrap();
    let (drained, taken) = timeout(SOON, async {
        tokio::join!(writer.drain(), there.reader.read_exact(SIZE))
    })
    .await
    .unwrap();
    drained.unwrap();
    assert_eq!(taken.unwrap(), vec![b'b'; SIZE]);
}

/// By tokio's clock, which goes as fast as it can: however often a byte comes, or leaves, the time is the
/// item's.
#[tokio::test(start_paused = true)]
async fn t48_a_deadline_is_the_items_and_not_the_bytes() {
    let limit = Duration::from_secs(10);
    let peers = (1..=1000).map(|number| async move {
        let (mut slow, mut stream) = pair(16);
        let pause = Duration::from_millis(10 + 9 * number);
        let sends = async {
            loop {
                slow.writer.write(b".").unwrap();
                slow.writer.drain().await.unwrap();
                tokio::time::sleep(pause).await;
            }
        };
        let began = tokio::time::Instant::now();
        let read = timeout(limit, stream.reader.read_line());
        tokio::select! {
            line = read => assert!(line.is_err(), "no line ever comes"),
            () = sends => {}
        }
        assert_eq!(began.elapsed(), limit);
        assert!(!stream.reader.buffered().is_empty(), "what came is there");

        // The same for a peer that takes little of what it gets.
        stream.writer.write(&[b'a'; 5000]).unwrap();
        let takes = async {
            loop {
                drop(slow.reader.read(1).await.unwrap());
                tokio::time::sleep(pause).await;
            }
        };
        let began = tokio::time::Instant::now();
        tokio::select! {
            drained = timeout(limit, stream.writer.drain()) => assert!(drained.is_err()),
            () = takes => {}
        }
        assert_eq!(began.elapsed(), limit);
        assert!(stream.writer.pending() > 0, "what was not taken is there");
    });
    for peer in peers.map(tokio::spawn).collect::<Vec<_>>() {
        peer.await.unwrap();
    }
}

/// Over sockets: a thousand that send a byte now and then, and never a line.
#[tokio::test]
async fn t48_a_thousand_slow_peers_are_given_up() {
    const PEERS: usize = 1000;
    let limit = Duration::from_secs(2);
    io_test_support::allow_descriptors(2 * PEERS as u64 + 200);
    let given_up = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&given_up);
    let handler = move |mut reader: StreamReader, mut writer: StreamWriter| {
        let given_up = Arc::clone(&tell);
        async move {
            let began = Instant::now();
            if timeout(limit, reader.read_line()).await.is_err() {
                let bytes = reader.buffered().len();
                given_up.lock().unwrap().push((bytes, began.elapsed()));
                writer.write(b"too slow\n")?;
            }
            Ok::<(), Error>(())
        }
    };
    let options = ServerOptions::new().backlog(1024);
    let server = Server::<Tokio>::start(handler, LOCALHOST, 0, &options);
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    let peers = thread::spawn(move || {
        let mut peers: Vec<TcpStream> = (0..PEERS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        // Until those that were given up first are gone.
        for _ in 0..4 {
            for peer in &mut peers {
                let _ = peer.write_all(b".");
            }
            thread::sleep(Duration::from_millis(300));
        }
        for peer in &mut peers {
            peer.set_read_timeout(Some(SOON)).unwrap();
            let mut said = String::new();
            peer.read_to_string(&mut said).unwrap();
            assert_eq!(said, "too slow\n");
        }
    });
    while !peers.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    peers.join().unwrap();
    let given_up = given_up.lock().unwrap();
    assert_eq!(given_up.len(), PEERS);
    for (bytes, took) in given_up.iter() {
        assert!(*bytes > 1, "more than one byte came");
        // No assertion on speed: a deadline that is missed by seconds is no deadline.
        assert!(*took < limit + Duration::from_secs(3), "{took:?}");
    }
}

/// What a peer sends, and what is sent to it, is in no error and in no `Debug`.
#[tokio::test]
async fn t57_streams_keep_their_bytes_to_themselves() {
    const SECRET: &str = "hunter2";
    let canary = |text: String| assert!(!text.contains(SECRET), "{text}");
    let tell = |error: Error| {
        canary(format!("{error} {error:?} {error:#?}"));
        canary(format!("{0} {0:?}", io::Error::from(error)));
    };
    let input = b"hunter2\rhunter2\n";
    for loss in [
        None,
        Some(TransportError::Lost(ConnectionError::Reset)),
        Some(TransportError::Lost(ConnectionError::Transport)),
    ] {
        let peer = ScriptedPeer::new().sends(input);
        let peer = match loss {
            Some(fault) => peer.fails(Call::Read, fault),
            None => peer,
        };
        let StreamPair {
            mut reader,
            mut writer,
            ..
        } = StreamPair::new(Scripted::new(peer));
        let strict = reader.read_until(&Separator::STRICT_CRLF);
        tell(strict.await.unwrap_err());
        canary(format!("{reader:?} {reader:#?}"));
        tell(
            reader
                .read_until(&Separator::new("end").unwrap())
                .await
                .unwrap_err(),
        );
        tell(reader.read_exact(usize::MAX).await.unwrap_err());
        tell(reader.read_exact(100).await.unwrap_err());
        reader.set_limit(3);
        tell(reader.read_line().await.unwrap_err());
        match reader.read_line().await {
            Ok(end) => assert!(end.is_empty() && loss.is_none()),
            Err(error) => tell(error),
        }

        if loss.is_none() {
            let lines = writer.write_line(b"hunter2\nhunter2", LineEnding::CrLf);
            let lines = lines.unwrap_err();
            assert!(matches!(
                lines,
                Error::Write(WriteError::NotOneLine { before: 7 })
            ));
            tell(lines);
            writer.write_line(b"hunter2", LineEnding::CrLf).unwrap();
            canary(format!("{writer:?} {writer:#?}"));
            writer.set_max_pending(10);
            tell(writer.write(b"hunter2 hunter2").unwrap_err());
        }
    }
}
