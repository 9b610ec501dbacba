//! How results look to people: lists, figures with units, progress. Commands
//! decide what is said; nothing here knows the lake.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Row, Table, TableStyle};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::ColorChoice;

/// Whether text on `out` may be bold or coloured.
pub fn use_color(choice: ColorChoice, out: &impl IsTerminal) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        // https://no-color.org: any value that is not empty.
        ColorChoice::Auto => {
            out.is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
        }
    }
}

/// Columns of the terminal on standard output; `None` in a pipe or a file, and
/// for a terminal that does not say.
pub fn terminal_width() -> Option<u16> {
    if io::stdout().is_terminal() { Table::new().width().filter(|w| *w > 0) } else { None }
}

/// A text in which a terminal finds nothing to obey and which keeps to its line:
/// control characters are escaped, `\x1b`, and those that turn the direction of
/// writing. Names of files may hold any of them.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The same for a text of several lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hides = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() || turns) && !keep(c)
    };
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut all = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !hides(c) => all.push(c),
            '\n' => all.push_str("\\n"),
            '\r' => all.push_str("\\r"),
            '\t' => all.push_str("\\t"),
            '\0'..='\x7f' => all.push_str(&format!("\\x{:02x}", c as u32)),
            _ => all.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(all)
}

/// Tells people of something on standard error.
pub fn warn(text: impl AsRef<str>) {
    eprintln!("warning: {}", visible_lines(text.as_ref()));
}

/// A list with aligned columns and a header, without borders.
pub struct List {
    table: Table,
    right: Vec<bool>,
}

impl List {
    /// A column whose name begins with `>` is set right, for figures.
    ///
    /// `width` is the terminal's, `None` where lines may be as long as they are.
    pub fn new(columns: &[&str], color: bool, width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(TableStyle::new());
        match width {
            Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let right: Vec<bool> = columns.iter().map(|c| c.starts_with('>')).collect();
        let header =
            columns.iter().map(|c| Cell::new(c.trim_start_matches('>')).add_attribute(Attribute::Bold));
        table.set_header(Row::from(align(header, &right)));
        Self { table, right }
    }

    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let cells = cells.into_iter().map(|c| Cell::new(visible(c.as_ref())));
        self.table.add_row(Row::from(align(cells, &self.right)));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        self.table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
    }
}

fn align(cells: impl Iterator<Item = Cell>, right: &[bool]) -> Vec<Cell> {
    cells
        .zip(right.iter().chain(std::iter::repeat(&false)))
        .map(|(cell, right)| if *right { cell.set_alignment(CellAlignment::Right) } else { cell })
        .collect()
}

/// `0 B`, `999 B`, `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        // 1023.95 would be shown as 1024.0 of the smaller unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`: the plural is the singular with an `s`.
pub fn counted(n: u64, singular: &str) -> String {
    format!("{} {singular}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `12 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(d: Duration) -> String {
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    // Rounded first: 59.96 s is a minute, 999.6 ms a second.
    let ms = (d.as_secs_f64() * 1000.0).round() as u64;
    let s = (d.as_secs_f64()).round() as u64;
    match (ms, s) {
        (0, _) if !d.is_zero() => "<1 ms".into(),
        (..1000, _) => format!("{ms} ms"),
        (..59_950, _) => format!("{:.1} s", d.as_secs_f64()),
        (_, ..3600) => two(s / 60, "min", s % 60, "s"),
        (_, ..86_400) => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// How long before `now` an instant was, both in milliseconds since 1970:
/// `just now`, `5 min ago`, `3 d ago`; `in 2 h` for what is to come.
pub fn ago(instant_ms: i64, now_ms: i64) -> String {
    let apart = Duration::from_millis(now_ms.abs_diff(instant_ms));
    let s = apart.as_secs();
    let coarse = match s {
        ..5 => return "just now".into(),
        5..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h", s / 3600),
        86_400..2_592_000 => format!("{} d", s / 86_400),
        2_592_000..31_536_000 => format!("{} months", s / 2_592_000).replacen(
            "1 months",
            "1 month",
            usize::from(s / 2_592_000 == 1),
        ),
        _ => counted(s / 31_536_000, "year"),
    };
    if instant_ms <= now_ms { format!("{coarse} ago") } else { format!("in {coarse}") }
}

/// What shows that long work goes on: a spinner with the newest message on a
/// terminal's standard error, and nothing elsewhere. It leaves no line behind.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Progress of `what`, such as `run`.
    pub fn new(what: &str, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg:.dim}")
                .expect("the template is constant and correct");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(style)
                .with_prefix(what.to_string());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, quiet }
    }

    /// Something that people should know while the work goes on.
    pub fn note(&self, text: impl AsRef<str>) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| warn(text)),
            None => warn(text),
        }
    }

    /// How far the work is.
    pub fn message(&self, text: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(visible(&text.into()).into_owned());
        }
    }

    /// The work is over; the spinner goes away.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.2 MiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), want, "{bytes}");
        }
    }

    #[test]
    fn counts() {
        for (n, want) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")]
        {
            assert_eq!(count(n), want);
        }
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2000, "file"), "2,000 files");
        assert_eq!(counted(0, "row"), "0 rows");
    }

    #[test]
    fn durations() {
        for (ms, want) in [
            (0.0, "0 ms"),
            (0.4, "<1 ms"),
            (12.0, "12 ms"),
            (999.6, "1.0 s"),
            (1234.0, "1.2 s"),
            (59_960.0, "1 min"),
            (184_000.0, "3 min 4 s"),
            (7_500_000.0, "2 h 5 min"),
            (273_600_000.0, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(ms / 1000.0)), want, "{ms} ms");
        }
    }

    #[test]
    fn relative_times() {
        let now = 1_800_000_000_000;
        let s = 1000;
        for (before, want) in [
            (0, "just now"),
            (30 * s, "30 s ago"),
            (300 * s, "5 min ago"),
            (7200 * s, "2 h ago"),
            (86_400 * 3 * s, "3 d ago"),
            (86_400 * 45 * s, "1 month ago"),
            (86_400 * 330 * s, "11 months ago"),
            (86_400 * 800 * s, "2 years ago"),
            (-7200 * s, "in 2 h"),
        ] {
            assert_eq!(ago(now - before, now), want, "{before}");
        }
    }

    #[test]
    fn nothing_in_a_name_is_obeyed() {
        for (text, want) in [
            ("plain é 漢.csv", "plain é 漢.csv"),
            ("\u{1b}[31mred\n.csv", "\\x1b[31mred\\n.csv"),
            ("a\tb\r\0\u{7f}", "a\\tb\\r\\x00\\x7f"),
            ("\u{9b}x\u{202e}y", "\\u{9b}x\\u{202e}y"),
        ] {
            assert_eq!(visible(text), want);
        }
        assert_eq!(visible_lines("a\n\u{1b}b"), "a\n\\x1bb");
        let mut out = Vec::new();
        List::new(&["a"], false, None).row(["x\ny"]).print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " a\n x\\ny\n");
    }

    #[test]
    fn a_list_is_aligned_and_plain_in_a_pipe() {
        let mut list = List::new(&["table", ">rows", "note"], false, None);
        list.row(["ocean.buoy.met", "1,234", ""]).row(["x", "7", "old"]);
        let mut out = Vec::new();
        list.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            " table            rows  note\n ocean.buoy.met  1,234\n x                   7  old\n"
        );
    }

    #[test]
    fn a_list_has_a_bold_header_in_color() {
        let mut out = Vec::new();
        List::new(&["a"], true, None).row(["1"]).print(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("\u{1b}[1m"));
    }
}
