//! Prints the header lines that a web server answers with, as in the asyncio documentation.
//!
//! ```sh
//! cargo run --example http_headers -- http://example.com/path/page.html        # on tokio
//! cargo run --example http_headers -- smol http://example.com/
//! ```

#[macro_use]
mod common;

use std::io::{Write, stdout};
use std::process::ExitCode;

use common::{AsyncRuntime, Chosen, Result};
use plimsoll_io::{ConnectOptions, blocking};

fn main() -> ExitCode {
    let (chosen, rest) = common::arguments();
    common::exit(match rest.as_slice() {
        [url] => run(chosen.unwrap_or(Chosen::Tokio), url),
        _ => Err("usage: http_headers [tokio|async-std|smol|blocking] URL".into()),
    })
}

fn run(runtime: Chosen, url: &str) -> Result<()> {
    let url = Url::parse(url)?;
    run_on!(runtime, print_headers(&url), print_headers_blocking(&url))
}

async fn print_headers<R: AsyncRuntime>(url: &Url<'_>) -> Result<()> {
    let options = ConnectOptions::new();
    let (mut reader, mut writer) = options.open_connection::<R>(url.host, url.port).await?;
    writer.write(url.request().as_bytes())?;
    loop {
        let line = reader.read_line().await?;
        match line.trim_ascii_end() {
            [] => break, // the end of the headers, or of the stream
            line => writeln!(stdout(), "HTTP header> {}", String::from_utf8_lossy(line))?,
        }
    }
    Ok(()) // what may follow is of no interest: dropping both halves closes the connection
}

fn print_headers_blocking(url: &Url<'_>) -> Result<()> {
    let (mut reader, mut writer) = blocking::open_connection(url.host, url.port)?;
    writer.write(url.request().as_bytes())?;
    loop {
        let line = reader.read_line()?;
        match line.trim_ascii_end() {
            [] => break,
            line => writeln!(stdout(), "HTTP header> {}", String::from_utf8_lossy(line))?,
        }
    }
    Ok(())
}

/// As much of a URL as a request needs.
struct Url<'a> {
    /// Host and port as they were given.
    authority: &'a str,
    host: &'a str,
    port: u16,
    /// With its leading slash, if there is any path.
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| format!("{url} is not a URL like http://example.com/"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err("https needs TLS, which is not supported: only http is".into()),
            other => return Err(format!("{other} is not supported: only http is").into()),
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("spaces and letters beyond ASCII must be percent-encoded".into());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let path_begins = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_begins);
        // A colon within brackets belongs to an IPv6 address.
        let has_port = authority.rfind(':') > authority.rfind(']');
        let (host, port) = if has_port {
            common::host_and_port(authority)?
        } else {
            (authority.trim_matches(['[', ']']), 80)
        };
        if host.is_empty() {
            return Err("the URL names no host".into());
        }
        Ok(Self {
            authority,
            host,
            port,
            path,
        })
    }

    fn request(&self) -> String {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let Self {
            authority, path, ..
        } = self;
        format!("HEAD {slash}{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n")
    }
}
