//! Connections over two things: the pipes of a child, what has a timeout of its own.
#![cfg(unix)]

use std::future::Future;
use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use plimsoll::{ReadError, Reader, Step};
use plimsoll_io::{Connection, Error, Transport};

/// Starts a program with pipes, which ends with the test.
struct Running(Child);

impl Running {
    fn start(program: &str) -> (Self, ChildStdout, ChildStdin) {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        (Self(child), stdout, stdin)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rest(reader: &mut Reader) -> Result<Step<Vec<u8>>, Error> {
    Ok(reader.read_to_end(1 << 20)?.map(|all| all.to_vec()))
}

/// A child sees the end of its input when this side has finished.
async fn sorts<T: Transport>(mut connection: Connection<T>) {
    connection
        .write_with(|writer| writer.write(b"b\na\n"))
        .unwrap();
    connection.finish().await.unwrap();
    assert_eq!(connection.read_with(rest).await.unwrap(), b"a\nb\n");
    connection.close().await.unwrap();
}

async fn cats<T: Transport>(mut connection: Connection<T>) {
    let line = |reader: &mut Reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec()));
    connection
        .write_with(|writer| writer.write(b"hello\n"))
        .unwrap();
    assert_eq!(connection.read_with(line).await.unwrap(), b"hello\n");
    connection.close().await.unwrap();
}

/// A program that writes without end has its signal when the connection is dropped.
async fn reads_some<T: Transport>(mut connection: Connection<T>) {
    let some =
        |reader: &mut Reader| Ok::<_, Error>(reader.read_exact(10)?.map(|some| some.to_vec()));
    assert_eq!(
        connection.read_with(some).await.unwrap(),
        b"y\ny\ny\ny\ny\n"
    );
}

macro_rules! on_each_runtime {
    ($name:ident, $run:expr, $join:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn a_child_sees_the_end_of_its_input() {
                for program in ["sort", "cat"] {
                    $run(async {
                        let (mut child, stdout, stdin) = Running::start(program);
                        let connection = Connection::new($join(stdout, stdin));
                        match program {
                            "sort" => sorts(connection).await,
                            _ => cats(connection).await,
                        }
                        assert!(child.0.wait().unwrap().success());
                    });
                }
            }

            #[test]
            fn a_child_that_writes_without_end_is_stopped_by_the_drop() {
                $run(async {
                    let (mut child, stdout, stdin) = Running::start("yes");
                    reads_some(Connection::new($join(stdout, stdin))).await;
                    assert!(!child.0.wait().unwrap().success());
                });
            }
        }
    };
}

fn run_tokio(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

fn on_pipes(stdout: ChildStdout, stdin: ChildStdin) -> impl Transport {
    let read = tokio::net::unix::pipe::Receiver::from_owned_fd(stdout.into()).unwrap();
    let write = tokio::net::unix::pipe::Sender::from_owned_fd(stdin.into()).unwrap();
    plimsoll_io::tokio::join(read, write)
}

fn on_smol(stdout: ChildStdout, stdin: ChildStdin) -> impl Transport {
    let (read, write) = (
        smol::Async::new(stdout).unwrap(),
        smol::Async::new(stdin).unwrap(),
    );
    plimsoll_io::smol::join(read, write)
}

fn on_async_std(stdout: ChildStdout, stdin: ChildStdin) -> impl Transport {
    let (read, write) = (
        smol::Async::new(stdout).unwrap(),
        smol::Async::new(stdin).unwrap(),
    );
    plimsoll_io::async_std::join(read, write)
}

on_each_runtime!(tokio_pipes, run_tokio, on_pipes);
on_each_runtime!(smol_pipes, smol::block_on, on_smol);
on_each_runtime!(async_std_pipes, async_std::task::block_on, on_async_std);
on_each_runtime!(
    blocking_pipes,
    plimsoll_io::blocking::block_on,
    plimsoll_io::blocking::join
);

/// A serial line, a socket with a timeout of its own.
#[test]
fn a_timeout_of_what_is_read_from_is_no_loss() {
    struct Serial(u32);
    impl Read for Serial {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::TimedOut.into()),
                2 => Err(io::ErrorKind::WouldBlock.into()),
                _ => {
                    room[..5].copy_from_slice(b"line\n");
                    Ok(5)
                }
            }
        }
    }
    let transport = plimsoll_io::blocking::join(Serial(0), Vec::new());
    let mut connection = plimsoll_io::blocking::Connection::new(transport);
    connection
        .write_with(|writer| writer.write(b"pending"))
        .unwrap();
    let line = |reader: &mut Reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec()));
    for _ in 0..2 {
        assert!(matches!(connection.read_with(line), Err(Error::TimedOut)));
    }
    assert_eq!(connection.read_with(line).unwrap(), b"line\n");
    let (_, write) = connection.into_parts().unwrap().transport.into_halves();
    assert_eq!(write.into_inner().unwrap(), b"pending");
}

#[test]
fn what_ends_early_is_a_loss_with_its_cause() {
    let mut connection =
        Connection::new(plimsoll_io::smol::join(smol::io::empty(), smol::io::sink()));
    let head =
        |reader: &mut Reader| Ok::<_, Error>(reader.read_exact(1)?.map(|head| head.to_vec()));
    let result = smol::block_on(connection.read_with(head));
    assert!(matches!(
        result,
        Err(Error::Read(ReadError::Incomplete { buffered: 0, .. }))
    ));
}
