//! One process of a job: its worker threads, from start to the last step.
//!
//! A worker thread that panics outside user code (Timely does when a peer process
//! dies) ends the attempt for the whole process: its siblings would not notice.

use super::network::{self, Peers, ProcessLayout};
use crate::control::{JobControl, JobHandle};
use crate::execution::{Checkpointing, RuntimeConfig};
use crate::job_graph::Plan;
use crate::source_node::AlignmentBoard;
use millstream_checkpoint::RestoredJob;
use millstream_core::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Instant;
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{Allocator, AllocatorBuilder, ProcessBuilder};
use timely::worker::Worker;

/// Stack of a worker: user code and deep expressions run on it. Only what is touched takes
/// memory.
const WORKER_STACK_BYTES: usize = 64 << 20;

/// What a worker thread knows of its job.
#[derive(Clone)]
pub(super) struct WorkerEnv {
    pub(super) layout: ProcessLayout,
    pub(super) control: Arc<JobControl>,
    pub(super) config: RuntimeConfig,
    pub(super) restored: RestoredJob,
    pub(super) board: AlignmentBoard,
    pub(super) aligned: bool,
    pub(super) checkpointing: Checkpointing,
}

/// Runs this process's part of the job until it has ended everywhere.
pub(crate) fn run(
    plan: &Arc<Plan>,
    config: &RuntimeConfig,
    handle: &JobHandle,
    peers: Option<Peers>,
    checkpointing: Checkpointing,
) -> Result<()> {
    install_panic_hook();
    let layout = config.layout;
    let control = Arc::clone(&handle.control);
    let hooks = Hooks::default();
    let local =
        ProcessBuilder::new_typed_vector(layout.workers, hooks.refill.clone(), hooks.spill.clone());
    let mut guard = None;
    let mut connections = None;
    let builders: Vec<AllocatorBuilder> = match peers {
        None => local.into_iter().map(AllocatorBuilder::Process).collect(),
        Some(peers) => {
            let (sockets, watch) = network::watched(peers, &control)?;
            let started = initialize_networking_from_sockets(
                local,
                sockets,
                layout.process,
                layout.workers,
                hooks,
            );
            let (builders, communication) = started.map_err(|e| network::failed(&e))?;
            guard = Some(communication);
            connections = Some(watch);
            builders.into_iter().map(AllocatorBuilder::Tcp).collect()
        }
    };
    let env = WorkerEnv {
        layout,
        control: Arc::clone(&control),
        config: config.clone(),
        restored: config.restored.clone(),
        board: AlignmentBoard::default(),
        aligned: config.aligned,
        checkpointing,
    };
    thread::scope(|scope| {
        for (index, builder) in builders.into_iter().enumerate() {
            let (env, plan) = (env.clone(), Arc::clone(plan));
            let name = format!("worker-{}", layout.process * layout.workers + index);
            let body = move || {
                ON_WORKER.with(|on| on.set(true));
                let work = || run_worker(builder, &plan, &env);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                    env.control.abort(engine_panic(&*panic));
                }
            };
            if let Err(error) = thread::Builder::new()
                .name(name)
                .stack_size(WORKER_STACK_BYTES)
                .spawn_scoped(scope, body)
            {
                control.abort(Error::retry(format!("cannot start a worker thread: {error}")));
            }
        }
    });
    if control.is_aborted()
        && let Some(connections) = &connections
    {
        connections.shutdown();
    }
    // The guard joins its threads, and panics when one of them has.
    let joined = catch_unwind(AssertUnwindSafe(|| drop(guard)));
    match control.error() {
        Some(error) => Err(error),
        None if control.is_stopping() => {
            Err(Error::new(ErrorKind::Cancelled, "the job was cancelled"))
        }
        None => joined.map_err(|_| Error::restart("the connection to a peer process broke")),
    }
}

fn run_worker(builder: AllocatorBuilder, plan: &Arc<Plan>, env: &WorkerEnv) {
    let allocator = match builder {
        AllocatorBuilder::Thread(_) => return,
        AllocatorBuilder::Process(process) => Allocator::Process(process.build()),
        AllocatorBuilder::Tcp(tcp) => Allocator::Tcp(tcp.build()),
    };
    let config = timely::WorkerConfig::default();
    let mut worker = Worker::new(config, allocator, Some(Instant::now()));
    worker.dataflow::<u64, _, _>(|scope| super::dataflow::build(scope, plan, env));
    while worker.has_dataflows() && !env.control.is_aborted() {
        worker.step_or_park(None);
    }
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
}

fn engine_panic(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let at = take_panic_place().map_or(String::new(), |place| format!(" at {place}"));
    Error::restart(format!("a worker thread ended{at}: {text}"))
        .advice("if no peer process died, this is a bug: please report it")
}

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where the last panic of this thread was.
pub(super) fn take_panic_place() -> Option<String> {
    PANIC_PLACE.with(|place| place.borrow_mut().take())
}

/// On worker threads a panic becomes an error with its place, not a text on stderr.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let communication = thread::current().name().is_some_and(|n| n.starts_with("timely:"));
            if ON_WORKER.with(Cell::get) {
                let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
                PANIC_PLACE.with(|p| *p.borrow_mut() = place);
            } else if !communication {
                former(info);
            }
        }));
    });
}
