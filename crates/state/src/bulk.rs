//! Statements over many rows at once. A statement costs a round trip to the
//! database's thread whatever it does, so a thousand files must not mean
//! thousands of statements.

use sqlx::{Arguments as _, AssertSqlSafe, Encode, Type};

use crate::error::Result;
use crate::sqlite::{Arguments, Connection, Db, Row};

/// Stands in a statement for the list of rows: `(?, ?), (?, ?), …`.
const ROWS: &str = "$rows";

/// The most rows of one statement. Lists are cut into powers of two up to here,
/// so that each statement has only nine texts and stays prepared.
const CHUNK: usize = 256;

/// The values of a statement's rows, in order.
pub(crate) struct Binds(Arguments);

impl Binds {
    pub(crate) fn put<'t, T: Encode<'t, Db> + Type<Db>>(&mut self, value: T) -> &mut Self {
        self.0.add(value).expect("numbers and text always encode");
        self
    }
}

/// Runs `sql` for all of `rows`, of `width` values each, which `bind` gives.
pub(crate) async fn execute<R>(
    conn: &mut Connection,
    sql: &str,
    width: usize,
    rows: &[R],
    bind: impl Fn(&mut Binds, &R),
) -> Result<()> {
    for chunk in chunks(rows) {
        let (text, binds) = statement(sql, width, chunk, &bind);
        sqlx::query_with(AssertSqlSafe(text), binds).execute(&mut *conn).await?;
    }
    Ok(())
}

/// As [`execute`], for what the statements return.
pub(crate) async fn fetch<R>(
    conn: &mut Connection,
    sql: &str,
    width: usize,
    rows: &[R],
    bind: impl Fn(&mut Binds, &R),
) -> Result<Vec<Row>> {
    let mut found = Vec::with_capacity(rows.len());
    for chunk in chunks(rows) {
        let (text, binds) = statement(sql, width, chunk, &bind);
        found.extend(sqlx::query_with(AssertSqlSafe(text), binds).fetch_all(&mut *conn).await?);
    }
    Ok(found)
}

fn statement<R>(sql: &str, width: usize, chunk: &[R], bind: impl Fn(&mut Binds, &R)) -> (String, Arguments) {
    debug_assert_eq!(sql.matches(ROWS).count(), 1, "{sql}");
    let tuple = format!("({})", vec!["?"; width].join(","));
    let mut binds = Binds(Arguments::default());
    binds.0.reserve(width * chunk.len(), 0);
    for row in chunk {
        bind(&mut binds, row);
    }
    debug_assert_eq!(binds.0.len(), width * chunk.len(), "{sql}");
    (sql.replace(ROWS, &vec![tuple; chunk.len()].join(",")), binds.0)
}

/// Cuts into lengths that are powers of two, at most [`CHUNK`].
fn chunks<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let length = if rows.len() >= CHUNK { CHUNK } else { 1 << rows.len().ilog2() };
        let (chunk, rest) = rows.split_at(length);
        rows = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_in_order_with_few_lengths() {
        for n in [0_usize, 1, 2, 3, 63, 255, 256, 257, 1000] {
            let rows: Vec<usize> = (0..n).collect();
            let cut: Vec<&[usize]> = chunks(&rows).collect();
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|c| c.len().is_power_of_two() && c.len() <= CHUNK));
        }
    }
}
