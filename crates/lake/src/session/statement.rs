//! One statement's text and syntax: where it ends, whether it only reads, which
//! tables it names where. Nothing here knows the lake's tables.

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, SetExpr, ShowStatementOptions, Spanned, Statement as SqlStatement, visit_relations,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use super::{Error, Position, Result};

/// Statements nested deeper than this are refused before they exhaust the stack.
const RECURSION_LIMIT: usize = 50;

/// Parses exactly one statement; a final `;` may follow it.
pub(super) fn parse(sql: &str) -> Result<Statement> {
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(RECURSION_LIMIT)
        .build()?
        .parse_statements()?;
    match statements.len() {
        0 => Err(Error::statement("there is no statement")),
        1 => Ok(statements.pop_front().expect("its length is 1")),
        n => Err(Error::statement(format!("these are {n} statements; give them one at a time"))),
    }
}

/// Refuses what does more than read.
pub(super) fn only_reads(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Statement(sql) => sql_only_reads(sql),
        Statement::Explain(explain) => only_reads(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {
            Err(refusal(statement))
        }
    }
}

fn sql_only_reads(statement: &SqlStatement) -> Result<()> {
    match statement {
        SqlStatement::Query(query) if query_only_reads(query) => Ok(()),
        SqlStatement::Explain { statement, .. } => sql_only_reads(statement),
        SqlStatement::ExplainTable { .. }
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowFunctions { .. }
        | SqlStatement::ShowVariable { .. } => Ok(()),
        other => Err(refusal(other)),
    }
}

/// Whether a query's outermost body reads; inner ones cannot write in this dialect.
fn query_only_reads(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(inner) => query_only_reads(inner),
        SetExpr::SetOperation { .. } | SetExpr::Values(_) | SetExpr::Table(_) => true,
        _ => false,
    }
}

fn refusal(statement: &dyn std::fmt::Display) -> Error {
    let text = statement.to_string().to_uppercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let first = words.next().unwrap_or_default().to_string();
    let message = match first.as_str() {
        "SET" | "RESET" | "USE" | "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "PREPARE" | "EXECUTE"
        | "DEALLOCATE" | "DECLARE" => {
            format!(
                "`{first}` is refused: every statement stands for itself; write whole names, `team.dataset.table`"
            )
        }
        "COPY" => {
            "`COPY` is refused: SQL here only reads; `lakegate sql --output FILE` writes a result to a file"
                .into()
        }
        "WITH" | "SELECT" => "a `SELECT` that writes is refused: SQL here only reads".into(),
        _ => format!(
            "`{first}` is refused: SQL here only reads; tables change by files that land, \
             and `lakegate replay` rebuilds them"
        ),
    };
    Error::refused(message)
}

/// Replaces what the engine answers in its own words by what answers in ours:
/// `SHOW TABLES` and `SHOW COLUMNS FROM t`.
pub(super) fn in_our_words(statement: Statement) -> Result<Statement> {
    let Statement::Statement(sql) = &statement else { return Ok(statement) };
    let plain = |o: &ShowStatementOptions| {
        o.starts_with.is_none() && o.limit.is_none() && o.limit_from.is_none() && o.filter_position.is_none()
    };
    match sql.as_ref() {
        SqlStatement::ShowTables { show_options, .. }
            if plain(show_options) && show_options.show_in.is_none() =>
        {
            parse(
                "select table_catalog as team, table_schema as dataset, table_name as \"table\" \
                 from information_schema.tables \
                 where table_schema <> 'information_schema' \
                 and not (table_catalog = 'lake' and table_schema = 'system') order by 1, 2, 3",
            )
        }
        SqlStatement::ShowColumns { show_options, .. } if plain(show_options) => {
            match show_options.show_in.as_ref().and_then(|s| s.parent_name.as_ref()) {
                Some(table) => parse(&format!("describe {table}")),
                None => Ok(statement),
            }
        }
        _ => Ok(statement),
    }
}

/// The parts of the table's name in `DESCRIBE table`, folded as SQL folds them.
pub(super) fn described_table(statement: &Statement) -> Option<Vec<String>> {
    let Statement::Statement(sql) = statement else { return None };
    match sql.as_ref() {
        SqlStatement::ExplainTable { table_name, .. } => Some(folded(table_name)),
        _ => None,
    }
}

/// Where a statement first names a table; `parts` are folded.
pub(super) fn position_of(statement: &Statement, parts: &[&str]) -> Option<Position> {
    let sql = match statement {
        Statement::Statement(sql) => sql,
        Statement::Explain(explain) => return position_of(&explain.statement, parts),
        _ => return None,
    };
    let found = visit_relations(sql.as_ref(), |name: &ObjectName| {
        let start = name.span().start;
        if start.line > 0 && folded(name) == parts {
            ControlFlow::Break(start)
        } else {
            ControlFlow::Continue(())
        }
    });
    match found {
        ControlFlow::Break(start) => Some(Position { line: start.line, column: start.column }),
        ControlFlow::Continue(()) => None,
    }
}

fn folded(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .map(|part| match part.as_ident() {
            Some(ident) if ident.quote_style.is_some() => ident.value.clone(),
            Some(ident) => ident.value.to_lowercase(),
            None => part.to_string(),
        })
        .collect()
}

/// A text cut at the semicolons that end statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Whole statements, without their semicolons, trimmed, none empty.
    pub statements: Vec<String>,
    /// What follows the last semicolon, trimmed; empty where nothing but
    /// comments does.
    pub rest: String,
}

/// Cuts a text into statements. Semicolons inside quotes, dollar quotes and
/// comments do not count.
pub fn split(text: &str) -> Script {
    let mut script = Script::default();
    let bytes = text.as_bytes();
    let (mut start, mut i, mut has_words) = (0, 0, false);
    while i < bytes.len() {
        let rest = &bytes[i..];
        match bytes[i] {
            quote @ (b'\'' | b'"') => {
                // A doubled quote ends one piece and begins the next: the same to us.
                i += 1 + skip_past(&rest[1..], &[quote]);
                has_words = true;
            }
            b'-' if rest.starts_with(b"--") => i += skip_past(rest, b"\n"),
            b'/' if rest.starts_with(b"/*") => i += block_comment(rest),
            b'$' if dollar_tag(rest).is_some() => {
                let tag = dollar_tag(rest).unwrap_or_default();
                i += tag.len() + skip_past(&rest[tag.len()..], tag);
                has_words = true;
            }
            b';' => {
                if has_words {
                    script.statements.push(text[start..i].trim().to_string());
                }
                i += 1;
                start = i;
                has_words = false;
            }
            other => {
                has_words |= !other.is_ascii_whitespace();
                i += 1;
            }
        }
    }
    if has_words {
        script.rest = text[start..].trim().to_string();
    }
    script
}

/// Bytes up to and including `end`, or all of them.
fn skip_past(bytes: &[u8], end: &[u8]) -> usize {
    bytes.windows(end.len()).position(|w| w == end).map_or(bytes.len(), |at| at + end.len())
}

/// Length of the comment at the start; comments nest.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

/// `$$` or `$tag$` at the start.
fn dollar_tag(bytes: &[u8]) -> Option<&[u8]> {
    let name = bytes[1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let starts_with_digit = bytes.get(1).is_some_and(u8::is_ascii_digit);
    (bytes.get(1 + name) == Some(&b'$') && !starts_with_digit).then(|| &bytes[..name + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_count() {
        for (text, statements, rest) in [
            ("", vec![], ""),
            ("select 1", vec![], "select 1"),
            ("select 1;", vec!["select 1"], ""),
            (" select 1 ;; select 2 ; ", vec!["select 1", "select 2"], ""),
            ("select ';' ; select \"a;b\"", vec!["select ';'"], "select \"a;b\""),
            ("select 'it''s;'; x", vec!["select 'it''s;'"], "x"),
            ("-- one;\nselect 1; -- two;", vec!["-- one;\nselect 1"], ""),
            ("/* a; /* b; */ c; */ select 1;", vec!["/* a; /* b; */ c; */ select 1"], ""),
            ("select $$a;b$$; select $t$;$$;$t$;", vec!["select $$a;b$$", "select $t$;$$;$t$"], ""),
            ("select $1; select 2", vec!["select $1"], "select 2"),
            ("select 'open; ", vec![], "select 'open;"),
            ("select 'ü;'; é", vec!["select 'ü;'"], "é"),
        ] {
            let got = split(text);
            assert_eq!(
                (got.statements, got.rest.as_str()),
                (statements.iter().map(|s| s.to_string()).collect(), rest),
                "{text}"
            );
        }
    }

    #[test]
    fn only_reading_passes() {
        for sql in [
            "select 1",
            "with a as (select 1 as x) select * from a",
            "values (1), (2)",
            "select 1 union all select 2",
            "(select 1)",
            "explain select 1",
            "explain analyze verbose select 1",
            "describe t",
            "show tables",
            "show columns from t",
            "show all",
            "show functions",
        ] {
            assert!(only_reads(&parse(sql).unwrap()).is_ok(), "{sql}");
        }
        for (sql, word) in [
            ("insert into t values (1)", "`INSERT`"),
            ("update t set a = 1", "`UPDATE`"),
            ("delete from t", "`DELETE`"),
            ("truncate table t", "`TRUNCATE`"),
            ("merge into t using s on t.a = s.a when matched then delete", "`MERGE`"),
            ("create table t (a int)", "`CREATE`"),
            ("create table t as select 1", "`CREATE`"),
            ("create view v as select 1", "`CREATE`"),
            ("create external table t stored as csv location '/etc/passwd'", "`CREATE`"),
            ("drop table t", "`DROP`"),
            ("alter table t add column a int", "`ALTER`"),
            ("copy t to 'x.csv'", "`COPY`"),
            ("set datafusion.execution.batch_size = 1", "`SET`"),
            ("reset datafusion.execution.batch_size", "`RESET`"),
            ("begin", "`BEGIN`"),
            ("explain insert into t values (1)", "`INSERT`"),
            ("explain analyze delete from t", "`DELETE`"),
            ("select 1 into t", "`SELECT`"),
            ("prepare p as select 1", "`PREPARE`"),
        ] {
            let refused = only_reads(&parse(sql).unwrap()).unwrap_err();
            assert_eq!(refused.kind, super::super::Kind::Refused, "{sql}");
            assert!(refused.message.contains(word), "{sql}: {}", refused.message);
        }
    }
}
