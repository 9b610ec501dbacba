//! What is known of each file's content: its kind, its parameters, everything
//! that is wrong with it; and the census of parameters over many files.
//!
//! [`Reviewed`] is one file's part of it, whether the ledger tells it or somebody
//! has looked at a file that never landed: the rows of the system tables `review`,
//! `file_columns`, `problems` and `census` are made from it here alone.

use std::collections::BTreeMap;

use lakegate_domain::review::{Contents, Part, PartCounts, Problem, Severity};
use lakegate_domain::{Code, DatasetName, FileId};
use serde_json::Value;
use sqlx::{QueryBuilder, Row as _};

use crate::error::{Error, Result};
use crate::outcomes::ExpectationResult;
use crate::sqlite::{Connection, Db, Row};
use crate::store::{Store, unsigned};
use crate::system::Cursor;

/// Files of a page.
const PAGE: i64 = 256;

/// System tables whose rows are made of [`Reviewed`].
pub const REVIEW_TABLES: [&str; 4] = ["review", "file_columns", "problems", "census"];

/// Which files; what is not given does not narrow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReviewFilter {
    pub dataset: Option<DatasetName>,
    /// Landing folder of the files that no dataset takes.
    pub landing: Option<String>,
}

/// A file and all that is known of its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reviewed {
    /// `None` for a file that the ledger does not have.
    pub file_id: Option<FileId>,
    /// `None` for one that no dataset takes.
    pub dataset: Option<String>,
    pub landing: String,
    pub path: String,
    pub state: String,
    pub size_bytes: u64,
    /// The failure for which it waits, its code and message.
    pub failure: Option<(String, String)>,
    /// Why it goes nowhere: the word, and what to look at.
    pub stray: Option<(String, String)>,
    /// `None` where nobody has looked.
    pub contents: Option<Contents>,
    /// As in `Outcome::column_stats`; null for none.
    pub column_stats: Value,
    pub expectations: Vec<ExpectationResult>,
    pub raw_gone: bool,
}

/// Some files' reviews.
#[derive(Clone, Debug, Default)]
pub struct ReviewPage {
    pub files: Vec<Reviewed>,
    /// Where the next page begins, unless this was the last.
    pub next: Option<Cursor>,
}

impl Reviewed {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<Problem> {
        let plain = |severity, rule: Option<&str>, message: String, n| Problem {
            severity,
            code: None,
            rule: rule.map(str::to_string),
            member: None,
            line: None,
            message,
            n,
        };
        let mut all = self.contents.as_ref().map_or_else(Vec::new, |c| c.problems.clone());
        if let Some((code, message)) = &self.failure
            // Where each rule that is broken is listed, the failure says no more.
            && !all.iter().any(|p| p.severity == Severity::Error)
        {
            let code = Code::parse(code);
            all.push(Problem { code, ..plain(Severity::Error, None, message.clone(), 1) });
        }
        if let Some((reason, detail)) = &self.stray {
            all.push(plain(Severity::Error, Some(reason), detail.clone(), 1));
        }
        for e in self.expectations.iter().filter(|e| e.n_failed > 0) {
            let rows = e.first_rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let mut message = format!("{} of {} rows fail ({})", e.n_failed, e.n_checked, e.on_fail);
            if !rows.is_empty() {
                message += &format!(", first row {rows}");
            }
            if let Some(sample) = &e.sample {
                message += &format!(": {sample}");
            }
            all.push(plain(Severity::Warning, Some(&e.name), message, e.n_failed));
        }
        all
    }

    /// Whether its parameters count: its rows stand in a table, or it was looked
    /// at as a file of its own.
    fn counts(&self) -> bool {
        !matches!(self.state.as_str(), "duplicate" | "queued" | "leased")
    }

    fn id(&self) -> Value {
        self.file_id.map(|f| f.0).into()
    }

    /// Its rows of a system table: `review`, `problems` or `file_columns`.
    pub fn rows(&self, table: &str) -> Vec<Vec<Value>> {
        match table {
            "review" => vec![self.file_row()],
            "problems" => self.problem_rows(),
            "file_columns" => self.column_rows(),
            _ => Vec::new(),
        }
    }

    fn file_row(&self) -> Vec<Value> {
        let problems = self.problems();
        let n = |severity: Severity| -> Value {
            problems.iter().filter(|p| p.severity == severity).map(|p| p.n).sum::<u64>().into()
        };
        let sum = |of: fn(&PartCounts) -> u64| -> Value {
            self.contents.as_ref().map(|c| c.counts.iter().map(of).sum::<u64>()).into()
        };
        let n_parameters = self
            .contents
            .as_ref()
            .map(|c| c.parts.iter().flat_map(|p| &p.parameters).filter(|p| !p.is_flag).count());
        let (code, message) = self.failure.clone().or_else(|| self.stray.clone()).unzip();
        vec![
            self.id(),
            self.dataset.clone().into(),
            Some(self.landing.as_str()).filter(|l| !l.is_empty()).into(),
            self.path.as_str().into(),
            self.state.as_str().into(),
            self.contents.as_ref().and_then(Contents::kind).into(),
            sum(|c| c.n_documents),
            sum(|c| c.n_rows),
            n_parameters.into(),
            sum(|c| c.parameters.iter().map(|(_, values)| values).sum()),
            n(Severity::Error),
            n(Severity::Warning),
            n(Severity::Note),
            code.into(),
            message.into(),
            self.size_bytes.into(),
        ]
    }

    fn problem_rows(&self) -> Vec<Vec<Value>> {
        let row = |p: Problem| {
            vec![
                self.id(),
                self.dataset.clone().into(),
                self.path.as_str().into(),
                p.severity.name().into(),
                p.code.map(Code::id).into(),
                p.rule.into(),
                p.member.into(),
                p.line.into(),
                p.message.into(),
                p.n.into(),
            ]
        };
        self.problems().into_iter().map(row).collect()
    }

    fn column_rows(&self) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        for (part, counts) in self.parts() {
            for (parameter, (n_rows, n_values)) in part.parameters.iter().zip(&counts.parameters) {
                let name = parameter.table.as_ref().or(part.table.as_ref());
                let table = self.dataset.iter().zip(name).map(|(d, t)| format!("{d}.{t}")).next();
                // Where no dataset takes it, there is no table, and yet there are figures.
                let of_table = table.as_ref().or(name).and_then(|t| self.column_stats.get(t));
                let of_column = parameter.column.as_ref().and_then(|c| of_table?.get(c));
                let figure = |name: &str| of_column.and_then(|c| c.get(name)).cloned().unwrap_or_default();
                rows.push(vec![
                    self.id(),
                    self.dataset.clone().into(),
                    self.path.as_str().into(),
                    part.kind.as_str().into(),
                    parameter.name.as_str().into(),
                    parameter.unit.clone().into(),
                    parameter.known.into(),
                    parameter.is_flag.into(),
                    (*n_rows).into(),
                    (*n_values).into(),
                    table.into(),
                    parameter.column.clone().into(),
                    as_text(figure("min")),
                    as_text(figure("max")),
                    figure("mean").as_f64().into(),
                    figure("distinct").as_i64().into(),
                ]);
            }
        }
        rows
    }

    fn parts(&self) -> impl Iterator<Item = (&Part, &PartCounts)> {
        self.contents.iter().flat_map(|c| c.parts.iter().zip(&c.counts))
    }
}

/// A least or greatest value as text, whatever its kind.
pub(crate) fn as_text(value: Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value,
        other => other.to_string().into(),
    }
}

/// Dataset, kind, parameter and unit.
type Pair = (Option<String>, String, String, Option<String>);

/// Which parameter, with which unit, in how many files.
#[derive(Clone, Debug, Default)]
pub struct Census(BTreeMap<Pair, Counted>);

#[derive(Clone, Debug, Default)]
struct Counted {
    known: Option<bool>,
    n_files: u64,
    n_rows: u64,
    n_values: u64,
    first_path: String,
}

impl Census {
    /// Counts a file. Columns of flags are no parameters, and bytes that came
    /// twice count once.
    pub fn add(&mut self, file: &Reviewed) {
        if !file.counts() {
            return;
        }
        let mut here: BTreeMap<Pair, Counted> = BTreeMap::new();
        for (part, counts) in file.parts() {
            for (parameter, (n_rows, n_values)) in part.parameters.iter().zip(&counts.parameters) {
                if parameter.is_flag {
                    continue;
                }
                let pair =
                    (file.dataset.clone(), part.kind.clone(), parameter.name.clone(), parameter.unit.clone());
                let counted = here.entry(pair).or_default();
                counted.known = parameter.known;
                counted.n_rows += n_rows;
                counted.n_values += n_values;
            }
        }
        for (pair, found) in here {
            let counted = self.0.entry(pair).or_default();
            if counted.n_files == 0 {
                counted.first_path = file.path.clone();
            }
            counted.known = found.known;
            counted.n_files += 1;
            counted.n_rows += found.n_rows;
            counted.n_values += found.n_values;
        }
    }

    /// The rows of `system.census`.
    pub fn rows(self) -> Vec<Vec<Value>> {
        let row = |((dataset, kind, parameter, unit), c): (Pair, Counted)| {
            vec![
                dataset.into(),
                kind.into(),
                parameter.into(),
                unit.into(),
                c.known.into(),
                c.n_files.into(),
                c.n_rows.into(),
                c.n_values.into(),
                c.first_path.into(),
            ]
        };
        self.0.into_iter().map(row).collect()
    }
}

impl Store {
    /// The reviews of some files that follow `after`, in the order of their ids;
    /// after the last those of strays. Files that were replaced or ignored have
    /// none.
    pub async fn reviewed(&self, filter: &ReviewFilter, after: Cursor) -> Result<ReviewPage> {
        page(&mut *self.read().await?, filter, after).await
    }

    /// Notes what a file that was not committed holds. Said again it takes the
    /// place of what was said before; a file that is not known is passed over.
    pub async fn note_contents(&self, file_id: FileId, contents: &Contents) -> Result<()> {
        let mut tx = self.write().await?;
        let known = sqlx::query("select 1 from files where file_id = ?")
            .bind(file_id.0)
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_none() {
            return Ok(());
        }
        let mut shapes = Shapes::default();
        let shape_id = shapes.id(&mut tx, contents).await?;
        let (counts, problems) = texts(contents);
        sqlx::query(
            "insert into file_details (file_id, column_stats, expectations, shape_id, counts, problems) \
             values (?, '', '[]', ?, ?, ?) on conflict (file_id) do update set shape_id = excluded.shape_id, \
             counts = excluded.counts, problems = excluded.problems",
        )
        .bind(file_id.0)
        .bind(shape_id)
        .bind(counts)
        .bind(problems)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

/// All rows of one of the [`REVIEW_TABLES`], or some and where the next begin.
pub(crate) async fn system_rows(
    conn: &mut Connection,
    table: &str,
    filter: &ReviewFilter,
    after: Cursor,
) -> Result<(Vec<Vec<Value>>, Option<Cursor>)> {
    if table == "census" {
        let mut census = Census::default();
        let mut next = Some(after);
        while let Some(after) = next {
            let found = page(&mut *conn, filter, after).await?;
            found.files.iter().for_each(|f| census.add(f));
            next = found.next;
        }
        return Ok((census.rows(), None));
    }
    let found = page(conn, filter, after).await?;
    Ok((found.files.iter().flat_map(|f| f.rows(table)).collect(), found.next))
}

async fn page(conn: &mut Connection, filter: &ReviewFilter, after: Cursor) -> Result<ReviewPage> {
    let mut query = QueryBuilder::<Db>::new(
        "select f.file_id, d.dataset, z.landing, p.path, f.state, f.size_bytes, e.code, e.message, f.raw_gone, \
         s.shape, x.counts, x.problems, x.column_stats, x.expectations from files f \
         join datasets d on d.dataset_id = f.dataset_id join paths p on p.path_id = f.path_id \
         join zones z on z.zone_id = p.zone_id left join failures e on e.failure_id = f.failure_id \
         left join file_details x on x.file_id = case f.state when 'duplicate' then f.of_file_id else f.file_id end \
         left join shapes s on s.shape_id = x.shape_id where f.state not in ('replaced', 'ignored') \
         and f.file_id > ",
    );
    query.push_bind(after.first());
    if let Some(dataset) = &filter.dataset {
        query.push(" and f.dataset_id = (select dataset_id from datasets where dataset = ");
        query.push_bind(dataset.to_string()).push(")");
    }
    query.push(" order by f.file_id limit ").push_bind(PAGE);
    let rows = query.build().persistent(false).fetch_all(&mut *conn).await?;
    let mut files = rows.iter().map(of_row).collect::<Result<Vec<_>>>()?;
    if rows.len() as i64 == PAGE {
        let last = files.last().and_then(|f| f.file_id);
        return Ok(ReviewPage { next: last.map(|f| Cursor::at(f.0)), files });
    }
    files.extend(strays(conn, filter).await?);
    Ok(ReviewPage { files, next: None })
}

async fn strays(conn: &mut Connection, filter: &ReviewFilter) -> Result<Vec<Reviewed>> {
    let mut query = QueryBuilder::<Db>::new(
        "select z.landing, s.path, s.reason, s.detail, s.size_bytes from strays s \
         join zones z on z.zone_id = s.zone_id where true",
    );
    if let Some(landing) = &filter.landing {
        query.push(" and z.landing = ").push_bind(landing);
    }
    query.push(" order by z.landing, s.path");
    let rows = query.build().persistent(false).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Reviewed {
                landing: row.try_get(0)?,
                path: row.try_get(1)?,
                state: "stray".into(),
                stray: Some((row.try_get(2)?, row.try_get(3)?)),
                size_bytes: unsigned(row.try_get(4)?),
                ..Reviewed::default()
            })
        })
        .collect()
}

fn of_row(row: &Row) -> Result<Reviewed> {
    let file_id: i64 = row.try_get(0)?;
    let damaged = |what: &str| Error::corrupt(format!("the {what} of f{file_id} cannot be read"));
    let shape: Option<&str> = row.try_get(9)?;
    let contents = match shape {
        None => None,
        Some(shape) => {
            let problems: &str = row.try_get(11)?;
            let contents = Contents {
                parts: serde_json::from_str(shape).map_err(|_| damaged("contents"))?,
                counts: serde_json::from_str(row.try_get(10)?).map_err(|_| damaged("counts"))?,
                problems: match problems {
                    "" => Vec::new(),
                    problems => serde_json::from_str(problems).map_err(|_| damaged("problems"))?,
                },
            };
            Some(contents)
        }
    };
    let column_stats = match row.try_get::<Option<&str>, _>(12)?.unwrap_or_default() {
        "" => Value::Null,
        stats => serde_json::from_str(stats).map_err(|_| damaged("column statistics"))?,
    };
    let expectations = match row.try_get::<Option<&str>, _>(13)?.unwrap_or_default() {
        "" => Vec::new(),
        results => serde_json::from_str(results).map_err(|_| damaged("expectations"))?,
    };
    let code: Option<String> = row.try_get(6)?;
    Ok(Reviewed {
        file_id: Some(FileId(file_id)),
        dataset: Some(row.try_get(1)?),
        landing: row.try_get(2)?,
        path: row.try_get(3)?,
        state: row.try_get(4)?,
        size_bytes: unsigned(row.try_get(5)?),
        failure: code.zip(row.try_get(7)?),
        stray: None,
        contents,
        column_stats,
        expectations,
        raw_gone: row.try_get(8)?,
    })
}

/// The numbers of the shapes that one transaction meets.
#[derive(Default)]
pub(crate) struct Shapes(BTreeMap<String, i64>);

impl Shapes {
    pub(crate) async fn id(&mut self, conn: &mut Connection, contents: &Contents) -> Result<i64> {
        let shape = json(&contents.parts);
        if let Some(id) = self.0.get(&shape) {
            return Ok(*id);
        }
        let found = sqlx::query("select shape_id from shapes where shape = ?")
            .bind(&shape)
            .fetch_optional(&mut *conn)
            .await?;
        let row = match found {
            Some(row) => row,
            None => {
                sqlx::query("insert into shapes (shape) values (?) returning shape_id")
                    .bind(&shape)
                    .fetch_one(conn)
                    .await?
            }
        };
        let id = row.try_get(0)?;
        self.0.insert(shape, id);
        Ok(id)
    }
}

/// Counts and problems as they are stored.
pub(crate) fn texts(contents: &Contents) -> (String, String) {
    let problems = if contents.problems.is_empty() { String::new() } else { json(&contents.problems) };
    (json(&contents.counts), problems)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and text are JSON")
}
