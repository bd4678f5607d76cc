//! What the examples share: choosing a runtime by its name, and starting a program on it.

#![allow(
    dead_code,
    unused_macros,
    reason = "not every example needs everything"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;

use plimsoll_io::Runtime;
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What the examples run on, as their user names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chosen {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

impl Chosen {
    pub const ALL: [Self; 4] = [Self::Tokio, Self::AsyncStd, Self::Smol, Self::Blocking];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chosen| chosen.name() == name)
    }
}

/// Splits the command line into the runtime, if the first argument names one, and the rest.
pub fn arguments() -> (Option<Chosen>, Vec<String>) {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let chosen = arguments.first().and_then(|first| Chosen::from_name(first));
    if chosen.is_some() {
        arguments.remove(0);
    }
    (chosen, arguments)
}

/// Runs `program` on the chosen runtime; on all of them in turn, each named first, where none is.
pub fn on_each(
    chosen: Option<Chosen>,
    mut program: impl FnMut(Chosen) -> Result<()>,
) -> Result<()> {
    match chosen {
        Some(runtime) => program(runtime),
        None => Chosen::ALL.into_iter().try_for_each(|runtime| {
            println!("{}:", runtime.name());
            program(runtime)
        }),
    }
}

/// Runs `program::<R>(…)` on the chosen runtime, or `blocking` where no runtime is needed.
macro_rules! run_on {
    ($chosen:expr, $program:ident($($argument:expr),*), $blocking:expr) => {{
        use crate::common::AsyncRuntime as _;
        use plimsoll_io::{async_std::AsyncStd, smol::Smol, tokio::Tokio};
        match $chosen {
            Chosen::Tokio => Tokio::block_on($program::<Tokio>($($argument),*)),
            Chosen::AsyncStd => AsyncStd::block_on($program::<AsyncStd>($($argument),*)),
            Chosen::Smol => Smol::block_on($program::<Smol>($($argument),*)),
            Chosen::Blocking => $blocking,
        }
    }};
}

/// Splits `127.0.0.1:8888`, `localhost:8888` or `[::1]:8888`.
pub fn host_and_port(address: &str) -> Result<(&str, u16)> {
    let wrong = || format!("{address} is not HOST:PORT");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok((in_brackets.unwrap_or(host), port))
}

/// Shows an address as Python does.
pub fn as_in_python(address: SocketAddr) -> String {
    format!("('{}', {})", address.ip(), address.port())
}

/// Ends a program: with a message, if it failed.
pub fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A runtime whose functions are awaited, and how a program is started on it.
pub trait AsyncRuntime: Runtime {
    /// Runs a program to its end in this thread, with the runtime around it.
    fn block_on<F: Future>(program: F) -> F::Output;
}

impl AsyncRuntime for Tokio {
    fn block_on<F: Future>(program: F) -> F::Output {
        let runtime = tokio::runtime::Runtime::new().expect("threads and descriptors for tokio");
        runtime.block_on(program)
    }
}

impl AsyncRuntime for AsyncStd {
    fn block_on<F: Future>(program: F) -> F::Output {
        async_std::task::block_on(program)
    }
}

impl AsyncRuntime for Smol {
    fn block_on<F: Future>(program: F) -> F::Output {
        smol::block_on(program)
    }
}
