//! A mistake of this program while it works on one thing must not end the
//! process: the rest of the lake's work goes on.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use lakegate_domain::{Code, Failure};

/// Runs `work`; a panic in it becomes LG901, which says what was being `done`.
///
/// What `work` changes must be thrown away after a failure: it may be half
/// changed.
pub fn caught<T, E: From<Failure>>(doing: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        Err(Failure::new(Code::Bug, format!("a mistake while {doing}: {}", message(payload.as_ref()))).into())
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Tells of a panic where it happens, in one line: the place in the source,
/// which nothing later knows, and the message.
pub fn tell_places() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |l| format!(" at {l}"));
        eprintln!("{}: a mistake of lakegate{place}: {}", Code::Bug, message(info.payload()));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_that_says_what_was_done() {
        let caught = |work: fn() -> Result<u8, Failure>| caught("loading a.csv (f7)", work);
        assert_eq!(caught(|| Ok(3)), Ok(3));
        let failure = caught(|| panic!("index {} is too large", 9)).unwrap_err();
        assert_eq!(failure.code, Code::Bug);
        assert_eq!(failure.message, "a mistake while loading a.csv (f7): index 9 is too large");
        assert!(caught(|| panic!("plain")).unwrap_err().message.ends_with("plain"));
        assert_eq!(caught(|| Err(Failure::new(Code::DiskFull, "full"))).unwrap_err().code, Code::DiskFull);
    }
}
