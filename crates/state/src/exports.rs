//! Which exports are made of what, and which are to be made again.
//!
//! A landed file is due where its rows came into an exported table, changed or
//! went. Whoever finishes, replaces or replays files says so in the same
//! transaction; here it is asked for and crossed off.

use lakegate_domain::{FileId, TableName};
use serde::Serialize;
use sqlx::Row as _;

use crate::bulk;
use crate::error::{Error, Result};
use crate::intern::{self, Tables, parse_table};
use crate::lanes::parse_groups;
use crate::outcomes::ExpectationResult;
use crate::sqlite::{Connection, Row};
use crate::store::{Millis, Store, signed, unsigned};

/// A landed file whose exports are to be made, or to go.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    pub file_id: FileId,
    /// What [`Store::export_done`] takes: whether it became due again meanwhile.
    pub n: i64,
    /// Rows that it has in the table; none where they have gone.
    pub n_rows: u64,
    /// Its path below the landing folder.
    pub path: String,
    /// What the route's groups captured.
    pub groups: Vec<(String, String)>,
}

/// An export as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Export {
    #[serde(serialize_with = "shown")]
    pub table: TableName,
    /// Which rows: unique within the table.
    pub part: String,
    /// What tells the rows, as whoever made it wrote it.
    #[serde(skip)]
    pub about: String,
    /// Below the folder of exports; `None` while there is no file.
    pub path: Option<String>,
    pub n_rows: u64,
    pub size_bytes: u64,
    pub made_at: Millis,
    /// Why the last attempt came to nothing.
    pub error: Option<String>,
}

fn shown<S: serde::Serializer>(table: &TableName, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_str(table)
}

/// An export that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub part: String,
    pub about: String,
    pub path: String,
    pub n_rows: u64,
    pub size_bytes: u64,
    /// Paths of the plots beside it.
    pub plots: Vec<String>,
    /// The landed files whose rows it holds.
    pub files: Vec<FileId>,
}

const EXPORT: &str = "select t.table_name, e.part, e.about, e.path, e.n_rows, e.size_bytes, e.made_at, e.error \
    from exports e join tables t on t.table_id = e.table_id";

const DUE: &str = "insert into exports_due (table_id, file_id, n) ";
const AGAIN: &str = " on conflict (table_id, file_id) do update set n = exports_due.n + 1";

impl Store {
    /// Says which tables are exported, each by what recipe. All files of a table
    /// whose recipe is new or another one become due; a table that is exported
    /// no more keeps what was exported. Where nothing changed, nothing is written.
    pub async fn export_by(&self, recipes: &[(TableName, String)]) -> Result<()> {
        let known = sqlx::query(
            "select t.table_name, r.recipe from export_recipes r join tables t on t.table_id = r.table_id",
        )
        .fetch_all(self.readers())
        .await?;
        let mut before: Vec<(TableName, String)> = Vec::with_capacity(known.len());
        for row in &known {
            before.push((parse_table(row.try_get(0)?)?, row.try_get(1)?));
        }
        let gone: Vec<&TableName> =
            before.iter().map(|(t, _)| t).filter(|t| !recipes.iter().any(|(r, _)| r == *t)).collect();
        let changed: Vec<_> = recipes.iter().filter(|recipe| !before.contains(recipe)).collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        let mut tables = Tables::default();
        for table in gone {
            let table_id = tables.id(&mut tx, table).await?;
            for sql in [
                "delete from export_recipes where table_id = ?",
                "delete from exports_due where table_id = ?",
            ] {
                sqlx::query(sql).bind(table_id).execute(&mut *tx).await?;
            }
        }
        for (table, recipe) in changed {
            let table_id = tables.id(&mut tx, table).await?;
            sqlx::query(
                "insert into export_recipes (table_id, recipe) values (?, ?) \
                 on conflict (table_id) do update set recipe = excluded.recipe",
            )
            .bind(table_id)
            .bind(recipe.as_str())
            .execute(&mut *tx)
            .await?;
            make_due(&mut tx, table_id, None).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Makes all files of a table due, or those that were committed at a time or
    /// later.
    pub async fn export_again(&self, table: &TableName, since: Option<Millis>) -> Result<()> {
        let mut tx = self.write().await?;
        if let Some(table_id) = intern::find_table(&mut tx, table).await? {
            make_due(&mut tx, table_id, since).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The next files of a table that are due, by id, after one of them.
    pub async fn exports_due(&self, table: &TableName, after: FileId, limit: u32) -> Result<Vec<Due>> {
        let rows = sqlx::query(
            "select d.file_id, d.n, case when f.state = 'committed' then coalesce(r.n_committed, 0) else 0 end, \
             p.path, f.name_groups from exports_due d join tables t on t.table_id = d.table_id \
             join files f on f.file_id = d.file_id join paths p on p.path_id = f.path_id \
             left join file_tables r on r.file_id = d.file_id and r.table_id = d.table_id \
             where t.table_name = ? and d.file_id > ? order by d.file_id limit ?",
        )
        .bind(table.to_string())
        .bind(after.0)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(due_from_row).collect()
    }

    /// The next files with rows in a table, due or not.
    pub async fn exportable(
        &self,
        table: &TableName,
        after: FileId,
        since: Option<Millis>,
        limit: u32,
    ) -> Result<Vec<Due>> {
        let rows = sqlx::query(
            "select f.file_id, 0, r.n_committed, p.path, f.name_groups from file_tables r \
             join tables t on t.table_id = r.table_id join files f on f.file_id = r.file_id \
             join paths p on p.path_id = f.path_id \
             where t.table_name = ? and f.state = 'committed' and r.n_committed > 0 and f.file_id > ? \
             and f.committed_at >= ? order by f.file_id limit ?",
        )
        .bind(table.to_string())
        .bind(after.0)
        .bind(since.map_or(i64::MIN, |s| s.0))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(due_from_row).collect()
    }

    /// The exports of a table that hold rows of some files.
    pub async fn exports_of(
        &self,
        table: &TableName,
        files: &[FileId],
    ) -> Result<Vec<(Export, Vec<FileId>)>> {
        let mut tx = self.read().await?;
        let Some(table_id) = intern::find_table(&mut tx, table).await? else { return Ok(Vec::new()) };
        let rows = bulk::fetch(
            &mut tx,
            "with v (file_id) as (values $rows) select t.table_name, e.part, e.about, e.path, e.n_rows, \
             e.size_bytes, e.made_at, e.error, x.file_id, e.table_id from export_files x \
             join v on v.file_id = x.file_id join exports e on e.export_id = x.export_id \
             join tables t on t.table_id = e.table_id order by e.part, x.file_id",
            1,
            files,
            |b, file_id| {
                b.put(file_id.0);
            },
        )
        .await?;
        let mut found: Vec<(Export, Vec<FileId>)> = Vec::new();
        for row in rows.iter().filter(|row| row.try_get::<i64, _>(9).is_ok_and(|id| id == table_id)) {
            let export = export_from_row(row)?;
            let file_id = FileId(row.try_get(8)?);
            match found.iter_mut().find(|(e, _)| e.part == export.part) {
                Some((_, files)) => files.push(file_id),
                None => found.push((export, vec![file_id])),
            }
        }
        Ok(found)
    }

    /// One part's export.
    pub async fn export(&self, table: &TableName, part: &str) -> Result<Option<Export>> {
        let sql = sqlx::AssertSqlSafe(format!("{EXPORT} where t.table_name = ? and e.part = ?"));
        let row = sqlx::query(sql).bind(table.to_string()).bind(part).fetch_optional(self.readers()).await?;
        row.as_ref().map(export_from_row).transpose()
    }

    /// Paths of the plots beside one part's export.
    pub async fn plots_of(&self, table: &TableName, part: &str) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "select p.path from export_plots p join exports e on e.export_id = p.export_id \
             join tables t on t.table_id = e.table_id where t.table_name = ? and e.part = ? order by p.path",
        )
        .bind(table.to_string())
        .bind(part)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The export that has a path, for itself or for a plot.
    pub async fn export_at(&self, path: &str) -> Result<Option<Export>> {
        let sql = format!(
            "{EXPORT} where e.path = ? or e.export_id in (select p.export_id from export_plots p where p.path = ?)"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(path)
            .bind(path)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(export_from_row).transpose()
    }

    /// Whether an export is about to be made anew or to go: one of its files is
    /// due, or its table is exported no more.
    pub async fn is_export_stale(&self, export: &Export) -> Result<bool> {
        let row = sqlx::query(
            "select (select count(*) from export_recipes r where r.table_id = t.table_id), \
             (select count(*) from export_files x join exports_due d on d.file_id = x.file_id \
              and d.table_id = t.table_id where x.export_id = e.export_id) \
             from exports e join tables t on t.table_id = e.table_id where t.table_name = ? and e.part = ?",
        )
        .bind(export.table.to_string())
        .bind(export.part.as_str())
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(true) };
        Ok(row.try_get::<i64, _>(0)? == 0 || row.try_get::<i64, _>(1)? > 0)
    }

    /// Exports lie at their paths. Whichever had such a path has it no more.
    pub async fn exports_made(&self, table: &TableName, made: &[Made], now: Millis) -> Result<()> {
        let mut tx = self.write().await?;
        let table_id = Tables::default().id(&mut tx, table).await?;
        for one in made {
            self::made(&mut tx, table_id, one, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// An export could not be made; what was made before stays.
    pub async fn export_failed(
        &self,
        table: &TableName,
        part: &str,
        about: &str,
        files: &[FileId],
        error: &str,
        now: Millis,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let table_id = Tables::default().id(&mut tx, table).await?;
        let row = sqlx::query(
            "insert into exports (table_id, part, about, path, n_rows, size_bytes, made_at, error) \
             values (?, ?, ?, null, 0, 0, ?, ?) on conflict (table_id, part) do update set error = excluded.error \
             returning export_id",
        )
        .bind(table_id)
        .bind(part)
        .bind(about)
        .bind(now.0)
        .bind(error)
        .fetch_one(&mut *tx)
        .await?;
        let export_id: i64 = row.try_get(0)?;
        bulk::execute(
            &mut tx,
            "insert into export_files (file_id, export_id) values $rows on conflict (file_id, export_id) do nothing",
            2,
            files,
            |b, file_id| {
                b.put(file_id.0).put(export_id);
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// An export is no more.
    pub async fn export_gone(&self, table: &TableName, part: &str) -> Result<()> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "select e.export_id from exports e join tables t on t.table_id = e.table_id \
             where t.table_name = ? and e.part = ?",
        )
        .bind(table.to_string())
        .bind(part)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let export_id: i64 = row.try_get(0)?;
        for sql in [
            "delete from export_plots where export_id = ?",
            "delete from export_files where export_id = ?",
            "delete from exports where export_id = ?",
        ] {
            sqlx::query(sql).bind(export_id).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Crosses off files whose exports are all made, unless they became due again.
    pub async fn exports_done(&self, table: &TableName, done: &[(FileId, i64)]) -> Result<()> {
        if done.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        let Some(table_id) = intern::find_table(&mut tx, table).await? else { return Ok(()) };
        bulk::execute(
            &mut tx,
            "with v (table_id, file_id, n) as (values $rows) delete from exports_due \
             where (table_id, file_id, n) in (select table_id, file_id, n from v)",
            3,
            done,
            |b, (file_id, n)| {
                b.put(table_id).put(file_id.0).put(*n);
            },
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// What checks found in some files' rows of a table.
    pub async fn findings_of(&self, table: &TableName, files: &[FileId]) -> Result<Vec<ExpectationResult>> {
        let mut tx = self.read().await?;
        let rows = bulk::fetch(
            &mut tx,
            "with v (file_id) as (values $rows) select x.file_id, x.expectations from v \
             join file_details x on x.file_id = v.file_id where x.expectations <> '[]'",
            1,
            files,
            |b, file_id| {
                b.put(file_id.0);
            },
        )
        .await?;
        let mut found = Vec::new();
        for row in &rows {
            let file_id: i64 = row.try_get(0)?;
            let results: Vec<ExpectationResult> = serde_json::from_str(row.try_get(1)?).map_err(|e| {
                Error::corrupt(format!("the expectations of f{file_id} are not readable ({e})"))
            })?;
            found.extend(results.into_iter().filter(|r| r.table == *table));
        }
        Ok(found)
    }

    /// Exports that could not be made, by table and part.
    pub async fn failed_exports(&self) -> Result<Vec<Export>> {
        let sql =
            sqlx::AssertSqlSafe(format!("{EXPORT} where e.error is not null order by t.table_name, e.part"));
        let rows = sqlx::query(sql).fetch_all(self.readers()).await?;
        rows.iter().map(export_from_row).collect()
    }
}

async fn made(conn: &mut Connection, table_id: i64, made: &Made, now: Millis) -> Result<()> {
    sqlx::query("update exports set path = null where path = ? and not (table_id = ? and part = ?)")
        .bind(made.path.as_str())
        .bind(table_id)
        .bind(made.part.as_str())
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query(
        "insert into exports (table_id, part, about, path, n_rows, size_bytes, made_at, error) \
         values (?, ?, ?, ?, ?, ?, ?, null) on conflict (table_id, part) do update set about = excluded.about, \
         path = excluded.path, n_rows = excluded.n_rows, size_bytes = excluded.size_bytes, \
         made_at = excluded.made_at, error = null returning export_id",
    )
    .bind(table_id)
    .bind(made.part.as_str())
    .bind(made.about.as_str())
    .bind(made.path.as_str())
    .bind(signed(made.n_rows))
    .bind(signed(made.size_bytes))
    .bind(now.0)
    .fetch_one(&mut *conn)
    .await?;
    let export_id: i64 = row.try_get(0)?;
    sqlx::query("delete from export_plots where export_id = ? or path = ?")
        .bind(export_id)
        .bind(made.path.as_str())
        .execute(&mut *conn)
        .await?;
    bulk::execute(
        conn,
        "insert into export_plots (path, export_id) values $rows \
         on conflict (path) do update set export_id = excluded.export_id",
        2,
        &made.plots,
        |b, path| {
            b.put(path.as_str()).put(export_id);
        },
    )
    .await?;
    holds(conn, export_id, &made.files).await
}

/// The files whose rows an export holds, in place of those that it held.
async fn holds(conn: &mut Connection, export_id: i64, files: &[FileId]) -> Result<()> {
    sqlx::query("delete from export_files where export_id = ?").bind(export_id).execute(&mut *conn).await?;
    bulk::execute(
        conn,
        "insert into export_files (file_id, export_id) values $rows",
        2,
        files,
        |b, file_id| {
            b.put(file_id.0).put(export_id);
        },
    )
    .await
}

async fn make_due(conn: &mut Connection, table_id: i64, since: Option<Millis>) -> Result<()> {
    let sql = format!(
        "{DUE}select r.table_id, r.file_id, 1 from file_tables r join files f on f.file_id = r.file_id \
         where r.table_id = ? and r.n_committed > 0 and f.state = 'committed' and f.committed_at >= ?{AGAIN}"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(table_id)
        .bind(since.map_or(i64::MIN, |s| s.0))
        .execute(&mut *conn)
        .await?;
    if since.is_some() {
        return Ok(());
    }
    // What went while the table was not exported.
    let sql = format!(
        "{DUE}select distinct e.table_id, x.file_id, 1 from exports e join export_files x \
         on x.export_id = e.export_id where e.table_id = ?{AGAIN}"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(table_id).execute(conn).await?;
    Ok(())
}

/// Makes files due in every exported table that has, or had, rows of them.
pub(crate) async fn due(conn: &mut Connection, files: &[FileId]) -> Result<()> {
    let any = sqlx::query("select 1 from export_recipes limit 1").fetch_optional(&mut *conn).await?;
    if any.is_none() {
        return Ok(());
    }
    for sql in [
        // Its rows go from tables in which it is counted, and from exports.
        "with v (file_id) as (values $rows) insert into exports_due (table_id, file_id, n) \
         select r.table_id, r.file_id, 1 from v join file_tables r on r.file_id = v.file_id \
         join export_recipes e on e.table_id = r.table_id where true \
         on conflict (table_id, file_id) do update set n = exports_due.n + 1",
        "with v (file_id) as (values $rows) insert into exports_due (table_id, file_id, n) \
         select distinct e.table_id, x.file_id, 1 from v join export_files x on x.file_id = v.file_id \
         join exports e on e.export_id = x.export_id join export_recipes r on r.table_id = e.table_id where true \
         on conflict (table_id, file_id) do update set n = exports_due.n + 1",
    ] {
        bulk::execute(conn, sql, 1, files, |b, file_id| {
            b.put(file_id.0);
        })
        .await?;
    }
    Ok(())
}

fn due_from_row(row: &Row) -> Result<Due> {
    Ok(Due {
        file_id: FileId(row.try_get(0)?),
        n: row.try_get(1)?,
        n_rows: unsigned(row.try_get(2)?),
        path: row.try_get(3)?,
        groups: parse_groups(row.try_get(4)?)?,
    })
}

fn export_from_row(row: &Row) -> Result<Export> {
    Ok(Export {
        table: parse_table(row.try_get(0)?)?,
        part: row.try_get(1)?,
        about: row.try_get(2)?,
        path: row.try_get(3)?,
        n_rows: unsigned(row.try_get(4)?),
        size_bytes: unsigned(row.try_get(5)?),
        made_at: Millis(row.try_get(6)?),
        error: row.try_get(7)?,
    })
}
