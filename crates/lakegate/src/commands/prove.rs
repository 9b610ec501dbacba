//! `prove`: the conservation law, file by file.
//!
//! The ledger says how many rows each file has in each table; the tables are
//! counted, not believed. Memory holds some numbers per file and a bit per row,
//! the latter in a window of fixed size.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use lakegate_domain::ids::QUARANTINE_SUFFIX;
use lakegate_domain::job::FileState;
use lakegate_domain::{Code, Failure, FileId, LaneName, Seq, TableName};
use lakegate_lake::files::{LiveFile, live};
use lakegate_lake::log::TableLog;
use lakegate_lake::owners::{owners, read_whole};
use lakegate_state::{FileFilter, FileRow};
use serde_json::{Value, json};

use super::{Result, Shell, Stop};
use crate::cli::{Exit, Prove};
use crate::context::Context;
use crate::ingest::prepare::place;
use crate::mishap::caught;
use crate::render::{self, Progress};

/// Findings that are kept to be shown; more are counted.
const SHOWN: usize = 1000;
/// Files of the ledger that are read at a time.
const PAGE: u32 = 5000;

/// What does not add up.
#[derive(Default)]
struct Findings {
    /// Whom it is about, and what it is.
    shown: Vec<(String, String)>,
    n: u64,
}

impl Findings {
    fn add(&mut self, subject: impl Into<String>, what: impl Into<String>) {
        self.n += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((subject.into(), what.into()));
        }
    }

    fn of_file(&mut self, ctx: &Context, file: i64, what: impl Into<String>) {
        let path = ctx.block(ctx.store.file(FileId(file))).ok().flatten().map(|f| f.path);
        self.add(format!("{} {}", FileId(file), path.unwrap_or_default()).trim_end(), what);
    }
}

/// What the ledger says of one file and table.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    n_in: u64,
    n_read: u64,
    n_committed: u64,
    n_quarantined: u64,
    n_dropped: u64,
    n_duplicate: u64,
}

impl Counts {
    /// Rows that the table, or the quarantine beside it, should hold.
    fn held(&self, quarantine: bool) -> u64 {
        if quarantine { self.n_quarantined } else { self.n_committed }
    }
}

/// By file.
type Said = BTreeMap<i64, Counts>;

pub fn prove(shell: &Shell, args: &Prove) -> Result<Exit> {
    // While others work, tables and ledger are never quite alike.
    let (_lock, ctx) = shell.work()?;
    let tables = super::sql::session_of(&ctx)?.tables()?;
    if let Some(t) = &args.table
        && !tables.contains(t)
    {
        return Err(Stop::Usage(format!("there is no table `{t}`; see `lakegate tables`")));
    }
    let wanted = |t: &TableName| args.table.as_ref().is_none_or(|w| w == t || &w.quarantine() == t);
    let progress = Progress::new("prove", shell.global.quiet || shell.global.json);
    let mut findings = Findings::default();

    progress.message("the raw bytes");
    let mut states: HashMap<i64, FileState> = HashMap::new();
    let mut n_raw = 0u64;
    each_file(&ctx, &mut |file| {
        states.insert(file.file_id.0, file.state);
        let counts = args.table.as_ref().is_none_or(|t| t.dataset() == file.dataset);
        if counts && needs_raw(file) {
            n_raw += 1;
            let verified = place(&file.raw).and_then(|p| ctx.raw.open_verified(&p, &file.fingerprint));
            if let Err(f) = verified {
                findings.add(format!("{} {}", file.file_id, file.path), f.to_string());
            }
        }
    })?;
    let mut said = what_the_ledger_says(shell, &ctx)?;
    for (table, files) in said.iter().filter(|(t, _)| wanted(t) || wanted(&t.quarantine())) {
        for (file, c) in files {
            if c.n_in != c.n_committed + c.n_quarantined + c.n_dropped + c.n_duplicate {
                findings.of_file(&ctx, *file, format!("rows are not conserved in {table}: {c:?}"));
            }
        }
    }
    said.values_mut().for_each(|files| files.retain(|f, _| states.get(f) == Some(&FileState::Committed)));

    let mut n_rows = 0u64;
    let none = Said::new();
    for table in tables.iter().filter(|t| wanted(t)) {
        progress.message(table.to_string());
        let (base, quarantine) = match table.table.strip_suffix(QUARANTINE_SUFFIX) {
            Some(base) => (table.dataset().table(base), true),
            None => (table.clone(), false),
        };
        let said = said.get(&base).unwrap_or(&none);
        let proved = caught(&format!("counting {table}"), || {
            one_table(&ctx, table, quarantine, said, &states, !args.quick, &mut findings)
        });
        match proved {
            Ok(n) => n_rows += n,
            Err(f) => findings.add(table.to_string(), f.to_string()),
        }
    }
    for (table, lane, seq) in committed_seqs(shell, &ctx)? {
        if !wanted(&table) || !tables.contains(&table) {
            continue;
        }
        let lane = LaneName(lane);
        let log =
            ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, &table, std::slice::from_ref(&lane)));
        // A token may be ahead: a commit whose acknowledgement a kill cut off is not
        // in the ledger.
        match log.map(|log| log.token(&lane)) {
            Ok(token) if token < Some(Seq(seq)) => findings.add(
                table.to_string(),
                format!(
                    "its token of lane {lane} says {}, but the ledger knows of a commit with {}",
                    token.map_or("nothing".into(), |t| t.to_string()),
                    Seq(seq)
                ),
            ),
            // That it cannot be opened is a finding already.
            Ok(_) | Err(_) => {}
        }
    }
    for (table, files) in said.iter().filter(|(t, _)| wanted(t)) {
        for (name, quarantine) in [(table.clone(), false), (table.quarantine(), true)] {
            let n: u64 = files.values().map(|c| c.held(quarantine)).sum();
            if n > 0 && !tables.contains(&name) {
                findings.add(name.to_string(), format!("the table is not there; it should hold {n} rows"));
            }
        }
    }
    progress.finish();
    let n_committed = states.values().filter(|s| **s == FileState::Committed).count();
    report(shell, n_committed as u64, n_rows, n_raw, &findings)
}

/// Tells `look` of every file that the ledger knows, page by page.
fn each_file(ctx: &Context, look: &mut dyn FnMut(&FileRow)) -> Result<(), Failure> {
    let mut filter = FileFilter { limit: Some(PAGE), ..FileFilter::default() };
    loop {
        let page = ctx.block(ctx.store.files(&filter))?;
        page.iter().for_each(&mut *look);
        match page.last() {
            Some(last) if page.len() == PAGE as usize => filter.before = Some(last.file_id),
            _ => return Ok(()),
        }
    }
}

/// Whether a replay or a redrive would need the file's bytes, and they are kept.
fn needs_raw(file: &FileRow) -> bool {
    use FileState::{Committed, Leased, Parked, Queued};
    !file.raw_gone && matches!(file.state, Committed | Queued | Leased | Parked)
}

/// By table and file, whatever became of the file since.
fn what_the_ledger_says(shell: &Shell, ctx: &Context) -> Result<BTreeMap<TableName, Said>> {
    const SQL: &str = "select table_name, file_id, n_in, n_read, n_committed, n_quarantined, n_dropped, \
                       n_duplicate from system.file_tables";
    let session = super::sql::session_of(ctx)?;
    let mut said: BTreeMap<TableName, Said> = BTreeMap::new();
    shell.runtime.block_on(async {
        let (_, mut batches) = session.query(SQL).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(lakegate_lake::session::Error::from)?;
            let names = batch.column(0).as_string::<i32>();
            let numbers: Vec<_> =
                (1..batch.num_columns()).map(|i| batch.column(i).as_primitive::<Int64Type>()).collect();
            for row in 0..batch.num_rows() {
                let Some(table) = parse_table(names.value(row)) else { continue };
                let n = |column: usize| numbers[column].value(row) as u64;
                let counts = Counts {
                    n_in: n(1),
                    n_read: n(2),
                    n_committed: n(3),
                    n_quarantined: n(4),
                    n_dropped: n(5),
                    n_duplicate: n(6),
                };
                said.entry(table).or_default().insert(numbers[0].value(row), counts);
            }
        }
        Ok(said)
    })
}

/// The highest seq with which each lane has committed to each table.
fn committed_seqs(shell: &Shell, ctx: &Context) -> Result<Vec<(TableName, String, i64)>> {
    const SQL: &str = "select table_name, lane, max(seq) as seq from system.commits where lane <> '' and seq > 0 \
                       group by 1, 2 order by 1, 2";
    let session = super::sql::session_of(ctx)?;
    let rows = super::sql::rows(shell, &session, SQL)?;
    let text = |row: &Row, key: &str| row.get(key).and_then(Value::as_str).map(str::to_string);
    let one = |row: &Row| {
        Some((parse_table(&text(row, "table_name")?)?, text(row, "lane")?, row.get("seq")?.as_i64()?))
    };
    Ok(rows.iter().filter_map(one).collect())
}

type Row = serde_json::Map<String, Value>;

fn parse_table(text: &str) -> Option<TableName> {
    let mut parts = text.splitn(3, '.');
    Some(TableName { team: parts.next()?.into(), dataset: parts.next()?.into(), table: parts.next()?.into() })
}

/// Counts one table and compares; answers its rows.
fn one_table(
    ctx: &Context,
    table: &TableName,
    quarantine: bool,
    said: &Said,
    states: &HashMap<i64, FileState>,
    every_value: bool,
    findings: &mut Findings,
) -> Result<u64, Failure> {
    let dataset = table.dataset();
    let lanes = [LaneName::ingest(&dataset), LaneName::replay(&dataset)];
    let log = ctx.runtime.block_on(TableLog::open(&ctx.lake.storage, table, &lanes))?;
    for lane in &lanes {
        let last = ctx.block(ctx.store.last_seq(lane))?;
        if let Some(token) = log.token(lane).filter(|token| *token > last) {
            findings.add(
                table.to_string(),
                format!(
                    "it holds {token} of lane {lane}, but the ledger has handed out only {last}: the ledger is older \
                     than the table; restore both from one backup"
                ),
            );
        }
    }
    let files = ctx.runtime.block_on(live(&log))?;
    let n_damaged = match every_value {
        true => read_all(&log, &files, findings),
        false => 0,
    };
    let held = match count(ctx, &log, &files, said) {
        Ok(held) => held,
        // That was said already, file by file.
        Err(f) if f.code == Code::TableDamaged && n_damaged > 0 => return Ok(0),
        Err(f) => return Err(f),
    };
    let want: u64 = said.values().map(|c| c.held(quarantine)).sum();
    let base = table.table.strip_suffix(QUARANTINE_SUFFIX).unwrap_or(&table.table);
    let is_made =
        ctx.lake.dataset(&dataset).is_none_or(|d| d.tables.contains_key(base) || d.any_table.is_some());
    if !is_made && want == 0 && held.n_rows > 0 {
        findings.add(
            table.to_string(),
            format!(
                "it holds {} rows, of which the ledger says nothing, and no configuration makes it any more: \
                 `lakegate replay {dataset}` empties it, `lakegate tables --drop {}` removes it",
                held.n_rows,
                dataset.table(base)
            ),
        );
        return Ok(held.n_rows);
    }
    if held.n_unowned > 0 {
        // Rows that do not say where they come from can only be counted together.
        if held.n_rows != want {
            findings.add(table.to_string(), format!("it holds {} rows; the ledger says {want}", held.n_rows));
        }
        return Ok(held.n_rows);
    }
    let all: BTreeSet<i64> = held.of_file.keys().chain(said.keys()).copied().collect();
    for file in all {
        let have = held.of_file.get(&file).copied().unwrap_or_default();
        let want = said.get(&file).map_or(0, |c| c.held(quarantine));
        let n = have.n_rows;
        match states.get(&file) {
            Some(FileState::Committed) if n != want => {
                findings.of_file(ctx, file, format!("{table} holds {n} of its rows; the ledger says {want}"))
            }
            Some(FileState::Committed) => {}
            Some(s) => findings.of_file(
                ctx,
                file,
                format!("{table} holds {n} of its rows, but the file is {}", s.name()),
            ),
            None => findings.add(
                FileId(file).to_string(),
                format!("{table} holds {n} rows of a file that the ledger does not know"),
            ),
        }
        if have.n_doubled > 0 {
            findings.of_file(
                ctx,
                file,
                format!("{table} holds {} of its rows more than once", have.n_doubled),
            );
        }
        if have.n_beyond > 0 {
            let what =
                format!("{table} holds {} rows with numbers that the file does not have", have.n_beyond);
            findings.of_file(ctx, file, what);
        }
    }
    Ok(held.n_rows)
}

/// Reads every value of a table's data files; answers how many are damaged.
fn read_all(log: &TableLog, files: &[LiveFile], findings: &mut Findings) -> usize {
    let mut n_damaged = 0;
    for file in files {
        let read = caught(&format!("reading `{}`", file.path), || {
            read_whole(&log.folder, &file.path).map_err(Failure::from)
        });
        if let Err(f) = read {
            n_damaged += 1;
            findings.add(log.name.to_string(), f.to_string());
        }
    }
    n_damaged
}

/// What a table holds.
#[derive(Default)]
struct Held {
    n_rows: u64,
    /// Rows that do not say which file they came from.
    n_unowned: u64,
    of_file: HashMap<i64, OfFile>,
}

#[derive(Clone, Copy, Default)]
struct OfFile {
    n_rows: u64,
    /// Rows whose number was there already.
    n_doubled: u64,
    /// Rows whose number is none of the file's.
    n_beyond: u64,
}

/// Reads the owners of all rows; once, unless there are more rows than a window
/// has bits.
fn count(ctx: &Context, log: &TableLog, files: &[LiveFile], said: &Said) -> Result<Held, Failure> {
    let rows = Numbers::of(said);
    let window_bits = (ctx.lake.memory_bytes / 4 * 8).max(1 << 20);
    let mut held = Held::default();
    let mut from = 0;
    loop {
        let to = rows.n.min(from + window_bits);
        let mut seen = vec![0u64; (to - from).div_ceil(64) as usize];
        let is_first = from == 0;
        for file in files {
            for batch in owners(&log.folder, &file.path)? {
                let batch = batch?;
                for (file, row) in batch.file_ids.iter().zip(&batch.rows) {
                    held.see(file, row, &rows, (from..to, &mut seen), is_first);
                }
            }
        }
        from = to;
        if from >= rows.n {
            return Ok(held);
        }
    }
}

impl Held {
    /// Counts a row, in the `first` pass, and marks it where it falls into the
    /// window.
    fn see(
        &mut self,
        file: Option<i64>,
        row: Option<i64>,
        rows: &Numbers,
        (window, seen): (std::ops::Range<u64>, &mut [u64]),
        first: bool,
    ) {
        if first {
            self.n_rows += 1;
            self.n_unowned += u64::from(file.is_none());
        }
        let Some(file) = file else { return };
        let of_file = self.of_file.entry(file).or_default();
        if first {
            of_file.n_rows += 1;
        }
        let Some(row) = row else { return };
        match rows.bit(file, row) {
            Bit::At(bit) if window.contains(&bit) => {
                let at = bit - window.start;
                let (word, mask) = (&mut seen[(at / 64) as usize], 1 << (at % 64));
                of_file.n_doubled += u64::from(*word & mask != 0);
                *word |= mask;
            }
            Bit::Beyond if first => of_file.n_beyond += 1,
            Bit::At(_) | Bit::Beyond | Bit::UnknownFile => {}
        }
    }
}

/// The rows of all files of a table, numbered through.
struct Numbers {
    /// By file: where its rows begin, and how many it has.
    of_file: HashMap<i64, (u64, u64)>,
    n: u64,
}

enum Bit {
    At(u64),
    /// The file has fewer rows.
    Beyond,
    /// That there are rows of it at all is a finding already.
    UnknownFile,
}

impl Numbers {
    fn of(said: &Said) -> Self {
        let mut all = Self { of_file: HashMap::with_capacity(said.len()), n: 0 };
        for (file, c) in said {
            // A row has the number of its record or, where a transform looks at the
            // whole file, its number in the result.
            let n = c.n_read.max(c.n_in);
            all.of_file.insert(*file, (all.n, n));
            all.n += n;
        }
        all
    }

    fn bit(&self, file: i64, row: i64) -> Bit {
        let Some((start, n)) = self.of_file.get(&file) else { return Bit::UnknownFile };
        match u64::try_from(row).ok().and_then(|row| row.checked_sub(1)).filter(|at| at < n) {
            Some(at) => Bit::At(start + at),
            None => Bit::Beyond,
        }
    }
}

fn report(shell: &Shell, n_committed: u64, n_rows: u64, n_raw: u64, findings: &Findings) -> Result<Exit> {
    let exit = if findings.n == 0 { Exit::Done } else { Exit::Findings };
    if shell.global.json {
        let all: Vec<_> = findings
            .shown
            .iter()
            .map(|(subject, what)| json!({ "subject": subject, "finding": what }))
            .collect();
        shell.print_json(&json!({
            "files": n_committed, "rows": n_rows, "raw_files": n_raw, "n_findings": findings.n, "findings": all,
        }))?;
        return Ok(exit);
    }
    shell.say(format!(
        "{} committed, {} counted in tables, raw bytes of {} verified",
        render::counted(n_committed, "file"),
        render::counted(n_rows, "row"),
        render::counted(n_raw, "file")
    ))?;
    if findings.n == 0 {
        shell.say("every row of every file is accounted for, once")?;
        return Ok(exit);
    }
    let mut list = shell.list(&["subject", "finding"]);
    for (subject, what) in findings.shown.iter().take(100) {
        list.row([subject, what]);
    }
    shell.print_list(&list)?;
    shell.say(format!("{} in all", render::counted(findings.n, "finding")))?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts `(file, row)` in windows of `bits`, as `count` does.
    fn counted(said: &[(i64, u64)], held: &[(i64, i64)], bits: u64) -> Vec<(i64, u64, u64, u64)> {
        let said: Said = said.iter().map(|(f, n)| (*f, Counts { n_read: *n, ..Counts::default() })).collect();
        let rows = Numbers::of(&said);
        let mut all = Held::default();
        let mut from = 0;
        loop {
            let to = rows.n.min(from + bits);
            let mut seen = vec![0u64; (to - from).div_ceil(64) as usize];
            for (file, row) in held {
                all.see(Some(*file), Some(*row), &rows, (from..to, &mut seen), from == 0);
            }
            from = to;
            if from >= rows.n {
                break;
            }
        }
        let mut found: Vec<_> =
            all.of_file.iter().map(|(f, o)| (*f, o.n_rows, o.n_doubled, o.n_beyond)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn doubled_rows_are_found_whatever_the_window() {
        let said = [(3, 100), (7, 5)];
        let held = [(7, 5), (3, 1), (3, 100), (7, 5), (7, 6), (7, 0), (3, 99), (9, 1), (3, 100), (3, 100)];
        let want = [(3, 5, 2, 0), (7, 4, 1, 2), (9, 1, 0, 0)];
        for bits in [1, 7, 64, 65, 1000] {
            assert_eq!(counted(&said, &held, bits), want, "{bits} bits");
        }
    }
}
