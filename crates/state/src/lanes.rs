//! Which files come next, and who may commit them.
//!
//! A lane is leased to one owner, who claims its open jobs in the order of
//! their seq. Nothing of a lease needs to be repaired after a kill: jobs stay
//! open until they are finished, parked or replaced, and a later claim begins
//! again at the first open one.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use lakegate_domain::{DatasetName, FileId, LaneName, Seq};
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::intern::parse_dataset;
use crate::raw::RawRef;
use crate::sqlite::{Connection, Row};
use crate::store::{Millis, Store, signed, unsigned};

/// A file and its place in a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub job_id: i64,
    pub file_id: FileId,
    pub seq: Seq,
    pub dataset: DatasetName,
    /// Relative to the landing folder, parted by `/`.
    pub path: String,
    pub landing: String,
    pub size_bytes: u64,
    pub mtime_ns: i64,
    pub landed_at: Millis,
    pub fingerprint: String,
    pub raw: RawRef,
    pub groups: Vec<(String, String)>,
    /// Attempts that have failed so far.
    pub attempts: u32,
    /// Every earlier file whose rows must go, oldest first. Some may have none:
    /// what was parked before it was committed.
    pub replaces: Vec<FileId>,
    /// A person has said that its few rows are right.
    pub accepted_volume: bool,
}

/// How much one claim takes; a single job may exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_files: u32,
    pub max_bytes: u64,
}

/// Consecutive jobs of a lane that is leased to us.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub lane: LaneName,
    pub dataset: DatasetName,
    pub owner: String,
    /// When the lease ends unless it is renewed.
    pub leased_until: Millis,
    /// At least one, in the order of their seq.
    pub jobs: Vec<Job>,
}

/// A lane with open jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneWork {
    pub lane: LaneName,
    pub dataset: DatasetName,
    pub n_files: u64,
    /// When its first job may be tried again; `None` is now.
    pub not_before: Option<Millis>,
}

/// What [`job_from_row`] reads; `f`, `p`, `z`, `d` are files, paths, zones and
/// datasets, `j` is a job.
pub(crate) const JOB_COLUMNS: &str = "j.job_id, f.file_id, j.seq, d.dataset, p.path, z.landing, f.size_bytes, \
    f.mtime_ns, f.landed_at, f.fingerprint, f.name_groups, j.attempts, j.accepted_volume, f.pack, f.pack_offset, \
    f.stored_bytes, f.method";
pub(crate) const JOB_JOINS: &str = "join files f on f.file_id = j.file_id join paths p on p.path_id = f.path_id \
    join zones z on z.zone_id = p.zone_id join datasets d on d.dataset_id = f.dataset_id";
pub(crate) const JOB_WIDTH: usize = 17;

pub(crate) fn job_from_row(row: &Row) -> Result<Job> {
    Ok(Job {
        job_id: row.try_get(0)?,
        file_id: FileId(row.try_get(1)?),
        seq: Seq(row.try_get(2)?),
        dataset: parse_dataset(row.try_get(3)?)?,
        path: row.try_get(4)?,
        landing: row.try_get(5)?,
        size_bytes: unsigned(row.try_get(6)?),
        mtime_ns: row.try_get(7)?,
        landed_at: Millis(row.try_get(8)?),
        fingerprint: row.try_get(9)?,
        groups: parse_groups(row.try_get(10)?)?,
        attempts: row.try_get(11)?,
        accepted_volume: row.try_get(12)?,
        raw: RawRef::from_row(row, 13)?,
        replaces: Vec::new(),
    })
}

pub(crate) fn parse_groups(json: &str) -> Result<Vec<(String, String)>> {
    serde_json::from_str(json)
        .map_err(|e| Error::corrupt(format!("the groups of a file are not readable ({e})")))
}

impl Store {
    /// The lanes that have open jobs, leased or not, by dataset.
    pub async fn lanes_with_work(&self, now: Millis) -> Result<Vec<LaneWork>> {
        let rows = sqlx::query(
            "select l.lane, d.dataset, w.n, (select j.not_before from jobs j where j.lane_id = l.lane_id \
             and j.open = 1 order by j.seq limit 1) \
             from (select lane_id, count(*) as n from jobs where open = 1 group by lane_id) w \
             join lanes l on l.lane_id = w.lane_id join datasets d on d.dataset_id = l.dataset_id order by d.dataset",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let not_before = Millis(row.try_get(3)?);
                Ok(LaneWork {
                    lane: LaneName(row.try_get(0)?),
                    dataset: parse_dataset(row.try_get(1)?)?,
                    n_files: unsigned(row.try_get(2)?),
                    not_before: (not_before > now).then_some(not_before),
                })
            })
            .collect()
    }

    /// The last seq that the lane has handed out; 0 where it has handed out none.
    pub async fn last_seq(&self, lane: &LaneName) -> Result<Seq> {
        let row = sqlx::query("select last_seq from lanes where lane = ?")
            .bind(&lane.0)
            .fetch_optional(self.readers())
            .await?;
        Ok(Seq(row.map(|r| r.try_get(0)).transpose()?.unwrap_or(0)))
    }

    /// The files of the lane's open jobs with a seq from `from` to `to`: where a
    /// table's token is `to`, it holds their rows although they are not finished.
    pub async fn open_files(&self, lane: &LaneName, from: Seq, to: Seq) -> Result<Vec<FileId>> {
        let rows = sqlx::query(
            "select j.file_id from jobs j join lanes l on l.lane_id = j.lane_id \
             where l.lane = ? and j.open = 1 and j.seq between ? and ? order by j.seq",
        )
        .bind(&lane.0)
        .bind(from.0)
        .bind(to.0)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok(FileId(row.try_get(0)?))).collect()
    }

    /// Takes the lane's lease, if it is free, has ended or is ours already, and
    /// its next jobs. `None` if someone else holds it, if nothing is open, or if
    /// the first job may not be tried yet; nothing is changed then.
    ///
    /// The batch ends
    /// - at the limits, but holds at least one job;
    /// - before a job whose time has not come;
    /// - before a job that replaces a file of the batch: its rows must be in the
    ///   tables before they can be taken out;
    /// - around a job that has failed before, which is claimed alone so that a
    ///   poisonous file holds up no other.
    pub async fn claim(
        &self,
        lane: &LaneName,
        owner: &str,
        limits: Limits,
        lease_ms: i64,
        now: Millis,
    ) -> Result<Option<Claim>> {
        let mut tx = self.write().await?;
        let found = sqlx::query(
            "select l.lane_id, l.dataset_id, d.dataset, l.owner, l.leased_until from lanes l \
             join datasets d on d.dataset_id = l.dataset_id where l.lane = ?",
        )
        .bind(&lane.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let (lane_id, dataset_id): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let holder: Option<String> = row.try_get(3)?;
        let until: Option<i64> = row.try_get(4)?;
        if holder.is_some_and(|h| h != owner) && until.is_some_and(|u| u > now.0) {
            return Ok(None);
        }
        let jobs = next_jobs(&mut tx, lane_id, limits, now).await?;
        if jobs.is_empty() {
            return Ok(None);
        }
        let leased_until = now.plus(lease_ms);
        sqlx::query("update lanes set owner = ?, leased_until = ? where lane_id = ?")
            .bind(owner)
            .bind(leased_until.0)
            .bind(lane_id)
            .execute(&mut *tx)
            .await?;
        requeue_leased(&mut tx, dataset_id, now).await?;
        bulk::execute(
            &mut tx,
            "with v (file_id, since) as (values $rows) update files set state = 'leased', since = v.since from v \
             where files.file_id = v.file_id",
            2,
            &jobs,
            |b, job| {
                b.put(job.file_id.0).put(now.0);
            },
        )
        .await?;
        tx.commit().await?;
        Ok(Some(Claim {
            lane: lane.clone(),
            dataset: parse_dataset(row.try_get(2)?)?,
            owner: owner.to_string(),
            leased_until,
            jobs,
        }))
    }

    /// Prolongs our lease; `false` if the lane is no longer ours.
    pub async fn renew(&self, lane: &LaneName, owner: &str, lease_ms: i64, now: Millis) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = sqlx::query("update lanes set leased_until = ? where lane = ? and owner = ?")
            .bind(now.plus(lease_ms).0)
            .bind(&lane.0)
            .bind(owner)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives the lane back. Its leased jobs are queued again; no attempt is
    /// counted. Nothing happens if the lane is not ours.
    pub async fn release(&self, lane: &LaneName, owner: &str, now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "update lanes set owner = null, leased_until = null where lane = ? and owner = ? returning dataset_id",
        )
        .bind(&lane.0)
        .bind(owner)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = row {
            requeue_leased(&mut tx, row.try_get(0)?, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Called by the one process that holds the lake's lock, before it works:
    /// every lease of another owner ends, its files are queued again, and runs
    /// that nobody will end are marked interrupted.
    pub async fn take_over(&self, owner: &str, now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "update lanes set owner = null, leased_until = null where owner is not null and owner <> ? \
             returning dataset_id",
        )
        .bind(owner)
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            requeue_leased(&mut tx, row.try_get(0)?, now).await?;
        }
        sqlx::query("update runs set status = 'interrupted', ended_at = ? where status = 'running'")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

/// The lane's next batch, by the rules of [`Store::claim`].
async fn next_jobs(conn: &mut Connection, lane_id: i64, limits: Limits, now: Millis) -> Result<Vec<Job>> {
    let sql = format!(
        "select {JOB_COLUMNS}, j.not_before, f.replaces from jobs j {JOB_JOINS} \
         where j.lane_id = ? and j.open = 1 order by j.seq limit ?"
    );
    let mut jobs: Vec<Job> = Vec::new();
    let mut replacing: Vec<FileId> = Vec::new();
    {
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(lane_id)
            .bind(i64::from(limits.max_files.max(1)))
            .fetch(&mut *conn);
        let mut bytes = 0_u64;
        while let Some(row) = rows.try_next().await? {
            let job = job_from_row(&row)?;
            bytes = bytes.saturating_add(job.size_bytes);
            if row.try_get::<i64, _>(JOB_WIDTH)? > now.0 {
                break;
            }
            if !jobs.is_empty() && (bytes > limits.max_bytes || job.attempts > 0) {
                break;
            }
            let alone = job.attempts > 0;
            if row.try_get(JOB_WIDTH + 1)? {
                replacing.push(job.file_id);
            }
            jobs.push(job);
            if alone {
                break;
            }
        }
    }
    let mut replaced = replaced_files(conn, &replacing).await?;
    let mut batch = HashSet::new();
    let mut length = 0;
    for job in &mut jobs {
        job.replaces = replaced.remove(&job.file_id).unwrap_or_default();
        if job.replaces.iter().any(|earlier| batch.contains(earlier)) {
            break;
        }
        batch.insert(job.file_id);
        length += 1;
    }
    jobs.truncate(length);
    Ok(jobs)
}

/// The earlier live files of the paths of `files`, which replace them.
pub(crate) async fn replaced_files(
    conn: &mut Connection,
    files: &[FileId],
) -> Result<HashMap<FileId, Vec<FileId>>> {
    let rows = bulk::fetch(
        conn,
        "with v (file_id) as (values $rows) select f.file_id, e.file_id from v \
         left join files f on f.file_id = v.file_id \
         left join files e on e.path_id = f.path_id and e.live = 1 \
         where e.dataset_id = f.dataset_id and e.file_id < f.file_id order by f.file_id, e.file_id",
        1,
        files,
        |b, file_id| {
            b.put(file_id.0);
        },
    )
    .await?;
    let mut replaced: HashMap<FileId, Vec<FileId>> = HashMap::new();
    for row in rows {
        replaced.entry(FileId(row.try_get(0)?)).or_default().push(FileId(row.try_get(1)?));
    }
    Ok(replaced)
}

/// Ends the leased state of a dataset's files.
async fn requeue_leased(conn: &mut Connection, dataset_id: i64, now: Millis) -> Result<()> {
    sqlx::query("update files set state = 'queued', since = ? where dataset_id = ? and state = 'leased'")
        .bind(now.0)
        .bind(dataset_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Fails unless the lane is leased to `owner`. A lease that has ended but that
/// nobody has taken is still ours. Returns the lane's number.
pub(crate) async fn held(conn: &mut Connection, lane: &LaneName, owner: &str) -> Result<i64> {
    let row = sqlx::query("select lane_id, owner from lanes where lane = ?")
        .bind(&lane.0)
        .fetch_optional(conn)
        .await?;
    let lost = |holder| Error::LeaseLost { lane: lane.clone(), owner: owner.to_string(), holder };
    let Some(row) = row else { return Err(lost(None)) };
    let holder: Option<String> = row.try_get(1)?;
    if holder.as_deref() == Some(owner) { Ok(row.try_get(0)?) } else { Err(lost(holder)) }
}

/// Limits that a number of rows may not exceed in one statement.
pub(crate) fn row_limit(limit: Option<u32>) -> i64 {
    limit.map_or(i64::MAX, |n| signed(n.into()))
}
