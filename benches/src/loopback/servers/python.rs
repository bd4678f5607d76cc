//! asyncio, and uvloop under it, where a Python 3.13 is found.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The Python on the `PATH`, or else one that pyenv has.
static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let of_pyenv = std::env::var_os("PYENV_ROOT")
        .and_then(|root| Path::new(&root).join("versions").read_dir().ok())
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin/python3.13")));
    [PathBuf::from("python3.13")]
        .into_iter()
        .chain(of_pyenv)
        .find(|python| runs(python, "import asyncio"))
});

/// Why the event loop cannot be measured here, if so.
pub fn missing(event_loop: &str) -> Option<String> {
    match PYTHON.as_ref() {
        None => Some("there is no Python 3.13".into()),
        Some(python) if runs(python, &format!("import {event_loop}")) => None,
        Some(python) => Some(format!("{} has no {event_loop}", python.display())),
    }
}

/// The server's command.
pub fn command(event_loop: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/loopback/servers/asyncio_echo.py");
    let mut command = Command::new(PYTHON.as_deref().unwrap_or(Path::new("python3.13")));
    command.arg(script).arg(event_loop);
    command
}

fn runs(python: &Path, statement: &str) -> bool {
    let status = Command::new(python)
        .args(["-c", statement])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
