//! Whether a landed file is complete, so far as its looks tell.
//!
//! Nothing says that a writer is done, but a file that has not changed for a
//! while, or that was renamed into place, most likely is. Decided from values:
//! there is no clock and no disk in here.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::list::Seen;

/// What earlier listings tell of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub size_bytes: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When this size and time were seen first; nanoseconds since 1970.
    pub since_ns: i64,
    /// Its size was seen to change, so an old modification time proves nothing:
    /// some writers set the time they are given and write on.
    pub resized: bool,
}

impl Observation {
    /// What is known after `seen` was seen at `now_ns`.
    pub fn after(seen: &Seen, previous: Option<&Observation>, now_ns: i64) -> Self {
        let resized = previous.is_some_and(|p| p.size_bytes != seen.size_bytes);
        match previous.filter(|p| p.describes(seen)) {
            // A clock set back must not make a file wait for the old time.
            Some(p) => Self { since_ns: p.since_ns.min(now_ns), ..p.clone() },
            None => Self { size_bytes: seen.size_bytes, mtime_ns: seen.mtime_ns, since_ns: now_ns, resized },
        }
    }

    fn describes(&self, seen: &Seen) -> bool {
        self.size_bytes == seen.size_bytes && self.mtime_ns == seen.mtime_ns
    }
}

/// The answer of [`judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It can be taken.
    Yes,
    /// Look again after this long.
    Wait(Duration),
}

/// Decides whether a file has settled. *Old* is a modification time at least
/// `settle` ago; one in the future is not.
///
/// | `settle` | observed before           | mtime | answer                               |
/// |----------|---------------------------|-------|--------------------------------------|
/// | 0        | anything                  | any   | yes                                  |
/// | > 0      | never                     | old   | yes                                  |
/// | > 0      | never                     | young | wait                                 |
/// | > 0      | with another size         | any   | wait `settle`                        |
/// | > 0      | with another time only    | old   | yes                                  |
/// | > 0      | with another time only    | young | wait                                 |
/// | > 0      | the same, never resized   | old   | yes                                  |
/// | > 0      | the same, for `settle`    | any   | yes                                  |
/// | > 0      | the same, for less        | young | wait for what is left                |
/// | > 0      | the same, for less, resized | any | wait for what is left                |
pub fn judge(seen: &Seen, previous: Option<&Observation>, now_ns: i64, settle: Duration) -> Settled {
    let settle_ns = i64::try_from(settle.as_nanos()).unwrap_or(i64::MAX);
    if settle_ns == 0 {
        return Settled::Yes;
    }
    let known = Observation::after(seen, previous, now_ns);
    let unchanged_ns = now_ns.saturating_sub(known.since_ns);
    // An age below zero is a time in the future, which proves nothing until
    // it has passed.
    let age_ns = now_ns.saturating_sub(seen.mtime_ns);
    let left_ns = if known.resized || age_ns < 0 {
        settle_ns.saturating_sub(unchanged_ns)
    } else {
        settle_ns.saturating_sub(unchanged_ns.max(age_ns))
    };
    match u64::try_from(left_ns) {
        Ok(left) if left > 0 => Settled::Wait(Duration::from_nanos(left)),
        _ => Settled::Yes,
    }
}

/// What [`Settler::sift`] makes of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// In the order in which they were given.
    pub settled: Vec<Seen>,
    pub n_waiting: usize,
    /// When the first of the waiting can be ready.
    pub next: Option<Duration>,
}

/// Remembers what the last listing of each zone saw, and no more: a file that
/// is no longer listed is forgotten.
#[derive(Debug, Default)]
pub struct Settler {
    zones: HashMap<PathBuf, HashMap<String, Observation>>,
}

impl Settler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the files that can be taken apart from those that must wait.
    ///
    /// `found` is what a listing of `zone` saw, less what the ledger holds
    /// already. A file whose `os_path` is in `renamed_in` is complete by its
    /// writer's own word. `settle` is asked for each file.
    pub fn sift(
        &mut self,
        zone: &Path,
        found: Vec<Seen>,
        renamed_in: &HashSet<PathBuf>,
        now_ns: i64,
        settle: &dyn Fn(&Seen) -> Duration,
    ) -> Sifted {
        let before = self.zones.remove(zone).unwrap_or_default();
        let mut after = HashMap::with_capacity(found.len());
        let mut sifted = Sifted::default();
        for seen in found {
            let previous = before.get(&seen.path);
            after.insert(seen.path.clone(), Observation::after(&seen, previous, now_ns));
            let verdict = if renamed_in.contains(&seen.os_path) {
                Settled::Yes
            } else {
                judge(&seen, previous, now_ns, settle(&seen))
            };
            match verdict {
                Settled::Yes => sifted.settled.push(seen),
                Settled::Wait(left) => {
                    sifted.n_waiting += 1;
                    sifted.next = Some(sifted.next.map_or(left, |next| next.min(left)));
                }
            }
        }
        if !after.is_empty() {
            self.zones.insert(zone.to_path_buf(), after);
        }
        sifted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const NOW: i64 = 1_000 * S;

    fn seen(path: &str, size_bytes: u64, mtime_ns: i64) -> Seen {
        Seen { path: path.into(), os_path: Path::new("/zone").join(path), size_bytes, mtime_ns }
    }

    fn observed(size_bytes: u64, mtime_ns: i64, since_ns: i64, resized: bool) -> Observation {
        Observation { size_bytes, mtime_ns, since_ns, resized }
    }

    #[test]
    fn truth_table() {
        let wait = |seconds: u64| Settled::Wait(Duration::from_secs(seconds));
        let (old, young, future) = (NOW - 60 * S, NOW - 2 * S, NOW + 3600 * S);
        let same = |mtime, ago: i64| Some(observed(5, mtime, NOW - ago * S, false));
        let grown = |mtime, ago: i64| Some(observed(5, mtime, NOW - ago * S, true));
        let other_size = |mtime| Some(observed(4, mtime, NOW - 99 * S, false));
        let other_time = Some(observed(5, NOW - 999 * S, NOW - 99 * S, false));
        for (row, settle, previous, mtime, want) in [
            ("zero, never seen, future", 0, None, future, Settled::Yes),
            ("zero, resized", 0, other_size(young), young, Settled::Yes),
            ("never, old", 10, None, old, Settled::Yes),
            ("never, exactly old", 10, None, NOW - 10 * S, Settled::Yes),
            ("never, young", 10, None, young, wait(8)),
            ("never, future", 10, None, future, wait(10)),
            ("other size, old", 10, other_size(old), old, wait(10)),
            ("other size, young", 10, other_size(young), young, wait(10)),
            ("other time, old", 10, other_time.clone(), old, Settled::Yes),
            ("other time, young", 10, other_time.clone(), young, wait(8)),
            ("other time, future", 10, other_time, future, wait(10)),
            ("same, old", 10, same(old, 1), old, Settled::Yes),
            ("same for settle, young", 10, same(young, 10), young, Settled::Yes),
            ("same for settle, future", 10, same(future, 10), future, Settled::Yes),
            ("same for less, young", 10, same(young, 4), young, wait(6)),
            ("same for less, future", 10, same(future, 4), future, wait(6)),
            ("same for less, resized, old", 10, grown(old, 4), old, wait(6)),
            ("same for settle, resized, old", 10, grown(old, 10), old, Settled::Yes),
            ("seen by a clock that was ahead", 10, same(future, -500), future, wait(10)),
        ] {
            let answer = judge(&seen("a", 5, mtime), previous.as_ref(), NOW, Duration::from_secs(settle));
            assert_eq!(answer, want, "{row}");
        }
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        for mtime in [i64::MIN, i64::MAX] {
            for now in [i64::MIN, 0, i64::MAX] {
                judge(
                    &seen("a", 5, mtime),
                    Some(&observed(5, mtime, -mtime.max(-i64::MAX), true)),
                    now,
                    Duration::MAX,
                );
            }
        }
    }

    #[test]
    fn a_growing_file_waits_and_a_renamed_one_does_not() {
        let mut settler = Settler::new();
        let zone = Path::new("/zone");
        let settle = |_: &Seen| Duration::from_secs(10);
        let none = HashSet::new();
        let look = |settler: &mut Settler, size, now: i64, renamed: &HashSet<PathBuf>| {
            settler.sift(zone, vec![seen("a", size, NOW - 99 * S)], renamed, now, &settle)
        };
        assert_eq!(look(&mut settler, 1, NOW, &none).settled.len(), 1);
        // It was not taken, and grew under an old time.
        assert_eq!(look(&mut settler, 2, NOW + S, &none).next, Some(Duration::from_secs(10)));
        assert_eq!(look(&mut settler, 2, NOW + 4 * S, &none).next, Some(Duration::from_secs(7)));
        assert_eq!(look(&mut settler, 3, NOW + 9 * S, &none).n_waiting, 1);
        let renamed = HashSet::from([PathBuf::from("/zone/a")]);
        assert_eq!(look(&mut settler, 3, NOW + 10 * S, &renamed).settled.len(), 1);
        assert_eq!(look(&mut settler, 3, NOW + 19 * S, &none).settled.len(), 1);
    }

    #[test]
    fn the_vanished_are_forgotten() {
        let mut settler = Settler::new();
        let settle = |_: &Seen| Duration::from_secs(10);
        let (one, two) = (Path::new("/one"), Path::new("/two"));
        let files = |n: usize| (0..n).map(|i| seen(&format!("f{i}"), 1, NOW)).collect::<Vec<_>>();
        let sifted = settler.sift(one, files(100), &HashSet::new(), NOW, &settle);
        assert_eq!((sifted.n_waiting, sifted.settled.len()), (100, 0));
        let n_remembered = |settler: &Settler| settler.zones.values().map(HashMap::len).sum::<usize>();
        settler.sift(two, files(5), &HashSet::new(), NOW, &settle);
        assert_eq!(n_remembered(&settler), 105);
        settler.sift(one, files(3), &HashSet::new(), NOW, &settle);
        assert_eq!(n_remembered(&settler), 8);
        settler.sift(one, Vec::new(), &HashSet::new(), NOW, &settle);
        settler.sift(two, Vec::new(), &HashSet::new(), NOW, &settle);
        assert!(settler.zones.is_empty());
    }
}
