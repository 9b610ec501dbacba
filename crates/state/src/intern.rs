//! Names that many rows share are stored once; rows hold their number.

use std::collections::HashMap;

use lakegate_domain::{DatasetName, LaneName, TableName};
use sqlx::Row as _;

use crate::error::{Error, Result};
use crate::sqlite::Connection;

pub(crate) async fn zone(conn: &mut Connection, landing: &str) -> Result<i64> {
    if let Some(id) = find_zone(conn, landing).await? {
        return Ok(id);
    }
    let row = sqlx::query("insert into zones (landing) values (?) returning zone_id")
        .bind(landing)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

pub(crate) async fn find_zone(conn: &mut Connection, landing: &str) -> Result<Option<i64>> {
    let row =
        sqlx::query("select zone_id from zones where landing = ?").bind(landing).fetch_optional(conn).await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?)
}

pub(crate) async fn dataset(conn: &mut Connection, name: &DatasetName) -> Result<i64> {
    if let Some(id) = find_dataset(conn, name).await? {
        return Ok(id);
    }
    let row = sqlx::query("insert into datasets (dataset) values (?) returning dataset_id")
        .bind(name.to_string())
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

pub(crate) async fn find_dataset(conn: &mut Connection, name: &DatasetName) -> Result<Option<i64>> {
    let row = sqlx::query("select dataset_id from datasets where dataset = ?")
        .bind(name.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?)
}

/// A lane's number and the last seq that it handed out.
pub(crate) async fn lane(conn: &mut Connection, dataset_id: i64, name: &LaneName) -> Result<(i64, i64)> {
    let found = sqlx::query("select lane_id, last_seq from lanes where lane = ?")
        .bind(&name.0)
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = found {
        return Ok((row.try_get(0)?, row.try_get(1)?));
    }
    let row =
        sqlx::query("insert into lanes (dataset_id, lane, last_seq) values (?, ?, 0) returning lane_id")
            .bind(dataset_id)
            .bind(&name.0)
            .fetch_one(conn)
            .await?;
    Ok((row.try_get(0)?, 0))
}

pub(crate) async fn set_last_seq(conn: &mut Connection, lane_id: i64, seq: i64) -> Result<()> {
    sqlx::query("update lanes set last_seq = ? where lane_id = ?")
        .bind(seq)
        .bind(lane_id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn find_table(conn: &mut Connection, name: &TableName) -> Result<Option<i64>> {
    let row = sqlx::query("select table_id from tables where table_name = ?")
        .bind(name.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?)
}

/// The numbers of the tables that one transaction meets.
#[derive(Default)]
pub(crate) struct Tables(HashMap<TableName, i64>);

impl Tables {
    pub(crate) async fn id(&mut self, conn: &mut Connection, name: &TableName) -> Result<i64> {
        if let Some(id) = self.0.get(name) {
            return Ok(*id);
        }
        let id = match find_table(conn, name).await? {
            Some(id) => id,
            None => {
                let dataset_id = dataset(conn, &name.dataset()).await?;
                let row = sqlx::query(
                    "insert into tables (dataset_id, table_name) values (?, ?) returning table_id",
                )
                .bind(dataset_id)
                .bind(name.to_string())
                .fetch_one(conn)
                .await?;
                row.try_get(0)?
            }
        };
        self.0.insert(name.clone(), id);
        Ok(id)
    }
}

pub(crate) fn parse_dataset(text: &str) -> Result<DatasetName> {
    text.parse().map_err(Error::corrupt)
}

/// `team.dataset.table`; only a table's own name may hold a dot.
pub(crate) fn parse_table(text: &str) -> Result<TableName> {
    match text.splitn(3, '.').collect::<Vec<_>>()[..] {
        [team, dataset, table] => Ok(DatasetName::new(team, dataset).table(table)),
        _ => Err(Error::corrupt(format!("`{text}` is not a table"))),
    }
}

/// Ids handed out by one transaction: taken from the counter, given back to it
/// at the end.
pub(crate) struct Ids {
    name: &'static str,
    last: i64,
    taken: bool,
}

impl Ids {
    pub(crate) async fn begin(conn: &mut Connection, name: &'static str) -> Result<Self> {
        let row = sqlx::query("select value from counters where name = ?").bind(name).fetch_one(conn).await?;
        Ok(Self { name, last: row.try_get(0)?, taken: false })
    }

    pub(crate) fn next(&mut self) -> i64 {
        self.last += 1;
        self.taken = true;
        self.last
    }

    pub(crate) async fn end(self, conn: &mut Connection) -> Result<()> {
        if self.taken {
            sqlx::query("update counters set value = ? where name = ?")
                .bind(self.last)
                .bind(self.name)
                .execute(conn)
                .await?;
        }
        Ok(())
    }
}
