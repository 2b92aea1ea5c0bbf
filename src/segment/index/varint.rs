//! Variable-length numbers: unsigned LEB128, seven bits a byte, the lowest first.

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Removes a number from the front; `None` if it does not end or is too large.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_reads_back(number in any::<u64>(), more in any::<u8>()) {
            let mut bytes = Vec::new();
            super::put(&mut bytes, number);
            bytes.push(more);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(super::take(&mut rest), Some(number));
            prop_assert_eq!(rest, &[more]);
        }
    }

    #[test]
    fn a_number_without_end_is_none() {
        assert_eq!(super::take(&mut [0x80; 3].as_slice()), None);
        assert_eq!(super::take(&mut [0xff; 11].as_slice()), None);
        assert_eq!(super::take(&mut [].as_slice()), None);
    }

    #[test]
    fn a_number_that_64_bits_do_not_hold_is_none() {
        let with_last = |last: u8| [&[0xff; 9][..], &[last]].concat();
        assert_eq!(super::take(&mut with_last(1).as_slice()), Some(u64::MAX));
        for last in [2, 3, 0x7f] {
            assert_eq!(super::take(&mut with_last(last).as_slice()), None, "{last}");
        }
    }
}
