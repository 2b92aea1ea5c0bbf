//! The proof of a verification, and its limits: part of the report, so that nobody mistakes a quick
//! check for a full one, or a live file for a protected one.

use super::{Depth, ReadDepth, VerifyOptions, VerifyReport};

impl ReadDepth {
    fn of(options: &VerifyOptions) -> Self {
        let (kind, percent) = match options.depth {
            Depth::Full => ("full", None),
            Depth::Quick => ("quick", None),
            Depth::Sample(percent) => ("sample", Some(percent)),
        };
        Self { kind, percent, archive: options.archive, live: options.live }
    }
}

/// Fills in what the report proves; `has_archive` and `has_live` say what there is.
pub(super) fn tell(
    report: &mut VerifyReport,
    options: &VerifyOptions,
    has_archive: bool,
    has_live: bool,
) {
    report.depth = ReadDepth::of(options);
    report.witness = match (options.head.is_some(), options.witness.is_some()) {
        _ if !options.archive => "none",
        (true, true) => "head and signature",
        (true, false) => "head",
        (false, true) => "signature",
        (false, false) => "none",
    };
    let mut parts = Vec::new();
    if options.archive && has_archive {
        parts.push(of_segments(report, options));
        parts.push(of_witness(report));
    }
    if options.live && has_live {
        parts.push(
            "live files can be read as events, and whether they were changed since they were \
             written nothing tells, for they have no checksum until they are archived"
                .to_owned(),
        );
    }
    if parts.is_empty() {
        parts.push("nothing, since there was nothing to read".to_owned());
    }
    let but = match (report.stopped, report.findings.is_empty()) {
        (true, _) => "as far as it came, ",
        (false, false) => "except for the findings, ",
        (false, true) => "",
    };
    report.proves = format!("{but}{}", parts.join("; "));
}

fn of_segments(report: &VerifyReport, options: &VerifyOptions) -> String {
    let segments = |number: u64| format!("{number} segment{}", if number == 1 { "" } else { "s" });
    let all = segments(report.segments);
    let whole = report.segments_read_whole;
    let mut text = match options.depth {
        Depth::Quick => format!(
            "sizes, checksum files, indexes and seek tables of {all} are as the manifest says, and \
             no event in them was read"
        ),
        Depth::Sample(_) => format!(
            "every bit of {whole} of {all} is as it was archived, and of the others sizes, checksum \
             files, indexes and seek tables are"
        ),
        Depth::Full => format!("every bit of {} is as it was archived", segments(whole)),
    };
    if report.segments_elsewhere > 0 {
        text.push_str(&format!(
            ", and of {} remote ones only the stubs were read",
            report.segments_elsewhere
        ));
    }
    if !options.dates.is_empty() {
        text.push_str(", of the given days");
    }
    text
}

fn of_witness(report: &VerifyReport) -> String {
    let Some(after) = &report.after_head else {
        return match report.witness {
            "none" => "nobody vouches for the manifest itself, which whoever can write to the \
                       archive could have rewritten"
                .to_owned(),
            witness => format!("the given {witness} does not vouch for the manifest"),
        };
    };
    let vouched = report.manifest_records.saturating_sub(after.len() as u64);
    format!(
        "by the given {} nothing up to record {vouched} of {} was rewritten or cut off",
        report.witness, report.manifest_records
    )
}
