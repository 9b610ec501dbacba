//! What becomes of duplicates whose original is replaced.
//!
//! A duplicate is not loaded because its bytes are in the tables already. When
//! the file that brought them is replaced, they are not there any more, and
//! somebody else has to bring them: else bytes that a landed name still shows
//! would be in no table.
//!
//! | of the gone file's bytes, in its dataset          | its duplicates                |
//! |---------------------------------------------------|-------------------------------|
//! | another file is live                              | are that one's                |
//! | none is live, a duplicate's path stands for it    | the earliest such is queued; the others are its |
//! | none is live, no duplicate's path stands for it   | stay as they are              |

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use lakegate_domain::LaneName;
use sqlx::Row as _;

use crate::bulk;
use crate::error::Result;
use crate::intern::{self, Ids, parse_dataset};
use crate::sqlite::Connection;
use crate::store::Millis;

/// A duplicate of a file that has gone.
struct Orphan {
    file_id: i64,
    dataset_id: i64,
    dataset: String,
    fingerprint: String,
    /// Its path shows its bytes, as far as the ledger knows.
    stands: bool,
    /// Another live file with its bytes.
    live: Option<i64>,
}

struct Revived {
    file_id: i64,
    job_id: i64,
    lane_id: i64,
    seq: i64,
}

/// Finds a new original for the duplicates of the files `gone`, which are no
/// longer live; by this module's table.
pub(crate) async fn succeed(conn: &mut Connection, gone: &[i64], now: Millis) -> Result<()> {
    let orphans = orphans(conn, gone).await?;
    if orphans.is_empty() {
        return Ok(());
    }
    // By dataset and bytes: the file that brings them from now on.
    let mut originals: HashMap<(i64, &str), i64> = HashMap::new();
    let mut revived: Vec<Revived> = Vec::new();
    let mut lanes: HashMap<i64, (i64, i64)> = HashMap::new();
    let mut job_ids = Ids::begin(conn, "job").await?;
    for orphan in &orphans {
        let key = (orphan.dataset_id, orphan.fingerprint.as_str());
        if originals.contains_key(&key) {
            continue;
        }
        if let Some(live) = orphan.live {
            originals.insert(key, live);
        } else if orphan.stands {
            let (lane_id, last_seq) = match lanes.entry(orphan.dataset_id) {
                Entry::Occupied(lane) => lane.into_mut(),
                Entry::Vacant(lane) => {
                    let name = LaneName::ingest(&parse_dataset(&orphan.dataset)?);
                    lane.insert(intern::lane(conn, orphan.dataset_id, &name).await?)
                }
            };
            *last_seq += 1;
            originals.insert(key, orphan.file_id);
            revived.push(Revived {
                file_id: orphan.file_id,
                job_id: job_ids.next(),
                lane_id: *lane_id,
                seq: *last_seq,
            });
        }
    }
    let others: Vec<(i64, i64)> = orphans
        .iter()
        .filter_map(|o| Some((o.file_id, *originals.get(&(o.dataset_id, o.fingerprint.as_str()))?)))
        .filter(|(file_id, original)| file_id != original)
        .collect();
    bulk::execute(
        conn,
        "with v (file_id, of_file_id) as (values $rows) update files set of_file_id = v.of_file_id from v \
         where files.file_id = v.file_id",
        2,
        &others,
        |b, (file_id, original)| {
            b.put(*file_id).put(*original);
        },
    )
    .await?;
    bulk::execute(
        conn,
        "insert into jobs (job_id, file_id, lane_id, seq, open, attempts, not_before, accepted_volume, \
         queued_at) values $rows",
        9,
        &revived,
        |b, r| {
            b.put(r.job_id).put(r.file_id).put(r.lane_id).put(r.seq);
            b.put(1_i64).put(0_i64).put(0_i64).put(0_i64).put(now.0);
        },
    )
    .await?;
    bulk::execute(
        conn,
        "with v (file_id, job_id, seq, since) as (values $rows) update files set state = 'queued', live = 1, \
         of_file_id = null, job_id = v.job_id, seq = v.seq, since = v.since from v \
         where files.file_id = v.file_id",
        4,
        &revived,
        |b, r| {
            b.put(r.file_id).put(r.job_id).put(r.seq).put(now.0);
        },
    )
    .await?;
    for (lane_id, last_seq) in lanes.into_values() {
        intern::set_last_seq(conn, lane_id, last_seq).await?;
    }
    job_ids.end(conn).await
}

/// The duplicates of files, oldest first.
async fn orphans(conn: &mut Connection, gone: &[i64]) -> Result<Vec<Orphan>> {
    let rows = bulk::fetch(
        conn,
        "with v (file_id) as (values $rows) \
         select f.file_id, f.dataset_id, d.dataset, f.fingerprint, p.latest_file_id = f.file_id, \
         (select l.file_id from files l where l.dataset_id = f.dataset_id \
          and l.fingerprint_key = f.fingerprint_key and l.live = 1 and l.fingerprint = f.fingerprint \
          order by l.file_id limit 1) \
         from v join files f on f.of_file_id = v.file_id and f.state = 'duplicate' \
         join paths p on p.path_id = f.path_id join datasets d on d.dataset_id = f.dataset_id",
        1,
        gone,
        |b, file_id| {
            b.put(*file_id);
        },
    )
    .await?;
    let mut orphans = Vec::with_capacity(rows.len());
    for row in rows {
        orphans.push(Orphan {
            file_id: row.try_get(0)?,
            dataset_id: row.try_get(1)?,
            dataset: row.try_get(2)?,
            fingerprint: row.try_get(3)?,
            stands: row.try_get(4)?,
            live: row.try_get(5)?,
        });
    }
    orphans.sort_unstable_by_key(|o| o.file_id);
    Ok(orphans)
}
