//! The newest position of every vehicle, and what has changed since.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use lakegate_domain::local::Span;
use lakegate_lake::output;
use lakegate_lake::session::{Error, View, run};
use tokio::sync::Mutex;

use crate::feed::{Feed, Opened};
use crate::problem::{Problem, Result};
use crate::rows::column;

/// A vehicle that has been silent for longer, when others were not, is gone.
const LIVE: SignedDuration = SignedDuration::from_hours(1);
/// Vehicles that are shown, so that a wrong column cannot fill the memory.
const MOST_VEHICLES: usize = 100_000;

/// The newest positions, of the newest version that somebody asked for.
#[derive(Debug, Default)]
pub struct Live(Mutex<Option<(View, Arc<Newest>)>>);

/// The newest position of every vehicle in one version of the table.
#[derive(Debug)]
pub struct Newest {
    pub version: u64,
    /// One row for each vehicle, in the order of the vehicles' names.
    pub rows: RecordBatch,
    /// Time, in microseconds since 1970, and row of each vehicle.
    by_vehicle: HashMap<String, (i64, u32)>,
}

impl Live {
    /// The newest positions of a version. Who asks while they are looked for waits.
    ///
    /// # Errors
    /// 404 where the feed does not say which column is the vehicle; the table
    /// cannot be read.
    pub async fn newest(&self, feed: &Feed, opened: &Opened) -> Result<Arc<Newest>> {
        let vehicle = feed.publish.vehicle.as_deref().ok_or_else(|| {
            Problem::missing(
                "no_vehicles",
                format!("the feed `{}` does not say which of its columns is the vehicle", feed.name()),
                "ask for rows instead; whoever runs this lake can add `publish: { vehicle: … }`",
            )
        })?;
        let mut kept = self.0.lock().await;
        if let Some((view, newest)) = kept.as_ref()
            && view.is_same(&opened.view)
        {
            return Ok(newest.clone());
        }
        let newest = Arc::new(look(feed, opened, vehicle, Timestamp::now()).await?);
        *kept = Some((opened.view.clone(), newest.clone()));
        Ok(newest)
    }
}

async fn look(feed: &Feed, opened: &Opened, vehicle: &str, now: Timestamp) -> Result<Newest> {
    let time = feed.publish.time.as_str();
    let columns = || opened.columns.iter().map(|c| column(c)).collect::<Vec<_>>();
    let latest = opened.files.iter().filter_map(|f| f.times).map(|(_, greatest)| greatest).max();
    // A clock that is ahead must not make all others old.
    let latest = latest.unwrap_or(now);
    let span = Span {
        start: latest.min(now).saturating_sub(LIVE).unwrap_or(Timestamp::MIN),
        end: latest.max(now).saturating_add(LIVE).unwrap_or(Timestamp::MAX),
    };
    let frame = opened
        .view
        .frame()?
        .filter(opened.within(time, span).and(column(vehicle).is_not_null()))
        .and_then(|f| {
            let newest_first = vec![column(vehicle).sort(true, false), column(time).sort(false, false)];
            f.distinct_on(vec![column(vehicle)], columns(), Some(newest_first))
        })
        .and_then(|f| f.limit(0, Some(MOST_VEHICLES)))
        .map_err(Error::from)?;
    let (schema, stream) = run(frame).await?;
    let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(Error::from)?;
    let failed = |e: arrow::error::ArrowError| Error::from(DataFusionError::from(e));
    let rows = concat_batches(&schema, &batches).map_err(failed)?;
    let names = match rows.column_by_name(vehicle) {
        Some(names) => output::texts(names).map_err(failed)?,
        None => Vec::new(),
    };
    let micros = match rows.column_by_name(time) {
        Some(times) => cast(times, &DataType::Int64).map_err(failed)?,
        None => return Ok(Newest { version: opened.view.version(), rows, by_vehicle: HashMap::new() }),
    };
    let micros = micros.as_primitive::<Int64Type>();
    let by_vehicle = names
        .into_iter()
        .enumerate()
        .filter_map(|(row, name)| {
            let time = if micros.is_valid(row) { micros.value(row) } else { i64::MIN };
            Some((name?, (time, row as u32)))
        })
        .collect();
    Ok(Newest { version: opened.view.version(), rows, by_vehicle })
}

impl Newest {
    /// The vehicles that are new or have a newer position than before.
    ///
    /// # Errors
    /// None that a table could cause.
    pub fn since(&self, before: Option<&Newest>) -> Result<RecordBatch, Error> {
        let Some(before) = before else { return Ok(self.rows.clone()) };
        let mut changed: Vec<u32> = self
            .by_vehicle
            .iter()
            .filter(|(name, (time, _))| before.by_vehicle.get(*name).is_none_or(|(t, _)| time > t))
            .map(|(_, (_, row))| *row)
            .collect();
        changed.sort_unstable();
        take_record_batch(&self.rows, &UInt32Array::from(changed))
            .map_err(|e| DataFusionError::from(e).into())
    }
}
