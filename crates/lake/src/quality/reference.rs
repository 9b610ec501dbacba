//! The checks once more, value by value over plain vectors, with no thought of
//! speed: what the others are held against. Splines and spikes have figures of
//! their own to be held against.

use lakegate_domain::model::{Column, Order, Quality, QualityCheck, Then};

/// The values of a row in one column: one, or those of its list; `None` where
/// there is no list.
pub(super) type Cell = Option<Vec<Option<f64>>>;

/// A file: its coordinate, and each column by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct File {
    /// `_row` of each row.
    pub numbers: Vec<u64>,
    /// Of column `time`.
    pub time: Vec<Option<f64>>,
    pub columns: Vec<(String, Vec<Cell>)>,
    /// By column as in `columns`, in its shape; empty for one without flags.
    pub flags: Vec<Vec<Option<Vec<i32>>>>,
    pub time_flags: Vec<i32>,
    pub n_dropped: u64,
}

/// Name, values looked at, values failed, first rows.
pub(super) type Tally = (String, u64, u64, Vec<u64>);

/// `Err` is the name of the check that stopped the file.
pub(super) fn judge(file: &mut File, quality: &[Quality], specs: &[Column]) -> Result<Vec<Tally>, String> {
    let mut tallies = Vec::new();
    for q in quality {
        for name in &q.columns {
            tallies.push(one(file, q, name, specs)?);
        }
    }
    Ok(tallies)
}

fn cells_of(file: &File, name: &str) -> Vec<Cell> {
    match file.columns.iter().find(|(n, _)| n == name) {
        Some((_, cells)) => cells.clone(),
        None => file.time.iter().map(|t| Some(vec![*t])).collect(),
    }
}

fn one(file: &mut File, q: &Quality, name: &str, specs: &[Column]) -> Result<Tally, String> {
    let cells = cells_of(file, name);
    let spec = specs.iter().find(|c| c.name == name).unwrap();
    let threshold = q.check.threshold(spec);
    // By row, by place; a row without a list has one verdict for it as a whole.
    let mut failed: Vec<Vec<bool>> = Vec::new();
    let missing_counts = q.check == QualityCheck::Missing || q.null_fails;
    for (row, cell) in cells.iter().enumerate() {
        let Some(values) = cell else {
            failed.push(vec![missing_counts]);
            continue;
        };
        let verdicts = values.iter().enumerate().map(|(place, value)| {
            let column: Vec<Option<f64>> =
                cells.iter().map(|c| c.as_ref().and_then(|v| v.get(place).copied().flatten())).collect();
            fails(q, threshold, &column, row, *value)
        });
        failed.push(verdicts.collect());
    }
    let n_checked = failed.iter().map(|f| f.len() as u64).sum();
    let n_failed = failed.iter().flatten().filter(|f| **f).count() as u64;
    let firsts: Vec<u64> = failed
        .iter()
        .zip(&file.numbers)
        .flat_map(|(f, n)| f.iter().filter(|f| **f).map(move |_| *n))
        .take(5)
        .collect();
    if n_failed > 0 {
        for then in &q.then {
            act(file, q, name, *then, &mut failed);
            if *then == Then::Fail && n_failed as f64 / n_checked as f64 > q.tolerate.unwrap_or(0.0) {
                return Err(q.name_of(name));
            }
        }
    }
    Ok((q.name_of(name), n_checked, n_failed, firsts))
}

fn fails(
    q: &Quality,
    threshold: Option<f64>,
    column: &[Option<f64>],
    row: usize,
    value: Option<f64>,
) -> bool {
    if let QualityCheck::Delta(_) = q.check {
        return match (row.checked_sub(1).map(|before| column[before]), value) {
            (None, _) => false,
            (Some(Some(before)), Some(value)) => (value - before).abs() > threshold.unwrap(),
            (Some(before), value) => before.is_some() != value.is_some() && q.null_fails,
        };
    }
    let Some(value) = value else { return q.check == QualityCheck::Missing || q.null_fails };
    match &q.check {
        QualityCheck::Missing => false,
        QualityCheck::Min(_) => value < threshold.unwrap(),
        QualityCheck::Max(_) => value > threshold.unwrap(),
        QualityCheck::Std(_) => {
            let all: Vec<f64> = column.iter().flatten().copied().collect();
            let n = all.len() as f64;
            let mean = all.iter().sum::<f64>() / n;
            let variance = all.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
            value > mean + threshold.unwrap() * variance.sqrt()
        }
        QualityCheck::Ordered(order) => {
            let up = match order {
                Order::Increasing => true,
                Order::Decreasing => false,
                Order::Majority => {
                    let steps: Vec<f64> = column.windows(2).filter_map(|w| Some(w[1]? - w[0]?)).collect();
                    steps.iter().filter(|s| **s > 0.0).count() >= steps.iter().filter(|s| **s < 0.0).count()
                }
            };
            let mut last: Option<f64> = None;
            for v in column[..row].iter().flatten() {
                if last.is_none_or(|last| if up { *v > last } else { *v < last }) {
                    last = Some(*v);
                }
            }
            last.is_some_and(|last| if up { value <= last } else { value >= last })
        }
        QualityCheck::Delta(_) | QualityCheck::Despike | QualityCheck::Sql(_) => {
            unreachable!("not generated, or above")
        }
    }
}

fn act(file: &mut File, q: &Quality, name: &str, then: Then, failed: &mut Vec<Vec<bool>>) {
    let at = file.columns.iter().position(|(n, _)| n == name);
    match then {
        Then::Warn | Then::Fail => {}
        Then::Interpolate => unreachable!("not generated"),
        Then::Flag => {
            let bit = 1 << q.bits[name];
            for (row, failed) in failed.iter().enumerate() {
                match at {
                    None if failed[0] => file.time_flags[row] |= bit,
                    None => {}
                    Some(at) => {
                        let Some(flags) = &mut file.flags[at][row] else { continue };
                        flags.iter_mut().zip(failed).filter(|(_, f)| **f).for_each(|(v, _)| *v |= bit);
                    }
                }
            }
        }
        Then::Remove => match at {
            Some(at) => {
                for (cell, failed) in file.columns[at].1.iter_mut().zip(failed.iter()) {
                    let Some(values) = cell else { continue };
                    values.iter_mut().zip(failed).filter(|(_, f)| **f).for_each(|(v, _)| *v = None);
                }
            }
            None => {
                let stay: Vec<usize> = (0..failed.len()).filter(|r| !failed[*r][0]).collect();
                file.n_dropped += (failed.len() - stay.len()) as u64;
                take(file, failed, &stay);
            }
        },
        Then::Sort { descending } => {
            let mut order: Vec<usize> = (0..file.time.len()).collect();
            order.sort_by(|a, b| match (file.time[*a], file.time[*b]) {
                (Some(a), Some(b)) if descending => b.total_cmp(&a),
                (Some(a), Some(b)) => a.total_cmp(&b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            });
            take(file, failed, &order);
        }
    }
}

fn take(file: &mut File, failed: &mut Vec<Vec<bool>>, rows: &[usize]) {
    fn of<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
        rows.iter().map(|r| all[*r].clone()).collect()
    }
    file.numbers = of(&file.numbers, rows);
    file.time = of(&file.time, rows);
    file.time_flags = of(&file.time_flags, rows);
    file.columns.iter_mut().for_each(|(_, cells)| *cells = of(cells, rows));
    file.flags.iter_mut().for_each(|flags| *flags = of(flags, rows));
    *failed = of(failed, rows);
}
