//! The cache against the rule as it is said, over a table that is a list.

use super::*;

const HOUR_US: i64 = 3_600_000_000;

fn rule(timed_key: bool, window: Duration) -> Dedupe {
    let key = if timed_key { vec!["id".into(), "at".into()] } else { vec!["id".into()] };
    Dedupe { key, by: "at".into(), window }
}

/// Which rows stay, by comparing each with all that stayed before it.
fn naive(rows: &[(Key, Option<i64>)], reach_us: i64) -> Vec<bool> {
    let mut stay: Vec<(Key, i64)> = Vec::new();
    rows.iter()
        .map(|(key, at)| {
            let Some(at) = at else { return true };
            let near = |(k, t): &(Key, i64)| k == key && at.abs_diff(*t) <= reach_us as u64;
            let stays = !stay.iter().any(near);
            if stays {
                stay.push((*key, *at));
            }
            stays
        })
        .collect()
}

/// Judges rows as ingest does: loads what is missing, then asks for each.
fn judge(
    kept: &mut Kept,
    table: &[(Key, i64)],
    rows: &[(Key, Option<i64>)],
    budget_bytes: usize,
) -> Vec<bool> {
    let missing = kept.missing(rows.iter().filter_map(|(_, at)| *at));
    if !missing.is_empty() {
        let wanted = || rows.iter().map(|(key, _)| *key).collect();
        let mut loading = kept.load(&missing, budget_bytes, &wanted);
        table.iter().for_each(|(key, at)| loading.put(*key, *at));
        loading.finish();
    }
    rows.iter().map(|(key, at)| kept.admit(*key, *at)).collect()
}

#[test]
fn the_table_of_the_rule() {
    let mut kept = Kept::new(&rule(false, Duration::from_secs(7200)));
    let at = |h: f64| Some((h * HOUR_US as f64) as i64);
    let rows =
        [(1, at(10.0)), (1, at(10.0)), (1, at(11.0)), (1, at(12.5)), (1, at(8.0)), (1, None), (2, at(10.0))];
    assert_eq!(judge(&mut kept, &[], &rows, 1 << 20), [true, false, false, true, false, true, true]);
}

#[test]
fn times_at_the_ends_of_time_are_times() {
    for timed_key in [true, false] {
        let mut kept = Kept::new(&rule(timed_key, Duration::from_secs(60)));
        let rows = [(1, Some(i64::MIN)), (1, Some(i64::MIN)), (2, Some(i64::MAX)), (2, Some(i64::MAX))];
        assert_eq!(judge(&mut kept, &[], &rows, 1 << 20), [true, false, true, false]);
    }
}

/// Rows come in batches of files; files fail, batches are lost, the process ends,
/// memory is short: whatever happens the table holds what the rule says.
#[test]
fn whatever_the_batches_the_rule_holds() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let timed_key = random.bool();
        let window = Duration::from_micros(random.u64(0..5) * random.u64(0..HOUR_US as u64));
        let rule = rule(timed_key, window);
        let n_keys = random.u128(1..40);
        let hours = random.i64(1..60);
        let mut row = || {
            let at = random.i64(-hours * HOUR_US..hours * HOUR_US);
            // Some times stand still.
            let at = if random.bool() { at } else { at.div_euclid(HOUR_US) * HOUR_US };
            let key = random.u128(0..n_keys);
            // A key that tells the time differs where the time does.
            let key = if timed_key { key | u128::from(at as u64) << 32 } else { key };
            (key, random.u8(..).ne(&0).then_some(at))
        };
        let files: Vec<Vec<(Key, Option<i64>)>> =
            (0..30).map(|i| (0..1 + i % 17).map(|_| row()).collect()).collect();
        let budget = [0, 2_000, 1 << 20][random.usize(..3)];

        let mut kept = Kept::new(&rule);
        let mut table: Vec<(Key, i64)> = Vec::new();
        let mut good: Vec<(Key, Option<i64>)> = Vec::new();
        let mut got: Vec<bool> = Vec::new();
        let mut next = 0;
        while next < files.len() {
            let batch = &files[next..files.len().min(next + 1 + random.usize(..5))];
            let mut stayed: Vec<(Key, i64)> = Vec::new();
            let mut judged = Vec::new();
            for file in batch {
                // A long file is judged in pieces.
                let mut verdicts = Vec::new();
                for piece in file.chunks(1 + random.usize(..9)) {
                    verdicts.extend(judge(&mut kept, &table, piece, budget));
                }
                if random.u8(..10) == 0 {
                    kept.drop_file();
                    continue;
                }
                kept.end_file();
                let stays = file.iter().zip(&verdicts).filter(|(_, stays)| **stays);
                stayed.extend(stays.filter_map(|((key, at), _)| at.map(|at| (*key, at))));
                judged.push((file, verdicts));
            }
            match random.u8(..10) {
                // The commit fails, and the batch comes again.
                0 => kept.drop_uncommitted(),
                1 => kept.clear(),
                other => {
                    table.extend(stayed);
                    kept.commit();
                    if other == 2 {
                        kept = Kept::new(&rule);
                    }
                    next += batch.len();
                    for (file, verdicts) in judged {
                        good.extend(file);
                        got.extend(verdicts);
                    }
                }
            }
        }
        assert_eq!(got, naive(&good, rule.reach_us()), "seed {seed}");
    }
}

#[test]
fn what_is_remembered_stays_within_its_budget() {
    let rule = rule(true, Duration::ZERO);
    let mut kept = Kept::new(&rule);
    let budget = 200_000;
    let mut table = Vec::new();
    let mut largest = 0;
    for hour in 0..200_i64 {
        let rows: Vec<(Key, Option<i64>)> =
            (0..1000_i64).map(|i| (Key::from((hour * 1000 + i) as u64), Some(hour * HOUR_US + i))).collect();
        assert!(judge(&mut kept, &table, &rows, budget).iter().all(|stays| *stays));
        kept.end_file();
        kept.commit();
        table.extend(rows.iter().filter_map(|(key, at)| at.map(|at| (*key, at))));
        // The same again, and the first of all: both are known still or read again.
        assert!(judge(&mut kept, &table, &rows[..50], budget).iter().all(|stays| !stays));
        assert!(!judge(&mut kept, &table, &[(0, Some(0))], budget)[0]);
        largest = largest.max(kept.bytes());
    }
    // What a commit adds to a span counts when the next one is loaded.
    assert!(largest < budget + 100_000, "{largest} bytes");
}
