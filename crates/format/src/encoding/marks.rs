//! Looks at 64 bytes of text at once.

/// Bytes of a block: as many as a word has bits.
pub(crate) const BLOCK: usize = 64;

/// Gathers the lowest bits of eight bytes into the top byte of the product.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// A word with a bit for each byte of which `is` holds, the first byte's lowest.
///
/// In two steps, because compilers turn the first into vector comparisons and
/// would not if it built the bits itself: it is ten times as fast.
#[inline(always)]
pub(crate) fn marks(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut found = [0u8; BLOCK];
    for (found, byte) in found.iter_mut().zip(block) {
        *found = u8::from(is(*byte));
    }
    let mut bits = 0;
    for (n, word) in found.as_chunks::<8>().0.iter().enumerate() {
        bits |= (u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56) << (8 * n);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_bit_is_a_byte(text in proptest::collection::vec(any::<u8>(), BLOCK)) {
            let bits = marks(text.first_chunk().unwrap(), |b| b < 100);
            for (n, b) in text.iter().enumerate() {
                prop_assert_eq!(bits >> n & 1 == 1, *b < 100);
            }
        }
    }
}
