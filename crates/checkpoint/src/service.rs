//! The leader's thread: carries out what the coordinator decides, off the worker.
//!
//! ```text
//!   worker 0: coordinator ──commands (bounded)──> leader thread ──> storage
//!                 ^                                    │
//!                 └────── published / not / lost ──────┘ also: requests found in the folder
//! ```
//!
//! Invariants: every publication gets exactly one answer; deletions that do not fit the
//! queue are left to the next leader as garbage, never waited for.

use crate::coordinator::{Event, Publication, Request, RequestId};
use crate::leadership::{JobDescription, Leader, Outcome};
use crate::manifest::SubtaskState;
use crate::requests::{self, Reply};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use millstream_core::{Clock, Epoch, Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Commands that may wait.
const QUEUE: usize = 4096;
/// Between looks for requests in the job's folder.
const LOOK: Duration = Duration::from_millis(500);

/// Gets the answer to a request: the place of what was stored, or why nothing was.
pub type Responder = Box<dyn FnOnce(Result<String>) + Send>;

/// What the thread tells the coordinator's driver.
pub enum Told {
    /// An event for the coordinator.
    Event(Event<Arc<SubtaskState>>),
    /// Somebody else leads, or nobody can tell whether a checkpoint was published.
    Lost(Error),
}

enum Command {
    Publish(Publication<Arc<SubtaskState>>),
    Retire(Epoch),
    Discard(Epoch, Arc<SubtaskState>),
    Request(Request, Responder),
    Answer(RequestId, Result<Epoch, String>),
    /// The attempt is over; `finished`: so is the job.
    End {
        finished: bool,
    },
}

/// See the module.
pub struct LeaderService {
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<Result<()>>>>,
}

impl LeaderService {
    /// Starts the thread. Without a leader (a job without storage) everything is published
    /// at once, nowhere.
    ///
    /// # Errors
    /// `Retry` when the machine has no threads left.
    pub fn start(
        leader: Option<Leader>,
        job: JobDescription,
        clock: Arc<dyn Clock>,
        tell: impl Fn(Told) + Send + 'static,
    ) -> Result<Self> {
        let (commands, queue) = bounded(QUEUE);
        let serving = Serving {
            leader,
            job,
            clock,
            tell: Box::new(tell),
            next_request: 1,
            waiting: BTreeMap::new(),
            stored: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new().name("checkpoint-leader".into());
        let thread = thread.spawn(move || serving.run(&queue));
        let thread =
            thread.map_err(|e| Error::retry(format!("cannot start the leader's thread: {e}")))?;
        Ok(LeaderService { commands, thread: Mutex::new(Some(thread)) })
    }

    /// Publishes a checkpoint; the answer is told.
    pub fn publish(&self, publication: Publication<Arc<SubtaskState>>) {
        let _ = self.commands.send(Command::Publish(publication)); // ended: nobody waits
    }
    /// A checkpoint is not kept any more.
    pub fn retire(&self, epoch: Epoch) {
        let _ = self.commands.try_send(Command::Retire(epoch));
    }
    /// A checkpoint was given up.
    pub fn discard(&self, epoch: Epoch, state: Arc<SubtaskState>) {
        let _ = self.commands.try_send(Command::Discard(epoch, state));
    }
    /// Somebody of this process asks for something.
    pub fn request(&self, request: Request, responder: Responder) {
        let _ = self.commands.try_send(Command::Request(request, responder));
    }
    /// The coordinator's answer to a request.
    pub fn answer(&self, id: RequestId, answer: Result<Epoch, String>) {
        let _ = self.commands.try_send(Command::Answer(id, answer));
    }
    /// The attempt is over, and so is the job when it has `finished`. Waits for what was
    /// commanded before.
    ///
    /// # Errors
    /// When the end could not be written down.
    pub fn end(&self, finished: bool) -> Result<()> {
        let _ = self.commands.send(Command::End { finished }); // ended already
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(Error::bug("the leader's thread panicked")))
    }
}

struct Serving {
    leader: Option<Leader>,
    job: JobDescription,
    clock: Arc<dyn Clock>,
    tell: Box<dyn Fn(Told) + Send>,
    next_request: RequestId,
    waiting: BTreeMap<RequestId, Responder>,
    /// Places by epoch, until the answer is given.
    stored: BTreeMap<Epoch, String>,
}

impl Serving {
    fn run(mut self, queue: &Receiver<Command>) -> Result<()> {
        if let Some(leader) = &mut self.leader {
            // What earlier attempts have left; when storage does not answer, next time.
            let _ = leader.collect_garbage();
        }
        let mut looked = Instant::now();
        loop {
            match queue.recv_timeout(LOOK.saturating_sub(looked.elapsed())) {
                Ok(Command::End { finished }) => return self.end(finished),
                Ok(command) => self.carry_out(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(false),
            }
            // By time, not when nothing else comes: with frequent checkpoints something always does.
            if looked.elapsed() >= LOOK {
                self.look_for_requests();
                looked = Instant::now();
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Publish(publication) => self.publish(publication),
            Command::Retire(epoch) => {
                if let Some(leader) = &mut self.leader {
                    let _ = leader.retire(epoch); // garbage for the next leader
                }
            }
            Command::Discard(epoch, state) => {
                if let Some(leader) = &mut self.leader {
                    let _ = leader.discard(epoch, &state); // garbage for the next leader
                }
            }
            Command::Request(request, responder) => self.requested(request, responder),
            Command::Answer(id, answer) => {
                let Some(responder) = self.waiting.remove(&id) else { return };
                responder(match answer {
                    Ok(epoch) => Ok(self.stored.get(&epoch).cloned().unwrap_or_default()),
                    Err(why) => Err(Error::restart(why)),
                });
            }
            Command::End { .. } => {}
        }
    }

    fn publish(&mut self, publication: Publication<Arc<SubtaskState>>) {
        let epoch = publication.epoch;
        let now_ms = self.clock.now_ms();
        let outcome = match &mut self.leader {
            Some(leader) => leader.publish(publication, &self.job, now_ms),
            None => Outcome::Published(String::new()),
        };
        (self.tell)(match outcome {
            Outcome::Published(place) => {
                self.stored.insert(epoch, place);
                if self.stored.len() > 64 {
                    self.stored.pop_first();
                }
                Told::Event(Event::Published(epoch))
            }
            Outcome::NotPublished(e) => Told::Event(Event::NotPublished(epoch, e.to_string())),
            Outcome::Lost(error) => Told::Lost(error),
        });
    }

    fn requested(&mut self, request: Request, responder: Responder) {
        // Snapshots of a job without storage are taken and dropped, wherever they should go.
        if self.leader.is_none() && matches!(request, Request::Savepoint { .. }) {
            let error = Error::config("this job has no storage for savepoints");
            return responder(Err(error.advice("set execution.checkpointing.dir")));
        }
        let id = self.next_request;
        self.next_request += 1;
        self.waiting.insert(id, responder);
        (self.tell)(Told::Event(Event::Requested(id, request)));
    }

    fn look_for_requests(&mut self) {
        let Some(leader) = &self.leader else { return };
        let folder = leader.storage().folder().clone();
        // Storage that does not answer now is asked again in a moment.
        for (path, request) in requests::take(&folder).unwrap_or_default() {
            let folder = folder.clone();
            let responder: Responder = Box::new(move |answer| {
                let reply = match answer {
                    Ok(place) => Reply::Done(place),
                    Err(error) => Reply::Refused(error.to_string()),
                };
                let _ = requests::reply(&folder, &path, &reply); // who asks gives up in time
            });
            match request {
                Ok(request) => self.requested(request, responder),
                Err(error) => responder(Err(error)),
            }
        }
    }

    fn end(&mut self, finished: bool) -> Result<()> {
        for (_, responder) in std::mem::take(&mut self.waiting) {
            responder(Err(Error::restart("the attempt has ended")));
        }
        match &mut self.leader {
            Some(leader) if finished => leader.finish(),
            _ => Ok(()),
        }
    }
}
