//! A Kafka and a PostgreSQL of our own, which may be killed; the checkpoint folder.
//!
//! They are started by `scripts/kafka` and `scripts/postgres`, on ports of their own, and
//! stopped when this is dropped.

use millstream::prelude::{Error, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the file system that checkpoints go to, where one can be mounted.
const DISK: &str = "96m";

/// See the module.
pub(crate) struct Servers {
    repository: PathBuf,
    home: PathBuf,
    pub(crate) kafka: String,
    pub(crate) postgres: String,
    /// Whether checkpoints have a small file system of their own.
    pub(crate) small_disk: bool,
}

/// Two neighbouring ports that are free now: Kafka's controller listens behind the broker.
fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let behind = port.checked_add(1);
        if behind.is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok()) {
            return Ok(port);
        }
    }
    Err(Error::retry("no two neighbouring ports are free"))
}

impl Servers {
    pub(crate) fn start(repository: &Path, home: &Path) -> Result<Self> {
        std::fs::create_dir_all(home.join("kafka"))?;
        // What scripts/kafka has fetched for the shared broker serves this one as well.
        for entry in std::fs::read_dir(repository.join(".kafka")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let link = home.join("kafka").join(&name);
            if name.to_string_lossy().starts_with("libs-") && !link.exists() {
                std::os::unix::fs::symlink(entry.path().canonicalize()?, link)?;
            }
        }
        let (kafka, postgres) = (free_ports()?, free_ports()?);
        let mut servers = Servers {
            repository: repository.to_owned(),
            home: home.to_owned(),
            kafka: format!("127.0.0.1:{kafka}"),
            postgres: format!("postgres://millstream@127.0.0.1:{postgres}/millstream"),
            small_disk: false,
        };
        servers.script("kafka", "start")?;
        servers.script("postgres", "start")?;
        let disk = servers.checkpoints();
        std::fs::create_dir_all(&disk)?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(&disk)
            .output();
        servers.small_disk = mount.is_ok_and(|out| out.status.success());
        if !servers.small_disk {
            println!("NOTICE: no small file system can be mounted here (root can): no full disks");
        }
        Ok(servers)
    }

    /// Where checkpoints go.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.home.join("checkpoints")
    }

    pub(crate) fn script(&self, server: &str, verb: &str) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.join("servers.log"))?;
        let status = Command::new(self.repository.join("scripts").join(server))
            .arg(verb)
            .env("MILLSTREAM_KAFKA", &self.kafka)
            .env("MILLSTREAM_KAFKA_HOME", self.home.join("kafka"))
            .env("MILLSTREAM_KAFKA_HEAP", "384m")
            .env("MILLSTREAM_POSTGRES", &self.postgres)
            .env("MILLSTREAM_POSTGRES_HOME", self.home.join("postgres"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::retry(format!("scripts/{server} {verb} failed"))
                .advice(format!("see {}", self.home.join("servers.log").display()))),
        }
    }

    /// Kills the broker as a crash does, and starts it again.
    pub(crate) fn crash_kafka(&self) -> Result<()> {
        let pid = std::fs::read_to_string(self.home.join("kafka/broker.pid"))?;
        crate::process::signal("KILL", pid.trim().parse().unwrap_or(0))?;
        // The port has to be free before the script looks at it.
        while std::net::TcpStream::connect(&self.kafka).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.script("kafka", "start")
    }

    /// Stops PostgreSQL at once, without a checkpoint of its own, and starts it again.
    pub(crate) fn crash_postgres(&self) -> Result<()> {
        self.script("postgres", "restart")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.script("kafka", "stop"); // the log says why not
        let _ = self.script("postgres", "stop");
        if self.small_disk {
            let _ = Command::new("umount").arg("-l").arg(self.checkpoints()).status();
        }
    }
}
