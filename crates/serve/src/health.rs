//! Whether feeds and datasets are as fresh, and as full, as they are meant to be.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lakegate_domain::DatasetName;
use lakegate_domain::health::{Known, Rules, State};
use lakegate_domain::job::FileState;
use lakegate_domain::model::{Dataset, Lake};
use lakegate_lake::session::Session;
use lakegate_state::{FileFilter, Millis, Store};
use serde::Serialize;

use crate::feed::{Feed, Opened};
use crate::problem::{Problem, Result};

/// What is said of a feed or a dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub state: State,
    /// The newest time that a row has; of a dataset that is no feed, when its
    /// newest file was committed.
    pub newest: Option<Timestamp>,
    /// When its table changed last.
    pub committed: Option<Timestamp>,
    /// Time since the earlier of both.
    pub age_s: Option<i64>,
    pub stale_after_s: Option<u64>,
    pub rows: Option<u64>,
    /// Rows that came within the time that `expect_rows` says.
    pub rows_within: Option<u64>,
    /// Why it is unwell, where its times do not say so.
    pub detail: Option<String>,
    #[serde(skip)]
    pub rules: Rules,
}

/// Something that has a standing.
#[derive(Clone, Debug)]
pub struct Stood {
    pub dataset: DatasetName,
    /// The name of the feed that it is published as.
    pub feed: Option<String>,
    pub standing: Standing,
}

impl Stood {
    /// `feed` or `dataset`.
    pub fn kind(&self) -> &'static str {
        if self.feed.is_some() { "feed" } else { "dataset" }
    }

    /// What people call it.
    pub fn name(&self) -> String {
        self.feed.clone().unwrap_or_else(|| self.dataset.to_string())
    }
}

impl Standing {
    /// Whether somebody should look at it.
    pub fn is_unwell(&self) -> bool {
        self.state.is_unwell(self.rules)
    }

    /// Of a feed, by its newest version and the ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn of_feed(
        feed: &Feed,
        opened: &Result<Option<Arc<Opened>>>,
        store: Option<&Store>,
        now: Timestamp,
    ) -> Result<Self> {
        let opened = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Self::new(Known::default(), feed.rules, now)),
            Err(problem) => {
                let broken = Self::new(Known::default(), feed.rules, now);
                return Ok(Self { state: State::Broken, detail: Some(problem.detail.clone()), ..broken });
            }
        };
        let known = Known {
            newest: opened.files.iter().filter_map(|f| f.times).map(|(_, greatest)| greatest).max(),
            committed: opened.view.committed(),
            rows_within: rows_within(&feed.dataset, feed.rules, store, now).await?,
        };
        let rows = opened.files.iter().map(|f| f.n_rows).sum();
        Ok(Self { rows, ..Self::new(known, feed.rules, now) })
    }

    /// Of a dataset that is no feed, by the ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn of_dataset(dataset: &Dataset, store: &Store, now: Timestamp) -> Result<Self> {
        let filter = FileFilter {
            dataset: Some(dataset.name.clone()),
            state: Some(FileState::Committed),
            limit: Some(1),
            ..FileFilter::default()
        };
        let newest = store.files(&filter).await.map_err(ledger)?.pop().and_then(|f| f.committed_at);
        let newest = newest.and_then(|ms| Timestamp::from_millisecond(ms.0).ok());
        let known = Known {
            newest,
            committed: newest,
            rows_within: rows_within(&dataset.name, dataset.watch, Some(store), now).await?,
        };
        Ok(Self::new(known, dataset.watch, now))
    }

    fn new(known: Known, rules: Rules, now: Timestamp) -> Self {
        let state = known.state(rules, now);
        let detail = match (state, rules.rows, known.rows_within) {
            (State::Low | State::High, Some(expected), Some(n)) => {
                let bounds = match expected.at_most {
                    Some(most) => format!("{} to {most}", expected.at_least),
                    None => format!("{} or more", expected.at_least),
                };
                Some(format!("{n} rows came within {:?}; {bounds} are expected", expected.within))
            }
            _ => None,
        };
        Self {
            state,
            newest: known.newest.and_then(|t| Timestamp::from_second(t.as_second()).ok()),
            committed: known.committed,
            age_s: known.age(now).map(|age| age.as_secs()),
            stale_after_s: rules.stale_after.map(|d| d.as_secs()),
            rows: None,
            rows_within: known.rows_within,
            detail,
            rules,
        }
    }
}

async fn rows_within(
    dataset: &DatasetName,
    rules: Rules,
    store: Option<&Store>,
    now: Timestamp,
) -> Result<Option<u64>> {
    let (Some(expected), Some(store)) = (rules.rows, store) else { return Ok(None) };
    let within = SignedDuration::try_from(expected.within).unwrap_or(SignedDuration::MAX);
    let since = now.saturating_sub(within).unwrap_or(Timestamp::MIN);
    store.rows_since(dataset, Millis(since.as_millisecond())).await.map_err(ledger)
}

/// Everything that has a standing: published feeds, then the other datasets that
/// are watched.
///
/// # Errors
/// The ledger cannot be read.
pub(crate) async fn standings(
    feeds: &[Arc<Feed>],
    lake: &Lake,
    session: &Session,
    store: Option<&Store>,
) -> Result<Vec<Stood>> {
    let mut all = Vec::new();
    for feed in feeds {
        let opened = feed.open(session).await;
        let standing = Standing::of_feed(feed, &opened, store, Timestamp::now()).await?;
        all.push(Stood { dataset: feed.dataset.clone(), feed: Some(feed.name().to_string()), standing });
    }
    let Some(store) = store else { return Ok(all) };
    for dataset in lake.datasets.iter().filter(|d| d.watch.is_watched() && d.publish.is_none()) {
        let standing = Standing::of_dataset(dataset, store, Timestamp::now()).await?;
        all.push(Stood { dataset: dataset.name.clone(), feed: None, standing });
    }
    Ok(all)
}

/// Looks at the standings of a lake without serving it.
pub struct Watch {
    lake: Arc<Lake>,
    feeds: Vec<Arc<Feed>>,
    session: Session,
    store: Store,
}

impl Watch {
    /// `session` answers for the lake's tables.
    pub fn new(lake: Arc<Lake>, session: Session, store: Store) -> Self {
        Self { feeds: Feed::all(&lake, &[]), lake, session, store }
    }

    /// How everything stands that is published or watched.
    ///
    /// # Errors
    /// The ledger cannot be read; the sentence says why.
    pub async fn look(&self) -> Result<Vec<Stood>, String> {
        standings(&self.feeds, &self.lake, &self.session, Some(&self.store)).await.map_err(|p| p.detail)
    }
}

/// A ledger that cannot be read, as an answer.
pub fn ledger(e: lakegate_state::Error) -> Problem {
    tracing::warn!(error = %e, "the ledger cannot be read");
    Problem::busy("ledger", format!("the lake's ledger cannot be read: {e}"), 5)
}
