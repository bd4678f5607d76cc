//! The halves of a socket, on every runtime: what they know, how they end, and that they are one
//! socket again when they are joined.
#![cfg(all(
    unix,
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{Addresses, ReadHalf, Runtime, Transport, WriteHalf};

/// More than the buffers of a socket hold.
const MUCH: usize = 16 << 20;

/// Runs a test on every runtime.
macro_rules! on_every_runtime {
    ($($name:ident => $test:ident;)*) => {$(
        #[test]
        fn $name() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on($test::<Tokio>(true));
            async_std::task::block_on($test::<AsyncStd>(false));
            smol::block_on($test::<Smol>(false));
            plimsoll_io::blocking::block_on($test::<Blocking>(false));
        }
    )*};
}

on_every_runtime! {
    halves_know_both_addresses => addresses;
    joined_halves_are_the_socket_again => joined;
    much_passes_in_one_slice_or_in_several => much;
    a_write_half_that_is_dropped_ends_as_before => dropped;
    an_aborted_socket_is_reset_once_both_halves_are_dropped => aborted;
}

async fn tcp<R: Runtime>() -> (R::Tcp, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let here = R::connect(socket.into(), address).await.unwrap();
    (here, listener.accept().unwrap().0)
}

/// `name` tells tests apart that run at the same time.
async fn unix<R: Runtime>(name: &str) -> (R::Unix, UnixStream) {
    let file = format!("plimsoll-{}-{name}.sock", std::process::id());
    let path = std::env::temp_dir().join(file);
    let listener = UnixListener::bind(&path).unwrap();
    let here = R::connect_unix(&path).await.unwrap();
    let there = listener.accept().unwrap().0;
    std::fs::remove_file(&path).unwrap();
    (here, there)
}

fn read(half: &mut impl ReadHalf) -> impl Future<Output = io::Result<Vec<u8>>> {
    let mut room = [0; 100];
    poll_fn(move |cx| {
        let count = std::task::ready!(half.poll_read(cx, &mut room))?;
        std::task::Poll::Ready(Ok(room[..count].to_vec()))
    })
}

async fn addresses<R: Runtime>(_: bool) {
    let (here, there) = tcp::<R>().await;
    let (read, write) = here.split();
    let (local, peer) = (there.peer_addr().unwrap(), there.local_addr().unwrap());
    assert_eq!(
        (read.local_addr().unwrap(), read.peer_addr().unwrap()),
        (local, peer)
    );
    assert_eq!(
        (write.local_addr().unwrap(), write.peer_addr().unwrap()),
        (local, peer)
    );

    let (here, there) = unix::<R>("addresses").await;
    let (read, write) = here.split();
    let path = there.local_addr().unwrap();
    assert!(read.local_addr().unwrap().is_unnamed());
    assert!(write.local_addr().unwrap().is_unnamed());
    assert_eq!(read.peer_addr().unwrap().as_pathname(), path.as_pathname());
    assert_eq!(write.peer_addr().unwrap().as_pathname(), path.as_pathname());
}

async fn joined<R: Runtime>(_: bool) {
    let (mut here, mut there) = tcp::<R>().await;
    for _ in 0..3 {
        let (mut read_half, mut write_half) = here.split();
        there.write_all(b"ping").unwrap();
        assert_eq!(read(&mut read_half).await.unwrap(), b"ping");
        let output = [IoSlice::new(b"po"), IoSlice::new(b"ng")];
        let written = poll_fn(|cx| write_half.poll_write(cx, &output)).await;
        assert_eq!(written.unwrap(), 4);
        let mut input = [0; 4];
        there.read_exact(&mut input).unwrap();
        assert_eq!(&input, b"pong");
        here = R::Tcp::reunite(read_half, write_half);
    }
    let (mut read_half, mut write_half) = here.split();
    poll_fn(|cx| write_half.poll_shutdown(cx)).await.unwrap();
    assert_eq!(there.read(&mut [0; 1]).unwrap(), 0);
    there.write_all(b"late").unwrap();
    assert_eq!(read(&mut read_half).await.unwrap(), b"late");
    drop(there);
    assert_eq!(read(&mut read_half).await.unwrap(), b"");
    assert_eq!(read(&mut read_half).await.unwrap(), b"");
}

async fn much<R: Runtime>(_: bool) {
    for slices in [1, 3] {
        let (here, there) = tcp::<R>().await;
        pass(here, there, slices).await;
        let (here, there) = unix::<R>("much").await;
        pass(here, there, slices).await;
    }
}

/// Sends much to a peer that sends it back, so that both directions wait for each other.
async fn pass(here: impl Transport, there: impl Read + Write + Send + 'static, slices: usize) {
    let echo = std::thread::spawn(move || {
        let mut there = there;
        let mut all = Vec::new();
        there.read_to_end(&mut all).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        there.write_all(&all).unwrap();
    });
    let sent: Vec<u8> = (0..MUCH).map(|place| (place % 251) as u8).collect();
    let (mut read_half, mut write_half) = here.split();
    let mut from = 0;
    while from < MUCH {
        let rest = sent[from..].chunks(300_000).take(slices).map(IoSlice::new);
        let rest: Vec<_> = rest.collect();
        from += poll_fn(|cx| write_half.poll_write(cx, &rest))
            .await
            .unwrap();
    }
    poll_fn(|cx| write_half.poll_shutdown(cx)).await.unwrap();
    let (mut received, mut room) = (Vec::new(), vec![0; 100_000]);
    loop {
        poll_fn(|cx| read_half.poll_readable(cx)).await.unwrap();
        match poll_fn(|cx| read_half.poll_read(cx, &mut room))
            .await
            .unwrap()
        {
            0 => break,
            count => received.extend_from_slice(&room[..count]),
        }
    }
    assert!(received == sent, "{} of {MUCH} bytes", received.len());
    echo.join().unwrap();
}

/// tokio's sockets end the stream when the write half is dropped, the others when both are.
async fn dropped<R: Runtime>(ends: bool) {
    let (here, mut there) = tcp::<R>().await;
    there.set_nonblocking(true).unwrap();
    let (read_half, write_half) = here.split();
    drop(write_half);
    let seen = there.read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(
        seen,
        if ends {
            Ok(0)
        } else {
            Err(io::ErrorKind::WouldBlock)
        }
    );
    drop(read_half);
    assert_eq!(there.read(&mut [0; 1]).unwrap(), 0);
}

async fn aborted<R: Runtime>(_: bool) {
    let (here, mut there) = tcp::<R>().await;
    there.set_nonblocking(true).unwrap();
    let (read_half, mut write_half) = here.split();
    write_half.abort();
    drop(write_half);
    let seen = there.read(&mut [0; 1]).unwrap_err();
    assert_eq!(seen.kind(), io::ErrorKind::WouldBlock);
    drop(read_half);
    let seen = there.read(&mut [0; 1]).unwrap_err();
    assert_eq!(seen.kind(), io::ErrorKind::ConnectionReset);
}
