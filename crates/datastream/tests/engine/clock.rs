//! Processing time that the test moves: windows and timers fire when it says so.
//!
//! Invariant: nothing fires before the clock shows its time, however long the test takes.

use crate::support::*;
use millstream_core::ManualClock;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::{AggregateFunction, TumblingProcessingTimeWindows};
use millstream_testkit::MiniCluster;
use std::time::Duration;

const LAYOUTS: [(usize, usize); 4] = [(1, 1), (3, 1), (1, 2), (2, 2)];

/// Adds up, and counts what has found its window.
#[derive(Clone)]
struct Sum(Count);
impl AggregateFunction for Sum {
    type In = (u64, u64);
    type Acc = u64;
    type Out = u64;
    fn create_accumulator(&self) -> u64 {
        0
    }
    fn add(&self, acc: &mut u64, (_, value): (u64, u64)) {
        self.0.add(1);
        *acc += value;
    }
    fn merge(&self, acc: &mut u64, other: &u64) {
        *acc += other;
    }
    fn get_result(&self, acc: &u64) -> u64 {
        *acc
    }
}

#[test]
fn windows_of_processing_time_fire_when_the_clock_is_moved() {
    for (workers, processes) in LAYOUTS {
        within_a_minute(move || {
            let (env, sink, clock) = (environment(), Collect::default(), ManualClock::new(1_000));
            // Rounds of ten records for two keys; each waits for its gate.
            let gates: [Gate; 4] = Default::default();
            let round = |r: u64| (0..10).map(|n| ((n % 2, 1 << r), 0)).collect::<Vec<_>>();
            let mut source = Script::new((0..4).map(round).collect());
            for (split, gate) in gates.iter().enumerate() {
                source = source.stop(split, 0, gate);
            }
            let added = Count::default();
            env.from_source(source, WatermarkStrategy::no_watermarks(), "rounds")
                .key_by(|r: &(u64, u64)| r.0)
                .window(TumblingProcessingTimeWindows::of(Duration::from_secs(60)))
                .aggregate(Sum(added.clone()))
                .sink_to(sink.clone());
            let cluster = MiniCluster::new(workers).processes(processes).clock(&clock);
            let job = cluster.start(&env, "by the clock").unwrap();
            gates[0].open();
            wait_until("the first round", || added.get() == 10);
            clock.set_ms(59_998); // the last millisecond of the window is not over
            gates[1].open();
            wait_until("the second round", || added.get() == 20);
            assert_eq!(sink.len(), 0, "a minute has not passed");
            clock.set_ms(60_000);
            wait_until("the first windows", || sink.len() == 2);
            assert_eq!(sink.values(), [5 + 10; 2]);
            gates[2].open();
            wait_until("the third round", || added.get() == 30);
            clock.set_ms(3_600_000); // it jumps
            wait_until("the second windows", || sink.len() == 4);
            // What the end of the input finds in a window does not fire, as in Flink.
            gates[3].open();
            job.wait().unwrap();
            assert_eq!(sink.sorted(), [15, 15, 20, 20]);
        });
    }
}
