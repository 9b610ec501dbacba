//! What may go wrong with an answer.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::fleet::mixed;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// 500.
    Error,
    /// 429 with `Retry-After`.
    Limited,
    /// The answer comes after half a minute.
    Slow,
    /// The answer ends before it is whole.
    Truncated,
    /// The answer stays what it was when the fault began.
    Repeated,
    /// A page for people, with status 200.
    WrongType,
    /// Times are an hour ahead.
    ClockJump,
    /// Fields have changed their types, and there are others.
    Drift,
    /// No vehicles.
    Empty,
}

impl Fault {
    pub const ALL: [Fault; 9] = [
        Fault::Error,
        Fault::Limited,
        Fault::Slow,
        Fault::Truncated,
        Fault::Repeated,
        Fault::WrongType,
        Fault::ClockJump,
        Fault::Drift,
        Fault::Empty,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Error => "error",
            Fault::Limited => "limited",
            Fault::Slow => "slow",
            Fault::Truncated => "truncated",
            Fault::Repeated => "repeated",
            Fault::WrongType => "wrong_type",
            Fault::ClockJump => "clock_jump",
            Fault::Drift => "drift",
            Fault::Empty => "empty",
        }
    }

    pub fn of_name(name: &str) -> Option<Fault> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// Which feeds have which fault.
#[derive(Debug, Default)]
pub struct Faults {
    /// Share of answers that have one by chance, 0 to 1.
    pub share: f64,
    pub seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    set: HashMap<String, (Fault, Timestamp)>,
    n_answers: u64,
}

impl Faults {
    /// Faults by chance, in a share of the answers. Which ones follows from the
    /// seed and the number of the answer.
    pub fn by_chance(share: f64, seed: u64) -> Self {
        Self { share, seed, state: Mutex::default() }
    }

    /// Sets the fault of a feed from an instant on, or ends it.
    pub fn set(&self, feed: &str, fault: Option<Fault>, now: Timestamp) {
        let mut state = self.state.lock().expect("no holder panics");
        match fault {
            Some(fault) => state.set.insert(feed.to_string(), (fault, now)),
            None => state.set.remove(feed),
        };
    }

    /// The fault of the next answer, and since when the feed has it.
    pub fn next(&self, feed: &str, now: Timestamp) -> Option<(Fault, Timestamp)> {
        let mut state = self.state.lock().expect("no holder panics");
        if let Some(set) = state.set.get(feed) {
            return Some(*set);
        }
        state.n_answers += 1;
        let dice = mixed(self.seed ^ state.n_answers);
        let is_struck = (dice >> 11) as f64 / (1u64 << 53) as f64;
        (is_struck < self.share).then(|| {
            // Those that are over with the answer; a slow one would hold up tests.
            let brief = [Fault::Error, Fault::Truncated, Fault::WrongType, Fault::Empty, Fault::Drift];
            (brief[mixed(dice) as usize % brief.len()], now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_set_and_ended() {
        let faults = Faults::default();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(faults.next("harbor", now), None);
        faults.set("harbor", Some(Fault::Slow), now);
        assert_eq!(faults.next("harbor", now), Some((Fault::Slow, now)));
        assert_eq!(faults.next("ridge", now), None);
        faults.set("harbor", None, now);
        assert_eq!(faults.next("harbor", now), None);
        for fault in Fault::ALL {
            assert_eq!(Fault::of_name(fault.name()), Some(fault));
        }
    }

    #[test]
    fn chance_strikes_its_share() {
        let struck = |seed| {
            let faults = Faults::by_chance(0.1, seed);
            (0..1000).filter_map(|_| faults.next("harbor", Timestamp::UNIX_EPOCH)).collect::<Vec<_>>()
        };
        assert!((70..130).contains(&struck(1).len()), "{}", struck(1).len());
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
    }
}
