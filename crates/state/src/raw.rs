//! Where the bytes of files are kept, for the upkeep of the raw store.

use lakegate_domain::FileId;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::bulk;
use crate::error::Result;
use crate::sqlite::Row;
use crate::store::{Millis, Store, signed, unsigned};

/// Where a file's bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRef {
    /// Relative to the raw store.
    pub pack: String,
    /// Where in the pack the stored bytes begin.
    pub offset: u64,
    /// Their number as they are stored, compressed or not.
    pub stored_bytes: u64,
    /// `stored`, `deflate`, or `whole`: the pack file is the file.
    pub method: String,
}

impl RawRef {
    /// Reads `pack, pack_offset, stored_bytes, method` from column `at` on.
    pub(crate) fn from_row(row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            pack: row.try_get(at)?,
            offset: unsigned(row.try_get(at + 1)?),
            stored_bytes: unsigned(row.try_get(at + 2)?),
            method: row.try_get(at + 3)?,
        })
    }
}

/// A file whose bytes are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RawEntry {
    pub file_id: FileId,
    pub raw: RawRef,
}

/// A file of the raw store that holds bytes of known files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPack {
    pub pack: String,
    pub n_files: u64,
    /// When the newest of its files landed.
    pub newest_landed_at: Millis,
    /// Whether one of its files is still to be worked on, by Lakegate or a person.
    pub has_unsettled: bool,
}

impl Store {
    /// The files of the raw store that hold bytes of known files.
    pub async fn raw_packs(&self) -> Result<Vec<RawPack>> {
        let rows = sqlx::query(
            "select pack, count(*), max(landed_at), max(state in ('queued', 'leased', 'parked')) from files \
             where raw_gone = 0 group by pack order by pack",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(RawPack {
                    pack: row.try_get(0)?,
                    n_files: unsigned(row.try_get(1)?),
                    newest_landed_at: Millis(row.try_get(2)?),
                    has_unsettled: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// The files whose bytes are kept in these files of the raw store, oldest
    /// first. Files may share bytes.
    pub async fn raw_in(&self, packs: &[String]) -> Result<Vec<RawEntry>> {
        let mut tx = self.read().await?;
        let rows = bulk::fetch(
            &mut tx,
            "with v (pack) as (values $rows) select f.file_id, f.pack, f.pack_offset, f.stored_bytes, f.method \
             from files f join v on v.pack = f.pack where f.raw_gone = 0",
            1,
            packs,
            |b, pack| {
                b.put(pack.as_str());
            },
        )
        .await?;
        let entry =
            |row: &Row| Ok(RawEntry { file_id: FileId(row.try_get(0)?), raw: RawRef::from_row(row, 1)? });
        let mut entries = rows.iter().map(entry).collect::<Result<Vec<RawEntry>>>()?;
        entries.sort_by_key(|e| e.file_id);
        Ok(entries)
    }

    /// The bytes of these files have been copied elsewhere; once this returns
    /// nothing refers to the old places.
    pub async fn move_raw(&self, moves: &[(FileId, RawRef)]) -> Result<()> {
        if moves.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        bulk::execute(
            &mut tx,
            "with v (file_id, pack, pack_offset, stored_bytes, method) as (values $rows) \
             update files set pack = v.pack, pack_offset = v.pack_offset, stored_bytes = v.stored_bytes, \
             method = v.method, raw_gone = 0 from v where files.file_id = v.file_id",
            5,
            moves,
            |b, (file_id, raw)| {
                b.put(file_id.0).put(raw.pack.as_str()).put(signed(raw.offset));
                b.put(signed(raw.stored_bytes)).put(raw.method.as_str());
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// The bytes of these files are no longer kept: their retention has ended.
    pub async fn raw_gone(&self, files: &[FileId]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        bulk::execute(
            &mut tx,
            "with v (file_id) as (values $rows) update files set raw_gone = 1 from v \
             where files.file_id = v.file_id",
            1,
            files,
            |b, file_id| {
                b.put(file_id.0);
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }
}
