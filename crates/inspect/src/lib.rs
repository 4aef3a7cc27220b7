//! Looks into checkpoints and savepoints without their job: lists, dumps, verifies.
//!
//! Works from the manifest and the schemas in it. State in a backend's own files is listed
//! and verified, but only the backend can read its entries.

use millstream_checkpoint::{LocatedManifest, RestoredJob};
use millstream_core::{Error, Result};
use millstream_state::{FormerState, Schema, StateDescription, StateKind, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// What a savepoint or checkpoint holds, as JSON: the job, its operators, and their states
/// with schemas, sizes in bytes and TTLs.
///
/// # Errors
/// None today; sizes come from the manifest.
pub fn summary(located: &LocatedManifest) -> Result<Json> {
    let manifest = &located.manifest;
    let mut operators = Vec::new();
    for info in &manifest.operators {
        let stored = manifest.subtasks.iter().flat_map(|(_, state)| &state.operators);
        let stored: Vec<_> = stored.filter(|op| op.uid == info.uid).collect();
        let mut states: BTreeMap<&str, (&StateDescription, u64)> = BTreeMap::new();
        let (mut backends, mut files, mut file_bytes) = (Vec::new(), 0u64, 0u64);
        for op in &stored {
            for state in &op.states {
                states.entry(&state.name).or_insert((state, 0));
            }
            let keyed = op.keyed.iter().map(|k| (k.state, k.section.size_bytes));
            let lists = op.lists.iter().map(|l| (l.state, l.section.size_bytes));
            for (index, bytes) in keyed.chain(lists) {
                let name = op.states.get(index as usize).map(|s| s.name.as_str());
                if let Some((_, sum)) = name.and_then(|name| states.get_mut(name)) {
                    *sum += bytes;
                }
            }
            backends.extend(op.native.iter().map(|native| native.backend.clone()));
            files += op.files.len() as u64;
            file_bytes += op.files.iter().map(|f| f.object.size_bytes).sum::<u64>();
        }
        backends.sort();
        backends.dedup();
        let states: Vec<Json> = states.into_values().map(|(s, bytes)| describe(s, bytes)).collect();
        operators.push(json!({
            "uid": info.uid,
            "name": info.name,
            "parallelism": info.parallelism,
            "states": states,
            "native": backends,
            "nativeFiles": files,
            "nativeFileBytes": file_bytes,
        }));
    }
    Ok(json!({
        "path": located.place(),
        "jobId": manifest.job_id,
        "jobName": manifest.job_name,
        "kind": format!("{:?}", manifest.kind),
        "checkpointId": manifest.epoch,
        "createdMs": manifest.created_ms,
        "maxParallelism": manifest.max_parallelism,
        "sizeBytes": manifest.size_bytes(),
        "operators": operators,
    }))
}

fn describe(state: &StateDescription, bytes: u64) -> Json {
    json!({
        "name": state.name,
        "kind": format!("{:?}", state.kind),
        "keySchema": state.key_schema.to_string(),
        "namespaceSchema": state.namespace_schema.to_string(),
        "valueSchema": state.value_schema.to_string(),
        "ttlMs": state.ttl_ms,
        "formatVersion": state.format_version,
        "sizeBytes": bytes,
    })
}

/// Which entries [`dump`] writes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of this operator only, by uid.
    pub operator: Option<String>,
    /// Of this state only.
    pub state: Option<String>,
    /// Of this key only, as the dump shows it (JSON).
    pub key: Option<String>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// Writes entries as JSON lines: `{"operator", "state", "group", "key", "value"}`, with a
/// `namespace` where there is one, and an `element` in place of key and value for operator
/// state. Bytes without a schema are shown in hexadecimal, a key group as a whole. Gives the
/// number of lines.
///
/// # Errors
/// `Corrupt` for damaged state; `Config` when nothing of the selection can be read.
pub fn dump(
    located: &Arc<LocatedManifest>,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<u64> {
    let mut lines = 0;
    let mut native = Vec::new();
    let job = RestoredJob::of(located);
    for (uid, former) in job.operators() {
        if selection.operator.as_ref().is_some_and(|wanted| wanted != uid) {
            continue;
        }
        for subtask in former {
            if subtask.native().is_some() {
                native.push(uid.to_owned());
            }
            for state in subtask.states() {
                if selection.state.as_ref().is_some_and(|wanted| *wanted != state.name) {
                    continue;
                }
                let groups = located.manifest.max_parallelism as u16;
                let mut entries = Entries { uid, state, selection, lines: &mut lines, out };
                entries.all(&**subtask, groups)?;
            }
        }
    }
    if lines == 0 && !native.is_empty() {
        native.dedup();
        let what = format!("the state of {} is in a backend's own files", native.join(", "));
        return Err(Error::config(what).advice("dump a canonical savepoint instead"));
    }
    Ok(lines)
}

struct Entries<'a> {
    uid: &'a str,
    state: &'a StateDescription,
    selection: &'a Selection,
    lines: &'a mut u64,
    out: &'a mut dyn Write,
}

impl Entries<'_> {
    fn line(&mut self, fields: impl IntoIterator<Item = (&'static str, Json)>) -> Result<()> {
        if self.selection.limit.is_some_and(|limit| *self.lines >= limit) {
            return Ok(());
        }
        let mut line = Map::new();
        line.insert("operator".into(), self.uid.into());
        line.insert("state".into(), self.state.name.clone().into());
        line.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        *self.lines += 1;
        Ok(writeln!(self.out, "{}", Json::Object(line))?)
    }

    fn all(&mut self, former: &dyn FormerState, groups: u16) -> Result<()> {
        let state = self.state;
        if state.kind == StateKind::OperatorList {
            for element in former.lists(&state.name)? {
                let shown = match state.value_schema.is_known() {
                    true => to_json(&Value::decode(&state.value_schema, &element)?.0),
                    false => hex(&element),
                };
                if self.selection.key.is_none() {
                    self.line([("element", shown)])?;
                }
            }
            return Ok(());
        }
        for group in 0..groups {
            let Some(stored) = former.keyed(&state.name, group)? else { continue };
            if !(state.key_schema.is_known() && state.value_schema.is_known()) {
                self.line([("group", group.into()), ("bytes", hex(&stored))])?;
                continue;
            }
            let mut bytes = stored.as_slice();
            while !bytes.is_empty() {
                let (key, rest) = Value::decode(&state.key_schema, bytes)?;
                let spaced = !matches!(state.namespace_schema, Schema::Unknown | Schema::Unit);
                let (namespace, rest) = match spaced {
                    true => Value::decode(&state.namespace_schema, rest)?,
                    false => (Value::Unit, rest),
                };
                let (value, rest) = Value::decode(&state.value_schema, rest)?;
                bytes = rest;
                let key = to_json(&key);
                let shown = key.to_string();
                if self.selection.key.as_ref().is_some_and(|wanted| *wanted != shown) {
                    continue;
                }
                let mut fields = vec![("group", group.into()), ("key", key)];
                if spaced {
                    fields.push(("namespace", to_json(&namespace)));
                }
                fields.push(("value", to_json(&value)));
                self.line(fields)?;
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> Json {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

/// A value as JSON. Integers beyond 64 bits and map keys that are no strings become text.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Unit | Value::Option(None) => Json::Null,
        Value::Bool(v) => (*v).into(),
        Value::Int(v) => i64::try_from(*v).map_or_else(|_| v.to_string().into(), Json::from),
        Value::UInt(v) => u64::try_from(*v).map_or_else(|_| v.to_string().into(), Json::from),
        Value::Float(v) => {
            serde_json::Number::from_f64(*v).map_or_else(|| v.to_string().into(), Json::from)
        }
        Value::Char(v) => v.to_string().into(),
        Value::Str(v) => v.clone().into(),
        Value::Bytes(v) => hex(v),
        Value::Option(Some(v)) => to_json(v),
        Value::Seq(v) => v.iter().map(to_json).collect(),
        Value::Map(v) => {
            let key = |k: &Value| match to_json(k) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            Json::Object(v.iter().map(|(k, v)| (key(k), to_json(v))).collect())
        }
        Value::Struct(v) => Json::Object(v.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
        Value::Variant(name, v) if **v == Value::Unit => name.clone().into(),
        Value::Variant(name, v) => json!({ name.clone(): to_json(v) }),
    }
}

/// Reads everything, and compares every checksum. Gives the number of bytes read.
///
/// # Errors
/// `Corrupt`, with the name of the first object that is damaged or missing.
pub fn verify(located: &LocatedManifest) -> Result<u64> {
    located.check_objects()?;
    let mut seen = std::collections::BTreeSet::new();
    let (mut total, step) = (0, 4 << 20);
    for object in located.manifest.objects() {
        let path = located.path(object);
        if !seen.insert(path.clone()) {
            continue;
        }
        let (mut hash, mut at) = (blake3::Hasher::new(), 0);
        while at < object.size_bytes {
            let end = (at + step).min(object.size_bytes);
            hash.update(&located.parent.get_range(&path, at..end)?);
            at = end;
        }
        if hash.finalize().as_bytes() != &object.checksum {
            return Err(located.parent.damaged(&path, "has a wrong checksum"));
        }
        total += object.size_bytes;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_checkpoint::writer::{KnownFiles, UploadPlace, write_subtask};
    use millstream_checkpoint::{Manifest, OperatorInfo, Storage, SubtaskId};
    use millstream_state::{OperatorSnapshot, SnapshotKind, TaskSnapshot};

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    struct Order {
        id: u64,
        note: Option<String>,
    }

    fn savepoint(storage: &Storage) -> Arc<LocatedManifest> {
        let mut operator = OperatorSnapshot::new(SnapshotKind::CanonicalSavepoint);
        let mut description = StateDescription::new("orders", StateKind::Value);
        description.key_schema = Schema::of::<String>();
        description.value_schema = Schema::of::<Order>();
        operator.describe(description);
        for id in 0..5000u64 {
            let note = (id == 7).then(|| "late".to_owned());
            operator.put_keyed("orders", 128, &format!("k{id}"), &Order { id, note }).unwrap();
        }
        operator.put_list("offsets", &5u64).unwrap();
        let mut task = TaskSnapshot::new(SnapshotKind::CanonicalSavepoint);
        task.push("count".into(), operator);
        let place =
            UploadPlace { parent: storage.clone(), folder: "s".into(), self_contained: true };
        let id = SubtaskId { task: 0, subtask: 0 };
        let state = write_subtask(&place, id, task, &KnownFiles::new()).unwrap();
        let info = OperatorInfo { uid: "count".into(), name: "counts".into(), parallelism: 1 };
        let manifest = Manifest {
            job_id: "j".into(),
            job_name: "job".into(),
            term: 1,
            epoch: 3,
            kind: SnapshotKind::CanonicalSavepoint,
            created_ms: 0,
            max_parallelism: 128,
            operators: vec![info],
            subtasks: vec![(id, state)],
        };
        Arc::new(LocatedManifest { manifest, parent: storage.clone(), folder: "s".into() })
    }

    #[test]
    fn states_are_listed_and_entries_dumped_by_key() {
        let located = savepoint(&Storage::memory());
        let summary = summary(&located).unwrap();
        let states = &summary["operators"][0]["states"];
        assert_eq!(states[1]["name"], "orders");
        assert_eq!(states[1]["valueSchema"], "Order { id: u64, note: option<str> }");
        assert!(states[1]["sizeBytes"].as_u64().unwrap() > 10_000);
        let mut out = Vec::new();
        let key = Some("\"k7\"".to_owned());
        let selection = Selection { key, ..Selection::default() };
        assert_eq!(dump(&located, &selection, &mut out).unwrap(), 1);
        let line: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(line["value"], json!({"id": 7, "note": "late"}));
        let state = Some("offsets".to_owned());
        let selection = Selection { state, ..Selection::default() };
        let mut out = Vec::new();
        dump(&located, &selection, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("\"element\":\"05\""));
        let all = Selection { limit: Some(100), ..Selection::default() };
        assert_eq!(dump(&located, &all, &mut Vec::new()).unwrap(), 100);
    }

    #[test]
    fn verifying_reads_every_byte() {
        let storage = Storage::memory();
        let located = savepoint(&storage);
        assert!(verify(&located).unwrap() > 10_000);
        let mut bytes = storage.get("s/0-0").unwrap().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        storage.put("s/0-0", bytes).unwrap();
        let error = verify(&located).unwrap_err().to_string();
        assert!(error.contains("s/0-0 has a wrong checksum"), "{error}");
    }
}
