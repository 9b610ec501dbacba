//! Gaps of a series filled from a cubic spline through the values beside them.

/// Good values on either side of a gap that the spline goes through.
const BESIDE: usize = 12;
/// Values that are filled from the start of a gap; the rest of it stays.
const MAX_GAP: usize = 6;
/// A cubic spline without knots at its ends needs so many.
const MIN_KNOTS: usize = 4;

/// Values for the gaps of a series: `values[i]` is good, or `None`. `along[i]` is
/// where it stands; values that stand nowhere, or where another one does, are
/// passed over. Answers indices and values; what lies outside the good values is
/// not among them.
///
/// A block begins [`BESIDE`] values before a gap and ends once so many good ones
/// have followed; each has a spline of its own.
pub(super) fn fill(along: &[Option<f64>], values: &[Option<f64>]) -> Vec<(usize, f64)> {
    let mut filled = Vec::new();
    let mut at = 0;
    while let Some(gap) = (at..values.len()).find(|&i| values[i].is_none()) {
        let start = gap.saturating_sub(BESIDE);
        let mut n_good = 0;
        let mut end = gap + 1;
        while end < values.len() && n_good < BESIDE {
            n_good = if values[end].is_some() { n_good + 1 } else { 0 };
            end += 1;
        }
        fill_block(along, values, start, end, &mut filled);
        at = end;
    }
    filled
}

fn fill_block(
    along: &[Option<f64>],
    values: &[Option<f64>],
    start: usize,
    end: usize,
    filled: &mut Vec<(usize, f64)>,
) {
    let mut knots: Vec<(f64, f64)> = (start..end).filter_map(|i| along[i].zip(values[i])).collect();
    knots.sort_by(|a, b| a.0.total_cmp(&b.0));
    knots.dedup_by(|a, b| a.0 == b.0);
    if knots.len() < MIN_KNOTS {
        return;
    }
    let spline = Spline::through(&knots);
    let mut n_gap = 0;
    for i in start..end {
        n_gap = if values[i].is_none() { n_gap + 1 } else { 0 };
        if (1..=MAX_GAP).contains(&n_gap)
            && let Some(value) = along[i].and_then(|x| spline.at(x))
        {
            filled.push((i, value));
        }
    }
}

/// A cubic spline whose third derivative is continuous at the second knot and at
/// the last but one ("not a knot").
struct Spline<'a> {
    knots: &'a [(f64, f64)],
    /// First derivatives at the knots.
    slopes: Vec<f64>,
}

impl<'a> Spline<'a> {
    /// `knots` rise, and are four at least.
    fn through(knots: &'a [(f64, f64)]) -> Self {
        let n = knots.len();
        let width = |i: usize| knots[i + 1].0 - knots[i].0;
        let rise = |i: usize| (knots[i + 1].1 - knots[i].1) / width(i);
        // Rows of a system of three diagonals: before, on, after, right side.
        let mut rows: Vec<[f64; 4]> = Vec::with_capacity(n);
        let ends = width(0) + width(1);
        rows.push([
            0.0,
            width(1),
            ends,
            ((width(0) + 2.0 * ends) * width(1) * rise(0) + width(0).powi(2) * rise(1)) / ends,
        ]);
        for i in 1..n - 1 {
            rows.push([
                width(i),
                2.0 * (width(i - 1) + width(i)),
                width(i - 1),
                3.0 * (width(i) * rise(i - 1) + width(i - 1) * rise(i)),
            ]);
        }
        let ends = width(n - 3) + width(n - 2);
        rows.push([
            ends,
            width(n - 3),
            0.0,
            (width(n - 2).powi(2) * rise(n - 3) + (2.0 * ends + width(n - 2)) * width(n - 3) * rise(n - 2))
                / ends,
        ]);
        for i in 1..n {
            let factor = rows[i][0] / rows[i - 1][1];
            rows[i][1] -= factor * rows[i - 1][2];
            rows[i][3] -= factor * rows[i - 1][3];
        }
        let mut slopes = vec![0.0; n];
        for i in (0..n).rev() {
            let after = if i + 1 < n { rows[i][2] * slopes[i + 1] } else { 0.0 };
            slopes[i] = (rows[i][3] - after) / rows[i][1];
        }
        Spline { knots, slopes }
    }

    /// The value at `x`; `None` outside the knots.
    fn at(&self, x: f64) -> Option<f64> {
        let last = self.knots.len() - 1;
        if x < self.knots[0].0 || x > self.knots[last].0 {
            return None;
        }
        let i = self.knots.partition_point(|k| k.0 <= x).clamp(1, last) - 1;
        let ((x0, y0), (x1, y1)) = (self.knots[i], self.knots[i + 1]);
        let width = x1 - x0;
        let t = (x - x0) / width;
        let rise = (y1 - y0) / width;
        let (m0, m1) = (self.slopes[i], self.slopes[i + 1]);
        let bend = m0 + m1 - 2.0 * rise;
        Some(y0 + width * t * (m0 + t * ((rise - m0 - bend) + t * bend)))
    }
}
