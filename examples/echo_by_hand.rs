//! The echo client and server of the asyncio documentation, over a real socket, driven by hand.
//!
//! Nothing but the core and `std::net`: what can move bytes can drive a connection. The client prints
//! what the documentation's client prints.

use std::io::{self, IoSlice, Read, Write, stdout};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use bytes::{Buf, Bytes};
use plimsoll::{Connection, ConnectionState, Progress, SendAction, Step};

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
            self.send();
            self.receive();
        }
    }

    /// Sends pending output, then the end of the stream.
    fn close(mut self) -> io::Result<()> {
        self.connection.close();
        self.send();
        match self.connection.state() {
            ConnectionState::Lost(error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Does what the connection says, as long as there is something to send.
    fn send(&mut self) {
        while let Some(action) = self.connection.next_send() {
            let result = match action {
                SendAction::Write => {
                    let output = self.connection.writer.output();
                    let mut slices = [IoSlice::new(&[]); 64];
                    let filled = output.chunks_vectored(&mut slices);
                    self.socket.write_vectored(&slices[..filled])
                }
                SendAction::Flush => self.socket.flush().map(|()| 0),
                SendAction::Shutdown => self.socket.shutdown(Shutdown::Write).map(|()| 0),
            };
            if self.connection.on_send(action, result) == Progress::Blocked {
                break;
            }
        }
    }

    /// Receives once. A loss shows in the next read, after the bytes that came before it.
    fn receive(&mut self) {
        if self.connection.wants_read() {
            let room = self.connection.reader.input(16 * 1024);
            let result = self.socket.read(room);
            let _ = self.connection.on_receive(result);
        }
    }
}
