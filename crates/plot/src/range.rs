//! Which numbers a scale has to show.

use crate::Mark;
use crate::number::Scale;

/// The scale for some values: all finite ones that are not flagged bad, and
/// those flagged bad that at most double the range at either end. A fill value
/// such as -9999 among the bad would else flatten everything that is good.
/// Where nothing but bad values is there, it is made for them; `None` where no
/// finite value is.
pub(crate) fn fitted(values: impl Iterator<Item = (f64, Mark)> + Clone, room: f64) -> Option<Scale> {
    let finite = || values.clone().filter(|(v, _)| v.is_finite());
    let Some((lo, hi)) = ends(finite().filter(|(_, m)| *m != Mark::Bad).map(|(v, _)| v)) else {
        return ends(finite().map(|(v, _)| v)).map(|(lo, hi)| Scale::around(lo, hi, room));
    };
    let width = if hi > lo { hi - lo } else { lo.abs().max(1.0) };
    let near = finite().map(|(v, _)| v).filter(|v| *v >= lo - width && *v <= hi + width);
    let (lo, hi) = ends(near).unwrap_or((lo, hi));
    Some(Scale::around(lo, hi, room))
}

pub(crate) fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |ends, v| {
        let (lo, hi) = ends.unwrap_or((v, v));
        Some((v.min(lo), v.max(hi)))
    })
}

/// The middle one of some steps; `None` of none.
pub(crate) fn typical(steps: impl Iterator<Item = f64>) -> Option<f64> {
    let mut steps: Vec<f64> = steps.filter(|s| *s > 0.0).collect();
    if steps.is_empty() {
        return None;
    }
    let middle = steps.len() / 2;
    Some(*steps.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// A step between two times that is longer than this many typical ones is a gap.
pub(crate) const GAP: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_and_far_does_not_stretch_the_scale() {
        let scale = |values: &[(f64, Mark)]| fitted(values.iter().copied(), 0.0).map(|s| (s.lo, s.hi));
        assert_eq!(scale(&[(1.0, Mark::Good), (3.0, Mark::Good), (-9999.0, Mark::Bad)]), Some((1.0, 3.0)));
        assert_eq!(scale(&[(1.0, Mark::Good), (3.0, Mark::Good), (4.5, Mark::Bad)]), Some((1.0, 4.5)));
        assert_eq!(scale(&[(1.0, Mark::Good), (-9999.0, Mark::Indeterminate)]), Some((-9999.0, 1.0)));
        assert_eq!(scale(&[(-9999.0, Mark::Bad), (0.0, Mark::Bad)]), Some((-9999.0, 0.0)));
        assert_eq!(scale(&[(f64::NAN, Mark::Good), (f64::INFINITY, Mark::Bad)]), None);
    }
}
