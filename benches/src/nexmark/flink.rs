//! A query on Apache Flink 2.3.0, in a JVM of its own with a local mini cluster.

use super::{Figures, Load, folder, watch};
use millstream_nexmark::{Checksum, NexmarkConfig};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Events whose checksum is compared.
const COMPARED: u64 = 100_000;
/// What Flink's documentation opens for Java 17.
const OPENS: [&str; 9] = [
    "lang",
    "lang.reflect",
    "net",
    "nio",
    "text",
    "time",
    "util",
    "util.concurrent",
    "util.concurrent.atomic",
];

/// A Flink that can be run.
pub(super) struct Flink {
    class_path: String,
    side_input: PathBuf,
    heap: String,
}

impl Flink {
    /// Fetches its libraries and compiles the source of events.
    pub(super) fn new(heap: &str) -> Result<Self, String> {
        let java = Command::new("javac").arg("-version").output();
        java.map_err(|e| format!("there is no javac ({e}); install a JDK, 17 or later"))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/flink-libs");
        let found = output(Command::new(script))?;
        let libraries = found.lines().last().unwrap_or_default().to_owned();
        let classes = std::env::temp_dir().join(format!("nexmark-{}", std::process::id()));
        let sources: Vec<PathBuf> = ["Events", "NexmarkTableFactory", "Run", "SideInputFactory"]
            .iter()
            .map(|name| folder().join("flink/nexmark").join(format!("{name}.java")))
            .collect();
        let mut javac = Command::new("javac");
        javac.arg("-cp").arg(format!("{libraries}/*")).arg("-d").arg(&classes).args(sources);
        output(javac)?;
        let off = "rootLogger.level = OFF\n";
        std::fs::write(classes.join("log4j2.properties"), off).map_err(|e| e.to_string())?;
        let side_input = classes.join("side_input.csv");
        std::fs::write(&side_input, millstream_nexmark::side_input()).map_err(|e| e.to_string())?;
        let class_path =
            format!("{}:{}:{libraries}/*", classes.display(), folder().join("flink").display());
        Ok(Flink { class_path, side_input, heap: heap.to_owned() })
    }

    fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.env("SIDE_INPUT", &self.side_input);
        java.arg(format!("-Xmx{}", self.heap));
        java.args(OPENS.map(|p| format!("--add-opens=java.base/java.{p}=ALL-UNNAMED")));
        java.args(["-cp", &self.class_path, "nexmark.Run"]);
        java
    }

    /// Refuses to measure when the events differ.
    pub(super) fn same_events(&self, load: &Load) -> Result<(), String> {
        let config = NexmarkConfig { events_per_second: load.rate, ..NexmarkConfig::default() };
        let ours = format!("{:x}", Checksum::of(&config, 0..COMPARED).0);
        let mut java = self.java();
        java.args(["checksum", &COMPARED.to_string(), &load.rate.to_string()]);
        let theirs = output(java)?;
        match theirs.trim() == ours {
            true => Ok(()),
            false => Err(format!("Flink's source makes other events: {theirs} instead of {ours}")),
        }
    }

    /// Runs a query in a process of its own.
    pub(super) fn start(&self, query: &str, load: &Load) -> Result<Figures, String> {
        let checkpoints = tempfile::tempdir().map_err(|e| e.to_string())?;
        let child = self
            .java()
            .arg("query")
            .arg(folder())
            .args([query, &load.events.to_string(), &load.rate.to_string()])
            .args([&load.parallelism.to_string(), &load.backend])
            .arg(checkpoints.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        watch(child, checkpoints.path())
    }
}

fn output(mut command: Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {name}: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
