//! Table to netCDF to table: random typed tables are loaded, exported, and what
//! was exported is landed in another lake. Both tables, and the files that both
//! lakes export, say the same.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::cdf::Cdf;
use crate::lake::{DONE, TestLake};

/// One column of a random table.
struct Column {
    name: String,
    kind: Kind,
    /// How many elements its lists have, from the outermost.
    lengths: Vec<usize>,
    /// One in so many values is missing; all of them with 1.
    missing: usize,
    declared: String,
    is_flagged: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Float64,
    Float32,
    Int8,
    Int16,
    Int32,
    Int64,
    Bool,
    Text,
    Time,
    Date,
}

const KINDS: [Kind; 10] = [
    Kind::Float64,
    Kind::Float32,
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Bool,
    Kind::Text,
    Kind::Time,
    Kind::Date,
];

impl Kind {
    fn arrow(self) -> &'static str {
        match self {
            Kind::Float64 => "Float64",
            Kind::Float32 => "Float32",
            Kind::Int8 => "Int8",
            Kind::Int16 => "Int16",
            Kind::Int32 => "Int32",
            Kind::Int64 => "Int64",
            Kind::Bool => "Boolean",
            Kind::Text => "Utf8",
            Kind::Time => "Timestamp(Microsecond, Some(\"UTC\"))",
            Kind::Date => "Date32",
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Kind::Bool | Kind::Text | Kind::Time | Kind::Date)
    }

    /// A value as SQL: of any size, and now and then one at an end. None of those
    /// that are a missing one in netCDF: NaN, an empty text, the fill values.
    fn value(self, rng: &mut Rng) -> String {
        let end = rng.u8(..6) == 0;
        let int = |rng: &mut Rng, bits: u32| {
            let least = -(1i128 << (bits - 1));
            match (end, rng.bool()) {
                (true, true) => least,
                (true, false) => -least - 1,
                _ => i128::from(rng.i64(-100..100)),
            }
        };
        let text = match self {
            Kind::Float64 if end => ["inf", "-inf", "-0.0", "5e-324"][rng.usize(..4)].into(),
            Kind::Float64 => format!("{:?}", (rng.f64() - 0.5) * 10f64.powi(rng.i32(-20..20))),
            Kind::Float32 if end => ["inf", "-0.0", "1e-45"][rng.usize(..3)].into(),
            Kind::Float32 => format!("{:?}", (rng.f32() - 0.5) * 10f32.powi(rng.i32(-10..10))),
            Kind::Int8 => int(rng, 8).to_string(),
            Kind::Int16 => int(rng, 16).to_string(),
            Kind::Int32 => int(rng, 32).to_string(),
            Kind::Int64 => int(rng, 64).to_string(),
            Kind::Bool => rng.bool().to_string(),
            Kind::Text => {
                ["x", "Ærø 🌊", "two words", "it''s", "a\nb\tc", "NaN", "-9999", " "][rng.usize(..8)].into()
            }
            // From 1750 to 2200, to the microsecond.
            Kind::Time => {
                let micros = rng.i64(-6_942_672_000_000_000..7_258_118_400_000_000);
                return format!("arrow_cast({micros}, '{}')", self.arrow());
            }
            Kind::Date => {
                return format!("arrow_cast(arrow_cast({}, 'Int32'), 'Date32')", rng.i32(-80_000..80_000));
            }
        };
        format!("arrow_cast('{text}', '{}')", self.arrow())
    }
}

impl Column {
    fn random(rng: &mut Rng, n: usize, lists: &[usize]) -> Self {
        let kind = KINDS[rng.usize(..KINDS.len())];
        // Days are told from instants by their declaration, which lists have not.
        let depth = if kind == Kind::Date { 0 } else { [0, 0, 0, 1, 1, 2][rng.usize(..6)] };
        let is_flagged = kind.is_number() && depth < 2 && rng.bool();
        let name = format!("{}_{n}", ["v", "höhe", "wind_speed"][rng.usize(..3)]);
        let mut declared = String::new();
        if is_flagged {
            write!(declared, "fail_range: [-50, 50], valid_range: [null, 90], ").unwrap();
        }
        if kind.is_number() && rng.bool() {
            write!(declared, "unit: '{}', ", ["m s-1", "degC", "1", "%"][rng.usize(..4)]).unwrap();
        }
        if rng.bool() {
            write!(declared, "description: 'What it is: {n}', ").unwrap();
        }
        if rng.bool() {
            write!(declared, "standard_name: air_pressure, attributes: {{ height_m: {n}, levels: [1, 2.5], words: [a, b c], of: Ærø }}").unwrap();
        }
        Self {
            name,
            kind,
            lengths: lists[..depth].to_vec(),
            missing: [1, 3, 10, usize::MAX][rng.usize(..4)],
            declared,
            is_flagged,
        }
    }

    fn arrow(&self) -> String {
        self.lengths.iter().fold(self.kind.arrow().to_string(), |inner, _| format!("List({inner})"))
    }

    /// A missing list is one of missing values in a file; none is made here.
    fn cell(&self, rng: &mut Rng, lengths: &[usize]) -> String {
        if let Some((length, inner)) = lengths.split_first() {
            let all: Vec<String> = (0..*length).map(|_| self.cell(rng, inner)).collect();
            return format!("make_array({})", all.join(", "));
        }
        match self.missing != usize::MAX && rng.usize(..self.missing) == 0 {
            true => format!("arrow_cast(null, '{}')", self.kind.arrow()),
            false => self.kind.value(rng),
        }
    }
}

/// All values of some columns as text, with their types.
fn told(lake: &TestLake, columns: &[String]) -> Vec<String> {
    let each = |c: &String| format!("arrow_typeof(\"{c}\"), coalesce(cast(\"{c}\" as varchar), 'NULL')");
    let columns: Vec<String> = columns.iter().map(each).collect();
    lake.lines(&format!("select {} from t order by time, _row", columns.join(", ")))
}

fn there_and_back(seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    let lists = [rng.usize(1..4), rng.usize(1..3)];
    let columns: Vec<Column> = (0..rng.usize(1..8)).map(|n| Column::random(rng, n, &lists)).collect();
    let n_rows = rng.usize(1..25);
    let mut rows = Vec::with_capacity(n_rows);
    for _ in 0..n_rows {
        // Some at the same time, in no order.
        let time = 1_700_000_000_000_000 + rng.i64(0..30) * 1_500_000;
        let mut cells = vec![format!("arrow_cast({time}, '{}') as time", Kind::Time.arrow())];
        for c in &columns {
            cells.push(format!("{} as \"{}\"", c.cell(rng, &c.lengths), c.name));
        }
        rows.push(format!("select {}", cells.join(", ")));
    }
    let mut declaration = String::from("columns:\n  time: timestamp\n");
    for c in columns.iter().filter(|c| !c.declared.is_empty()) {
        writeln!(declaration, "  {}: {{ {} }}", c.name, c.declared).unwrap();
    }
    let flagged: Vec<&str> = columns.iter().filter(|c| c.is_flagged).map(|c| c.name.as_str()).collect();
    if !flagged.is_empty() {
        let names = flagged.join(", ");
        write!(
            declaration,
            "quality:\n  - {{ check: missing, columns: [{names}], meaning: Not there }}\n  - {{ check: fail_min, columns: [{names}], assessment: indeterminate }}\n  - {{ check: valid_max, columns: [{names}] }}\n"
        )
        .unwrap();
    }
    // What made it is told by both, in other words.
    let export = "export: { netcdf: '{file}.nc', attributes: { history: none, title: Ærø } }\n";
    let context = || {
        let kinds: Vec<String> =
            columns.iter().map(|c| format!("{} {} 1/{}", c.name, c.arrow(), c.missing)).collect();
        format!("seed {seed}: {n_rows} rows of {}\n{declaration}", kinds.join(", "))
    };

    let first = TestLake::with("t", &format!("{declaration}{export}"));
    let sql = rows.join("\nunion all ");
    let written = first.lakegate(&["sql", &sql, "--output", "x.parquet"]);
    assert_eq!(written.code, Some(DONE), "{written}\n{}", context());
    first.land("landing/ops/t/x.parquet", std::fs::read(first.path("x.parquet")).unwrap());
    let ran = first.lakegate(&["run"]);
    assert_eq!(ran.code, Some(DONE), "{ran}\n{}", context());
    let file = first.path("lake/export/x.nc");

    let days = columns.iter().filter(|c| c.kind == Kind::Date);
    let days: Vec<String> = days.map(|c| format!("{}: date", c.name)).collect();
    let second = TestLake::with("t", &format!("columns: {{ {} }}\n{export}", days.join(", ")));
    second.land("landing/ops/t/x.nc", std::fs::read(&file).unwrap());
    let ran = second.lakegate(&["run"]);
    assert_eq!(ran.code, Some(DONE), "{ran}\n{}", context());

    let names: Vec<String> = std::iter::once("time".to_string())
        .chain(columns.iter().map(|c| c.name.clone()))
        .chain(flagged.iter().map(|c| format!("qc_{c}")))
        .collect();
    for name in &names {
        let one = [name.clone()];
        assert_eq!(told(&second, &one), told(&first, &one), "column {name} of {}", context());
    }
    let again = second.path("lake/export/x.nc");
    let differences = Cdf::open(&again).differences(&Cdf::open(&file));
    assert!(differences.is_empty(), "{differences:#?}\n{}", context());
    second.prove();
}

/// `LAKEGATE_SEED` runs one case alone.
#[test]
fn a_table_comes_back_from_netcdf_as_it_was() {
    if let Ok(seed) = std::env::var("LAKEGATE_SEED") {
        return there_and_back(seed.parse().unwrap());
    }
    let first = 20_260_401;
    println!("seeds from {first}");
    (first..first + 16).for_each(there_and_back);
}
