//! One table's exports: which are to be made, which are to go, and each file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use lakegate_domain::export::{Per, Values, stem, taken_from_file};
use lakegate_domain::model::Attribute;
use lakegate_domain::{Code, Failure, FileId};
use lakegate_format::netcdf::write::{Declared, Writer};
use lakegate_lake::export::{
    About, Selection, by_file, declare, files_of, loaded_at, rows, size_bytes, span_of,
};
use lakegate_lake::session::{Session, View};
use lakegate_state::{Due, FileFilter, Made};

use super::part::{Part, Rows, taken, values_of};
use super::{Exported, Exporting, What, disk, folder, shown, unread};
use crate::context::{Context, now};
use crate::render;

/// Landed files that are looked at together: one statement reads their rows.
const FILES: u32 = 256;
/// The same where their rows are looked for by days and months.
const FILES_OF_PERIODS: u32 = 4096;
/// Exports that are told to the ledger together.
const TOLD: usize = 64;
/// Names of landed files in an export's history.
const NAMED: usize = 20;

/// Paths that were given away, and to which part of which table.
pub(super) type Claimed = HashMap<String, String>;

/// Why an export came to nothing.
enum Halt {
    /// Its own fault: it is told, and the others go on.
    Part(String),
    /// No export's fault.
    All(Failure),
}

impl From<Failure> for Halt {
    fn from(f: Failure) -> Self {
        Halt::All(f)
    }
}

/// A landed file, as far as its exports are concerned.
#[derive(Clone, Debug)]
struct Landed {
    path: String,
    of_file: Vec<(String, String)>,
}

/// A table on its way.
struct Making<'a> {
    ctx: &'a Context,
    exporting: &'a Exporting,
    view: View,
    schema: SchemaRef,
    coordinate: Option<String>,
    /// Names that tell files of one period apart.
    taken: Vec<String>,
    root: PathBuf,
    /// Whether the ledger knows of what is made.
    is_told: bool,
    claimed: &'a mut Claimed,
    done: &'a mut Exported,
    made: Vec<Made>,
    landed: HashMap<FileId, Landed>,
}

pub(super) fn table(
    ctx: &Context,
    session: &Session,
    exporting: &Exporting,
    what: &What,
    claimed: &mut Claimed,
    done: &mut Exported,
    told: &dyn Fn(&Exported),
) -> Result<(), Failure> {
    let per = exporting.export.per;
    let limit = if per == Per::File { FILES } else { FILES_OF_PERIODS };
    let next = |after: FileId| match what {
        What::Due | What::Again(_) => ctx.block(ctx.store.exports_due(&exporting.name, after, limit)),
        What::Into(_, since) => ctx.block(ctx.store.exportable(&exporting.name, after, *since, limit)),
    };
    let mut due = next(FileId(0))?;
    if due.is_empty() {
        return Ok(());
    }
    let Some(view) = ctx.runtime.block_on(session.view(&exporting.name)).map_err(unread)? else {
        return Ok(());
    };
    let schema = view.schema().map_err(unread)?;
    let (root, is_told) = match what {
        What::Into(folder, _) => (folder.clone(), false),
        What::Due | What::Again(_) => (folder(&ctx.lake.storage), true),
    };
    let mut making = Making {
        ctx,
        exporting,
        coordinate: exporting.recipe().coordinate(&schema),
        taken: if per == Per::File {
            Vec::new()
        } else {
            taken_from_file(&exporting.export, &exporting.of_file)
        },
        view,
        schema,
        root,
        is_told,
        claimed,
        done,
        made: Vec::new(),
        landed: HashMap::new(),
    };
    while let Some(last) = due.last().map(|d| d.file_id) {
        making.some(&due)?;
        told(making.done);
        if ctx.stopping() {
            break;
        }
        due = next(last)?;
    }
    Ok(())
}

impl Making<'_> {
    /// Makes what these files have a part in, and removes what they have no part
    /// in any more.
    fn some(&mut self, due: &[Due]) -> Result<(), Failure> {
        for d in due.iter().filter(|d| d.n_rows > 0) {
            let of_file = values_of(&self.exporting.dataset, &d.groups);
            self.landed.insert(d.file_id, Landed { path: d.path.clone(), of_file });
        }
        let (mut wanted, untold) = self.wanted(due)?;
        let ids: Vec<FileId> = due.iter().map(|d| d.file_id).collect();
        let mut gone: Vec<String> = Vec::new();
        if self.is_told {
            let before = self.ctx.block(self.ctx.store.exports_of(&self.exporting.name, &ids))?;
            for (export, files) in before {
                let part = Part::parse(&export.about);
                let is_of = part.as_ref().is_some_and(|p| p.is_of(self.exporting.export.per, &self.taken));
                match part {
                    Some(part) if is_of && !matches!(part.rows, Rows::File(_)) => {
                        wanted.entry(part).or_default().extend(files);
                    }
                    Some(part) if is_of && wanted.contains_key(&part) => {}
                    _ => gone.push(export.part),
                }
            }
        }
        // Files of which something is left to be done.
        let mut open: HashSet<FileId> = untold.into_iter().collect();
        let outcome = match self.exporting.export.per {
            Per::File => self.of_files(due, &wanted, &mut open),
            Per::Day | Per::Month => self.of_periods(&wanted, &mut open),
        };
        // What was made is told whatever follows.
        self.tell()?;
        outcome?;
        for name in gone.iter().filter(|_| !self.ctx.stopping()) {
            self.remove(name)?;
        }
        if self.is_told && !self.ctx.stopping() {
            let done: Vec<_> =
                due.iter().filter(|d| !open.contains(&d.file_id)).map(|d| (d.file_id, d.n)).collect();
            self.ctx.block(self.ctx.store.exports_done(&self.exporting.name, &done))?;
        }
        Ok(())
    }

    /// The parts that have rows of these files, with the files; and the files
    /// that no part takes because they cannot be looked at.
    #[allow(clippy::type_complexity, reason = "the two go their own ways at once")]
    fn wanted(&mut self, due: &[Due]) -> Result<(BTreeMap<Part, BTreeSet<FileId>>, Vec<FileId>), Failure> {
        let live: Vec<FileId> = due.iter().filter(|d| d.n_rows > 0).map(|d| d.file_id).collect();
        let per = self.exporting.export.per;
        if per == Per::File {
            let one = |id: &FileId| (Part::of_landed(*id), BTreeSet::from([*id]));
            return Ok((live.iter().map(one).collect(), Vec::new()));
        }
        let mut wanted: BTreeMap<Part, BTreeSet<FileId>> = BTreeMap::new();
        if live.is_empty() {
            return Ok((wanted, Vec::new()));
        }
        let Some(coordinate) = self.coordinate.clone() else {
            let message = format!(
                "{}: no column says which {} a row belongs to: name one in `coordinates`",
                self.exporting.name,
                per.name()
            );
            self.done.failures.push(Failure::new(Code::Export, message));
            return Ok((wanted, live));
        };
        let selection = Selection { files: Some(live), times: None };
        let periods = lakegate_lake::export::periods(&self.view, &selection, &coordinate, per);
        let mut n_without: BTreeSet<FileId> = BTreeSet::new();
        for (file_id, begin) in self.ctx.runtime.block_on(periods).map_err(unread)? {
            let Some(begin) = begin else {
                n_without.insert(file_id);
                continue;
            };
            let of_file = self.landed.get(&file_id).map_or(Vec::new(), |l| taken(&self.taken, &l.of_file));
            wanted.entry(Part::of_period(per, begin, of_file)).or_default().insert(file_id);
        }
        if let Some(first) = n_without.first() {
            let path = self.landed.get(first).map_or("", |l| l.path.as_str());
            self.done.warnings.push(format!(
                "{}: rows of {} without `{coordinate}`, in {} and others, are in no {}'s export",
                self.exporting.name,
                render::counted(n_without.len() as u64, "file"),
                shown(*first, path),
                per.name()
            ));
        }
        Ok((wanted, Vec::new()))
    }

    /// Exports of one landed file each, from one reading of all.
    fn of_files(
        &mut self,
        due: &[Due],
        wanted: &BTreeMap<Part, BTreeSet<FileId>>,
        open: &mut HashSet<FileId>,
    ) -> Result<(), Failure> {
        if wanted.is_empty() {
            return Ok(());
        }
        let n_rows: HashMap<FileId, u64> = due.iter().map(|d| (d.file_id, d.n_rows)).collect();
        let files: Vec<FileId> = wanted.values().flatten().copied().collect();
        let mut left: BTreeSet<FileId> = files.iter().copied().collect();
        let selection = Selection { files: Some(files), times: None };
        let reading = rows(&self.view, &selection, self.coordinate.as_deref(), true);
        let mut stream = self.ctx.runtime.block_on(reading).map_err(unread)?;
        let mut held = Held::default();
        let mut current: Option<FileId> = None;
        loop {
            let batch = self.ctx.runtime.block_on(stream.next()).transpose();
            let batch = batch.map_err(|e| unread(e.into()))?;
            for (file_id, batch) in batch.iter().flat_map(by_file) {
                if let Some(before) = current.replace(file_id).filter(|before| *before != file_id) {
                    left.remove(&before);
                    self.one_file(before, n_rows[&before], std::mem::take(&mut held), open)?;
                }
                held.add(batch, self.ctx.lake.memory_bytes);
            }
            if batch.is_none() || self.ctx.stopping() {
                break;
            }
        }
        if self.ctx.stopping() {
            return Ok(());
        }
        if let Some(last) = current {
            left.remove(&last);
            self.one_file(last, n_rows[&last], held, open)?;
        }
        // Their rows went between the look into the ledger and that into the table.
        for file_id in left {
            self.one_file(file_id, n_rows[&file_id], Held::default(), open)?;
        }
        Ok(())
    }

    fn one_file(
        &mut self,
        file_id: FileId,
        n_rows: u64,
        held: Held,
        open: &mut HashSet<FileId>,
    ) -> Result<(), Failure> {
        let n_found: u64 = held.batches.iter().map(|b| b.num_rows() as u64).sum();
        if !held.is_too_much && n_found != n_rows {
            // While others commit, the ledger may be behind the table: it says
            // that the file is due when it has caught up.
            open.insert(file_id);
            let due =
                self.ctx.block(self.ctx.store.exports_due(&self.exporting.name, FileId(file_id.0 - 1), 1))?;
            if self.is_told && due.first().is_none_or(|d| d.file_id != file_id || d.n_rows != n_rows) {
                return Ok(());
            }
            let why = format!(
                "the ledger counts {n_rows} rows and the table {n_found}: `lakegate prove` says more"
            );
            return self.fail(&Part::of_landed(file_id), &[file_id], &why);
        }
        let part = Part::of_landed(file_id);
        self.one(&part, held, &[file_id], open)
    }

    /// Exports of a day or a month each.
    fn of_periods(
        &mut self,
        wanted: &BTreeMap<Part, BTreeSet<FileId>>,
        open: &mut HashSet<FileId>,
    ) -> Result<(), Failure> {
        for (part, due) in wanted {
            let name = self.label(part);
            if !self.is_told && self.claimed.values().any(|made| *made == name) {
                continue;
            }
            if self.ctx.stopping() {
                return Ok(());
            }
            let (Rows::Day(times) | Rows::Month(times)) = part.rows else { continue };
            let files = if self.taken.is_empty() { None } else { Some(self.files_of(part, times)?) };
            let selection = Selection { files, times: Some(times) };
            let mut held = Held::default();
            let reading = rows(&self.view, &selection, self.coordinate.as_deref(), false);
            let mut stream = self.ctx.runtime.block_on(reading).map_err(unread)?;
            while let Some(batch) = self.ctx.runtime.block_on(stream.next()) {
                held.add(batch.map_err(|e| unread(e.into()))?, self.ctx.lake.memory_bytes);
            }
            if held.batches.is_empty() && !held.is_too_much {
                self.tell()?;
                self.remove(&part.name())?;
                continue;
            }
            let due: Vec<FileId> = due.iter().copied().collect();
            self.one(part, held, &due, open)?;
        }
        Ok(())
    }

    /// The landed files with rows in a period whose names say what the part's do.
    fn files_of(&mut self, part: &Part, times: (i64, i64)) -> Result<Vec<FileId>, Failure> {
        let selection = Selection { files: None, times: Some(times) };
        let Some(coordinate) = self.coordinate.clone() else { return Ok(Vec::new()) };
        let found =
            lakegate_lake::export::periods(&self.view, &selection, &coordinate, self.exporting.export.per);
        let found: BTreeSet<FileId> =
            self.ctx.runtime.block_on(found).map_err(unread)?.into_iter().map(|(id, _)| id).collect();
        let files: Vec<FileId> = found.into_iter().collect();
        self.know(&files)?;
        let is_of =
            |id: &FileId| self.landed.get(id).is_some_and(|l| taken(&self.taken, &l.of_file) == part.of_file);
        Ok(files.into_iter().filter(|id| is_of(id)).collect())
    }

    /// Looks up what is not known of landed files.
    fn know(&mut self, files: &[FileId]) -> Result<(), Failure> {
        let unknown: Vec<FileId> = files.iter().filter(|id| !self.landed.contains_key(id)).copied().collect();
        for some in unknown.chunks(1000) {
            let filter = FileFilter { file_ids: some.to_vec(), ..FileFilter::default() };
            for f in self.ctx.block(self.ctx.store.files(&filter))? {
                let of_file = values_of(&self.exporting.dataset, &f.groups);
                self.landed.insert(f.file_id, Landed { path: f.path, of_file });
            }
        }
        Ok(())
    }

    /// Makes one export of these rows. `due`: the files for which it is made.
    fn one(
        &mut self,
        part: &Part,
        held: Held,
        due: &[FileId],
        open: &mut HashSet<FileId>,
    ) -> Result<(), Failure> {
        match self.written(part, &held) {
            Ok(made) => {
                let (n_files, n_rows) = self.done.tables.entry(self.exporting.name.to_string()).or_default();
                *n_files += 1;
                *n_rows += made.n_rows;
                self.done.n_made += 1;
                self.done.n_rows += made.n_rows;
                self.done.size_bytes += made.size_bytes;
                self.made.push(made);
                if self.made.len() >= TOLD {
                    self.tell()?;
                }
                Ok(())
            }
            Err(Halt::Part(why)) => {
                open.extend(due);
                self.fail(part, due, &why)
            }
            Err(Halt::All(failure)) => Err(failure),
        }
    }

    /// Tells that an export cannot be made.
    fn fail(&mut self, part: &Part, files: &[FileId], why: &str) -> Result<(), Failure> {
        self.done.failures.push(Failure::new(Code::Export, format!("{}: {why}", self.label(part))));
        if self.is_told {
            let (name, about) = (part.name(), part.about());
            let table = &self.exporting.name;
            self.ctx.block(self.ctx.store.export_failed(table, &name, &about, files, why, now()))?;
        }
        Ok(())
    }

    /// An export for messages: `ocean.buoy.met, f12 (b.csv)`.
    fn label(&self, part: &Part) -> String {
        let rows = match part.rows {
            Rows::File(id) => {
                let id = FileId(id);
                shown(id, self.landed.get(&id).map_or("", |l| l.path.as_str()))
            }
            Rows::Day(_) | Rows::Month(_) => part.name(),
        };
        format!("{}, {rows}", self.exporting.name)
    }

    /// Puts a file together and writes it to its place.
    fn written(&mut self, part: &Part, held: &Held) -> Result<Made, Halt> {
        let memory = self.ctx.lake.memory_bytes;
        let too_much = || {
            Halt::Part(format!(
                "more than {} of values, a quarter of `memory: {}`",
                render::size(memory / 4),
                render::size(memory)
            ))
        };
        if held.is_too_much {
            return Err(too_much());
        }
        let files = files_of(&held.batches);
        self.know(&files)?;
        let export = &self.exporting.export;
        let span = self.coordinate.as_deref().and_then(|c| span_of(&held.batches, c));
        let (file, of_file) = match part.rows {
            Rows::File(id) => {
                let landed = self.landed.get(&FileId(id)).cloned();
                let landed = landed.unwrap_or(Landed { path: String::new(), of_file: Vec::new() });
                (Some(stem(&landed.path).to_string()), landed.of_file)
            }
            Rows::Day(_) | Rows::Month(_) => (None, part.of_file.clone()),
        };
        let values = Values {
            export,
            dataset: &self.exporting.dataset.name,
            table: &self.exporting.name.table,
            of_file: &of_file,
            file: file.as_deref(),
            span,
            column: None,
        };
        let path = values.path().map_err(Halt::Part)?;
        self.claim(&path, part)?;
        let mut attributes: Vec<(String, Attribute)> =
            values.attributes().map_err(Halt::Part)?.into_iter().collect();
        self.add_usual(&mut attributes, &files, held);
        let about = About { attributes, corrections: self.corrections(&files)? };
        let declared =
            declare(&self.exporting.recipe(), &self.schema, &held.batches, &about).map_err(Halt::Part)?;
        let broken = |e: lakegate_format::netcdf::write::WriteError| Halt::Part(e.to_string());
        let plotted = self.plots(&values, &path, &declared, &held.batches, part)?;
        let mut writer = Writer::new(declared).map_err(broken)?;
        for batch in &held.batches {
            writer.push(batch).map_err(broken)?;
            if writer.held_bytes() as u64 > memory / 4 {
                return Err(too_much());
            }
        }
        let bytes = writer.finish().map_err(broken)?;
        let name = part.name();
        let mut before = Vec::new();
        if self.is_told {
            let store = &self.ctx.store;
            before = self.ctx.block(store.plots_of(&self.exporting.name, &name))?;
            before.extend(self.ctx.block(store.export(&self.exporting.name, &name))?.and_then(|e| e.path));
        }
        let mut written: Vec<(&str, &[u8])> = vec![(&path, &bytes)];
        written.extend(plotted.iter().map(|(path, picture)| (path.as_str(), picture.as_slice())));
        disk::write(&self.root, &written, &self.ctx.failpoints)?;
        // Where it lay before it is no more, before that is told: killed in
        // between, it is made and removed once more.
        for old in before.iter().filter(|old| !self.claimed.contains_key(*old)) {
            disk::remove(&self.root, old)?;
        }
        Ok(Made {
            part: name,
            about: part.about(),
            path,
            n_rows: held.batches.iter().map(|b| b.num_rows() as u64).sum(),
            size_bytes: bytes.len() as u64,
            plots: plotted.into_iter().map(|(path, _)| path).collect(),
            files,
        })
    }

    /// The plots of an export's variables, each with its path.
    fn plots(
        &mut self,
        values: &Values<'_>,
        path: &str,
        declared: &Declared,
        batches: &[RecordBatch],
        part: &Part,
    ) -> Result<Vec<(String, Vec<u8>)>, Halt> {
        let Some(template) = &self.exporting.export.plots else { return Ok(Vec::new()) };
        let Some(coordinate) = self.coordinate.clone() else {
            return Err(Halt::Part(
                "no column says which times plots are of: name one in `coordinates`".into(),
            ));
        };
        let title = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".nc");
        let as_png = template.extension() == Some("png");
        let drawn = super::plots::draw(&self.exporting.table, declared, batches, &coordinate, title, as_png);
        let mut plots = Vec::new();
        for (column, picture) in drawn.map_err(Halt::Part)? {
            let values = Values { column: Some(&column), ..*values };
            let Some(path) = values.plot().map_err(Halt::Part)? else { continue };
            self.claim(&path, part)?;
            if plots.iter().any(|(known, _)| *known == path) {
                return Err(Halt::Part(format!("`{path}` is the path of two plots")));
            }
            plots.push((path, picture));
        }
        Ok(plots)
    }

    /// Takes a path for a part.
    fn claim(&mut self, path: &str, part: &Part) -> Result<(), Halt> {
        let own = self.label(part);
        let other = |other: &str| Halt::Part(format!("`{path}` is the path of {other} as well"));
        match self.claimed.get(path) {
            Some(holder) if *holder != own => return Err(other(holder)),
            Some(_) => return Ok(()),
            None => {}
        }
        if self.is_told
            && let Some(holder) = self.ctx.block(self.ctx.store.export_at(path))?
            && (holder.table != self.exporting.name || holder.part != part.name())
            && !self.ctx.block(self.ctx.store.is_export_stale(&holder))?
        {
            let rows = match Part::parse(&holder.about).map(|p| p.rows) {
                Some(Rows::File(id)) => {
                    self.know(&[FileId(id)])?;
                    shown(FileId(id), self.landed.get(&FileId(id)).map_or("", |l| l.path.as_str()))
                }
                _ => holder.part.clone(),
            };
            return Err(other(&match holder.table == self.exporting.name {
                true => rows,
                false => format!("{}, {rows}", holder.table),
            }));
        }
        self.claimed.insert(path.to_string(), own);
        Ok(())
    }

    /// Adds what every file says unless the configuration says it.
    fn add_usual(&self, attributes: &mut Vec<(String, Attribute)>, files: &[FileId], held: &Held) {
        let has = |name: &str| self.exporting.export.attributes.keys().any(|k| k.eq_ignore_ascii_case(name));
        if !has("Conventions") {
            attributes.insert(0, ("Conventions".into(), Attribute::Text("CF-1.8".into())));
        }
        if has("history") {
            return;
        }
        let names: BTreeSet<&str> = files
            .iter()
            .filter_map(|id| self.landed.get(id))
            .map(|l| l.path.rsplit('/').next().unwrap_or(&l.path))
            .collect();
        let mut listed: Vec<&str> = names.iter().copied().take(NAMED).collect();
        let more = format!("{} more", names.len().saturating_sub(NAMED));
        if names.len() > NAMED {
            listed.push(&more);
        }
        let at = loaded_at(&held.batches).and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        let at = at.map_or(String::new(), |t| format!("{} ", t.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let text = format!("{at}loaded by lakegate from {}", listed.join(", "));
        attributes.push(("history".into(), Attribute::Text(text)));
    }

    /// The corrections that were made in these files, by column.
    fn corrections(&self, files: &[FileId]) -> Result<Vec<(String, String)>, Failure> {
        let checks: Vec<_> = self.exporting.table.quality.iter().filter(|q| q.correction.is_some()).collect();
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let findings = self.ctx.block(self.ctx.store.findings_of(&self.exporting.name, files))?;
        let mut found = Vec::new();
        for check in checks {
            for column in &check.columns {
                let name = check.name_of(column);
                let is_made = findings.iter().any(|f| f.name == name && f.n_failed > 0);
                if let (true, Some(how)) = (is_made, &check.correction) {
                    let entry = (column.clone(), how.clone());
                    if !found.contains(&entry) {
                        found.push(entry);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Tells the ledger what was made.
    fn tell(&mut self) -> Result<(), Failure> {
        let made = std::mem::take(&mut self.made);
        if self.is_told && !made.is_empty() {
            self.ctx.block(self.ctx.store.exports_made(&self.exporting.name, &made, now()))?;
        }
        Ok(())
    }

    /// Removes an export whose rows have gone.
    fn remove(&mut self, name: &str) -> Result<(), Failure> {
        if !self.is_told {
            return Ok(());
        }
        // Another may have its path by now.
        let Some(export) = self.ctx.block(self.ctx.store.export(&self.exporting.name, name))? else {
            return Ok(());
        };
        for plot in self.ctx.block(self.ctx.store.plots_of(&self.exporting.name, name))? {
            disk::remove(&self.root, &plot)?;
        }
        if let Some(path) = &export.path {
            disk::remove(&self.root, path)?;
            self.done.n_removed += 1;
        }
        self.ctx.block(self.ctx.store.export_gone(&self.exporting.name, name))
    }
}

/// Rows of one export, as far as memory goes.
#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    size_bytes: u64,
    is_too_much: bool,
}

impl Held {
    fn add(&mut self, batch: RecordBatch, memory_bytes: u64) {
        if self.is_too_much || batch.num_rows() == 0 {
            return;
        }
        self.size_bytes += size_bytes(&batch) as u64;
        if self.size_bytes > memory_bytes / 4 {
            self.batches = Vec::new();
            self.is_too_much = true;
            return;
        }
        self.batches.push(batch);
    }
}
