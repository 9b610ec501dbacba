//! A published feed: a table, the columns by which it is served, and the newest
//! version of it that was looked at.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use lakegate_domain::health::Rules;
use lakegate_domain::model::{Dataset, Lake, Publish, TimeUnit};
use lakegate_domain::{DatasetName, TableName};
use lakegate_lake::layout;
use lakegate_lake::session::{DataFile, Session, View};
use tokio::sync::Mutex;

use crate::activity::Counter;
use crate::live::Live;
use crate::problem::{Problem, Result};

/// A published feed.
#[derive(Debug)]
pub struct Feed {
    pub publish: Publish,
    pub dataset: DatasetName,
    pub description: Option<String>,
    pub table: TableName,
    /// Zone of its local hours.
    pub zone: TimeZone,
    /// What is expected of its freshness and volume.
    pub rules: Rules,
    pub counter: Counter,
    pub live: Live,
    opened: Mutex<Option<Arc<Opened>>>,
}

/// One version of a feed's table.
#[derive(Debug)]
pub struct Opened {
    pub view: View,
    pub schema: SchemaRef,
    /// Columns of the data: without those that the lake adds, and those that
    /// only say where a row is stored.
    pub columns: Vec<String>,
    /// Partition column of the feed's time, and what it holds.
    pub partition: Option<(String, TimeUnit)>,
    pub files: Vec<DataFile>,
}

impl Feed {
    /// The feeds of a lake, by name. Of `known` ones those that are declared as
    /// before are taken over, with what was counted of them.
    pub fn all(lake: &Lake, known: &[Arc<Feed>]) -> Vec<Arc<Feed>> {
        let mut feeds: Vec<Arc<Feed>> = lake
            .datasets
            .iter()
            .filter_map(|d| Self::of(d))
            .map(|feed| {
                known.iter().find(|k| k.is_declared_as(&feed)).cloned().unwrap_or_else(|| Arc::new(feed))
            })
            .collect();
        feeds.sort_by(|a, b| a.name().cmp(b.name()));
        feeds
    }

    fn of(dataset: &Dataset) -> Option<Self> {
        let publish = dataset.publish.clone()?;
        let declared = dataset.tables.get(&publish.table);
        Some(Self {
            table: dataset.name.table(&publish.table),
            dataset: dataset.name.clone(),
            description: declared.and_then(|t| t.description.clone()).or_else(|| dataset.description.clone()),
            // The configuration has only zones that are known.
            zone: TimeZone::get(&publish.timezone).unwrap_or(TimeZone::UTC),
            rules: dataset.watch,
            counter: Counter::default(),
            live: Live::default(),
            opened: Mutex::default(),
            publish,
        })
    }

    fn is_declared_as(&self, other: &Feed) -> bool {
        // The zone is that of `publish`.
        (&self.publish, &self.dataset, &self.description, &self.table, self.rules)
            == (&other.publish, &other.dataset, &other.description, &other.table, other.rules)
    }

    pub fn name(&self) -> &str {
        &self.publish.name
    }

    /// The newest version of its table; `None` where nothing was loaded yet.
    ///
    /// # Errors
    /// The table cannot be read, or lacks a column by which it is served.
    pub async fn open(&self, session: &Session) -> Result<Option<Arc<Opened>>> {
        let Some(view) = session.view(&self.table).await? else { return Ok(None) };
        let mut kept = self.opened.lock().await;
        if let Some(opened) = kept.as_ref()
            && opened.view.is_same(&view)
        {
            return Ok(Some(opened.clone()));
        }
        let opened = Arc::new(self.opened(view)?);
        *kept = Some(opened.clone());
        Ok(Some(opened))
    }

    /// As [`Feed::open`], where there is nothing to say without rows.
    ///
    /// # Errors
    /// As there; 404 where nothing was loaded yet.
    pub async fn need(&self, session: &Session) -> Result<Arc<Opened>> {
        self.open(session).await?.ok_or_else(|| {
            Problem::missing(
                "no_data_yet",
                format!("the feed `{}` has no rows yet", self.name()),
                "ask again when it has been polled or loaded",
            )
        })
    }

    fn opened(&self, view: View) -> Result<Opened> {
        let schema = view.schema()?;
        self.check(&schema)?;
        let stored = view.partition_columns()?;
        let partition = [TimeUnit::Hour, TimeUnit::Day, TimeUnit::Month]
            .into_iter()
            .map(|unit| (format!("{}_{}", self.publish.time, unit.name()), unit))
            .find(|(name, _)| stored.contains(name));
        let is_data = |f: &&Arc<Field>| {
            !layout::is_extra(f.name()) && partition.as_ref().is_none_or(|(name, _)| name != f.name())
        };
        let columns = schema.fields().iter().filter(is_data).map(|f| f.name().clone()).collect();
        let files = view.data_files(&self.publish.time)?;
        Ok(Opened { view, schema, columns, partition, files })
    }

    fn check(&self, schema: &SchemaRef) -> Result<()> {
        let publish = &self.publish;
        let position = publish.position.iter().flat_map(|(lat, lon)| [("latitude", lat), ("longitude", lon)]);
        let named = [("route", &publish.route), ("time", &publish.time)]
            .into_iter()
            .chain(publish.vehicle.as_ref().map(|v| ("vehicle", v)))
            .chain(position);
        for (role, name) in named {
            let wrong = match schema.field_with_name(name) {
                Err(_) => format!("has no column `{name}`"),
                Ok(f) if role == "time" && !matches!(f.data_type(), DataType::Timestamp(..)) => {
                    format!("has a column `{name}` that is no timestamp")
                }
                Ok(f) if role.ends_with("itude") && !f.data_type().is_numeric() => {
                    format!("has a column `{name}` that is no number")
                }
                Ok(_) => continue,
            };
            return Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "feed_misconfigured",
                format!("the feed `{}` cannot be served: its table {wrong}", self.name()),
                format!("whoever runs this lake mends `publish: {{ {role}: … }}` of {}", self.dataset),
            ));
        }
        Ok(())
    }
}
