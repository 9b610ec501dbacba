//! Several record streams of one file become one set of rows.
//!
//! Rows come together by a key. The closest two are joined first; of pairs that
//! are equally far apart the earlier ones; of rows with the same key the k-th of
//! one stream with the k-th of the other. No row is used twice, and what is
//! joined depends on nothing but the keys and the order of the rows.

mod names;
mod pairs;
mod rows;
#[cfg(test)]
mod tests;

pub use names::{MergedColumn, Naming, names};
pub use pairs::{Joined, join};
pub use rows::{as_typed, keys_of_text, keys_of_typed, merge_text, merge_typed, merged_bytes};
