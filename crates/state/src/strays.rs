//! What lies in a zone and goes nowhere: no dataset takes it, several would, or
//! it cannot be read. The ledger keeps the last listing's.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::intern;
use crate::store::{Millis, Store, signed, unsigned};

/// Why a file goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrayReason {
    /// No route takes its name.
    Unmatched,
    /// Several datasets' routes do.
    Ambiguous,
    /// Its bytes cannot be read.
    Unreadable,
}

impl StrayReason {
    pub fn name(self) -> &'static str {
        match self {
            StrayReason::Unmatched => "unmatched",
            StrayReason::Ambiguous => "ambiguous",
            StrayReason::Unreadable => "unreadable",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unmatched, Self::Ambiguous, Self::Unreadable].into_iter().find(|r| r.name() == text)
    }
}

/// A file that goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Relative to the landing folder, parted by `/`.
    pub path: String,
    pub reason: StrayReason,
    /// For people: the nearest datasets, the competing ones, the error.
    pub detail: String,
    pub size_bytes: u64,
}

/// A stray in its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayRow {
    pub landing: String,
    pub stray: Stray,
    /// Since when it has gone nowhere for this reason.
    pub since: Millis,
}

impl Store {
    /// Says what the zone's strays are now. If they are what they were, nothing
    /// is written, so that a quiet zone costs nothing however often it is
    /// listed. The last of two with one path counts.
    pub async fn strays(&self, landing: &str, strays: &[Stray], now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let zone_id = match intern::find_zone(&mut tx, landing).await? {
            Some(zone_id) => zone_id,
            None if strays.is_empty() => return Ok(()),
            None => intern::zone(&mut tx, landing).await?,
        };
        let rows = sqlx::query("select path, reason, detail, size_bytes from strays where zone_id = ?")
            .bind(zone_id)
            .fetch_all(&mut *tx)
            .await?;
        let mut before: HashMap<String, Stray> = HashMap::with_capacity(rows.len());
        for row in rows {
            let stray = Stray {
                path: row.try_get(0)?,
                reason: parse_reason(row.try_get(1)?)?,
                detail: row.try_get(2)?,
                size_bytes: unsigned(row.try_get(3)?),
            };
            before.insert(stray.path.clone(), stray);
        }
        let after: HashMap<&str, &Stray> = strays.iter().map(|s| (s.path.as_str(), s)).collect();
        let mut gone: Vec<&str> =
            before.keys().map(String::as_str).filter(|p| !after.contains_key(p)).collect();
        let mut changed: Vec<&Stray> =
            after.values().copied().filter(|s| before.get(&s.path) != Some(s)).collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        gone.sort_unstable();
        changed.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        bulk::execute(
            &mut tx,
            "with v (zone_id, path) as (values $rows) delete from strays \
             where (zone_id, path) in (select zone_id, path from v)",
            2,
            &gone,
            |b, path| {
                b.put(zone_id).put(*path);
            },
        )
        .await?;
        bulk::execute(
            &mut tx,
            "insert into strays (zone_id, path, reason, detail, size_bytes, since) values $rows \
             on conflict (zone_id, path) do update set detail = excluded.detail, \
             size_bytes = excluded.size_bytes, reason = excluded.reason, \
             since = case when strays.reason = excluded.reason then strays.since else excluded.since end",
            6,
            &changed,
            |b, s| {
                b.put(zone_id).put(s.path.as_str()).put(s.reason.name());
                b.put(s.detail.as_str()).put(signed(s.size_bytes)).put(now.0);
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// Every stray, by zone and path.
    pub async fn list_strays(&self) -> Result<Vec<StrayRow>> {
        let rows = sqlx::query(
            "select z.landing, s.path, s.reason, s.detail, s.size_bytes, s.since from strays s \
             join zones z on z.zone_id = s.zone_id order by z.landing, s.path",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StrayRow {
                    landing: row.try_get(0)?,
                    stray: Stray {
                        path: row.try_get(1)?,
                        reason: parse_reason(row.try_get(2)?)?,
                        detail: row.try_get(3)?,
                        size_bytes: unsigned(row.try_get(4)?),
                    },
                    since: Millis(row.try_get(5)?),
                })
            })
            .collect()
    }
}

fn parse_reason(text: &str) -> Result<StrayReason> {
    StrayReason::parse(text).ok_or_else(|| Error::corrupt(format!("`{text}` is not a reason to stray")))
}
