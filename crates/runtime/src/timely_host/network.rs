//! Connections between the processes of a job.
//!
//! ```text
//!   process i ──connect──> process j < i
//!     <── nonce                               both prove that they know the job's
//!     ──> hello(job, attempt, index), nonce, proof(nonce)     secret, without
//!     <── proof(nonce)                        sending it
//! ```
//!
//! Invariant: only a process of the same job, attempt and secret gets a socket into
//! the dataflow; what connects otherwise is dropped, and waiting goes on.

use crate::checkpoint::StartPlan;
use crate::control::JobControl;
use crate::execution::RuntimeConfig;
use millstream_core::key_group::stable_hash;
use millstream_core::{Error, Result, random_bytes};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use timely::communication::allocator::zero_copy::stream::Stream;

/// Which process of how many this is, and how many workers each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLayout {
    /// Index of this process.
    pub process: usize,
    /// Number of processes.
    pub processes: usize,
    /// Worker threads of each process.
    pub workers: usize,
}

/// Connected sockets, by process; `None` at the own index.
pub(crate) type Peers = Vec<Option<TcpStream>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const MAGIC: u64 = 0x4d49_4c4c_5354_0001; // "MILLST", version 1
const HELLO_BYTES: usize = 32;

pub(crate) fn failed(error: &io::Error) -> Error {
    Error::retry(format!("cannot set up the connections between processes: {error}"))
}

/// Connects to all other processes of `addresses`. `listener`: bound already, if so.
pub(crate) fn connect(config: &RuntimeConfig, listener: Option<TcpListener>) -> Result<Peers> {
    let layout = config.layout;
    let addresses = &config.addresses;
    if addresses.len() != layout.processes {
        let what = format!("{} hosts for {} processes", addresses.len(), layout.processes);
        return Err(Error::config(what).advice("give --hosts one address a process"));
    }
    let own = &addresses[layout.process];
    let listener = match listener {
        Some(listener) => listener,
        None => TcpListener::bind(own.as_str()).map_err(|e| {
            Error::config(format!("cannot listen on {own}: {e}"))
                .advice("choose a free port of this machine in --hosts")
        })?,
    };
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let mut peers: Peers = (0..layout.processes).map(|_| None).collect();
    for (process, address) in addresses.iter().enumerate().take(layout.process) {
        peers[process] = Some(dial(config, address, deadline)?);
    }
    listener.set_nonblocking(true).map_err(|e| failed(&e))?;
    while peers[layout.process + 1..].iter().any(Option::is_none) {
        match listener.accept() {
            Ok((socket, _)) => {
                // A stranger, or a process of an attempt that is gone: not an error of ours.
                if let Ok((process, socket)) = greet(config, socket)
                    && let Some(slot @ None) = peers.get_mut(process)
                    && process > layout.process
                {
                    *slot = Some(socket);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() > deadline {
                    let missing = peers.iter().enumerate().skip(layout.process + 1);
                    let missing: Vec<_> =
                        missing.filter(|(_, p)| p.is_none()).map(|(i, _)| i.to_string()).collect();
                    let what = format!("process {} did not connect", missing.join(", "));
                    return Err(Error::retry(what)
                        .advice("start every process with the same --hosts, job and secret"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(e) => return Err(failed(&e)),
        }
    }
    Ok(peers)
}

/// Most bytes of a start plan.
const MAX_START_BYTES: u32 = 1 << 20;

/// Process 0 tells all others where to start from.
pub(crate) fn tell_start(peers: &mut Peers, start: &StartPlan) -> Result<()> {
    let body = postcard::to_stdvec(start)?;
    for socket in peers.iter_mut().flatten() {
        let size = (body.len() as u32).to_le_bytes();
        let told = socket.write_all(&size).and_then(|()| socket.write_all(&body));
        told.map_err(|e| Error::restart(format!("a process is gone before the start: {e}")))?;
    }
    Ok(())
}

/// The others wait for it: it comes when the sinks are recovered.
pub(crate) fn hear_start(peers: &mut Peers) -> Result<StartPlan> {
    let Some(Some(socket)) = peers.first_mut() else {
        return Err(Error::bug("there is no connection to process 0"));
    };
    let gone = |e: io::Error| {
        Error::restart(format!("process 0 is gone before the start: {e}"))
            .advice("see its own last words for the reason")
    };
    let mut size = [0; 4];
    socket.read_exact(&mut size).map_err(gone)?;
    let size = u32::from_le_bytes(size);
    if size > MAX_START_BYTES {
        return Err(Error::bug("process 0 speaks another language"));
    }
    let mut body = vec![0; size as usize];
    socket.read_exact(&mut body).map_err(gone)?;
    Ok(postcard::from_bytes(&body)?)
}

fn dial(config: &RuntimeConfig, address: &str, deadline: Instant) -> Result<TcpStream> {
    loop {
        let attempt = address
            .to_socket_addrs()
            .and_then(|mut all| all.next().ok_or_else(|| io::ErrorKind::NotFound.into()))
            .and_then(|to| TcpStream::connect_timeout(&to, HANDSHAKE_TIMEOUT))
            .and_then(|socket| introduce(config, socket));
        match attempt {
            Ok(socket) => return Ok(socket),
            Err(error) if Instant::now() > deadline => {
                return Err(Error::retry(format!(
                    "cannot connect to process at {address}: {error}"
                ))
                .advice("start every process with the same --hosts, job and secret"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn hello(config: &RuntimeConfig) -> [u8; HELLO_BYTES] {
    let words = [
        MAGIC,
        stable_hash(config.job_name.as_str()),
        config.attempt,
        config.layout.process as u64,
    ];
    let mut bytes = [0; HELLO_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn proof(config: &RuntimeConfig, nonce: &[u8; 32], said: &[u8]) -> blake3::Hash {
    let key = blake3::derive_key("millstream 2026 process handshake", config.secret.as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(nonce).update(said);
    hasher.finalize()
}

fn nonce() -> io::Result<[u8; 32]> {
    random_bytes().map_err(|e| io::Error::other(e.to_string()))
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the peer is not of this job")
}

/// The connecting side.
fn introduce(config: &RuntimeConfig, mut socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let mut theirs = [0; 32];
    socket.read_exact(&mut theirs)?;
    let (hello, own) = (hello(config), nonce()?);
    socket.write_all(&hello)?;
    socket.write_all(&own)?;
    socket.write_all(proof(config, &theirs, &hello).as_bytes())?;
    let mut answer = [0; 32];
    socket.read_exact(&mut answer)?;
    if proof(config, &own, b"accepted") != blake3::Hash::from_bytes(answer) {
        return Err(refused());
    }
    socket.set_read_timeout(None)?;
    Ok(socket)
}

/// The listening side: which process it is.
fn greet(config: &RuntimeConfig, mut socket: TcpStream) -> io::Result<(usize, TcpStream)> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let own = nonce()?;
    socket.write_all(&own)?;
    let (mut said, mut theirs, mut proved) = ([0; HELLO_BYTES], [0; 32], [0; 32]);
    socket.read_exact(&mut said)?;
    socket.read_exact(&mut theirs)?;
    socket.read_exact(&mut proved)?;
    let expected = hello(config);
    // `Hash` compares in constant time; all but the process index must be ours.
    let genuine = proof(config, &own, &said) == blake3::Hash::from_bytes(proved);
    if !genuine || said[..24] != expected[..24] {
        return Err(refused());
    }
    socket.write_all(proof(config, &theirs, b"accepted").as_bytes())?;
    socket.set_read_timeout(None)?;
    let mut index = [0; 8];
    index.copy_from_slice(&said[24..]);
    Ok((u64::from_le_bytes(index) as usize, socket))
}

/// A socket that tells the job when its peer is gone: Timely's threads only panic.
pub(super) struct Watched {
    socket: TcpStream,
    peer: usize,
    control: Arc<JobControl>,
    /// Timely ends a connection with a header of zeros: counts those at the end.
    zeros: usize,
    closing: Arc<AtomicBool>,
}

/// Lets the process leave when its peers do not.
pub(super) struct Connections {
    sockets: Vec<TcpStream>,
    closing: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn shutdown(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for socket in &self.sockets {
            let _ = socket.shutdown(Shutdown::Both); // it may be gone already
        }
    }
}

pub(super) fn watched(
    peers: Peers,
    control: &Arc<JobControl>,
) -> Result<(Vec<Option<Watched>>, Connections)> {
    let closing = Arc::new(AtomicBool::new(false));
    let mut connections = Connections { sockets: vec![], closing: Arc::clone(&closing) };
    let mut sockets = Vec::with_capacity(peers.len());
    for (peer, socket) in peers.into_iter().enumerate() {
        let Some(socket) = socket else {
            sockets.push(None);
            continue;
        };
        connections.sockets.push(socket.try_clone().map_err(|e| failed(&e))?);
        let (control, closing) = (Arc::clone(control), Arc::clone(&closing));
        sockets.push(Some(Watched { socket, peer, control, zeros: 0, closing }));
    }
    Ok((sockets, connections))
}

/// Timely's last header: six words of zeros.
const LAST_HEADER_BYTES: usize = 48;

impl Watched {
    fn lost(&self, why: &str) {
        if !self.closing.load(Ordering::SeqCst) {
            let error = Error::restart(format!("process {} is gone: {why}", self.peer));
            self.control.abort(error.advice("see its own last words for the reason"));
        }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        match &read {
            Ok(0) if self.zeros < LAST_HEADER_BYTES => self.lost("it closed the connection"),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.lost(&error.to_string());
            }
            Ok(n) => {
                let zeros = buffer[..*n].iter().rev().take_while(|b| **b == 0).count();
                self.zeros = if zeros == *n { self.zeros + zeros } else { zeros };
            }
            Err(_) => {}
        }
        read
    }
}

impl Write for Watched {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.socket.write(buffer);
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.lost(&error.to_string());
        }
        written
    }
    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Watched {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Watched {
            socket: self.socket.try_clone()?,
            peer: self.peer,
            control: Arc::clone(&self.control),
            zeros: 0,
            closing: Arc::clone(&self.closing),
        })
    }
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}
