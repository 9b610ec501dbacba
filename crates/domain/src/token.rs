//! Commit tokens: which files of a lane a table already holds.

use crate::ids::Seq;

/// Whether a table whose lane token is `token` holds the rows of `seq`.
///
/// A lane's jobs are committed in order by one writer at a time, a file that is
/// parked is parked *before* the commit that passes it by, and a redriven file
/// gets a new seq. So every seq up to the token that is still open was in a
/// commit whose acknowledgement was lost:
///
/// | token    | seq | held |
/// |----------|-----|------|
/// | none     | any | no   |
/// | s7       | s6  | yes  |
/// | s7       | s7  | yes  |
/// | s7       | s8  | no   |
pub fn is_committed(token: Option<Seq>, seq: Seq) -> bool {
    token.is_some_and(|t| seq <= t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_table() {
        for (token, seq, held) in
            [(None, 1, false), (Some(7), 6, true), (Some(7), 7, true), (Some(7), 8, false)]
        {
            assert_eq!(is_committed(token.map(Seq), Seq(seq)), held, "token {token:?}, seq {seq}");
        }
    }
}
