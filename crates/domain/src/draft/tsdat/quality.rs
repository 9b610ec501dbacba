//! Quality managers as entries of `quality:`.
//!
//! tsdat's values are numbers, and a missing one is a fill value from the moment
//! that `RemoveFailedValues` has put it there. 0.2 compares it like any other: what
//! was removed for being missing then fails `fail_min` as well, because -9999 is
//! less than any limit. tsdat 0.10 leaves fill values out of every comparison.

use std::collections::HashSet;

use super::pipeline::{Check, Handler, Manager, Pipeline, Side, Style, TIME, Threshold, Variable};
use super::write::{Keys, list, number};
use super::{Note, NoteKind};
use crate::config::scalars;
use crate::draft::scalar;

/// One entry, with what is said above it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub comment: Option<String>,
    /// `None`: there is nothing but the comment.
    pub keys: Option<Keys>,
}

/// What may be flagged: the columns of the table.
pub(super) struct Columns<'a> {
    /// All but coordinates, in order.
    pub data: Vec<&'a Variable>,
}

pub(super) fn entries(pipeline: &Pipeline, columns: &Columns, notes: &mut Vec<Note>) -> Vec<Entry> {
    let mut made =
        Making { pipeline, columns, notes, filled: HashSet::new(), names: HashSet::new(), out: Vec::new() };
    if pipeline.style == Style::Old {
        // What is not read is nothing but fill values from the start.
        made.filled = columns.data.iter().filter(|v| v.inputs.is_empty()).map(|v| v.name.clone()).collect();
    }
    pipeline.managers.iter().for_each(|manager| made.manager(manager));
    made.out
}

struct Making<'a, 'n> {
    pipeline: &'a Pipeline,
    columns: &'a Columns<'a>,
    notes: &'n mut Vec<Note>,
    /// Variables whose missing values are fill values by now.
    filled: HashSet<String>,
    names: HashSet<String>,
    out: Vec<Entry>,
}

/// What follows a failed check, of a whole manager.
#[derive(Clone, Debug, Default)]
struct Consequence {
    /// Of the check, in findings. It may stand twice, for different columns.
    name: String,
    words: Vec<&'static str>,
    bit: Option<i64>,
    assessment: Option<String>,
    meaning: Option<String>,
    correction: Option<String>,
    tolerate: Option<f64>,
}

impl<'a> Making<'a, '_> {
    fn lost(&mut self, about: &str, text: impl Into<String>) {
        self.notes.push(Note::new(NoteKind::Lost, about, text));
    }

    fn manager(&mut self, manager: &Manager) {
        if let Check::Unknown(class) = &manager.check {
            let text = format!(
                "it is checked by `{class}` on {}; write it as an entry of `quality:` with `sql:`, or compute a column of \
                 its results by `transform:` or `hook:`",
                manager.apply_to.join(", ")
            );
            self.out.push(Entry {
                comment: Some(format!("Not taken over: {}: {text}.", manager.name)),
                keys: None,
            });
            return self.lost(&manager.name, text);
        }
        let consequences = self.consequences(manager);
        if consequences.is_empty() {
            return;
        }
        let (coordinates, data) = self.targets(manager);
        if coordinates {
            for consequence in &consequences {
                self.coordinate(manager, consequence);
            }
        }
        if !data.is_empty() {
            for consequence in &consequences {
                self.data(manager, consequence, &data);
            }
            let removes = manager.handlers.iter().any(|h| matches!(h, Handler::Remove { .. }));
            if manager.check == Check::Missing && removes {
                self.filled.extend(data.iter().map(|v| v.name.clone()));
            }
        }
    }

    /// The handlers of a manager, as few entries as say the same. Only one flag
    /// is made by an entry: what is flagged besides comes before, so that nothing
    /// is removed yet.
    fn consequences(&mut self, manager: &Manager) -> Vec<Consequence> {
        let mut last = Consequence::default();
        let mut flags: Vec<Consequence> = Vec::new();
        for handler in &manager.handlers {
            match handler {
                Handler::Remove { correction } => {
                    last.words.push("remove");
                    last.correction = last.correction.take().or(correction.clone());
                }
                Handler::Record { bit, assessment, meaning } => flags.push(Consequence {
                    words: vec!["flag"],
                    // Later versions count by themselves, whatever is given.
                    bit: bit.filter(|_| self.pipeline.style == Style::Old),
                    assessment: Some(assessment.clone()).filter(|a| a == "indeterminate"),
                    meaning: Some(meaning.clone()),
                    ..Consequence::default()
                }),
                Handler::Sort { ascending, correction } => {
                    last.words.push(if *ascending { "sort" } else { "sort_descending" });
                    last.correction = last.correction.take().or(Some(correction.clone()));
                }
                Handler::Fail { tolerance } => {
                    last.words.push("fail");
                    last.tolerate = Some(*tolerance).filter(|t| *t > 0.0);
                }
                Handler::Interpolate => last.words.push("interpolate"),
                Handler::Unknown(class) => {
                    let text = format!("what fails is handled by `{class}`, which has no equivalent");
                    self.out.push(Entry {
                        comment: Some(format!("Not taken over: {}: {text}.", manager.name)),
                        keys: None,
                    });
                    self.lost(&manager.name, text);
                }
            }
        }
        if let Some(flag) = flags.pop() {
            last.words.push("flag");
            last = Consequence { bit: flag.bit, assessment: flag.assessment, meaning: flag.meaning, ..last };
        }
        if !last.words.is_empty() {
            flags.push(last);
        }
        flags.into_iter().map(|c| Consequence { name: self.name(&manager.name), ..c }).collect()
    }

    /// Whether the coordinate of the rows is meant, and which other columns.
    fn targets(&self, manager: &Manager) -> (bool, Vec<&'a Variable>) {
        let means = |words: &[String], name: &str, is_time: bool| {
            words.iter().any(|word| match word.as_str() {
                "ALL" => true,
                "COORDS" => is_time,
                "DATA_VARS" => !is_time,
                word => word == name,
            })
        };
        let is_meant = |name: &str| {
            let is_time = name == TIME;
            means(&manager.apply_to, name, is_time) && !means(&manager.exclude, name, is_time)
        };
        let data = self.columns.data.iter().copied().filter(|v| is_meant(&v.name)).collect();
        (is_meant(TIME), data)
    }

    fn coordinate(&mut self, manager: &Manager, consequence: &Consequence) {
        if let Check::Threshold(_) = manager.check {
            return;
        }
        let mut comment = None;
        let mut words = consequence.words.clone();
        // Rows without a time cannot be placed, and a flag would say nothing more.
        if words.contains(&"flag") {
            words.retain(|w| *w != "flag");
            comment = Some("A time is not flagged.".to_string());
        }
        if words.is_empty() {
            words.push("warn");
        }
        let consequence =
            Consequence { words, bit: None, meaning: None, assessment: None, ..consequence.clone() };
        self.push(manager, format!("[{TIME}]"), &consequence, false, comment);
    }

    fn data(&mut self, manager: &Manager, consequence: &Consequence, data: &[&'a Variable]) {
        let numbers: Vec<&Variable> = data.iter().copied().filter(|v| !v.is_text()).collect();
        let threshold = match &manager.check {
            Check::Missing => return self.push(manager, self.named(data), consequence, false, None),
            Check::Threshold(threshold) => *threshold,
            // They are about numbers.
            _ if numbers.is_empty() => return,
            _ => return self.push(manager, self.named(&numbers), consequence, false, None),
        };
        let checked: Vec<&Variable> = numbers.iter().copied().filter(|v| threshold.of(v).is_some()).collect();
        let is_explicit = consequence.bit.is_some();
        if checked.is_empty() && !is_explicit {
            let comment = format!("{}: no variable has `{}`.", manager.name, threshold.attribute());
            self.out.push(Entry { comment: Some(comment), keys: None });
            return;
        }
        // A bit of its own is declared on every column that is meant, thresholds
        // or none; otherwise a column without one is left alone by itself.
        let alike = |v: &&Variable| {
            [true, false]
                .iter()
                .any(|of_range| Threshold { of_range: *of_range, ..threshold }.of(v).is_some())
        };
        let by_itself = numbers.iter().copied().filter(alike).count() == checked.len();
        let meant = if is_explicit || by_itself { &numbers } else { &checked };
        if self.pipeline.style == Style::Current {
            return self.push(manager, self.named(meant), consequence, false, None);
        }
        let failing: Vec<&Variable> = checked
            .iter()
            .copied()
            .filter(|v| self.filled.contains(&v.name) && fill_fails(threshold, v))
            .collect();
        let others: Vec<&Variable> =
            meant.iter().copied().filter(|v| !failing.iter().any(|f| f.name == v.name)).collect();
        if !failing.is_empty() {
            let comment = match threshold.side {
                Side::Delta => "A step to or from a fill value fails, as in tsdat 0.2.",
                _ => "A fill value fails as any other value does in tsdat 0.2.",
            };
            self.push(manager, self.named(&failing), consequence, true, Some(comment.into()));
        }
        if !others.is_empty() {
            self.push(manager, self.named(&others), consequence, false, None);
        }
    }

    /// `all`, all but a few, or the names of columns.
    fn named(&self, meant: &[&Variable]) -> String {
        let left_out: Vec<&str> = self
            .columns
            .data
            .iter()
            .filter(|v| !meant.iter().any(|m| m.name == v.name))
            .map(|v| v.name.as_str())
            .collect();
        if left_out.is_empty() {
            return "all".into();
        }
        if left_out.len() * 2 < meant.len() {
            return format!("all, except: {}", list(&left_out));
        }
        list(&meant.iter().map(|v| v.name.as_str()).collect::<Vec<_>>())
    }

    fn push(
        &mut self,
        manager: &Manager,
        columns: String,
        consequence: &Consequence,
        null_fails: bool,
        comment: Option<String>,
    ) {
        let mut keys = Keys::default();
        keys.text("name", &consequence.name);
        keys.add("check", word(&manager.check));
        let (columns, except) =
            columns.split_once(", except: ").map_or((columns.as_str(), None), |(c, e)| (c, Some(e)));
        keys.add("columns", columns);
        if let Some(except) = except {
            keys.add("except", except);
        }
        match consequence.words.as_slice() {
            [one] => keys.add("then", *one),
            several => keys.add("then", format!("[{}]", several.join(", "))),
        }
        if let Some(share) = consequence.tolerate {
            keys.add("tolerate", format!("{}%", number((share * 1e6).round() / 1e4)));
        }
        if null_fails {
            keys.add("null_is", "fail");
        }
        if let Some(bit) = consequence.bit {
            keys.add("bit", bit.to_string());
        }
        if let Some(assessment) = &consequence.assessment {
            keys.add("assessment", assessment);
        }
        if let Some(meaning) = &consequence.meaning {
            keys.text("meaning", meaning);
        }
        if let Some(correction) = &consequence.correction {
            keys.text("correction", correction);
        }
        self.out.push(Entry { comment, keys: Some(keys) });
    }

    /// The name of a manager's check: one that no other manager has.
    fn name(&mut self, wanted: &str) -> String {
        let wanted = scalars::as_name(wanted).unwrap_or_else(|| "check".into());
        let mut name = wanted.clone();
        let mut n = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}_{n}");
            n += 1;
        }
        name
    }
}

fn word(check: &Check) -> String {
    match check {
        Check::Missing => "missing".into(),
        Check::Monotonic => "monotonic".into(),
        Check::Increasing => "increasing".into(),
        Check::Decreasing => "decreasing".into(),
        Check::Despike => "despike".into(),
        Check::Threshold(t) => format!("{}_{}", t.level, t.side.word()),
        Check::Unknown(class) => scalar(class),
    }
}

/// Whether 0.2 finds fault with a variable's fill value.
fn fill_fails(threshold: Threshold, variable: &Variable) -> bool {
    let fill = variable.attr("_FillValue").and_then(|v| v.as_number());
    let (Some(fill), Some(limit)) = (fill, threshold.of(variable)) else { return false };
    match threshold.side {
        Side::Min => fill < limit,
        Side::Max => fill > limit,
        // A step to it is too far from every value that a limit allows; where there
        // is none, it is taken to be far from all.
        Side::Delta => {
            let of = |side| {
                let levels = ["valid", "fail", "warn"].into_iter();
                levels.filter_map(|level| Threshold { level, side, of_range: true }.of(variable)).next()
            };
            of(Side::Min).is_none_or(|min| fill < min - limit)
                || of(Side::Max).is_some_and(|max| fill > max + limit)
        }
        Side::Std => false,
    }
}
