//! What quality control says of a value, the shape that shows it, and the
//! legend. A shape stands on a white edge, so that it is seen on any colour.

use std::collections::HashSet;

use crate::colour::{self, Colour};
use crate::scene::{Anchor, Item, Scene, Step, rectangle, segment};
use crate::text::Font;

/// What quality control says of one value. The order is from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// No flag.
    #[default]
    Good,
    /// Doubtful: drawn with a diamond.
    Indeterminate,
    /// Drawn with a cross; lines leave it out, and it does not stretch an axis far.
    Bad,
}

/// The shapes at flagged places. Shapes that would cover each other are drawn
/// once: each flagged place has a shape of its kind nearer than `cell` pixels
/// in either direction, and there are no more of them than cells. `size` is 1 for
/// shapes as the legend has them.
pub(crate) struct Marks {
    cell: f64,
    size: f64,
    taken: HashSet<(Mark, i64, i64)>,
    bad: Vec<Step>,
    indeterminate: Vec<Step>,
    bad_gaps: Vec<Step>,
    indeterminate_gaps: Vec<Step>,
}

impl Marks {
    pub fn new(cell: f64, size: f64) -> Marks {
        Marks {
            cell,
            size,
            taken: HashSet::new(),
            bad: Vec::new(),
            indeterminate: Vec::new(),
            bad_gaps: Vec::new(),
            indeterminate_gaps: Vec::new(),
        }
    }

    pub fn put(&mut self, mark: Mark, (x, y): (f64, f64)) {
        let path = match mark {
            Mark::Good => return,
            Mark::Indeterminate => &mut self.indeterminate,
            Mark::Bad => &mut self.bad,
        };
        let at = |v: f64| (v / self.cell).floor() as i64;
        if self.taken.insert((mark, at(x), at(y))) {
            shape(path, mark, (x, y), self.size);
        }
    }

    /// At a place where a value is flagged and there is none: no shape of a value.
    pub fn put_gap(&mut self, mark: Mark, (x, y): (f64, f64)) {
        let path = match mark {
            Mark::Good => return,
            Mark::Indeterminate => &mut self.indeterminate_gaps,
            Mark::Bad => &mut self.bad_gaps,
        };
        let at = |v: f64| (v / self.cell).floor() as i64;
        if self.taken.insert((mark, at(x), at(y))) {
            flagged_gap(path, (x, y));
        }
    }

    pub fn draw(self, scene: &mut Scene) {
        for (class, path, ink) in
            [("indeterminate", self.indeterminate, colour::INDETERMINATE), ("bad", self.bad, colour::BAD)]
        {
            scene.stroke("edge", path.clone(), colour::PAPER, 3.6);
            scene.stroke(class, path, ink, 1.7);
        }
        scene.stroke("indeterminate-gap", self.indeterminate_gaps, colour::INDETERMINATE, 1.7);
        scene.stroke("bad-gap", self.bad_gaps, colour::BAD, 1.7);
    }
}

/// A tick with a bar across, between the shape of a value and the plain tick of
/// one that is missing.
fn flagged_gap(path: &mut Vec<Step>, (x, y): (f64, f64)) {
    segment(path, (x, y - 5.0), (x, y + 5.0));
    segment(path, (x - 2.5, y + 1.5), (x + 2.5, y + 1.5));
}

fn shape(path: &mut Vec<Step>, mark: Mark, (x, y): (f64, f64), size: f64) {
    if mark == Mark::Bad {
        let half = 3.2 * size;
        segment(path, (x - half, y - half), (x + half, y + half));
        segment(path, (x - half, y + half), (x + half, y - half));
    } else {
        let half = 4.2 * size;
        path.extend([
            Step::Move(x, y - half),
            Step::Line(x + half, y),
            Step::Line(x, y + half),
            Step::Line(x - half, y),
            Step::Close,
        ]);
    }
}

/// How many values are what; what the legend and the description tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub points: usize,
    pub bad: usize,
    pub indeterminate: usize,
    pub missing: usize,
    /// Of those that are missing.
    pub missing_bad: usize,
    pub missing_indeterminate: usize,
    /// Infinite, or flagged and too far away: drawn at the edge.
    pub beyond: usize,
}

impl Counts {
    pub fn add(&mut self, value: f64, mark: Mark) {
        self.points += 1;
        let missing = usize::from(value.is_nan());
        self.missing += missing;
        match mark {
            Mark::Good => {}
            Mark::Indeterminate => {
                self.indeterminate += 1;
                self.missing_indeterminate += missing;
            }
            Mark::Bad => {
                self.bad += 1;
                self.missing_bad += missing;
            }
        }
    }

    /// Such as `72 points; 1 bad, 3 missing`.
    pub fn told(&self) -> String {
        let flagged: Vec<String> = [
            (self.bad, "flagged bad"),
            (self.indeterminate, "flagged indeterminate"),
            (self.missing, "missing"),
            (self.beyond, "beyond the scale"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
        let points = if self.points == 1 { "1 value".to_owned() } else { format!("{} values", self.points) };
        if flagged.is_empty() { points } else { format!("{points}, of these {}", flagged.join(", ")) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    Line,
    Flag(Mark),
    /// A tick at the foot of a panel.
    Gap,
    /// Such a tick where the value that is missing is flagged.
    FlaggedGap(Mark),
    /// A hatched cell.
    Hatched,
    /// The point at an end of a scale.
    Beyond,
}

/// The rows of a legend, each entry with where it starts.
pub(crate) struct Legend {
    rows: Vec<Vec<(f64, Key, String)>>,
}

const SIZE: f64 = 11.5;
const SYMBOL: f64 = 22.0;
pub(crate) const ROW: f64 = 18.0;

impl Legend {
    /// Entries one after another, into as many rows of `room` pixels as they need.
    pub fn new(font: &Font, entries: Vec<(Key, String)>, room: f64) -> Legend {
        let mut rows: Vec<Vec<(f64, Key, String)>> = Vec::new();
        let mut at = f64::INFINITY;
        for (key, text) in entries {
            let text = font.elided(&text, SIZE, room - SYMBOL);
            // Other fonts than ours are up to a sixth wider.
            let width = SYMBOL + font.width(&text, SIZE) * 1.15;
            if at + width > room {
                rows.push(Vec::new());
                at = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((at, key, text));
            }
            at += width + 16.0;
        }
        Legend { rows }
    }

    /// The entries that counts ask for: of an image, whose cells are hatched where
    /// there is no value, flagged or not.
    pub fn of_cells(counts: &Counts) -> Vec<(Key, String)> {
        Self::entries([
            (counts.bad, Key::Flag(Mark::Bad), "bad"),
            (counts.indeterminate, Key::Flag(Mark::Indeterminate), "indeterminate"),
            (counts.missing, Key::Hatched, "missing"),
            (counts.beyond, Key::Beyond, "beyond the scale"),
        ])
    }

    /// And of a time series, where shapes stand at values and ticks at the foot.
    pub fn of_points(counts: &Counts) -> Vec<(Key, String)> {
        let flagged = counts.missing_bad + counts.missing_indeterminate;
        let worst = if counts.missing_bad > 0 { Mark::Bad } else { Mark::Indeterminate };
        Self::entries([
            (counts.bad - counts.missing_bad, Key::Flag(Mark::Bad), "bad"),
            (
                counts.indeterminate - counts.missing_indeterminate,
                Key::Flag(Mark::Indeterminate),
                "indeterminate",
            ),
            (flagged, Key::FlaggedGap(worst), "flagged, no value"),
            (counts.missing - flagged, Key::Gap, "missing"),
            (counts.beyond, Key::Beyond, "beyond the scale"),
        ])
    }

    fn entries<const N: usize>(all: [(usize, Key, &str); N]) -> Vec<(Key, String)> {
        all.into_iter().filter(|(n, ..)| *n > 0).map(|(n, key, what)| (key, format!("{what}: {n}"))).collect()
    }

    pub fn height(&self) -> f64 {
        ROW * self.rows.len() as f64
    }

    pub fn draw(self, scene: &mut Scene, (left, top): (f64, f64)) {
        for (row, entries) in self.rows.into_iter().enumerate() {
            let middle = top + ROW * row as f64 + ROW / 2.0;
            for (at, key, text) in entries {
                let x = left + at;
                draw_key(scene, key, (x + 8.0, middle));
                scene.text("legend", (x + SYMBOL, middle + 4.0), SIZE, Anchor::Start, &text);
            }
        }
    }
}

fn draw_key(scene: &mut Scene, key: Key, (x, y): (f64, f64)) {
    let mut path = Vec::new();
    match key {
        Key::Line => {
            segment(&mut path, (x - 8.0, y), (x + 8.0, y));
            scene.stroke("key", path, colour::LINE, 1.6);
        }
        Key::Flag(mark) => {
            shape(&mut path, mark, (x, y), 1.0);
            let ink = if mark == Mark::Bad { colour::BAD } else { colour::INDETERMINATE };
            scene.stroke("key", path, ink, 1.7);
        }
        Key::Gap => {
            segment(&mut path, (x, y - 3.0), (x, y + 3.0));
            scene.stroke("key", path, colour::AXIS, 1.2);
        }
        Key::FlaggedGap(mark) => {
            flagged_gap(&mut path, (x, y));
            let ink = if mark == Mark::Bad { colour::BAD } else { colour::INDETERMINATE };
            scene.stroke("key", path, ink, 1.7);
        }
        Key::Beyond => {
            pointed(&mut path, (x, y - 4.0), 8.0);
            scene.fill("key", path, colour::AXIS);
        }
        Key::Hatched => {
            let (left, top) = ((x - 8.0).round(), (y - 5.0).round());
            let (width, height) = (16u32, 10u32);
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| hatched(x, y))).collect();
            scene.items.push(Item::Raster { class: "key", x: left as u32, y: top as u32, width, pixels });
            let edge = rectangle(left - 0.5, top - 0.5, left + 16.5, top + 10.5);
            scene.stroke("key", edge, colour::FRAME, 1.0);
        }
    }
}

/// A triangle with its point at a place; `height` below zero points downwards.
pub(crate) fn pointed(path: &mut Vec<Step>, (x, y): (f64, f64), height: f64) {
    let half = height.abs() / 2.0;
    path.extend([
        Step::Move(x, y),
        Step::Line(x + half, y + height),
        Step::Line(x - half, y + height),
        Step::Close,
    ]);
}

/// The pattern of a missing value, by pixel.
pub(crate) fn hatched(x: u32, y: u32) -> Colour {
    if (x + y).is_multiple_of(6) { colour::HATCH } else { colour::MISSING }
}
