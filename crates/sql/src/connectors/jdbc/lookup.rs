//! The rows of keys, asked for by lookup joins.
//!
//! A request takes a thread for blocking calls, and a connection that the next one uses again.
//! The table is looked at with the first request.

use super::super::lookup::{LookupAnswer, LookupFuture, LookupTable};
use super::config::Config;
use super::scan::readable;
use super::values::{self, Reading};
use crate::formats::columns::Rows;
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::SqlType;
use arrow_array::RecordBatch;
use millstream_core::{Error, Result};
use millstream_jdbc::{JdbcColumn, JdbcLookup, SqlValue};
use std::sync::{Arc, OnceLock};

pub(super) struct JdbcLookupTable {
    config: Config,
    keys: Vec<(String, SqlType)>,
    opened: OnceLock<Opened>,
}

struct Opened {
    lookup: JdbcLookup,
    columns: Vec<JdbcColumn>,
}

impl JdbcLookupTable {
    pub(super) fn new(config: Config, keys: &[usize]) -> Result<Self> {
        let key = |i: &usize| {
            let column = config.columns.get(*i);
            let column =
                column.ok_or_else(|| Error::bug("a lookup by a column that is not there"))?;
            Ok((column.name.clone(), column.ty.clone()))
        };
        let keys = keys.iter().map(key).collect::<Result<_>>()?;
        Ok(JdbcLookupTable { config, keys, opened: OnceLock::new() })
    }

    fn opened(&self) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let columns = readable(&self.config)?;
        let keys: Vec<_> =
            self.keys.iter().map(|(name, ty)| (name.clone(), values::wire(ty))).collect();
        let lookup = JdbcLookup::open(self.config.table.clone(), &keys, &columns)?;
        Ok(self.opened.get_or_init(|| Opened { lookup, columns }))
    }

    fn answer(&self, keys: &RecordBatch) -> Result<LookupAnswer> {
        let Opened { lookup, columns } = self.opened()?;
        let mut asked = Vec::with_capacity(keys.num_rows());
        for row in 0..keys.num_rows() {
            let values = keys.columns().iter().zip(&self.keys);
            let values = values.map(|(array, (_, ty))| values::value(array, ty, row));
            asked.push(values.collect::<Result<Vec<SqlValue>>>()?);
        }
        let config = &self.config;
        let needed = || config.projection.needed().iter().map(|i| &config.columns[*i]);
        let own = columns.iter().zip(needed()).map(|(found, c)| (found, c.name.as_str(), &c.ty));
        let mut reading = Reading::new(config.zone, own);
        let mut rows = Rows::new(needed().map(|c| (c.name.as_str(), &c.ty)));
        let mut of_keys = vec![];
        lookup.rows(&asked, |key, row| {
            reading.row(row, &mut rows.columns)?;
            rows.end_row(ChangeKind::Insert);
            of_keys.push(key);
            Ok(())
        })?;
        let made = rows.finish()?;
        let all = config.projection.apply(made.rows().columns(), of_keys.len())?;
        let schema = Arc::clone(config.projection.schema());
        let batch = ChangeBatch::from_columns(schema, all, of_keys.len(), None)?;
        Ok(LookupAnswer { rows: batch.rows().clone(), keys: of_keys })
    }
}

impl LookupTable for JdbcLookupTable {
    fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture {
        Box::pin(async move {
            let place = format!("table '{}'", self.config.place);
            let answer = tokio::task::spawn_blocking(move || self.answer(&keys)).await;
            answer
                .unwrap_or_else(|_| Err(Error::restart("a lookup panicked or was cancelled")))
                .map_err(|e| e.at(place))
        })
    }
}
