//! The echo client and server of the asyncio documentation, over a real socket, driven by hand.
//!
//! Nothing but the core and `std::net`: whoever can move bytes can drive a connection. The client
//! prints what the documentation's client prints.

use std::io::{self, IoSlice, Read, Write, stdout};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use bytes::{Buf, Bytes};
use plimsoll::{Connection, ConnectionState, Loss, Step};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || echo_once(&listener));

    let client = Stream::new(TcpStream::connect(address)?);
    send_and_receive(client, "Hello World!")?;

    match server.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn send_and_receive(mut stream: Stream, message: &str) -> Result<()> {
    writeln!(stdout(), "Send: '{message}'")?;
    stream.connection.writer.write(message.as_bytes())?;

    let data = stream.read(100)?;
    writeln!(stdout(), "Received: '{}'", std::str::from_utf8(&data)?)?;

    writeln!(stdout(), "Close the connection")?;
    Ok(stream.close()?)
}

fn echo_once(listener: &TcpListener) -> Result<()> {
    let (socket, _) = listener.accept()?;
    let mut stream = Stream::new(socket);
    let data = stream.read(100)?;
    stream.connection.writer.write(&data)?;
    Ok(stream.close()?)
}

/// A socket, and the connection that is driven over it.
struct Stream {
    socket: TcpStream,
    connection: Connection,
}

impl Stream {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            connection: Connection::new(),
        }
    }

    /// Reads as asyncio does: before it waits, it sends what was written.
    fn read(&mut self, max: usize) -> Result<Bytes> {
        loop {
            if let Step::Ready(data) = self.connection.reader.read(max)? {
                return Ok(data.to_bytes());
            }
            self.send_pending()?;
            self.receive()?;
        }
    }

    /// Sends what is pending, then the end of the stream.
    fn close(mut self) -> io::Result<()> {
        self.connection.close();
        self.send_pending()?;
        debug_assert_eq!(self.connection.state(), ConnectionState::Closed);
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let reader = &mut self.connection.reader;
        match self.socket.read(reader.input(16 * 1024)) {
            Ok(0) => reader.feed_eof(),
            Ok(received) => reader.commit(received),
            Err(error) => return self.lost_unless_interrupted(error),
        }
        Ok(())
    }

    fn send_pending(&mut self) -> io::Result<()> {
        while self.connection.writer.wants_write() {
            let mut output = self.connection.writer.output();
            let mut slices = [IoSlice::new(&[]); 64];
            let filled = output.chunks_vectored(&mut slices);
            match self.socket.write_vectored(&slices[..filled]) {
                Ok(0) => return self.lost_unless_interrupted(io::ErrorKind::WriteZero.into()),
                Ok(sent) => output.advance(sent),
                Err(error) => self.lost_unless_interrupted(error)?,
            }
        }
        if self.connection.writer.wants_shutdown() {
            self.socket.shutdown(Shutdown::Write)?;
            self.connection.writer.shutdown_done();
        }
        Ok(())
    }

    /// Tells the connection of a transport's error, unless it is no more than an interruption.
    fn lost_unless_interrupted(&mut self, error: io::Error) -> io::Result<()> {
        let loss = match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Loss::Reset,
            io::ErrorKind::TimedOut => Loss::TimedOut,
            _ => Loss::Transport,
        };
        self.connection.lost(loss);
        Err(error)
    }
}
