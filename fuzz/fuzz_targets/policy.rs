//! Policies: refused with a line that exists, or within every bound that is promised.

#![no_main]

use hlarchive::{Policy, internals::policy::{Keep, MinFree}};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let policy = match Policy::parse(text, "fuzz") {
        Ok(policy) => policy,
        Err(error) => {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            assert!(error.line.is_none_or(|line| (1..=lines).contains(&line)), "{error}");
            assert!(!error.reason.contains('\n'), "one line: {error}");
            return;
        }
    };
    let rotate = &policy.rotate;
    assert!((1..=22).contains(&rotate.level));
    assert!((4 << 10..=64 << 20).contains(&rotate.frame_size));
    assert!((1 << 10..=64 << 20).contains(&policy.events.max_bytes));
    let keeps = |keep: &Keep| match keep {
        Keep::Forever => true,
        Keep::For(span) => span.seconds() >= 86_400 && *span >= rotate.keep_live,
    };
    assert!(keeps(&policy.retain.keep));
    assert!(policy.retain.max_size.is_none_or(|bytes| bytes >= 1 << 20));
    match policy.retain.min_free {
        Some(MinFree::Percent(share)) => assert!((0.0..=90.0).contains(&share)),
        Some(MinFree::Bytes(_)) | None => {}
    }
    for (number, class) in policy.retain.classes.iter().enumerate() {
        assert!(keeps(&class.keep));
        assert!(!class.name.is_empty() && class.name.len() <= 32);
        assert!(
            class.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
        assert!(policy.retain.classes[..number].iter().all(|other| other.name != class.name));
    }
    assert_eq!(policy.text(), text);
    assert_eq!(Policy::parse(text, "fuzz"), Ok(policy));
});
