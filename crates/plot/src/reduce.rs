//! A line through any number of points in the room of its pixels: per column
//! the first, the least, the greatest and the last are kept. For a line of one
//! pixel's width the picture is the same as that of all points.

use crate::scene::Step;

/// Takes points from left to right.
pub(crate) struct Reduced {
    path: Vec<Step>,
    dots: Vec<(f64, f64)>,
    /// Single points are shown where there is room between them.
    few: usize,
    column: Option<Column>,
    /// Points of the stretch without interruption.
    stretch: Vec<(f64, f64)>,
    interrupted: bool,
    all: Vec<(f64, f64)>,
}

struct Column {
    number: i64,
    n: usize,
    /// Each with its place in the column's order.
    first: (usize, f64, f64),
    least: (usize, f64, f64),
    greatest: (usize, f64, f64),
    last: (usize, f64, f64),
}

impl Reduced {
    pub fn new(width: f64) -> Reduced {
        Reduced {
            path: Vec::new(),
            dots: Vec::new(),
            few: (width / 6.0) as usize,
            column: None,
            stretch: Vec::new(),
            interrupted: false,
            all: Vec::new(),
        }
    }

    /// The line does not join what came with what comes. Within a column that is
    /// less than a pixel and shows nothing.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    pub fn point(&mut self, x: f64, y: f64) {
        if self.all.len() <= self.few {
            self.all.push((x, y));
        }
        let number = x.floor() as i64;
        match &mut self.column {
            Some(column) if column.number == number => {
                let point = (column.n, x, y);
                column.n += 1;
                column.last = point;
                if y < column.least.2 {
                    column.least = point;
                }
                if y > column.greatest.2 {
                    column.greatest = point;
                }
            }
            _ => {
                self.end_column();
                if self.interrupted {
                    self.end_stretch();
                }
                let point = (0, x, y);
                self.column =
                    Some(Column { number, n: 1, first: point, least: point, greatest: point, last: point });
            }
        }
        self.interrupted = false;
    }

    fn end_column(&mut self) {
        let Some(c) = self.column.take() else { return };
        let mut kept = [c.first, c.least, c.greatest, c.last];
        kept.sort_by_key(|point| point.0);
        let mut before = None;
        for (place, x, y) in kept {
            if before != Some(place) {
                self.stretch.push((x, y));
            }
            before = Some(place);
        }
    }

    fn end_stretch(&mut self) {
        match self.stretch.as_slice() {
            [] => {}
            [only] => self.dots.push(*only),
            [first, rest @ ..] => {
                self.path.push(Step::Move(first.0, first.1));
                self.path.extend(rest.iter().map(|(x, y)| Step::Line(*x, *y)));
            }
        }
        self.stretch.clear();
    }

    /// The path, and points to be shown as dots: those without a neighbour, or all where they are few.
    pub fn finish(mut self) -> (Vec<Step>, Vec<(f64, f64)>) {
        self.end_column();
        self.end_stretch();
        let dots = if self.all.len() <= self.few { self.all } else { self.dots };
        (self.path, dots)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn ends(points: impl Iterator<Item = (f64, f64)>) -> BTreeMap<i64, (f64, f64)> {
        let mut columns = BTreeMap::new();
        for (x, y) in points {
            let (lo, hi) = columns.entry(x.floor() as i64).or_insert((y, y));
            (*lo, *hi) = (y.min(*lo), y.max(*hi));
        }
        columns
    }

    proptest! {
        #[test]
        fn every_column_keeps_its_ends_and_few_points(
            mut points in proptest::collection::vec((0.0..60.0f64, 0.0..200.0f64, prop::bool::weighted(0.1)), 0..600),
        ) {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut reduced = Reduced::new(60.0);
            for (x, y, interrupted) in &points {
                if *interrupted {
                    reduced.interrupt();
                }
                reduced.point(*x, *y);
            }
            let (path, dots) = reduced.finish();
            prop_assert!(path.len() <= 61 * 4 && dots.len() <= 61);
            let drawn = path.iter().filter_map(|s| match s {
                Step::Move(x, y) | Step::Line(x, y) => Some((*x, *y)),
                Step::Close => None,
            });
            prop_assert_eq!(
                ends(drawn.chain(dots)),
                ends(points.iter().map(|(x, y, _)| (*x, *y))),
            );
        }
    }

    #[test]
    fn an_interruption_divides_the_line_and_single_points_are_dots() {
        let mut reduced = Reduced::new(600.0);
        for x in [0.0, 5.0, 10.0] {
            reduced.point(x, 1.0);
        }
        reduced.interrupt();
        reduced.point(20.0, 2.0);
        reduced.interrupt();
        for x in 30..200 {
            reduced.point(f64::from(x), 3.0);
        }
        let (path, dots) = reduced.finish();
        assert_eq!(path.iter().filter(|s| matches!(s, Step::Move(..))).count(), 2);
        assert_eq!(dots, [(20.0, 2.0)]);
    }
}
