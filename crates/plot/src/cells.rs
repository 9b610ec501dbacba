//! Cells along one side of an image: where each begins and ends, and which of
//! them a row or column of pixels shows.

use std::ops::Range;

use crate::range;

/// Positions in order, each with the edges of its cell.
pub(crate) struct Cells {
    /// The place among the values, by order of position.
    pub order: Vec<usize>,
    centres: Vec<f64>,
    edges: Vec<(f64, f64)>,
}

impl Cells {
    /// Edges stand midway between neighbours. Where a step is longer than `gap`
    /// typical ones, cells end half a typical step from their centre, and what
    /// is between belongs to none. `alone` is the width of a cell without
    /// neighbours. Positions that are no finite numbers have no cell.
    pub fn new(positions: &[f64], gap: f64, alone: f64) -> Cells {
        let mut order: Vec<usize> = (0..positions.len()).filter(|i| positions[*i].is_finite()).collect();
        order.sort_by(|a, b| positions[*a].total_cmp(&positions[*b]));
        let centres: Vec<f64> = order.iter().map(|i| positions[*i]).collect();
        let steps = centres.windows(2).map(|w| w[1] - w[0]).filter(|s| s.is_finite());
        let typical = range::typical(steps).unwrap_or(alone);
        let half = |a: f64, b: f64| {
            let half = b / 2.0 - a / 2.0;
            if half > typical * gap / 2.0 { typical / 2.0 } else { half }
        };
        let halves: Vec<f64> = centres.windows(2).map(|w| half(w[0], w[1])).collect();
        let outer = |near: Option<&f64>| near.copied().filter(|h| *h > 0.0).unwrap_or(typical / 2.0);
        let edges = (0..centres.len())
            .map(|i| {
                let left = if i == 0 { outer(halves.first()) } else { halves[i - 1] };
                let right = halves.get(i).copied().unwrap_or_else(|| outer(halves.last()));
                ((centres[i] - left).max(f64::MIN), (centres[i] + right).min(f64::MAX))
            })
            .collect();
        Cells { order, centres, edges }
    }

    /// From the first edge to the last.
    pub fn span(&self) -> Option<(f64, f64)> {
        Some((self.edges.first()?.0, self.edges.last()?.1))
    }

    /// The cells (places in `order`) that a strip of pixels from `lo` to `hi` shows: those
    /// with their centre in it, else the one that covers its middle.
    pub fn shown(&self, lo: f64, hi: f64) -> Range<usize> {
        let from = self.centres.partition_point(|c| *c < lo);
        let to = from + self.centres[from..].partition_point(|c| *c < hi);
        if from < to {
            return from..to;
        }
        let middle = lo / 2.0 + hi / 2.0;
        let covers = |i: &usize| self.edges.get(*i).is_some_and(|(a, b)| *a <= middle && middle < *b);
        let before = from.checked_sub(1).filter(covers);
        before.or(Some(from).filter(covers)).map_or(0..0, |i| i..i + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_stand_midway_and_a_gap_stays_open() {
        let cells = Cells::new(&[30.0, 10.0, 20.0, 200.0, f64::NAN], 5.0, 1.0);
        assert_eq!(cells.order, [1, 2, 0, 3]);
        assert_eq!(cells.edges, [(5.0, 15.0), (15.0, 25.0), (25.0, 35.0), (195.0, 205.0)]);
        assert_eq!(cells.shown(6.0, 8.0), 0..1);
        assert_eq!(cells.shown(0.0, 40.0), 0..3);
        assert_eq!(cells.shown(80.0, 90.0), 0..0);
        assert_eq!(Cells::new(&[30.0], 5.0, 4.0).span(), Some((28.0, 32.0)));
        assert_eq!(Cells::new(&[], 5.0, 4.0).span(), None);
    }

    proptest! {
        #[test]
        fn strips_side_by_side_show_every_cell(
            positions in proptest::collection::vec(-1e3..1e3f64, 1..40),
            strips in 1usize..50,
        ) {
            let cells = Cells::new(&positions, f64::INFINITY, 1.0);
            let (lo, hi) = cells.span().unwrap();
            let edge = |i: usize| lo + (hi - lo) * (i as f64 / strips as f64);
            let mut seen = vec![false; positions.len()];
            for i in 0..strips {
                let shown = cells.shown(edge(i), edge(i + 1));
                prop_assert!(!shown.is_empty(), "no cell in strip {i}");
                seen[shown].fill(true);
            }
            // A cell narrower than a strip has its centre in one; a wider one covers the middle of one.
            for (i, (a, b)) in cells.edges.iter().enumerate() {
                let wide = b - a > 2.0 * (hi - lo) / strips as f64;
                prop_assert!(seen[i] || !wide, "cell {i} is not shown");
            }
        }
    }
}
