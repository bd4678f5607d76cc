//! When and where a run was made, in a line.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::SystemTime;

/// The date, the processor, the system and the compiler, as far as they can be told.
pub fn describe() -> String {
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = date.split('T').next().map(String::from);
    let cores = available_parallelism()
        .ok()
        .map(|count| format!("{count} cores"));
    let parts = [date, processor(), cores, system(), output("rustc", &["-V"])];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn processor() -> Option<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))?;
    Some(name.trim_start_matches([' ', '\t', ':']).into())
}

/// The name of the kernel, and the two numbers that its version begins with.
fn system() -> Option<String> {
    let release = output("uname", &["-r"])?;
    let numbers: Vec<&str> = release.splitn(3, '.').take(2).collect();
    Some(format!(
        "{} {}",
        output("uname", &["-s"])?,
        numbers.join(".")
    ))
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    Some(line.trim().to_string()).filter(|line| !line.is_empty())
}
