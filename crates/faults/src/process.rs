//! Processes of the machine: signals, and the children of a supervisor.

use millstream::prelude::{Error, Result};
use std::process::Command;

/// Sends a signal by its name (`KILL`, `STOP`, `CONT`); a process that is gone is fine.
pub(crate) fn signal(name: &str, pid: u32) -> Result<()> {
    if pid == 0 {
        return Err(Error::bug("no process has the id 0"));
    }
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).output();
    sent.map(|_| ()).map_err(|e| Error::retry(format!("cannot run kill: {e}")))
}

/// The processes that this one has started and that are alive, by age.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| alive_child(*pid, of))
        .collect();
    found.sort_unstable();
    found
}

fn alive_child(pid: u32, of: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // pid (name) state ppid ...
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let mut fields = rest.split(' ');
    let state = fields.next();
    state != Some("Z") && fields.next().and_then(|p| p.parse().ok()) == Some(of)
}
