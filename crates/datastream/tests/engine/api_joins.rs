//! Every piece of the API with two inputs once, with a checked result.

use crate::api::{everywhere, numbers};
use millstream_core::Result;
use millstream_datastream::*;
use millstream_runtime::state::{ListState, ValueState};
use millstream_runtime::window::*;
use std::time::Duration;

type Named = (u64, String);

fn names(env: &StreamExecutionEnvironment, n: u64) -> DataStream<Named> {
    numbers(env, n).map(|n| (n, format!("n{n:03}")))
}

#[test]
fn union_of_streams_with_times_of_their_own() {
    let build = |env: &StreamExecutionEnvironment| {
        let streams = [numbers(env, 40), numbers(env, 30).name("more"), numbers(env, 20)];
        streams[0]
            .union(&[&streams[1], &streams[2]])
            .key_by(|_| 0u8)
            .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
            .reduce(|a, b| a + b)
    };
    let sum = |w: u64, times: u64| (w * 10..w * 10 + 10).sum::<u64>() * times;
    everywhere(build, |got| assert_eq!(got, [sum(0, 3), sum(3, 1), sum(1, 3), sum(2, 2)]));
}

#[derive(Clone)]
struct Both;
impl CoProcessFunction for Both {
    type Key = ();
    type In1 = u64;
    type In2 = Named;
    type Out = String;
    fn process_element1(&mut self, n: u64, c: &mut ProcessContext<'_, (), String>) -> Result<()> {
        c.collect(format!("left {n:03}"));
        Ok(())
    }
    fn process_element2(&mut self, n: Named, c: &mut ProcessContext<'_, (), String>) -> Result<()> {
        c.collect(format!("right {}", n.1));
        Ok(())
    }
}

#[test]
fn connect_without_keys() {
    let build =
        |env: &StreamExecutionEnvironment| numbers(env, 30).connect(&names(env, 20)).process(Both);
    let left = (0..30).map(|n| format!("left {n:03}"));
    let want: Vec<String> = left.chain((0..20).map(|n| format!("right n{n:03}"))).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

/// Joins each number with its name, whichever comes first; a timer reports the lonely.
#[derive(Clone, Default)]
struct Meet {
    number: Option<ValueState<u64>>,
    names: Option<ListState<String>>,
}
type Met = (u64, Option<String>);
impl CoProcessFunction for Meet {
    type Key = u64;
    type In1 = u64;
    type In2 = Named;
    type Out = Met;
    fn open(&mut self, context: &mut RuntimeContext<'_, u64>) -> Result<()> {
        self.number = Some(context.value_state("number")?);
        self.names = Some(context.list_state("names")?);
        Ok(())
    }
    fn process_element1(&mut self, n: u64, ctx: &mut ProcessContext<'_, u64, Met>) -> Result<()> {
        if let Some(number) = &self.number {
            number.update(n)?;
        }
        ctx.register_event_time_timer(i64::MAX - 1);
        Ok(())
    }
    fn process_element2(&mut self, n: Named, ctx: &mut ProcessContext<'_, u64, Met>) -> Result<()> {
        if let Some(names) = &self.names {
            names.add(n.1)?;
        }
        ctx.register_event_time_timer(i64::MAX - 1);
        Ok(())
    }
    fn on_timer(&mut self, _: i64, ctx: &mut ProcessContext<'_, u64, Met>) -> Result<()> {
        let (Some(number), Some(names)) = (&self.number, &self.names) else { unreachable!() };
        let key = *ctx.current_key();
        assert_eq!(number.value()?, Some(key));
        ctx.collect((key, names.get()?.into_iter().next()));
        Ok(())
    }
}

#[test]
fn connect_by_key_shares_state_and_timers() {
    let want: Vec<Met> = (0..30).map(|n| (n, (n < 20).then(|| format!("n{n:03}")))).collect();
    let keyed = |env: &StreamExecutionEnvironment| {
        let names = names(env, 20).key_by(|n| n.0);
        numbers(env, 30).key_by(|n| *n).connect(&names).process(Meet::default())
    };
    everywhere(keyed, |got| assert_eq!(got, want));
    let connected = |env: &StreamExecutionEnvironment| {
        let both = numbers(env, 30).connect(&names(env, 20));
        both.key_by(|n| *n, |n| n.0).process(Meet::default())
    };
    everywhere(connected, |got| assert_eq!(got, want));
}

/// Collects what was broadcast, and answers each of it once a subtask.
#[derive(Clone)]
struct Announce;
impl BroadcastProcessFunction for Announce {
    type Key = ();
    type In = u64;
    type Broadcast = Named;
    type State = Vec<u64>;
    type Out = String;
    fn process_element(
        &mut self,
        n: u64,
        _: &Vec<u64>,
        ctx: &mut ProcessContext<'_, (), String>,
    ) -> Result<()> {
        ctx.collect(format!("record {n:03}"));
        Ok(())
    }
    fn process_broadcast_element(
        &mut self,
        name: Named,
        state: &mut Vec<u64>,
        out: &mut Collector<'_, String>,
    ) -> Result<()> {
        assert!(!state.contains(&name.0), "{name:?} twice on one subtask");
        state.push(name.0);
        out.collect(format!("rule {}", name.1));
        Ok(())
    }
}

#[test]
fn broadcast_reaches_every_subtask_once() {
    let build = |env: &StreamExecutionEnvironment| {
        numbers(env, 30).connect_broadcast(&names(env, 5)).process(Announce)
    };
    everywhere(build, |got| {
        let (rules, records): (Vec<String>, Vec<String>) =
            got.into_iter().partition(|s| s.starts_with("rule"));
        assert_eq!(records, (0..30).map(|n| format!("record {n:03}")).collect::<Vec<_>>());
        let subtasks = rules.len() / 5;
        let want = (0..5).flat_map(|n| vec![format!("rule n{n:03}"); subtasks]);
        assert!(subtasks >= 1);
        assert_eq!(rules, want.collect::<Vec<_>>());
    });
}

#[test]
fn window_join_and_co_group() {
    let ten = Duration::from_millis(10);
    let join = move |env: &StreamExecutionEnvironment| {
        let names = names(env, 25).key_by(|n| n.0 % 5);
        numbers(env, 40)
            .key_by(|n| n % 5)
            .join(&names)
            .window(TumblingEventTimeWindows::of(ten))
            .join(|n, name| (*n, name.0))
    };
    let mut want = vec![];
    for a in 0..40u64 {
        want.extend((0..25u64).filter(|b| a / 10 == b / 10 && a % 5 == b % 5).map(|b| (a, b)));
    }
    everywhere(join, |got| assert_eq!(got, want));

    let group = move |env: &StreamExecutionEnvironment| {
        let names = names(env, 25).key_by(|n| n.0 % 5);
        numbers(env, 40)
            .key_by(|n| n % 5)
            .join(&names)
            .window(TumblingEventTimeWindows::of(ten))
            .co_group(
                |key: &u64,
                 a: &[&u64],
                 b: &[&Named],
                 ctx: &mut WindowContext<'_, (i64, u64, usize, usize)>| {
                    let start = ctx.window().start;
                    ctx.collect((start, *key, a.len(), b.len()));
                    Ok(())
                },
            )
    };
    let of = |w: i64, k: u64, n: u64| (0..n).filter(|i| *i as i64 / 10 == w && i % 5 == k).count();
    let want: Vec<_> =
        (0..4).flat_map(|w| (0..5).map(move |k| (w * 10, k, of(w, k, 40), of(w, k, 25)))).collect();
    everywhere(group, |got| assert_eq!(got, want));
}

#[test]
fn interval_join_includes_its_bounds_unless_told() {
    for exclusive in [false, true] {
        let build = move |env: &StreamExecutionEnvironment| {
            let names = names(env, 50).key_by(|n| n.0 % 3);
            let joined = numbers(env, 40).key_by(|n| n % 3).interval_join(&names, -3, 6);
            let joined = if exclusive {
                joined.lower_bound_exclusive().upper_bound_exclusive()
            } else {
                joined
            };
            joined.process(|a, b, ctx| {
                ctx.collect((*a, b.0));
                Ok(())
            })
        };
        let mut want = vec![];
        for a in 0..40i64 {
            let near = |b: &i64| {
                let distance = b - a;
                let inside = if exclusive {
                    -3 < distance && distance < 6
                } else {
                    (-3..=6).contains(&distance)
                };
                inside && a % 3 == b % 3
            };
            want.extend((0..50i64).filter(near).map(|b| (a as u64, b as u64)));
        }
        everywhere(build, |got| assert_eq!(got, want));
    }
}
