//! The files that wait for a person, and sending them again.

use lakegate_domain::{Code, DatasetName, FileId, LaneName};
use serde::Serialize;
use sqlx::{QueryBuilder, Row as _};

use crate::bulk;
use crate::error::Result;
use crate::files::{parse_code, push_ids, push_name};
use crate::intern::{self, Ids, parse_dataset};
use crate::sqlite::{Connection, Db};
use crate::store::{Millis, Store, unsigned};

/// Which parked files. Conditions narrow each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub file_ids: Vec<FileId>,
    pub dataset: Option<DatasetName>,
    pub code: Option<Code>,
    /// As in [`crate::FileFilter::name_like`].
    pub name_like: Option<String>,
    /// Needed to redrive without any condition.
    pub all: bool,
}

impl Filter {
    fn is_unconditional(&self) -> bool {
        self.file_ids.is_empty() && self.dataset.is_none() && self.code.is_none() && self.name_like.is_none()
    }
}

/// A file that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParkedFile {
    pub file_id: FileId,
    pub dataset: DatasetName,
    pub landing: String,
    pub path: String,
    pub size_bytes: u64,
    pub landed_at: Millis,
    pub code: Code,
    pub message: String,
    /// Attempts that have failed, the last one included.
    pub attempts: u32,
    pub parked_at: Millis,
    /// The bytes are no longer kept: it can only be landed again.
    pub raw_gone: bool,
}

/// A parked file to be queued again.
struct Redriven {
    file_id: i64,
    dataset_id: i64,
    job_id: i64,
    lane_id: i64,
    seq: i64,
}

impl Store {
    /// The parked files that pass the filter, in the order of their datasets
    /// and seqs; all of them if it has no condition.
    pub async fn parked(&self, filter: &Filter) -> Result<Vec<ParkedFile>> {
        let mut query = QueryBuilder::<Db>::new(
            "select f.file_id, d.dataset, z.landing, p.path, f.size_bytes, f.landed_at, e.code, e.message, \
             j.attempts, f.since, f.raw_gone",
        );
        push_parked(&mut query, filter);
        let rows = query.build().persistent(false).fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(ParkedFile {
                    file_id: FileId(row.try_get(0)?),
                    dataset: parse_dataset(row.try_get(1)?)?,
                    landing: row.try_get(2)?,
                    path: row.try_get(3)?,
                    size_bytes: unsigned(row.try_get(4)?),
                    landed_at: Millis(row.try_get(5)?),
                    code: parse_code(row.try_get(6)?)?,
                    message: row.try_get(7)?,
                    attempts: row.try_get(8)?,
                    parked_at: Millis(row.try_get(9)?),
                    raw_gone: row.try_get(10)?,
                })
            })
            .collect()
    }

    /// Sends parked files again, as they are: each gets a new job without
    /// attempts, at the end of its lane. A filter without any condition selects
    /// nothing unless it says `all`. With `accept_volume` a person says that
    /// few rows are right.
    pub async fn redrive(&self, filter: &Filter, accept_volume: bool, now: Millis) -> Result<Vec<FileId>> {
        if filter.is_unconditional() && !filter.all {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let redriven = requeue(&mut tx, filter, accept_volume, now).await?;
        tx.commit().await?;
        Ok(redriven)
    }
}

/// Gives the parked files that pass the filter new jobs, inside a transaction.
pub(crate) async fn requeue(
    conn: &mut Connection,
    filter: &Filter,
    accept_volume: bool,
    now: Millis,
) -> Result<Vec<FileId>> {
    let redriven = choose(conn, filter).await?;
    bulk::execute(
        conn,
        "insert into jobs (job_id, file_id, lane_id, seq, open, attempts, not_before, accepted_volume, \
             queued_at) values $rows",
        9,
        &redriven,
        |b, r| {
            b.put(r.job_id).put(r.file_id).put(r.lane_id).put(r.seq);
            b.put(1_i64).put(0_i64).put(0_i64).put(i64::from(accept_volume)).put(now.0);
        },
    )
    .await?;
    bulk::execute(
        conn,
        "with v (file_id, job_id, seq, since) as (values $rows) update files set state = 'queued', \
             job_id = v.job_id, seq = v.seq, since = v.since, failure_id = null, run_id = null from v \
             where files.file_id = v.file_id",
        4,
        &redriven,
        |b, r| {
            b.put(r.file_id).put(r.job_id).put(r.seq).put(now.0);
        },
    )
    .await?;
    Ok(redriven.into_iter().map(|r| FileId(r.file_id)).collect())
}

/// The rest of a query over parked files, from `from` on.
fn push_parked(query: &mut QueryBuilder<Db>, filter: &Filter) {
    query.push(
        " from datasets d join files f on f.dataset_id = d.dataset_id and f.state = 'parked' \
         join paths p on p.path_id = f.path_id join zones z on z.zone_id = p.zone_id \
         join jobs j on j.job_id = f.job_id join failures e on e.failure_id = f.failure_id where true",
    );
    push_ids(query, &filter.file_ids);
    if let Some(dataset) = &filter.dataset {
        query.push(" and d.dataset = ").push_bind(dataset.to_string());
    }
    if let Some(code) = filter.code {
        query.push(" and e.code = ").push_bind(code.id());
    }
    if let Some(name) = &filter.name_like {
        push_name(query, name);
    }
    query.push(" order by d.dataset, f.seq");
}

/// The parked files to send again, with their new places.
async fn choose(conn: &mut Connection, filter: &Filter) -> Result<Vec<Redriven>> {
    let mut query = QueryBuilder::<Db>::new("select f.file_id, d.dataset_id, d.dataset");
    push_parked(&mut query, filter);
    let rows = query.build().persistent(false).fetch_all(&mut *conn).await?;
    let mut job_ids = Ids::begin(conn, "job").await?;
    let mut redriven: Vec<Redriven> = Vec::with_capacity(rows.len());
    let mut lane = None;
    for row in &rows {
        let dataset_id: i64 = row.try_get(1)?;
        // Rows come by dataset: at most one lane is in hand at a time.
        let (lane_id, last_seq) = match lane {
            Some((of, lane_id, last_seq)) if of == dataset_id => (lane_id, last_seq),
            _ => intern::lane(conn, dataset_id, &LaneName::ingest(&parse_dataset(row.try_get(2)?)?)).await?,
        };
        let seq = last_seq + 1;
        lane = Some((dataset_id, lane_id, seq));
        redriven.push(Redriven {
            file_id: row.try_get(0)?,
            dataset_id,
            job_id: job_ids.next(),
            lane_id,
            seq,
        });
    }
    for (i, r) in redriven.iter().enumerate() {
        if redriven.get(i + 1).is_none_or(|next| next.dataset_id != r.dataset_id) {
            intern::set_last_seq(conn, r.lane_id, r.seq).await?;
        }
    }
    job_ids.end(conn).await?;
    Ok(redriven)
}
