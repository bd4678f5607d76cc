//! What the heap holds for connections that are idle, and for peers that do not read, counted by the
//! allocator itself.
//!
//! The whole process is counted, whatever thread allocates: the tests take their turns.
#![cfg(all(
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use io_test_support::{allow_descriptors, report, turn};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    DuplexStream, Error, Listener, ReadError, Runtime, Server, ServerOptions, StreamOptions,
    StreamPair, StreamReader, StreamWriter, Transport, WriteError,
};
use socket2::{Domain, Socket, Type};

struct Counting;

/// How many bytes the process holds, and the most since it was last set.
static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

fn count(grown: isize) {
    let held = HELD.fetch_add(grown, Ordering::Relaxed) + grown;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The heap from a moment on.
struct Heap {
    before: isize,
}

impl Heap {
    fn counted() -> Self {
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        Self { before }
    }

    fn held(&self) -> isize {
        HELD.load(Ordering::Relaxed) - self.before
    }

    fn peak(&self) -> isize {
        PEAK.load(Ordering::Relaxed) - self.before
    }
}

const KIB: usize = 1024;

/// What a writer may hold beside what is pending: one block that is being sent, and one that is filled.
const BLOCKS: usize = 2 * 64 * KIB;
/// What the parts of a queue, a stream, its tasks and its timers may hold.
const STATE: usize = 16 * KIB;
/// What may be left of the parts that runtimes keep for the next task or timer, and of the harness.
const LEFT: isize = 8 * KIB as isize;

/// What may be left of the places that runtimes had for a thousand tasks and sockets at once, for each.
const LEFT_OF_EACH: isize = 64;

/// The byte at a place of what is sent: it shows when some are lost, doubled or exchanged.
fn byte(place: usize) -> u8 {
    (place.wrapping_mul(0x9e37_79b1) >> 7) as u8
}

fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(byte).collect()
}

/// How a test writes.
#[derive(Clone, Copy, Debug)]
enum Chunks {
    /// Small ones, which are copied.
    Copied(usize),
    /// Large ones, which are queued as they are.
    Shared(usize),
}

impl Chunks {
    fn size(self) -> usize {
        match self {
            Self::Copied(size) | Self::Shared(size) => size,
        }
    }

    fn write<T: Transport>(self, writer: &mut StreamWriter<T>, from: usize) -> Result<(), Error> {
        let piece = bytes(from, self.size());
        match self {
            Self::Copied(_) => writer.write(&piece),
            Self::Shared(_) => writer.write_bytes(Bytes::from(piece)),
        }
    }

    /// The most that the heap may hold with `cap` pending. Of a shared piece that is being sent, all
    /// stays.
    fn bound(self, cap: usize) -> isize {
        let sending = match self {
            Self::Copied(_) => BLOCKS,
            Self::Shared(size) => size,
        };
        (cap + sending + STATE) as isize
    }
}

const SEVERAL: [Chunks; 4] = [
    Chunks::Copied(100),
    Chunks::Copied(10_000),
    Chunks::Shared(10_000),
    Chunks::Shared(200_000),
];

/// Sends what the transport takes at once, without waiting for more.
async fn offer<T: Transport>(writer: &mut StreamWriter<T>) {
    let mut drained = pin!(writer.drain());
    poll_fn(|cx| match drained.as_mut().poll(cx) {
        Poll::Ready(drained) => {
            drained.unwrap();
            Poll::Ready(())
        }
        Poll::Pending => Poll::Ready(()),
    })
    .await;
}

/// Writes until the cap refuses and the transport takes nothing; returns how many bytes were accepted.
async fn write_until_refused<R: Runtime, T: Transport>(
    writer: &mut StreamWriter<T>,
    pieces: Chunks,
) -> usize {
    let mut written = 0;
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 3 {
        match pieces.write(writer, written) {
            Ok(()) => {
                written += pieces.size();
                refused_in_a_row = 0;
            }
            Err(Error::Write(WriteError::Full { .. })) => {
                let before = writer.pending();
                offer(writer).await;
                if writer.pending() == before {
                    refused_in_a_row += 1;
                    R::sleep(Duration::from_millis(10)).await;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    written
}

/// One peer that reads late: what is held until then, that all arrives in order, and that all is given
/// back. `read_all` starts whoever reads, and tells later how many bytes there were.
async fn a_peer_that_reads_late<R: Runtime, T: Transport, F: Future<Output = usize>>(
    on: &str,
    mut stream: StreamPair<T>,
    pieces: Chunks,
    read_all: impl FnOnce() -> F,
) {
    const CAP: usize = 1 << 20;
    stream.writer.set_max_pending(CAP);
    let heap = Heap::counted();
    let written = write_until_refused::<R, T>(&mut stream.writer, pieces).await;
    let (held, peak, bound) = (heap.held(), heap.peak(), pieces.bound(CAP));
    let pending = stream.writer.pending();
    let about = format!("{pieces:?} on {on}: {held} held, {peak} at the peak, {pending} pending");
    assert!(pending <= CAP && pending + pieces.size() > CAP, "{about}");
    assert!(held > pending as isize, "{about}: it is counted");
    // A piece exists before it is accepted or refused.
    let piece = pieces.size() as isize;
    assert!(held <= bound && peak <= bound + piece, "{about}: {bound}");

    let read_all = read_all();
    let mut finished = pin!(stream.writer.finish());
    let mut read_all = pin!(read_all);
    let mut count = None;
    poll_fn(|cx| {
        if count.is_none() {
            if let Poll::Ready(read) = read_all.as_mut().poll(cx) {
                count = Some(read);
            }
        }
        finished.as_mut().poll(cx)
    })
    .await
    .unwrap();
    let count = match count {
        Some(count) => count,
        None => read_all.await,
    };
    assert_eq!(count, written, "{about}");
    let left = heap.held();
    assert!(left <= LEFT, "{about}, {left} left");
    report(&format!("allocations: {about}, {left} left"));
}

/// Checks that each piece read is the next of what was sent.
#[derive(Default)]
struct InOrder(usize);

impl InOrder {
    fn take(&mut self, data: &[u8]) {
        assert!((self.0..).map(byte).zip(data).all(|(a, b)| a == *b));
        self.0 += data.len();
    }
}

fn usual_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
}

/// A socket whose buffers are small, so that a thousand of them that nobody reads are too.
fn small_socket() -> Socket {
    let socket = usual_socket();
    socket.set_recv_buffer_size(4 * KIB).unwrap();
    socket.set_send_buffer_size(4 * KIB).unwrap();
    socket
}

/// A listener of the runtime; the sockets that it accepts have the buffers of this one.
fn listen<R: Runtime>(socket: Socket) -> (R::TcpListener, SocketAddr) {
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(1024).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (R::tcp_listener(socket.into()).unwrap(), address)
}

fn connect(socket: Socket, address: SocketAddr) -> Socket {
    socket.connect(&address.into()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// Lets a runtime make what it keeps from its first use on: it is none of a connection's.
async fn warm_up<R: Runtime>() {
    R::spawn(async {}).unwrap();
    R::sleep(Duration::from_millis(10)).await;
}

async fn late_readers<R: Runtime>(on: &'static str) {
    warm_up::<R>().await;
    let (listener, address) = listen::<R>(usual_socket());
    for pieces in SEVERAL {
        let mut peer = connect(usual_socket(), address);
        let stream = StreamPair::new(listener.accept().await.unwrap());
        a_peer_that_reads_late::<R, _, _>(on, stream, pieces, || async {
            let read = Arc::new(AtomicUsize::new(0));
            let reading = Arc::clone(&read);
            let thread = thread::spawn(move || {
                let (mut in_order, mut room) = (InOrder::default(), [0; 4 * KIB]);
                loop {
                    match peer.read(&mut room).unwrap() {
                        0 => break reading.store(in_order.0, Ordering::Release),
                        count => in_order.take(&room[..count]),
                    }
                }
            });
            while !thread.is_finished() {
                R::sleep(Duration::from_millis(1)).await;
            }
            thread.join().unwrap();
            read.load(Ordering::Acquire)
        })
        .await;
    }
}

async fn late_readers_in_memory() {
    warm_up::<Blocking>().await;
    for pieces in SEVERAL {
        let (here, there) = io_test_support::pair(KIB);
        let StreamPair { mut reader, .. } = there;
        a_peer_that_reads_late::<Blocking, DuplexStream, _>(
            "memory",
            here,
            pieces,
            || async move {
                let mut in_order = InOrder::default();
                loop {
                    let data = reader.read(4 * KIB).await.unwrap();
                    if data.is_empty() {
                        return in_order.0;
                    }
                    in_order.take(&data);
                }
            },
        )
        .await;
    }
}

/// Bytes that never make a line, as fast as a socket takes them.
async fn t01_endless_line_over_tcp<R: Runtime>(on: &str) {
    const SENT: usize = 256 << 20;
    warm_up::<R>().await;
    let (listener, address) = listen::<R>(usual_socket());
    let mut peer = connect(usual_socket(), address);
    let mut reader = StreamPair::new(listener.accept().await.unwrap()).split().0;
    let input = vec![b'a'; 256 * KIB];
    let sender = thread::spawn(move || {
        for _ in 0..SENT / input.len() {
            peer.write_all(&input).unwrap();
        }
    });
    let heap = Heap::counted();
    let too_long = reader.read_line().await.unwrap_err();
    assert!(matches!(
        too_long,
        Error::Read(ReadError::LineTooLong { .. })
    ));
    assert!(reader.read_line().await.unwrap().is_empty(), "the end");
    let bound = (2 * 64 * KIB + 16 * KIB + STATE) as isize;
    let peak = heap.peak();
    assert!(0 < peak && peak <= bound, "{peak} > {bound} on {on}");
    sender.join().unwrap();
}

/// A thousand peers of a server that writes and writes.
async fn t05_a_thousand_peers_that_never_read<R: Runtime>(on: &'static str) {
    const PEERS: usize = 1000;
    const CAP: usize = 64 * KIB;
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    async fn handler<R: Runtime, T: Transport>(_: StreamReader<T>, mut writer: StreamWriter<T>) {
        write_until_refused::<R, T>(&mut writer, Chunks::Copied(1000)).await;
        REFUSED.fetch_add(1, Ordering::Relaxed);
        pending::<()>().await;
    }
    allow_descriptors(2 * PEERS as u64 + 200);
    let heap = Heap::counted();
    REFUSED.store(0, Ordering::Relaxed);
    let (listener, address) = listen::<R>(small_socket());
    let options = ServerOptions::new().streams(StreamOptions::new().max_pending(CAP));
    let server = Server::<R>::serve(vec![listener], handler::<R, R::Tcp>, &options);
    let clients: Vec<Socket> = (0..PEERS)
        .map(|_| connect(small_socket(), address))
        .collect();
    for _ in 0..3000 {
        if REFUSED.load(Ordering::Relaxed) == PEERS {
            break;
        }
        R::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(REFUSED.load(Ordering::Relaxed), PEERS);
    let (each, peak) = (heap.held() / PEERS as isize, heap.peak() / PEERS as isize);
    let about = format!("{PEERS} peers on {on}: {each} each, {peak} at the peak");
    let bound = Chunks::Copied(1000).bound(CAP);
    assert!(each > CAP as isize - 1000 && peak <= bound, "{about}");

    let shutdown = server.shutdown(Duration::ZERO).await;
    assert_eq!(shutdown.aborted, PEERS);
    drop((server, clients));
    let mut left = heap.held() / PEERS as isize;
    for _ in 0..1000 {
        if left <= LEFT_OF_EACH {
            break;
        }
        R::sleep(Duration::from_millis(10)).await;
        left = heap.held() / PEERS as isize;
    }
    assert!(left <= LEFT_OF_EACH, "{about}, {left} left of each");
    report(&format!("allocations: {about}, {left} left of each"));
}

/// What a stream itself holds, both halves, while a read waits: whatever came and went before, no buffer of
/// either direction. Its socket is there before it, and the peer's takes nothing from the heap.
async fn an_idle_stream() {
    const LINES: usize = 100;
    const LINE: usize = 30 * KIB;
    warm_up::<Tokio>().await;
    let (listener, address) = listen::<Tokio>(usual_socket());
    let mut peer = connect(usual_socket(), address);
    let (socket, _) = listener.accept().await.unwrap();
    let mut line = vec![b'a'; LINE];
    line[LINE - 1] = b'\n';
    let mut answer = vec![0; LINE];

    let heap = Heap::counted();
    let StreamPair {
        mut reader,
        mut writer,
    } = StreamPair::new(socket);
    let made = heap.held();
    for _ in 0..LINES {
        peer.write_all(&line).unwrap();
        assert_eq!(reader.read_line().await.unwrap(), line);
        writer.write(&line).unwrap();
        writer.drain().await.unwrap();
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    let peak = heap.peak();
    let mut waits = pin!(reader.read_line());
    poll_fn(|cx| {
        assert!(waits.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let held = heap.held();
    let about = format!(
        "an idle stream on tokio: {held} held, {made} when it was made, {peak} at the peak"
    );
    assert!(
        peak > 2 * LINE as isize,
        "{about}: both buffers are counted"
    );
    assert!(0 < held && held < 512, "{about}");
    report(&format!("allocations: {about}"));
}

fn run<R: Runtime>(on: &'static str, block_on: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>)) {
    block_on(Box::pin(t01_endless_line_over_tcp::<R>(on)));
    block_on(Box::pin(late_readers::<R>(on)));
    block_on(Box::pin(t05_a_thousand_peers_that_never_read::<R>(on)));
}

#[test]
fn tokio() {
    let _turn = turn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    run::<Tokio>("tokio", |test| runtime.block_on(test));
}

#[test]
fn an_idle_stream_on_tokio_holds_no_buffer() {
    let _turn = turn();
    // No other thread, whose allocations would count.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(an_idle_stream());
}

#[test]
fn async_std() {
    let _turn = turn();
    run::<AsyncStd>("async-std", async_std::task::block_on);
}

#[test]
fn smol() {
    let _turn = turn();
    run::<Smol>("smol", smol::block_on);
}

#[test]
fn blocking() {
    let _turn = turn();
    run::<Blocking>("blocking", plimsoll_io::blocking::block_on);
}

#[test]
fn memory() {
    let _turn = turn();
    plimsoll_io::blocking::block_on(late_readers_in_memory());
}
