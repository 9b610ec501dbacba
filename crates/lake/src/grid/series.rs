//! One series of numbers brought to a grid of time.
//!
//! What the methods do, and how they mark it, is what ARM's libtrans does, which
//! tsdat calls: <https://arm-doe.github.io/ADI/>. Where it stumbles, this does what
//! it means: `docs/instruments.md` has the list.

use lakegate_domain::model::GridLimits;

// Bits of a value's flags, from 0.
const BAD: i32 = 1 << 0;
const INDETERMINATE: i32 = 1 << 1;
const INTERPOLATE: i32 = 1 << 2;
const EXTRAPOLATE: i32 = 1 << 3;
const NOT_USING_CLOSEST: i32 = 1 << 4;
const SOME_BAD_INPUTS: i32 = 1 << 5;
const OUTSIDE_RANGE: i32 = 1 << 7;
const ALL_BAD_INPUTS: i32 = 1 << 8;
const BAD_STD: i32 = 1 << 9;
const INDETERMINATE_STD: i32 = 1 << 10;
const BAD_GOODFRAC: i32 = 1 << 11;
const INDETERMINATE_GOODFRAC: i32 = 1 << 12;

/// What is known of an input value beside its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Grade {
    #[default]
    Good,
    /// Flagged as indeterminate: it is used, and that is told.
    Doubtful,
    /// Missing, or flagged as bad: it is not used.
    Bad,
}

/// A value on the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Made {
    pub value: Option<f64>,
    pub flags: i32,
    /// Standard deviation of what was averaged, and the share that was good.
    pub std: Option<f64>,
    pub good: Option<f64>,
}

impl Made {
    fn none(flags: i32) -> Self {
        Made { flags: flags | BAD, ..Made::default() }
    }
}

/// The mean of the values whose time is at least the start and less than the end
/// of each span. `times` and spans rise.
pub(super) fn average(
    times: &[i64],
    values: &[f64],
    grades: &[Grade],
    spans: &[(i64, i64)],
    limits: &GridLimits,
) -> Vec<Made> {
    let (mut from, mut to) = (0, 0);
    spans
        .iter()
        .map(|(start, end)| {
            while from < times.len() && times[from] < *start {
                from += 1;
            }
            to = to.max(from);
            while to < times.len() && times[to] < *end {
                to += 1;
            }
            marked(mean(&values[from..to], &grades[from..to]), limits)
        })
        .collect()
}

fn mean(values: &[f64], grades: &[Grade]) -> Made {
    if values.is_empty() {
        return Made { good: Some(0.0), ..Made::none(OUTSIDE_RANGE) };
    }
    let good: Vec<f64> =
        values.iter().zip(grades).filter(|(_, g)| **g != Grade::Bad).map(|(v, _)| *v).collect();
    if good.is_empty() {
        return Made { good: Some(0.0), ..Made::none(ALL_BAD_INPUTS | SOME_BAD_INPUTS) };
    }
    let n = good.len() as f64;
    let mean = good.iter().sum::<f64>() / n;
    let variance = good.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    let mut flags = 0;
    if good.len() < values.len() {
        flags |= SOME_BAD_INPUTS;
    }
    if grades.contains(&Grade::Doubtful) {
        flags |= INDETERMINATE;
    }
    Made { value: Some(mean), flags, std: Some(variance.sqrt()), good: Some(n / values.len() as f64) }
}

/// Marks what is beyond the limits.
fn marked(mut made: Made, limits: &GridLimits) -> Made {
    let above = |limit: Option<f64>| made.std.zip(limit).is_some_and(|(std, limit)| std > limit);
    if above(limits.std_bad_max) {
        made.flags |= BAD_STD;
    } else if above(limits.std_ind_max) {
        made.flags |= INDETERMINATE_STD;
    }
    let below = |limit: Option<f64>| made.good.zip(limit).is_some_and(|(good, limit)| good < limit);
    if below(limits.goodfrac_bad_min) {
        made.flags |= BAD_GOODFRAC;
    } else if below(limits.goodfrac_ind_min) {
        made.flags |= INDETERMINATE_GOODFRAC;
    }
    made
}

/// Values by rising times that differ: of several of one time the first good one.
pub(super) struct Distinct {
    times: Vec<i64>,
    grades: Vec<Grade>,
    /// Which of the values given it is.
    at: Vec<usize>,
    /// By value, the last good one up to it and the first from it on.
    before: Vec<Option<usize>>,
    after: Vec<Option<usize>>,
}

impl Distinct {
    pub fn of(times: &[i64], grades: &[Grade]) -> Self {
        let mut made = Distinct { times: vec![], grades: vec![], at: vec![], before: vec![], after: vec![] };
        for (at, (time, grade)) in times.iter().zip(grades).enumerate() {
            if made.times.last() != Some(time) {
                made.times.push(*time);
                made.grades.push(*grade);
                made.at.push(at);
            } else if made.grades.last() == Some(&Grade::Bad) && *grade != Grade::Bad {
                let last = made.at.len() - 1;
                (made.grades[last], made.at[last]) = (*grade, at);
            }
        }
        let is_good = |i: usize| made.grades[i] != Grade::Bad;
        let n = made.times.len();
        let mut last = None;
        for i in 0..n {
            last = if is_good(i) { Some(i) } else { last };
            made.before.push(last);
        }
        made.after = vec![None; n];
        let mut next = None;
        for i in (0..n).rev() {
            next = if is_good(i) { Some(i) } else { next };
            made.after[i] = next;
        }
        made
    }

    /// The last good value before the `i`th.
    fn good_before(&self, i: usize) -> Option<usize> {
        self.before[i.checked_sub(1)?]
    }

    /// The first good value from the `i`th on.
    fn good_from(&self, i: usize) -> Option<usize> {
        *self.after.get(i)?
    }

    /// On the line between the good values before and after each time of `targets`,
    /// neither of them farther away than `range`; at the ends of the file on the
    /// line through the two nearest, up to half a step beyond it.
    pub fn interpolate(&self, values: &[f64], targets: &[i64], range: Option<u64>) -> Vec<Made> {
        targets.iter().map(|&x| self.interpolated(values, x, range)).collect()
    }

    fn interpolated(&self, values: &[f64], x: i64, range: Option<u64>) -> Made {
        let n = self.times.len();
        let doubtful = |i: usize| self.grades[i] == Grade::Doubtful;
        let i = self.times.partition_point(|t| *t < x);
        if i < n && self.times[i] == x && self.grades[i] != Grade::Bad {
            let flags = if doubtful(i) { INDETERMINATE } else { 0 };
            return Made { value: Some(values[self.at[i]]), flags, ..Made::default() };
        }
        if n < 2 {
            return Made::none(OUTSIDE_RANGE);
        }
        let twice = |t: i64| i128::from(t) * 2;
        let (first, last) = (self.times[0], self.times[n - 1]);
        if twice(x) < twice(first) - i128::from(self.times[1] - first)
            || twice(x) > twice(last) + i128::from(last - self.times[n - 2])
        {
            return Made::none(OUTSIDE_RANGE);
        }
        let pair = match (self.good_before(i), self.good_from(i)) {
            (Some(a), Some(b)) => Some((a, b)),
            (Some(b), None) => self.good_before(b).map(|a| (a, b)),
            (None, Some(a)) => self.good_from(a + 1).map(|b| (a, b)),
            (None, None) => None,
        };
        let Some((a, b)) = pair else { return Made::none(ALL_BAD_INPUTS) };
        let neighbours = match i {
            0 => (0, 1),
            i if i == n => (n - 2, n - 1),
            i => (i - 1, i),
        };
        let mut flags = if (a, b) == neighbours { 0 } else { INTERPOLATE };
        let (xa, xb) = (self.times[a], self.times[b]);
        let is_far = |t: i64| range.is_some_and(|range| t.abs_diff(x) > range);
        if is_far(xa) || is_far(xb) {
            return Made::none(OUTSIDE_RANGE | flags);
        }
        let u = (x - xa) as f64 / (xb - xa) as f64;
        if !(0.0..=1.0).contains(&u) {
            flags |= EXTRAPOLATE;
        }
        // A value with no weight says nothing.
        if u != 1.0 && doubtful(a) || u != 0.0 && doubtful(b) {
            flags |= INDETERMINATE;
        }
        let value = u * values[self.at[b]] + (1.0 - u) * values[self.at[a]];
        Made { value: Some(value), flags, ..Made::default() }
    }

    /// Which value is the nearest good one within `range` of each time, and its
    /// flags. Of two equally near the earlier.
    pub fn nearest(&self, targets: &[i64], range: Option<u64>) -> Vec<(Option<usize>, i32)> {
        targets.iter().map(|&x| self.nearest_to(x, range)).collect()
    }

    fn nearest_to(&self, x: i64, range: Option<u64>) -> (Option<usize>, i32) {
        let i = self.times.partition_point(|t| *t < x);
        let distance = |i: usize| self.times[i].abs_diff(x);
        let within = |i: &usize| range.is_none_or(|range| distance(*i) <= range);
        let nearer = |a: Option<usize>, b: Option<usize>| {
            // The earlier first, so that it stays where both are as near.
            [a, b].into_iter().flatten().filter(within).min_by_key(|i| distance(*i))
        };
        let next = (i < self.times.len()).then_some(i);
        let Some(any) = nearer(i.checked_sub(1), next) else { return (None, BAD | OUTSIDE_RANGE) };
        let Some(good) = nearer(self.good_before(i), self.good_from(i)) else {
            return (None, BAD | ALL_BAD_INPUTS);
        };
        let mut flags = 0;
        if distance(good) > distance(any) {
            flags |= NOT_USING_CLOSEST;
        }
        if self.grades[good] == Grade::Doubtful {
            flags |= INDETERMINATE;
        }
        (Some(self.at[good]), flags)
    }
}

/// The usual step of rising times, microseconds: the lower median of those that
/// are not none.
pub(super) fn usual_step(times: &[i64]) -> Option<u64> {
    let mut steps: Vec<u64> = times.windows(2).map(|w| w[1].abs_diff(w[0])).filter(|s| *s > 0).collect();
    if steps.is_empty() {
        return None;
    }
    let middle = (steps.len() - 1) / 2;
    Some(*steps.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests;
