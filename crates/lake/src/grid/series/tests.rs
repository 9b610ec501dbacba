use super::*;

/// A number from 0 to `below`.
fn any(random: &mut fastrand::Rng, below: i64) -> i64 {
    random.i64(0..below)
}

fn series(random: &mut fastrand::Rng) -> (Vec<i64>, Vec<f64>, Vec<Grade>) {
    let n = random.usize(0..14);
    let mut times: Vec<i64> = (0..n).map(|_| any(random, 40)).collect();
    times.sort_unstable();
    let grades: Vec<Grade> = (0..n)
        .map(|_| *random.choice(&[Grade::Good, Grade::Good, Grade::Doubtful, Grade::Bad]).unwrap())
        .collect();
    let values = grades
        .iter()
        .map(|g| if *g == Grade::Bad && random.bool() { f64::NAN } else { any(random, 9) as f64 });
    let values: Vec<f64> = values.collect();
    (times, values, grades)
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (a, b) => a == b,
    }
}

fn same(got: &[Made], want: &[Made], of: &str) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        let is_same =
            g.flags == w.flags && close(g.value, w.value) && close(g.std, w.std) && close(g.good, w.good);
        assert!(is_same, "{of}\n got {g:?}\nwant {w:?}");
    }
}

const LIMITS: GridLimits = GridLimits {
    std_bad_max: Some(3.0),
    std_ind_max: Some(2.0),
    goodfrac_bad_min: Some(0.3),
    goodfrac_ind_min: Some(0.8),
};

#[test]
fn averages_are_those_of_all_values_within_each_span() {
    let random = &mut fastrand::Rng::with_seed(1);
    for _ in 0..5000 {
        let (times, values, grades) = series(random);
        let width = 1 + any(random, 12);
        let step = 1 + any(random, 9);
        let spans: Vec<(i64, i64)> = (0..8).map(|k| (k * step - 5, k * step - 5 + width)).collect();
        let got = average(&times, &values, &grades, &spans, &LIMITS);
        let want: Vec<Made> = spans
            .iter()
            .map(|(start, end)| {
                let within: Vec<usize> =
                    (0..times.len()).filter(|i| (*start..*end).contains(&times[*i])).collect();
                let good: Vec<usize> = within.iter().copied().filter(|i| grades[*i] != Grade::Bad).collect();
                let share = if within.is_empty() { 0.0 } else { good.len() as f64 / within.len() as f64 };
                let mut flags = match (within.len(), good.len()) {
                    (0, _) => BAD | OUTSIDE_RANGE,
                    (_, 0) => BAD | ALL_BAD_INPUTS,
                    _ => 0,
                };
                if good.len() < within.len() {
                    flags |= SOME_BAD_INPUTS;
                }
                if good.iter().any(|i| grades[*i] == Grade::Doubtful) {
                    flags |= INDETERMINATE;
                }
                flags |= match share {
                    s if s < 0.3 => BAD_GOODFRAC,
                    s if s < 0.8 => INDETERMINATE_GOODFRAC,
                    _ => 0,
                };
                let n = good.len() as f64;
                let mean = (n > 0.0).then(|| good.iter().map(|i| values[*i]).sum::<f64>() / n);
                let square = good.iter().map(|i| values[*i] * values[*i]).sum::<f64>();
                let std = mean.map(|m| (square / n - m * m).max(0.0).sqrt());
                flags |= match std {
                    Some(s) if s > 3.0 => BAD_STD,
                    Some(s) if s > 2.0 => INDETERMINATE_STD,
                    _ => 0,
                };
                Made { value: mean, flags, std, good: Some(share) }
            })
            .collect();
        // Squares lose the last digits of a deviation that is none.
        let std = |m: &Made| Made { std: m.std.map(|s| if s < 1e-6 { 0.0 } else { s }), ..*m };
        let (got, want): (Vec<Made>, Vec<Made>) =
            (got.iter().map(std).collect(), want.iter().map(std).collect());
        same(&got, &want, &format!("{times:?} {values:?} {grades:?} {spans:?}"));
    }
}

/// One value for each time: the first good one, else the first.
fn distinct(times: &[i64], grades: &[Grade]) -> Vec<usize> {
    let mut all: Vec<i64> = times.to_vec();
    all.dedup();
    let of = |t: i64| {
        let its: Vec<usize> = (0..times.len()).filter(|i| times[*i] == t).collect();
        its.iter().copied().find(|i| grades[*i] != Grade::Bad).unwrap_or(its[0])
    };
    all.into_iter().map(of).collect()
}

#[test]
fn interpolation_takes_the_good_values_around_a_time() {
    let random = &mut fastrand::Rng::with_seed(2);
    for _ in 0..20_000 {
        let (times, values, grades) = series(random);
        let x = any(random, 48) - 4;
        let range = *random.choice(&[None, Some(3), Some(9)]).unwrap();
        let all = distinct(&times, &grades);
        let want = naive_interpolation(&times, &values, &grades, &all, x, range);
        let got = Distinct::of(&times, &grades).interpolate(&values, &[x], range);
        same(&got, &[want], &format!("{times:?} {values:?} {grades:?} at {x} within {range:?}"));
    }
}

fn naive_interpolation(
    times: &[i64],
    values: &[f64],
    grades: &[Grade],
    all: &[usize],
    x: i64,
    range: Option<u64>,
) -> Made {
    let none = |flags: i32| Made { flags: flags | BAD, ..Made::default() };
    let is_good = |i: &&usize| grades[**i] != Grade::Bad;
    if let Some(i) = all.iter().filter(is_good).find(|i| times[**i] == x) {
        let flags = if grades[*i] == Grade::Doubtful { INDETERMINATE } else { 0 };
        return Made { value: Some(values[*i]), flags, ..Made::default() };
    }
    let [first, .., last] = all else { return none(OUTSIDE_RANGE) };
    let first_step = (times[all[1]] - times[*first]) as f64;
    let last_step = (times[*last] - times[all[all.len() - 2]]) as f64;
    if (x as f64) < times[*first] as f64 - first_step / 2.0
        || x as f64 > times[*last] as f64 + last_step / 2.0
    {
        return none(OUTSIDE_RANGE);
    }
    let mut good: Vec<usize> = all.iter().filter(is_good).copied().collect();
    // One on each side if there is one, else the two that are nearest.
    good.sort_by_key(|i| times[*i].abs_diff(x));
    let below = good.iter().find(|i| times[**i] < x);
    let above = good.iter().find(|i| times[**i] > x);
    let pair = match (below, above) {
        (Some(a), Some(b)) => Some((*a, *b)),
        _ if good.len() >= 2 => Some((good[0].min(good[1]), good[0].max(good[1]))),
        _ => None,
    };
    let Some((a, b)) = pair else { return none(ALL_BAD_INPUTS) };
    let n_before = all.iter().filter(|i| times[**i] < x).count();
    let usual = n_before.clamp(1, all.len() - 1);
    let mut flags = if (a, b) == (all[usual - 1], all[usual]) { 0 } else { INTERPOLATE };
    if range.is_some_and(|r| times[a].abs_diff(x) > r || times[b].abs_diff(x) > r) {
        return none(OUTSIDE_RANGE | flags);
    }
    if x < times[a] || x > times[b] {
        flags |= EXTRAPOLATE;
    }
    let weighs = |i: usize, other: usize| times[other] != x && grades[i] == Grade::Doubtful;
    if weighs(a, b) || weighs(b, a) {
        flags |= INDETERMINATE;
    }
    let slope = (values[b] - values[a]) / (times[b] - times[a]) as f64;
    let value = values[a] + slope * (x - times[a]) as f64;
    Made { value: Some(value), flags, ..Made::default() }
}

#[test]
fn the_nearest_good_value_within_reach_is_taken() {
    let random = &mut fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let (times, _, grades) = series(random);
        let x = any(random, 48) - 4;
        let range = *random.choice(&[None, Some(0), Some(5)]).unwrap();
        let all = distinct(&times, &grades);
        let within: Vec<usize> =
            all.iter().copied().filter(|i| range.is_none_or(|r| times[*i].abs_diff(x) <= r)).collect();
        let nearest = within.iter().copied().min_by_key(|i| (times[*i].abs_diff(x), times[*i]));
        let good = within.iter().copied().filter(|i| grades[*i] != Grade::Bad);
        let good = good.min_by_key(|i| (times[*i].abs_diff(x), times[*i]));
        let want = match (nearest, good) {
            (None, _) => (None, BAD | OUTSIDE_RANGE),
            (_, None) => (None, BAD | ALL_BAD_INPUTS),
            (Some(any), Some(good)) => {
                let mut flags = if grades[good] == Grade::Doubtful { INDETERMINATE } else { 0 };
                if times[good].abs_diff(x) > times[any].abs_diff(x) {
                    flags |= NOT_USING_CLOSEST;
                }
                (Some(good), flags)
            }
        };
        let got = Distinct::of(&times, &grades).nearest(&[x], range);
        assert_eq!(got, [want], "{times:?} {grades:?} at {x} within {range:?}");
    }
}

#[test]
fn the_usual_step_is_a_median() {
    assert_eq!(usual_step(&[]), None);
    assert_eq!(usual_step(&[5, 5]), None);
    assert_eq!(usual_step(&[0, 10, 20, 20, 30, 1000]), Some(10));
}
