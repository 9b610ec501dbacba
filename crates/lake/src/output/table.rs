//! Rows for people: aligned columns or, where a line cannot hold them, one line
//! a value.

use std::io::Write;

use arrow::datatypes::DataType;
use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Row, Table, TableStyle,
};
use datafusion::execution::SendableRecordBatchStream;

use super::{Failed, Outlet, TableOptions, cells, next};

/// Columns narrower than this, with their margins, say nothing.
const NARROWEST: usize = 8;
/// Longest text that is shown of one value in a table.
const LONGEST: usize = 400;

/// A thin line below the header and between columns.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction('│'))
    .header_separator(LineStyle::none().fill('─').junction('┼'))
    .content_lines(ContentLineStyle::none().junction('│'));

pub(super) async fn write(
    stream: &mut SendableRecordBatchStream,
    out: &mut Outlet<'_>,
    options: TableOptions,
    n_rows: &mut u64,
) -> Result<(), Failed> {
    let schema = stream.schema();
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    // The rest is read too, to say how much it is.
    while let Some(batch) = next(stream, n_rows).await? {
        let wanted = options.max_rows.saturating_sub(rows.len()).min(batch.num_rows());
        if wanted == 0 {
            continue;
        }
        let flat = cells::flat(&batch.slice(0, wanted))?;
        let mut columns = flat.columns().iter().map(cells::texts).collect::<Result<Vec<_>, _>>()?;
        rows.extend((0..wanted).map(|row| columns.iter_mut().map(|c| c[row].take()).collect()));
    }
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let numeric: Vec<bool> = schema.fields().iter().map(|f| is_number(f.data_type())).collect();
    let shown = rows.len() as u64;
    match options.width {
        _ if names.is_empty() => {}
        Some(width) if names.len() * NARROWEST > usize::from(width) && !rows.is_empty() => {
            upright(out, &names, &rows, options)?;
        }
        _ => across(out, &names, &numeric, rows, options)?,
    }
    if shown < *n_rows && !names.is_empty() {
        writeln!(out, "… and {} more rows; `limit`, or `--output FILE`, for all of them", *n_rows - shown)?;
    }
    Ok(())
}

fn is_number(t: &DataType) -> bool {
    match t {
        DataType::Dictionary(_, value) => is_number(value),
        t => t.is_numeric(),
    }
}

fn across(
    out: &mut Outlet<'_>,
    names: &[&str],
    numeric: &[bool],
    rows: Vec<Vec<Option<String>>>,
    options: TableOptions,
) -> Result<(), Failed> {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_truncation_indicator("…");
    match options.width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if options.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let aligned = |cell: Cell, i: usize| match numeric[i] {
        true => cell.set_alignment(CellAlignment::Right),
        false => cell,
    };
    let header = names
        .iter()
        .enumerate()
        .map(|(i, name)| aligned(Cell::new(one_line(name)).add_attribute(Attribute::Bold), i));
    table.set_header(one_high(header.collect()));
    for row in rows {
        let cells = row.into_iter().enumerate().map(|(i, text)| match text {
            Some(text) => aligned(Cell::new(one_line(&text)), i),
            None => aligned(Cell::new("NULL").add_attribute(Attribute::Dim), i),
        });
        table.add_row(one_high(cells.collect()));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A row that is cut rather than wrapped.
fn one_high(cells: Vec<Cell>) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
}

/// One block a row, one line a value.
fn upright(
    out: &mut Outlet<'_>,
    names: &[&str],
    rows: &[Vec<Option<String>>],
    options: TableOptions,
) -> Result<(), Failed> {
    let widest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let (dim, plain) = if options.color { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
    for (i, row) in rows.iter().enumerate() {
        writeln!(out, "── row {} ──", i + 1)?;
        for (name, value) in names.iter().zip(row) {
            let gap = " ".repeat(widest - name.chars().count());
            match value {
                Some(value) => writeln!(out, " {name}{gap} │ {}", one_line(value))?,
                None => writeln!(out, " {name}{gap} │ {dim}NULL{plain}")?,
            }
        }
    }
    Ok(())
}

/// The text in one line of bounded length, without what a terminal would obey.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            line.push('…');
            break;
        }
        match c {
            '\n' => line.push('↵'),
            '\t' => line.push(' '),
            '\r' => {}
            c if c.is_control() => line.push('\u{fffd}'),
            c => line.push(c),
        }
    }
    line
}
