//! The server of the tests, and others beside it that are slow or only read.

use millstream_checkpoint::Storage;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The secret of `scripts/s3`.
pub(crate) const SECRET: &str = "millstream-test-secret";

type Settings = Vec<(String, String)>;

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/s3");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The settings of `scripts/s3 env`.
pub(crate) fn settings() -> Settings {
    let words = script(&["env"]);
    let pair = |word: &str| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    words.split_whitespace().filter_map(pair).collect()
}

/// With one setting changed.
pub(crate) fn with(name: &str, value: &str) -> Settings {
    let mut settings = settings();
    settings.retain(|(n, _)| n != name);
    settings.push((name.to_owned(), value.to_owned()));
    settings
}

/// A folder of the tests' bucket.
pub(crate) fn open(folder: &str, settings: &Settings) -> Storage {
    script(&["bucket", "millstream-storage"]);
    Storage::open_with(&format!("s3://millstream-storage/{folder}"), settings.clone()).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server of its own that refuses to write.
pub(crate) struct ReadOnly {
    pub(crate) url: String,
    process: Child,
    _data: tempfile::TempDir,
}

impl ReadOnly {
    pub(crate) fn start() -> Self {
        script(&["install"]);
        let data = tempfile::tempdir().unwrap();
        for folder in ["data/millstream-storage", "meta"] {
            std::fs::create_dir_all(data.path().join(folder)).unwrap();
        }
        let address = format!("127.0.0.1:{}", free_port());
        let process = Command::new(script(&["program"]))
            .args(["--quiet", "--readonly", "--port", &address, "posix", "--sidecar"])
            .args([data.path().join("meta"), data.path().join("data")])
            .env("ROOT_ACCESS_KEY", "millstream-test")
            .env("ROOT_SECRET_KEY", SECRET)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = ReadOnly { url: format!("http://{address}"), process, _data: data };
        while TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In front of the server; what it answers comes late.
pub(crate) struct Proxy {
    pub(crate) url: String,
}

impl Proxy {
    pub(crate) fn start(delay: Duration) -> Self {
        let server = with("", "").into_iter().find(|(name, _)| name == "AWS_ENDPOINT").unwrap().1;
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).unwrap();
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || copy(from, to, Duration::ZERO));
                std::thread::spawn(move || copy(server, client, delay));
            }
        });
        Proxy { url }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(delay);
        if to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}
