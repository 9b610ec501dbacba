//! Is this file new, and what follows: the ledger of names and fingerprints.
//!
//! A *path* is a name within its zone (a landing folder). It stands for its
//! latest file; what a sighting of it means is decided per path:
//!
//! | the path                                   | `on_change` | answer |
//! |--------------------------------------------|-------------|--------|
//! | new, its bytes are live in the dataset     | (`same_bytes: duplicate`) | duplicate |
//! | new, otherwise                             |             | queued |
//! | known, the bytes of its latest file        |             | touched |
//! | known, the bytes that were ignored before  | `ignore`    | touched |
//! | known, other bytes, its latest file parked | `ignore`    | as for `replace`: nothing was loaded that could stay |
//! | known, other bytes                         | `ignore`    | ignored |
//! | known, other bytes                         | `append`    | queued |
//! | known, other bytes                         | `replace`   | queued; earlier files of the path go when it is committed, parked ones at once |
//!
//! *Live* is a file that is queued, leased, committed or parked. A path whose
//! latest file belongs to another dataset (its route has changed) is new to
//! this one, unless this one still holds an earlier file of it and replaces.
//! When a file is replaced, one of its duplicates takes its place: see
//! `originals`.
//!
//! Landing a file again also brings its bytes again: a touched file's are kept
//! where they were received last, and a duplicate gives its own to an original
//! that is parked or whose bytes are no longer kept. A file that was parked for
//! want of its bytes (LG204) is queued again then, and is not known as long as
//! it is parked: if it still lies there, it is read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lakegate_domain::job::FileState;
use lakegate_domain::model::{OnChange, SameBytes};
use lakegate_domain::{Code, DatasetName, FileId, LaneName, Seq};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::bulk;
use crate::error::Result;
use crate::intern::{self, Ids, parse_dataset};
use crate::originals;
use crate::parked::{Filter, requeue};
use crate::raw::RawRef;
use crate::sqlite::Connection;
use crate::store::{Millis, Store, signed, unsigned};

/// What a listing of a zone says of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Relative to the landing folder, parted by `/`.
    pub path: String,
    pub size_bytes: u64,
    pub mtime_ns: i64,
}

/// What a zone's name was like when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub size_bytes: u64,
    pub mtime_ns: i64,
    /// The file whose bytes were seen: for a change that was ignored, the
    /// ignored file.
    pub file_id: FileId,
    /// The dataset that took it.
    pub dataset: Arc<DatasetName>,
}

/// A file whose bytes are safe in the raw store and whose dataset is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    pub dataset: DatasetName,
    /// The landing folder: the zone's name in the ledger.
    pub landing: String,
    pub sighting: Sighting,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub fingerprint: String,
    pub raw: RawRef,
    /// The named groups of the route, in its order, with what they captured.
    pub groups: Vec<(String, String)>,
    pub on_change: OnChange,
    pub same_bytes: SameBytes,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A new file with its place in the lane.
    Queued { file_id: FileId, seq: Seq },
    /// The bytes are known under this name; only size and time were noted.
    Touched { file_id: FileId },
    /// The bytes are known under another name.
    Duplicate { file_id: FileId, of: FileId },
    /// The name has changed and the dataset ignores that; `of` is the file that
    /// the name still stands for.
    Ignored { file_id: FileId, of: FileId },
}

/// A file as far as comparing needs it.
#[derive(Clone)]
struct Seen {
    file_id: i64,
    dataset_id: i64,
    fingerprint: String,
    /// The file that waits for a person: this one, or the one that it is a
    /// duplicate of.
    parked: Option<i64>,
}

struct Path {
    path_id: i64,
    latest: Seen,
    seen: Seen,
    /// Index of the arrival that gives the path's size and time.
    sighted: Option<usize>,
}

struct NewFile {
    arrival: usize,
    file_id: i64,
    dataset_id: i64,
    path_id: i64,
    state: FileState,
    replaces: bool,
    of: Option<i64>,
    job: Option<NewJob>,
}

#[derive(Clone, Copy)]
struct NewJob {
    job_id: i64,
    lane_id: i64,
    seq: i64,
}

impl Store {
    /// Every name that the zone has shown, as it was last seen; without those
    /// that wait for their bytes.
    pub async fn known(&self, landing: &str) -> Result<HashMap<String, Known>> {
        let rows = sqlx::query(
            "select p.path, p.size_bytes, p.mtime_ns, p.seen_file_id, d.dataset from paths p \
             join zones z on z.zone_id = p.zone_id join files f on f.file_id = p.seen_file_id \
             join datasets d on d.dataset_id = f.dataset_id left join failures e on e.failure_id = f.failure_id \
             where z.landing = ? and not (f.state = 'parked' and coalesce(e.code, '') = ?)",
        )
        .bind(landing)
        .bind(Code::RawMissing.id())
        .fetch_all(self.readers())
        .await?;
        let mut known = HashMap::with_capacity(rows.len());
        // One name for all the files of a dataset: there may be millions.
        let mut datasets: HashMap<String, Arc<DatasetName>> = HashMap::new();
        for row in rows {
            let dataset: &str = row.try_get(4)?;
            let dataset = match datasets.get(dataset) {
                Some(name) => name.clone(),
                None => {
                    let name = Arc::new(parse_dataset(dataset)?);
                    datasets.insert(dataset.to_string(), name.clone());
                    name
                }
            };
            let entry = Known {
                size_bytes: unsigned(row.try_get(1)?),
                mtime_ns: row.try_get(2)?,
                file_id: FileId(row.try_get(3)?),
                dataset,
            };
            known.insert(row.try_get(0)?, entry);
        }
        Ok(known)
    }

    /// Takes files into the ledger and says, in order, what became of each. The
    /// rules are this module's table; arrivals of one call see each other as if
    /// each had its own. Up to a thousand a call is a good measure.
    pub async fn accept(&self, arrivals: &[Arrival], now: Millis) -> Result<Vec<Accepted>> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let mut desk = Desk::open(&mut tx, arrivals).await?;
        let mut answers = Vec::with_capacity(arrivals.len());
        for index in 0..arrivals.len() {
            answers.push(desk.take(&mut tx, index).await?);
        }
        desk.close(&mut tx, now).await?;
        tx.commit().await?;
        Ok(answers)
    }
}

/// What one `accept` has looked up and decided so far.
struct Desk<'a> {
    arrivals: &'a [Arrival],
    zones: HashMap<&'a str, i64>,
    datasets: HashMap<&'a DatasetName, i64>,
    /// Lane and last seq by dataset.
    lanes: HashMap<i64, (i64, i64)>,
    paths: HashMap<(i64, &'a str), Path>,
    /// By arrival: the earliest live file with its bytes, before this call.
    originals: HashMap<usize, i64>,
    /// The first live file of this call with these bytes.
    new_originals: HashMap<(i64, &'a str), i64>,
    /// Live files by path and dataset, and whether they are parked.
    earlier: HashMap<(i64, i64), Vec<(i64, bool)>>,
    /// Parked files that a file of this call replaces, with that file.
    replaced: Vec<(i64, i64)>,
    replaced_ids: HashSet<i64>,
    /// Files whose bytes this call brings again, with the arrival that does, and
    /// whether the new place counts even where the old one may be good.
    brought: Vec<(i64, usize, bool)>,
    files: Vec<NewFile>,
    file_ids: Ids,
    path_ids: Ids,
    job_ids: Ids,
}

impl<'a> Desk<'a> {
    async fn open(conn: &mut Connection, arrivals: &'a [Arrival]) -> Result<Self> {
        let mut desk = Self {
            arrivals,
            zones: HashMap::new(),
            datasets: HashMap::new(),
            lanes: HashMap::new(),
            paths: HashMap::new(),
            originals: HashMap::new(),
            new_originals: HashMap::new(),
            earlier: HashMap::new(),
            replaced: Vec::new(),
            replaced_ids: HashSet::new(),
            brought: Vec::new(),
            files: Vec::new(),
            file_ids: Ids::begin(conn, "file").await?,
            path_ids: Ids::begin(conn, "path").await?,
            job_ids: Ids::begin(conn, "job").await?,
        };
        for arrival in arrivals {
            if !desk.zones.contains_key(arrival.landing.as_str()) {
                desk.zones.insert(&arrival.landing, intern::zone(conn, &arrival.landing).await?);
            }
            if !desk.datasets.contains_key(&arrival.dataset) {
                let dataset_id = intern::dataset(conn, &arrival.dataset).await?;
                let lane = intern::lane(conn, dataset_id, &LaneName::ingest(&arrival.dataset)).await?;
                desk.datasets.insert(&arrival.dataset, dataset_id);
                desk.lanes.insert(dataset_id, lane);
            }
        }
        desk.look_up_paths(conn).await?;
        desk.look_up_originals(conn).await?;
        desk.look_up_earlier(conn).await?;
        Ok(desk)
    }

    fn zone(&self, arrival: &Arrival) -> i64 {
        self.zones[arrival.landing.as_str()]
    }

    fn dataset(&self, arrival: &Arrival) -> i64 {
        self.datasets[&arrival.dataset]
    }

    async fn look_up_paths(&mut self, conn: &mut Connection) -> Result<()> {
        let all: Vec<(usize, &Arrival)> = self.arrivals.iter().enumerate().collect();
        let rows = bulk::fetch(
            conn,
            "with v (i, zone_id, path) as (values $rows) \
             select v.i, p.path_id, l.file_id, l.dataset_id, l.fingerprint, \
             case when l.state = 'parked' then l.file_id when o.state = 'parked' then o.file_id end, \
             s.file_id, s.dataset_id, s.fingerprint \
             from v left join paths p on p.zone_id = v.zone_id and p.path = v.path \
             left join files l on l.file_id = p.latest_file_id left join files o on o.file_id = l.of_file_id and l.state = 'duplicate' \
             left join files s on s.file_id = p.seen_file_id",
            3,
            &all,
            |b, (i, a)| {
                b.put(signed(*i as u64)).put(self.zone(a)).put(a.sighting.path.as_str());
            },
        )
        .await?;
        for row in rows {
            let Some(path_id) = row.try_get::<Option<i64>, _>(1)? else { continue };
            let arrival = &self.arrivals[row.try_get::<i64, _>(0)? as usize];
            let latest = Seen {
                file_id: row.try_get(2)?,
                dataset_id: row.try_get(3)?,
                fingerprint: row.try_get(4)?,
                parked: row.try_get(5)?,
            };
            let seen = Seen {
                file_id: row.try_get(6)?,
                dataset_id: row.try_get(7)?,
                fingerprint: row.try_get(8)?,
                parked: None,
            };
            let key = (self.zone(arrival), arrival.sighting.path.as_str());
            self.paths.insert(key, Path { path_id, latest, seen, sighted: None });
        }
        Ok(())
    }

    async fn look_up_originals(&mut self, conn: &mut Connection) -> Result<()> {
        let asking: Vec<(usize, &Arrival)> = self
            .arrivals
            .iter()
            .enumerate()
            .filter(|(_, a)| a.same_bytes == SameBytes::Duplicate)
            .filter(|(_, a)| match self.paths.get(&(self.zone(a), a.sighting.path.as_str())) {
                None => true,
                Some(path) => path.latest.dataset_id != self.dataset(a),
            })
            .collect();
        let rows = bulk::fetch(
            conn,
            "with v (i, dataset_id, fingerprint_key, fingerprint) as (values $rows) \
             select v.i, (select f.file_id from files f where f.dataset_id = v.dataset_id \
                          and f.fingerprint_key = v.fingerprint_key and f.live = 1 \
                          and f.fingerprint = v.fingerprint order by f.file_id limit 1) from v",
            4,
            &asking,
            |b, (i, a)| {
                b.put(signed(*i as u64)).put(self.dataset(a));
                b.put(fingerprint_key(&a.fingerprint)).put(a.fingerprint.as_str());
            },
        )
        .await?;
        for row in rows {
            if let Some(file_id) = row.try_get::<Option<i64>, _>(1)? {
                self.originals.insert(row.try_get::<i64, _>(0)? as usize, file_id);
            }
        }
        Ok(())
    }

    async fn look_up_earlier(&mut self, conn: &mut Connection) -> Result<()> {
        let mut paths: Vec<i64> = self
            .arrivals
            .iter()
            .filter(|a| a.on_change != OnChange::Append)
            .filter_map(|a| self.paths.get(&(self.zone(a), a.sighting.path.as_str())))
            .map(|p| p.path_id)
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let rows = bulk::fetch(
            conn,
            "with v (path_id) as (values $rows) select f.path_id, f.dataset_id, f.file_id, f.state = 'parked' \
             from v join files f on f.path_id = v.path_id and f.live = 1",
            1,
            &paths,
            |b, path_id| {
                b.put(*path_id);
            },
        )
        .await?;
        for row in rows {
            let live = (row.try_get(2)?, row.try_get(3)?);
            self.earlier.entry((row.try_get(0)?, row.try_get(1)?)).or_default().push(live);
        }
        Ok(())
    }

    /// Decides on one arrival, by the module's table.
    async fn take(&mut self, conn: &mut Connection, index: usize) -> Result<Accepted> {
        let arrival = &self.arrivals[index];
        let dataset_id = self.dataset(arrival);
        let key = (self.zone(arrival), arrival.sighting.path.as_str());
        let Some(path) = self.paths.get_mut(&key) else {
            return self.take_new(conn, index, None).await;
        };
        path.sighted = Some(index);
        if path.latest.dataset_id != dataset_id {
            let path_id = path.path_id;
            if arrival.on_change == OnChange::Replace && self.holds(path_id, dataset_id) {
                return Ok(self.replace(index, path_id));
            }
            return self.take_new(conn, index, Some(path_id)).await;
        }
        if path.latest.fingerprint == arrival.fingerprint {
            path.seen = path.latest.clone();
            self.brought.push((path.latest.file_id, index, true));
            return Ok(Accepted::Touched { file_id: FileId(path.latest.file_id) });
        }
        let (path_id, latest) = (path.path_id, path.latest.file_id);
        match arrival.on_change {
            OnChange::Ignore if path.latest.parked.is_some_and(|f| !self.replaced_ids.contains(&f)) => {
                Ok(self.replace(index, path_id))
            }
            OnChange::Ignore
                if path.seen.dataset_id == dataset_id && path.seen.fingerprint == arrival.fingerprint =>
            {
                self.brought.push((path.seen.file_id, index, true));
                Ok(Accepted::Touched { file_id: FileId(path.seen.file_id) })
            }
            OnChange::Ignore => {
                let file_id = self.file(index, path_id, FileState::Ignored, false, Some(latest), None);
                self.show(index, path_id, file_id, false);
                Ok(Accepted::Ignored { file_id: FileId(file_id), of: FileId(latest) })
            }
            OnChange::Append => Ok(self.queue(index, path_id, false).1),
            OnChange::Replace => Ok(self.replace(index, path_id)),
        }
    }

    /// Whether the dataset holds, or is about to hold, a file of the path.
    fn holds(&self, path_id: i64, dataset_id: i64) -> bool {
        self.earlier.contains_key(&(path_id, dataset_id))
            || self
                .files
                .iter()
                .any(|f| f.path_id == path_id && f.dataset_id == dataset_id && f.job.is_some())
    }

    /// Queues a file that takes the place of its path's earlier ones: of those
    /// that are parked at once.
    fn replace(&mut self, index: usize, path_id: i64) -> Accepted {
        let dataset_id = self.dataset(&self.arrivals[index]);
        let (file_id, answer) = self.queue(index, path_id, true);
        for (earlier, parked) in self.earlier.get(&(path_id, dataset_id)).into_iter().flatten() {
            if *parked && self.replaced_ids.insert(*earlier) {
                self.replaced.push((*earlier, file_id));
            }
        }
        answer
    }

    /// A name that is new to the dataset.
    async fn take_new(
        &mut self,
        conn: &mut Connection,
        index: usize,
        path_id: Option<i64>,
    ) -> Result<Accepted> {
        let arrival = &self.arrivals[index];
        let dataset_id = self.dataset(arrival);
        let path_id = path_id.unwrap_or_else(|| self.path_ids.next());
        let original = match arrival.same_bytes {
            SameBytes::Load => None,
            SameBytes::Duplicate => self.original(conn, index, dataset_id).await?,
        };
        if let Some(of) = original {
            let file_id = self.file(index, path_id, FileState::Duplicate, false, Some(of), None);
            self.show(index, path_id, file_id, true);
            self.brought.push((of, index, false));
            return Ok(Accepted::Duplicate { file_id: FileId(file_id), of: FileId(of) });
        }
        Ok(self.queue(index, path_id, false).1)
    }

    /// The earliest live file of the dataset with the arrival's bytes.
    async fn original(&self, conn: &mut Connection, index: usize, dataset_id: i64) -> Result<Option<i64>> {
        let fingerprint = self.arrivals[index].fingerprint.as_str();
        let mut found = self.originals.get(&index).copied();
        if found.is_some_and(|f| self.replaced_ids.contains(&f)) {
            // An arrival before this one has just replaced it: is there another?
            let rows = sqlx::query(
                "select file_id from files where dataset_id = ? and fingerprint_key = ? and live = 1 \
                 and fingerprint = ? order by file_id limit ?",
            )
            .bind(dataset_id)
            .bind(fingerprint_key(fingerprint))
            .bind(fingerprint)
            .bind(signed(self.replaced_ids.len() as u64 + 1))
            .fetch_all(conn)
            .await?;
            found = None;
            for row in rows {
                let file_id: i64 = row.try_get(0)?;
                if !self.replaced_ids.contains(&file_id) {
                    found = Some(file_id);
                    break;
                }
            }
        }
        Ok(found.or_else(|| self.new_originals.get(&(dataset_id, fingerprint)).copied()))
    }

    fn queue(&mut self, index: usize, path_id: i64, replaces: bool) -> (i64, Accepted) {
        let arrival = &self.arrivals[index];
        let dataset_id = self.dataset(arrival);
        let (lane_id, last_seq) =
            self.lanes.get_mut(&dataset_id).expect("lanes are opened with their datasets");
        *last_seq += 1;
        let job = NewJob { job_id: self.job_ids.next(), lane_id: *lane_id, seq: *last_seq };
        let file_id = self.file(index, path_id, FileState::Queued, replaces, None, Some(job));
        self.new_originals.entry((dataset_id, &arrival.fingerprint)).or_insert(file_id);
        self.show(index, path_id, file_id, true);
        (file_id, Accepted::Queued { file_id: FileId(file_id), seq: Seq(job.seq) })
    }

    fn file(
        &mut self,
        arrival: usize,
        path_id: i64,
        state: FileState,
        replaces: bool,
        of: Option<i64>,
        job: Option<NewJob>,
    ) -> i64 {
        let file_id = self.file_ids.next();
        let dataset_id = self.dataset(&self.arrivals[arrival]);
        self.files.push(NewFile { arrival, file_id, dataset_id, path_id, state, replaces, of, job });
        file_id
    }

    /// Notes that the path has shown the new file; `stands` if it now stands
    /// for it.
    fn show(&mut self, index: usize, path_id: i64, file_id: i64, stands: bool) {
        let arrival = &self.arrivals[index];
        let key = (self.zone(arrival), arrival.sighting.path.as_str());
        let seen = Seen {
            file_id,
            dataset_id: self.dataset(arrival),
            fingerprint: arrival.fingerprint.clone(),
            parked: None,
        };
        let path = self.paths.entry(key).or_insert_with(|| Path {
            path_id,
            latest: seen.clone(),
            seen: seen.clone(),
            sighted: None,
        });
        if stands {
            path.latest = seen.clone();
        }
        path.seen = seen;
        path.sighted = Some(index);
    }

    /// Writes what was decided.
    async fn close(self, conn: &mut Connection, now: Millis) -> Result<()> {
        let mut paths: Vec<(i64, usize, &str, &Path)> = self
            .paths
            .iter()
            .filter_map(|((zone_id, name), path)| path.sighted.map(|index| (*zone_id, index, *name, path)))
            .collect();
        // In the order of arrival, so that new paths lie together on disk.
        paths.sort_unstable_by_key(|(_, index, ..)| *index);
        bulk::execute(
            conn,
            "insert into paths (path_id, zone_id, path, size_bytes, mtime_ns, latest_file_id, seen_file_id) \
             values $rows on conflict (path_id) do update set size_bytes = excluded.size_bytes, \
             mtime_ns = excluded.mtime_ns, latest_file_id = excluded.latest_file_id, \
             seen_file_id = excluded.seen_file_id",
            7,
            &paths,
            |b, (zone_id, index, name, path)| {
                let sighting = &self.arrivals[*index].sighting;
                b.put(path.path_id).put(*zone_id).put(*name);
                b.put(signed(sighting.size_bytes)).put(sighting.mtime_ns);
                b.put(path.latest.file_id).put(path.seen.file_id);
            },
        )
        .await?;
        bulk::execute(
            conn,
            "insert into files (file_id, dataset_id, path_id, state, since, live, size_bytes, mtime_ns, landed_at, \
             fingerprint_key, fingerprint, pack, pack_offset, stored_bytes, method, raw_gone, name_groups, \
             replaces, of_file_id, job_id, seq) values $rows",
            21,
            &self.files,
            |b, file| {
                let a = &self.arrivals[file.arrival];
                b.put(file.file_id).put(file.dataset_id).put(file.path_id);
                b.put(file.state.name()).put(now.0).put(i64::from(file.job.is_some()));
                b.put(signed(a.sighting.size_bytes)).put(a.sighting.mtime_ns).put(now.0);
                b.put(fingerprint_key(&a.fingerprint)).put(a.fingerprint.as_str());
                b.put(a.raw.pack.as_str()).put(signed(a.raw.offset)).put(signed(a.raw.stored_bytes));
                b.put(a.raw.method.as_str()).put(0_i64).put(groups_json(&a.groups));
                b.put(i64::from(file.replaces)).put(file.of);
                b.put(file.job.map(|j| j.job_id)).put(file.job.map(|j| j.seq));
            },
        )
        .await?;
        let jobs: Vec<(i64, NewJob)> = self.files.iter().filter_map(|f| Some((f.file_id, f.job?))).collect();
        bulk::execute(
            conn,
            "insert into jobs (job_id, file_id, lane_id, seq, open, attempts, not_before, accepted_volume, \
             queued_at) values $rows",
            9,
            &jobs,
            |b, (file_id, job)| {
                b.put(job.job_id).put(*file_id).put(job.lane_id).put(job.seq);
                b.put(1_i64).put(0_i64).put(0_i64).put(0_i64).put(now.0);
            },
        )
        .await?;
        bulk::execute(
            conn,
            "with v (file_id, replaced_by, since) as (values $rows) update files set state = 'replaced', live = 0, \
             replaced_by = v.replaced_by, since = v.since from v where files.file_id = v.file_id",
            3,
            &self.replaced,
            |b, (file_id, by)| {
                b.put(*file_id).put(*by).put(now.0);
            },
        )
        .await?;
        bulk::execute(
            conn,
            "with v (file_id, pack, pack_offset, stored_bytes, method, anyway) as (values $rows) \
             update files set pack = v.pack, pack_offset = v.pack_offset, stored_bytes = v.stored_bytes, \
             method = v.method, raw_gone = 0 from v where files.file_id = v.file_id \
             and (v.anyway = 1 or files.state = 'parked' or files.raw_gone = 1)",
            6,
            &self.brought,
            |b, (file_id, index, anyway)| {
                let raw = &self.arrivals[*index].raw;
                b.put(*file_id).put(raw.pack.as_str()).put(signed(raw.offset));
                b.put(signed(raw.stored_bytes)).put(raw.method.as_str()).put(i64::from(*anyway));
            },
        )
        .await?;
        for (lane_id, last_seq) in self.lanes.values() {
            intern::set_last_seq(conn, *lane_id, *last_seq).await?;
        }
        self.file_ids.end(conn).await?;
        self.path_ids.end(conn).await?;
        self.job_ids.end(conn).await?;
        if !self.brought.is_empty() {
            // What waited for its bytes alone need not wait for a person.
            let file_ids = self.brought.iter().map(|(file_id, ..)| FileId(*file_id)).collect();
            let filter = Filter { file_ids, code: Some(Code::RawMissing), ..Filter::default() };
            requeue(conn, &filter, false, now).await?;
        }
        let gone: Vec<i64> = self.replaced.iter().map(|(file_id, _)| *file_id).collect();
        originals::succeed(conn, &gone, now).await
    }
}

/// The fingerprint's first 60 bits: enough to tell nearly all files apart in an
/// index an eighth as wide. What is not hexadecimal shares the key 0 and is
/// told apart by the whole text.
fn fingerprint_key(fingerprint: &str) -> i64 {
    fingerprint.get(..15).and_then(|head| i64::from_str_radix(head, 16).ok()).unwrap_or(0)
}

fn groups_json(groups: &[(String, String)]) -> String {
    serde_json::to_string(groups).expect("pairs of text are JSON")
}
