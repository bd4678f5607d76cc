//! The clients: one thread, blocking sockets, and as few system calls as the shape allows.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::input;

/// How many lines are sent before their answers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub connections: usize,
    /// On each connection.
    pub in_flight: usize,
    /// Length of a line, in bytes, its newline counted.
    pub line: usize,
}

impl Shape {
    pub fn name(&self) -> String {
        format!("{}x{}", self.connections, self.in_flight)
    }
}

/// Connections, each with lines of its own, which it sends again and again.
pub struct Load {
    connections: Vec<Connection>,
    in_flight: usize,
}

struct Connection {
    socket: TcpStream,
    lines: Vec<u8>,
    answers: Vec<u8>,
}

/// A server that is silent for longer has lost something.
const SILENCE: Duration = Duration::from_secs(10);

impl Load {
    /// Connects, and exchanges lines once on each connection.
    pub fn connect(port: u16, shape: Shape) -> io::Result<Self> {
        // A listener's queue may hold no more than 128, and what it drops comes again a second later.
        const AT_ONCE: usize = 64;
        let mut connections = Vec::with_capacity(shape.connections);
        while connections.len() < shape.connections {
            let accepted = connections.len();
            for number in accepted..shape.connections.min(accepted + AT_ONCE) {
                let mut connection = Connection::start(port, shape, number as u64)?;
                connection.send()?;
                connections.push(connection);
            }
            let new = &mut connections[accepted..];
            new.iter_mut().try_for_each(Connection::receive)?;
        }
        Ok(Self {
            connections,
            in_flight: shape.in_flight,
        })
    }

    /// Sends lines on all connections.
    pub fn send(&mut self) -> io::Result<()> {
        self.connections.iter_mut().try_for_each(Connection::send)
    }

    /// Receives the answers to what was sent last, and checks them.
    pub fn receive(&mut self) -> io::Result<()> {
        self.connections
            .iter_mut()
            .try_for_each(Connection::receive)
    }

    /// Keeps lines in flight for as long as told, and returns how many were answered.
    ///
    /// They must have been sent; the last of them stay in flight. Every answer is checked.
    pub fn run(&mut self, duration: Duration) -> io::Result<usize> {
        let began = Instant::now();
        let mut lines = 0;
        while began.elapsed() < duration {
            for connection in &mut self.connections {
                connection.receive()?;
                connection.send()?;
                lines += self.in_flight;
            }
        }
        Ok(lines)
    }

    /// Ends all connections, and checks that nothing comes behind the answers that were received.
    pub fn finish(self) -> io::Result<()> {
        for connection in &self.connections {
            connection.socket.shutdown(Shutdown::Write)?;
        }
        for mut connection in self.connections {
            match connection.socket.read(&mut [0])? {
                0 => {}
                _ => return Err(io::Error::other("more came back than was sent")),
            }
        }
        Ok(())
    }
}

impl Connection {
    fn start(port: u16, shape: Shape, number: u64) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE))?;
        socket.set_write_timeout(Some(SILENCE))?;
        let lines = input::equal_lines(number, shape.line, shape.in_flight);
        Ok(Self {
            socket,
            answers: vec![0; lines.len()],
            lines,
        })
    }

    fn send(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.lines)
    }

    fn receive(&mut self) -> io::Result<()> {
        self.socket.read_exact(&mut self.answers)?;
        if self.answers == self.lines {
            Ok(())
        } else {
            Err(io::Error::other("something else came back than was sent"))
        }
    }
}
