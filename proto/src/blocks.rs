//! How the bytes of small collections grow.
//!
//! There may be millions of them and most stay small, so they do not double as vectors do by themselves: they go from one size
//! that allocators have blocks of to the next. Less than that would save nothing, since nobody else gets the rest of a block.

/// Makes room for `more` bytes behind those that are there.
#[inline]
pub(crate) fn reserve(bytes: &mut Vec<u8>, more: usize) {
    let len = bytes.len().saturating_add(more);
    if len > bytes.capacity() {
        grow(bytes, len);
    }
}

#[cold]
fn grow(bytes: &mut Vec<u8>, len: usize) {
    bytes.reserve_exact(block_of(len) - bytes.len());
}

/// The size of the smallest block for `len` bytes: a multiple of 16 up to 128, and of four sizes to every doubling above.
fn block_of(len: usize) -> usize {
    if len <= 128 { len.next_multiple_of(16) } else { len.next_multiple_of(1 << ((len - 1).ilog2() - 2)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_never_more_than_a_quarter_too_much_nor_found_byte_by_byte() {
        for len in 129..100_000 {
            let block = block_of(len);
            assert!(block >= len && block - len < len / 4 && block_of(block) == block, "{len}: {block}");
        }
        assert_eq!([1, 16, 17, 107, 128, 129, 1207].map(block_of), [16, 16, 32, 112, 128, 160, 1280]);
        let (mut bytes, mut moves) = (Vec::new(), 0);
        for _ in 0..100_000 {
            let before = bytes.capacity();
            reserve(&mut bytes, 1);
            bytes.push(0);
            moves += usize::from(bytes.capacity() != before);
        }
        assert!(moves < 60, "{moves} times");
    }
}
