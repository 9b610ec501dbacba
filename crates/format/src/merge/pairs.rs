//! Which rows of several streams belong together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use lakegate_domain::model::How;

/// A row of each stream for every row of the merge, by stream; `None` where a
/// stream has none. Rows are in the order of their keys; those without a key come
/// last, in the order of the streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub rows: Vec<Vec<Option<u32>>>,
    pub n_rows: usize,
}

/// One row on its way: its key, and its row in the streams joined so far.
#[derive(Clone, Debug)]
struct Row {
    key: i64,
    of: Vec<Option<u32>>,
}

/// Joins streams by their keys. The key of a joined row is that of the first
/// stream that has it. Rows without a key stay alone: `inner` leaves them out,
/// `left` those of all streams but the first.
///
/// `tolerance` is in the unit of the keys.
pub fn join(keys: &[Vec<Option<i64>>], how: How, tolerance: u64) -> Joined {
    let mut rows: Vec<Row> = Vec::new();
    let mut keyless: Vec<Row> = Vec::new();
    for (stream, keys) in keys.iter().enumerate() {
        let mut its: Vec<(i64, u32)> = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            match key {
                Some(key) => its.push((*key, row as u32)),
                None if how == How::Outer || (how == How::Left && stream == 0) => {
                    keyless.push(Row { key: 0, of: alone(stream, row as u32) });
                }
                None => {}
            }
        }
        its.sort_by_key(|(key, _)| *key);
        if stream == 0 {
            rows = its.into_iter().map(|(key, row)| Row { key, of: vec![Some(row)] }).collect();
            continue;
        }
        let left: Vec<i64> = rows.iter().map(|r| r.key).collect();
        let right: Vec<i64> = its.iter().map(|(key, _)| *key).collect();
        let mut partner: Vec<Option<usize>> = vec![None; rows.len()];
        let mut is_used = vec![false; its.len()];
        for (a, b) in pairs(&left, &right, tolerance) {
            partner[a] = Some(b);
            is_used[b] = true;
        }
        for (row, partner) in rows.iter_mut().zip(&partner) {
            row.of.push(partner.map(|b| its[b].1));
        }
        if how == How::Inner {
            rows.retain(|r| r.of[stream].is_some());
        }
        if how == How::Outer {
            let new = its.iter().zip(&is_used).filter(|(_, used)| !**used);
            rows.extend(new.map(|((key, row), _)| Row { key: *key, of: alone(stream, *row) }));
            // Stable: of rows with one key those of the earlier stream come first.
            rows.sort_by_key(|r| r.key);
        }
    }
    rows.extend(keyless);
    let n_rows = rows.len();
    let of = |stream: usize| rows.iter().map(|r| r.of.get(stream).copied().flatten()).collect();
    Joined { rows: (0..keys.len()).map(of).collect(), n_rows }
}

fn alone(stream: usize, row: u32) -> Vec<Option<u32>> {
    let mut of = vec![None; stream + 1];
    of[stream] = Some(row);
    of
}

/// Rows of one side with the same key that have no partner yet, in order.
struct Block {
    key: i64,
    is_left: bool,
    /// Its next row, and the one after its last.
    rows: std::ops::Range<usize>,
    before: Option<usize>,
    after: Option<usize>,
}

/// Pairs of two sorted lists of keys, closest first.
///
/// The closest two of what is left stand side by side in the order of keys, so
/// that a heap of neighbours suffices: n log n, whatever the tolerance.
fn pairs(left: &[i64], right: &[i64], tolerance: u64) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut blocks = blocks(left, right, &mut found);
    if tolerance == 0 {
        return found;
    }
    let mut near: BinaryHeap<Reverse<(u64, i64, usize, usize)>> = BinaryHeap::new();
    let offer = |blocks: &[Block], near: &mut BinaryHeap<_>, a: usize, b: usize| {
        let (a_block, b_block) = (&blocks[a], &blocks[b]);
        let distance = b_block.key.abs_diff(a_block.key);
        if a_block.is_left != b_block.is_left && distance <= tolerance {
            near.push(Reverse((distance, a_block.key, a, b)));
        }
    };
    for b in 1..blocks.len() {
        offer(&blocks, &mut near, b - 1, b);
    }
    while let Some(Reverse((.., a, b))) = near.pop() {
        if blocks[a].rows.is_empty() || blocks[b].rows.is_empty() {
            continue;
        }
        let (l, r) = if blocks[a].is_left { (a, b) } else { (b, a) };
        let n = blocks[l].rows.len().min(blocks[r].rows.len());
        found.extend((0..n).map(|k| (blocks[l].rows.start + k, blocks[r].rows.start + k)));
        for at in [a, b] {
            blocks[at].rows.start += n;
            if !blocks[at].rows.is_empty() {
                continue;
            }
            let (before, after) = (blocks[at].before, blocks[at].after);
            if let Some(before) = before {
                blocks[before].after = after;
            }
            if let Some(after) = after {
                blocks[after].before = before;
            }
            if let (Some(before), Some(after)) = (before, after) {
                offer(&blocks, &mut near, before, after);
            }
        }
    }
    found
}

/// Joins rows with the same key, and gives what is left: at each key rows of one
/// side alone.
fn blocks(left: &[i64], right: &[i64], found: &mut Vec<(usize, usize)>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < left.len() || b < right.len() {
        let key = match (left.get(a), right.get(b)) {
            (Some(l), Some(r)) => *l.min(r),
            (Some(key), None) | (None, Some(key)) => *key,
            (None, None) => break,
        };
        let n_left = left[a..].iter().take_while(|k| **k == key).count();
        let n_right = right[b..].iter().take_while(|k| **k == key).count();
        let both = n_left.min(n_right);
        found.extend((0..both).map(|k| (a + k, b + k)));
        let (is_left, rows) =
            if n_left > n_right { (true, a + both..a + n_left) } else { (false, b + both..b + n_right) };
        if !rows.is_empty() {
            let at = blocks.len();
            if let Some(last) = blocks.last_mut() {
                last.after = Some(at);
            }
            blocks.push(Block { key, is_left, rows, before: at.checked_sub(1), after: None });
        }
        a += n_left;
        b += n_right;
    }
    blocks
}
