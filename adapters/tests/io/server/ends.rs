//! How connections of a server come to their ends, on every runtime: with halves in tasks of their
//! own, with replies that are read slowly, and while the handler waits for something else.

use std::future::{Future, pending};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use io_test_support::on_each_runtime;
use io_test_support::servers::{LIMIT, connect, eventually, start};
use plimsoll_io::{
    Connection, Error, Runtime, Server, ServerOptions, StreamReader, StreamWriter, WriteError,
};

/// More than the system buffers for one connection.
const MUCH: usize = 32 << 20;

/// Something that is not the connection, and that never comes.
struct Elsewhere(smol::channel::Sender<()>, smol::channel::Receiver<()>);

impl Elsewhere {
    fn new() -> Self {
        let (sender, receiver) = smol::channel::bounded(1);
        Self(sender, receiver)
    }

    /// Waits for it, or until it is given up.
    fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let receiver = self.1.clone();
        async move {
            let _ = receiver.recv().await;
        }
    }

    fn give_up(&self) {
        self.0.close();
    }
}

/// A chat's sender waits in `drain` for a peer that does not read, and the handler ends.
async fn a_writer_in_a_task_of_its_own_ends_with_the_connection<R: Runtime>() {
    let short = Duration::from_millis(100);
    let by = [
        ("close", ServerOptions::new().close_timeout(short)),
        ("idle", ServerOptions::new().idle_timeout(short)),
        ("shutdown", ServerOptions::new()),
    ];
    for (by, options) in by {
        let (ended, ends) = smol::channel::unbounded();
        let handler = move |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
            let ended = ended.clone();
            async move {
                writer.set_max_pending(2 * MUCH);
                writer.write(&vec![b'x'; MUCH]).unwrap();
                let sending = async move {
                    let drained = writer.drain().await;
                    drop(writer);
                    ended.send(drained).await.unwrap();
                };
                R::spawn(sending).unwrap();
                R::sleep(Duration::from_millis(10)).await;
            }
        };
        let (server, address) = start::<R, _, _>(handler, &options).await;
        let client = connect(address);
        client.shutdown(Shutdown::Write).unwrap();
        if by == "shutdown" {
            R::sleep(short).await;
            assert_eq!(server.shutdown(short).await.aborted, 1);
        }
        let drained = ends.recv().await.unwrap();
        assert!(
            matches!(drained, Err(Error::ConnectionLost(_))),
            "{by}: {drained:?}"
        );
        eventually::<R>(|| server.connections() == 0).await;
        // Its descriptor is closed, with a reset.
        let mut client = client;
        let mut room = vec![0; 1 << 20];
        while client.read(&mut room).is_ok_and(|count| count > 0) {}
        server.shutdown(LIMIT).await;
    }
}

/// A program that ended before would take what is on its way with it.
async fn a_shutdown_waits_for_a_reply_that_is_still_read<R: Runtime>() {
    const REPLY: usize = 900_000;
    let reply = async |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let _ = reader.read(1).await?;
        writer.write(&vec![b'x'; REPLY])
    };
    let (server, address) = start::<R, _, _>(reply, &ServerOptions::new()).await;
    let has_read = Arc::new(AtomicBool::new(false));
    let reads = Arc::clone(&has_read);
    let client = std::thread::spawn(move || {
        let mut client = connect(address);
        client.write_all(b"please").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        reads.store(true, Ordering::SeqCst);
        all.len()
    });
    eventually::<R>(|| server.statistics().accepted == 1).await;
    let shutdown = server.shutdown(LIMIT).await;
    assert!(has_read.load(Ordering::SeqCst), "it has waited for it");
    assert_eq!((shutdown.aborted, shutdown.lingering), (0, 0));
    assert_eq!(client.join().unwrap(), REPLY);
}

/// One that does not end its side is counted.
async fn a_shutdown_tells_whose_end_it_has_not_seen<R: Runtime>() {
    let greet = async |_, mut writer: StreamWriter<R::Tcp>| writer.write(b"hello\n");
    let (server, address) = start::<R, _, _>(greet, &ServerOptions::new()).await;
    let mut client = connect(address);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    let shutdown = server.shutdown(Duration::from_millis(50)).await;
    assert_eq!((shutdown.aborted, shutdown.lingering), (0, 1));
}

/// What was not read of the request does not reset the reply, however slowly that is read.
async fn a_reply_to_an_upload_that_is_not_read_arrives_whole<R: Runtime>() {
    const UPLOAD: usize = 400 << 10;
    const REPLY: usize = 1 << 20;
    let refuse = async |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let _ = reader.read(1).await?;
        writer.write(&vec![b'x'; REPLY])
    };
    let (server, address) = start::<R, _, _>(refuse, &ServerOptions::new()).await;
    let client = std::thread::spawn(move || {
        let mut client = connect(address);
        client.write_all(&vec![b'u'; UPLOAD]).unwrap();
        let (mut room, mut count) = (vec![0; 16 << 10], 0);
        loop {
            match client.read(&mut room).unwrap() {
                0 => return count,
                received => count += received,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    eventually::<R>(|| server.statistics().accepted == 1).await;
    let shutdown = server.shutdown(LIMIT).await;
    assert_eq!((shutdown.aborted, shutdown.lingering), (0, 0));
    assert_eq!(client.join().unwrap(), REPLY);
}

/// Its place and its descriptor are free, and its handler hears of it when it comes back.
async fn an_idle_connection_is_given_up_while_its_handler_waits<R: Runtime>() {
    let elsewhere = Elsewhere::new();
    let (told, hears) = smol::channel::unbounded();
    let wait = elsewhere.wait();
    let first = Arc::new(std::sync::Mutex::new(Some(wait)));
    let handler = move |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let (told, wait) = (told.clone(), first.lock().unwrap().take());
        async move {
            let Some(wait) = wait else {
                return writer.write(b"hello\n");
            };
            wait.await;
            let written = writer.write(b"late");
            let read = reader.read(1).await.map(|bytes| bytes.len());
            told.send((written, read)).await.unwrap();
            Ok(())
        }
    };
    let options = ServerOptions::new()
        .idle_timeout(Duration::from_millis(50))
        .max_connections(1);
    let (server, address) = start::<R, _, _>(handler, &options).await;
    let mut client = connect(address);
    assert!(client.read(&mut [0]).is_err(), "a reset");
    eventually::<R>(|| server.connections() == 0).await;
    // Its place is another's, while it waits.
    let mut all = String::new();
    let mut next = connect(address);
    next.read_to_string(&mut all).unwrap();
    assert_eq!(all, "hello\n");
    drop(next);
    elsewhere.give_up();
    let (written, read) = hears.recv().await.unwrap();
    let is_late = |loss| loss == plimsoll_io::ConnectionError::TimedOut;
    assert!(matches!(written, Err(Error::ConnectionLost(lost)) if is_late(lost.kind)));
    assert!(matches!(read, Err(Error::ConnectionLost(lost)) if is_late(lost.kind)));
    assert_eq!(server.shutdown(LIMIT).await.aborted, 0);
}

/// For a connection with one owner.
async fn an_idle_connection_of_one_owner_is_given_up_as_well<R: Runtime>() {
    let elsewhere = Elsewhere::new();
    let wait = std::sync::Mutex::new(Some(elsewhere.wait()));
    let (told, hears) = smol::channel::unbounded();
    let handler = move |mut connection: Connection<R::Tcp>| {
        let (told, wait) = (told.clone(), wait.lock().unwrap().take());
        async move {
            if let Some(wait) = wait {
                wait.await;
                let written = connection.write_with(|writer| writer.write(b"late"));
                told.send(written).await.unwrap();
            }
        }
    };
    let options = ServerOptions::new()
        .idle_timeout(Duration::from_millis(50))
        .max_connections(1);
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options)
        .await
        .unwrap();
    let address = server.local_addrs()[0];
    assert!(connect(address).read(&mut [0]).is_err(), "a reset");
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(connect(address).read(&mut [0]).unwrap(), 0);
    elsewhere.give_up();
    let written = hears.recv().await.unwrap();
    assert!(matches!(written, Err(WriteError::ConnectionLost(_))));
    assert_eq!(server.shutdown(LIMIT).await.aborted, 0);
}

/// As in asyncio, where writes are sent at once.
async fn output_is_sent_while_the_handler_waits_for_something_else<R: Runtime>() {
    let handler = async |_, mut writer: StreamWriter<R::Tcp>| {
        writer.write(b"hello\n").unwrap();
        pending::<()>().await;
    };
    let (server, address) = start::<R, _, _>(handler, &ServerOptions::new()).await;
    let mut room = [0; 6];
    connect(address).read_exact(&mut room).unwrap();
    assert_eq!(room, *b"hello\n");
    server.shutdown(Duration::ZERO).await;
}

/// The writer is in a task that the handler knows nothing of.
async fn output_of_another_task_is_sent_by_the_server<R: Runtime>() {
    let (writers, written) = smol::channel::unbounded();
    let handler = move |_: StreamReader<R::Tcp>, writer: StreamWriter<R::Tcp>| {
        let writers = writers.clone();
        async move {
            writers.send(writer).await.unwrap();
            pending::<()>().await;
        }
    };
    let (server, address) = start::<R, _, _>(handler, &ServerOptions::new()).await;
    let mut client = connect(address);
    let mut writer: StreamWriter<R::Tcp> = written.recv().await.unwrap();
    for line in ["one\n", "two\n"] {
        writer.write(line.as_bytes()).unwrap();
        let mut room = [0; 4];
        client.read_exact(&mut room).unwrap();
        assert_eq!(room, line.as_bytes());
    }
    server.shutdown(Duration::ZERO).await;
}

/// Until it is uncorked, or the handler ends.
async fn a_batch_across_waits_is_held_back<R: Runtime>() {
    for of_one_owner in [false, true] {
        let elsewhere = Elsewhere::new();
        let (first, second) = (elsewhere.wait(), elsewhere.wait());
        let waits = Arc::new(std::sync::Mutex::new(Some((first, second))));
        let (tells, told) = smol::channel::unbounded();
        let of_pair = {
            let (waits, tells) = (Arc::clone(&waits), tells.clone());
            move |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
                let (waits, tells) = (waits.lock().unwrap().take(), tells.clone());
                async move {
                    writer.cork();
                    writer.write(b"one ").unwrap();
                    tells.send(()).await.unwrap();
                    waits.unwrap().0.await;
                    writer.write(b"two").unwrap();
                    writer.uncork();
                    pending::<()>().await;
                }
            }
        };
        let of_owner = move |mut connection: Connection<R::Tcp>| {
            let (waits, tells) = (waits.lock().unwrap().take(), tells.clone());
            async move {
                connection.cork();
                let write = |connection: &mut Connection<R::Tcp>, data: &[u8]| {
                    connection.write_with(|writer| writer.write(data)).unwrap();
                };
                write(&mut connection, b"one ");
                tells.send(()).await.unwrap();
                waits.unwrap().1.await;
                write(&mut connection, b"two");
                connection.uncork();
                pending::<()>().await;
            }
        };
        let options = ServerOptions::new();
        let server = if of_one_owner {
            Server::<R>::start_connections(of_owner, &["127.0.0.1"], 0, &options).await
        } else {
            Server::<R>::start(of_pair, &["127.0.0.1"], 0, &options).await
        };
        let server = server.unwrap();
        let mut client = connect(server.local_addrs()[0]);
        told.recv().await.unwrap();
        R::sleep(Duration::from_millis(20)).await;
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0]).is_err(), "nothing has come");
        client.set_nonblocking(false).unwrap();
        elsewhere.give_up();
        let mut room = [0; 7];
        client.read_exact(&mut room).unwrap();
        assert_eq!(room, *b"one two");
        server.shutdown(Duration::ZERO).await;
    }
}

on_each_runtime!([
    a_writer_in_a_task_of_its_own_ends_with_the_connection
    a_shutdown_waits_for_a_reply_that_is_still_read
    a_shutdown_tells_whose_end_it_has_not_seen
    a_reply_to_an_upload_that_is_not_read_arrives_whole
    an_idle_connection_is_given_up_while_its_handler_waits
    an_idle_connection_of_one_owner_is_given_up_as_well
]);

// A handler on a thread sends in its own calls.
on_each_runtime!(awaited_on_tokio, plimsoll_io::tokio::Tokio, io_test_support::runtimes::run_tokio, [
    output_is_sent_while_the_handler_waits_for_something_else
    output_of_another_task_is_sent_by_the_server
    a_batch_across_waits_is_held_back
]);
on_each_runtime!(awaited_on_smol, plimsoll_io::smol::Smol, ::smol::block_on, [
    output_is_sent_while_the_handler_waits_for_something_else
    output_of_another_task_is_sent_by_the_server
    a_batch_across_waits_is_held_back
]);
on_each_runtime!(
    awaited_on_async_std, plimsoll_io::async_std::AsyncStd, ::async_std::task::block_on, [
        output_is_sent_while_the_handler_waits_for_something_else
        output_of_another_task_is_sent_by_the_server
        a_batch_across_waits_is_held_back
    ]
);
