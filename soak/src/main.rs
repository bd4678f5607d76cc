//! A server of plimsoll-io under load: many connections at once, and connections that come and go.
//!
//! `soak load` and `soak churn` start the server as a process of its own, `soak server`, so that each side
//! has its own descriptors and its own memory to be looked at. Whatever is not as it has to be ends the
//! program with a panic.

#![forbid(unsafe_code)]

mod churn;
mod load;
mod server;

use std::time::Duration;

const USAGE: &str = "usage: soak load [--connections N] [--lines N]
       soak churn [--minutes N]";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match arguments.first().map(String::as_str) {
            Some("server") => server::serve().await,
            Some("load") => {
                let connections = option(&arguments, "--connections").unwrap_or(10_000);
                let lines = option(&arguments, "--lines").unwrap_or(10_000_000);
                load::run(connections, lines).await;
            }
            Some("churn") => {
                let minutes: f64 = option(&arguments, "--minutes").unwrap_or(30.0);
                churn::run(Duration::from_secs_f64(60.0 * minutes)).await;
            }
            _ => panic!("{USAGE}"),
        }
    });
}

/// The value behind an option, if it is given.
fn option<A: std::str::FromStr>(arguments: &[String], name: &str) -> Option<A> {
    let at = arguments.iter().position(|argument| argument == name)?;
    let value = arguments.get(at + 1).and_then(|value| value.parse().ok());
    Some(value.unwrap_or_else(|| panic!("{USAGE}")))
}
