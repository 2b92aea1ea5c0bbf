use super::*;

#[test]
fn an_id_that_was_put_in_is_never_denied_and_others_mostly_are() {
    let mut filter = vec![0; (10_000 * BITS_PER_ID).div_ceil(8 * BLOCK) * BLOCK];
    for number in 0..10_000 {
        for (byte, bit) in Probe::of(&format!("run-{number}")).places(filter.len()) {
            filter[byte] |= bit;
        }
    }
    let found = |prefix: &str| {
        (0..10_000)
            .filter(|number| Probe::of(&format!("{prefix}-{number}")).may_be_in(&filter))
            .count()
    };
    assert_eq!(found("run"), 10_000);
    assert!(found("other") < 200, "{}", found("other"));
}

#[test]
fn an_entry_with_any_bit_flipped_or_cut_off_is_none() {
    let mut entry = vec![0; ENTRY_HEADER + 2 * BLOCK];
    let size = (entry.len() + CHECKSUM) as u32;
    entry[..4].copy_from_slice(&size.to_le_bytes());
    entry[10] = 7;
    let checksum = checksum_of(&entry);
    entry.extend_from_slice(&checksum);
    let (whole, rest) = CatalogueEntry::split(&entry).unwrap();
    assert!(rest.is_empty() && CatalogueEntry::parse(whole).is_some());
    for at in 0..entry.len() {
        assert!(CatalogueEntry::split(&entry[..at]).is_none());
        let mut flipped = entry.clone();
        flipped[at] ^= 1 << (at % 8);
        let parsed =
            CatalogueEntry::split(&flipped).and_then(|(whole, _)| CatalogueEntry::parse(whole));
        assert!(parsed.is_none(), "{at}");
    }
}
