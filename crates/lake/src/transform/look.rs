//! What is wrong with a statement whatever a file holds: found before there is
//! one, from the columns that are declared.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, SchemaError};
use lakegate_domain::Failure;

use super::{Transform, check_tables, failed, parse, planned, session_state};

/// Columns that a file may have beside those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// None.
    No,
    /// They are text.
    Text,
    /// Their types are not known.
    Unknown,
}

/// More columns than any statement names.
const MAX_ASSUMED: usize = 2000;

/// Looks at a statement over `input`, of which `known` are some columns. Answers
/// the columns it yields, where that can be told.
///
/// # Errors
/// LG401, as [`Transform::compile`], where every file would fail by it.
pub async fn look(sql: &str, known: &Schema, others: Others) -> Result<Option<SchemaRef>, Failure> {
    let statement = parse(sql)?;
    let mut state = session_state();
    check_tables(&state, &statement)?;
    let mut fields: Vec<Arc<Field>> = known.fields().iter().cloned().collect();
    let mut assumed: HashSet<String> = HashSet::new();
    let mut normalise = false;
    let lists_all = lists_all(sql);
    loop {
        let input: SchemaRef = Arc::new(Schema::new(fields.clone()));
        let error = match planned(&mut state, &statement, &input, normalise).await {
            Ok(_) => {
                let is_sure = assumed.is_empty() || others == Others::Text;
                let compiled = match is_sure && !(lists_all && others != Others::No) {
                    true => Some(Transform::compile(sql, input).await?),
                    false => None,
                };
                return Ok(compiled.map(|t| t.output_schema()));
            }
            Err(e) => e,
        };
        if let Some(column) = missing_column(&error).filter(|_| assumed.len() < MAX_ASSUMED) {
            let is_cased = |f: &Arc<Field>| f.name().eq_ignore_ascii_case(&column) && *f.name() != column;
            if !normalise && known.fields().iter().any(is_cased) {
                // It is found in small letters.
                normalise = true;
                fields.truncate(known.fields().len());
                assumed.clear();
                continue;
            }
            if others != Others::No && assumed.insert(column.clone()) {
                fields.push(Arc::new(Field::new(column, DataType::Utf8, true)));
                continue;
            }
            // It may be a field of a column that holds records.
            return if others == Others::Unknown { Ok(None) } else { Err(failed(error)) };
        }
        let hinges_on_columns =
            (others == Others::Unknown && !assumed.is_empty()) || (lists_all && others != Others::No);
        return match hinges_on_columns && !is_of_statement(&error) {
            true => Ok(None),
            false => Err(failed(error)),
        };
    }
}

/// The column that is not there, where that is what is wrong.
pub(crate) fn missing_column(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            _ => None,
        },
        DataFusionError::Diagnostic(_, cause) => missing_column(cause),
        _ => None,
    }
}

/// Whether an error is one whatever the types of the columns.
pub(crate) fn is_of_statement(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::Plan(detail) => detail.starts_with("Invalid function"),
        DataFusionError::SQL(..) => true,
        DataFusionError::Diagnostic(_, cause) => is_of_statement(cause),
        _ => false,
    }
}

/// Whether the statement takes all columns, by `*`, those that nobody knows
/// among them; a multiplication is none, nor is `count(*)`.
fn lists_all(sql: &str) -> bool {
    let lower = sql.to_lowercase();
    lower.match_indices('*').any(|(at, _)| {
        let before = lower[..at].trim_end();
        before.ends_with([',', '.']) || ["select", "distinct", "all"].iter().any(|w| before.ends_with(w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(sql: &str, others: Others) -> Result<Option<Vec<String>>, String> {
        let known =
            Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)]);
        let looked = tokio::runtime::Runtime::new().unwrap().block_on(look(sql, &known, others));
        looked
            .map(|schema| schema.map(|s| s.fields().iter().map(|f| f.name().clone()).collect()))
            .map_err(|f| f.message)
    }

    #[test]
    fn what_no_file_can_mend_is_told() {
        for (sql, others, want) in [
            ("delete from input", Others::Unknown, "not a query"),
            ("select 1 as x from input; select 2", Others::Unknown, "2 statements"),
            ("select n from other", Others::Unknown, "reads `other`"),
            ("select from input where", Others::Text, "cannot be understood"),
            ("select no_such(x) as y from input", Others::Unknown, "no function `no_such`"),
            ("select x from input", Others::No, "no column `x`"),
            ("select n, n from input", Others::Text, "same name"),
            ("select x || 1, date_bin(x) from input", Others::Text, "date_bin"),
            ("with a as (select n from input) select m from a", Others::Text, "no column `m`"),
        ] {
            let wrong = looked(sql, others).unwrap_err();
            assert!(wrong.contains(want), "{sql}: {wrong}");
        }
    }

    #[test]
    fn what_a_file_may_have_is_no_fault() {
        let names = |n: &[&str]| Ok(Some(n.iter().map(|s| s.to_string()).collect()));
        assert_eq!(looked("select n + 1 as m, other from input", Others::Text), names(&["m", "other"]));
        assert_eq!(looked("select N + 1 as m from input", Others::Text), names(&["m"]));
        assert_eq!(looked("select * from input", Others::No), names(&["n", "t"]));
        for (sql, others) in [
            ("select *, x as y from input", Others::Text),
            ("select * from input union all select n, t, x from input", Others::Text),
            ("select x.y + 1 as z from input", Others::Unknown),
            ("select date_bin(interval '1 hour', x) as h from input", Others::Unknown),
        ] {
            assert_eq!(looked(sql, others), Ok(None), "{sql}");
        }
    }
}
