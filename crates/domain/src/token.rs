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

/// Whether the ledger is older than a table: the table's lane token is a seq
/// that the ledger, whose lane has handed out seqs up to `last_seq`, does not
/// know. Then nothing that [`is_committed`] says is true: the seqs that it
/// hands out next were other files', whose rows the table holds. It shows only
/// before the lane hands out more.
///
/// | token    | last seq | the ledger is |
/// |----------|----------|---------------|
/// | none     | any      | abreast       |
/// | s7       | s7, s8   | abreast       |
/// | s7       | none, s6 | behind        |
pub fn is_ledger_behind(token: Option<Seq>, last_seq: Seq) -> bool {
    token.is_some_and(|t| t > last_seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_behind_a_token_that_it_never_handed_out() {
        for (token, last_seq, behind) in [
            (None, 0, false),
            (Some(7), 8, false),
            (Some(7), 7, false),
            (Some(7), 6, true),
            (Some(7), 0, true),
        ] {
            assert_eq!(is_ledger_behind(token.map(Seq), Seq(last_seq)), behind, "{token:?}, {last_seq}");
        }
    }

    #[test]
    fn truth_table() {
        for (token, seq, held) in
            [(None, 1, false), (Some(7), 6, true), (Some(7), 7, true), (Some(7), 8, false)]
        {
            assert_eq!(is_committed(token.map(Seq), Seq(seq)), held, "token {token:?}, seq {seq}");
        }
    }
}
