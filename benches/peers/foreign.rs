//! Peers that keep events in a form of their own: the journal and `DuckDB`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hlarchive::internals::event::EventHead;

use super::generate::{self, Shape, first_day};
use super::measure::{Work, has};

const JOURNAL_WRITER: &str = "/lib/systemd/systemd-journal-remote";

/// The history as journal files, one a day; `None` where the tools are missing.
pub fn journal(directory: &Path, shape: Shape) -> Option<()> {
    if !has(&format!("test -x {JOURNAL_WRITER} && journalctl --version")) {
        println!("journalctl or systemd-journal-remote is not installed: left out");
        return None;
    }
    std::fs::create_dir(directory).unwrap();
    for number in 0..shape.days {
        let date = first_day().plus_days(i64::from(number));
        let mut events = generate::day(date, shape);
        events.sort_by(|a, b| a.0.name.as_str().cmp(b.0.name.as_str()));
        let mut text = String::new();
        for (_, bytes) in &events {
            let head = EventHead::parse(bytes).unwrap();
            writeln!(
                text,
                "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={micros}\n\
                 _BOOT_ID={:032x}\nMESSAGE={}\nNODE={}\nTYPE={}\nSEVERITY={}\nSOURCE={}\n\
                 SERVICE={}\nCORRELATION_ID={}\n",
                1,
                head.payload.get(),
                head.node,
                head.event_type,
                head.severity,
                head.source,
                head.service,
                head.correlation_id,
                micros = head.timestamp.micros(),
            )
            .unwrap();
        }
        let file = directory.join(format!("{date}.journal"));
        let mut writer = Command::new(JOURNAL_WRITER)
            .arg("-o")
            .arg(&file)
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }
    Some(())
}

/// What the journal is asked for one id.
pub fn journal_trace(directory: &Path, id: &str) -> Work {
    let at = directory.display();
    Work::shell(&format!("exec journalctl --file '{at}/*.journal' -o cat CORRELATION_ID={id}"))
}

/// The history as Parquet, made from NDJSON by `DuckDB` itself; `None` where it is missing.
pub fn parquet(file: &Path, list: &str) -> Option<()> {
    if !has("python3 -c 'import duckdb'") {
        println!("DuckDB (the Python module) is not installed: left out");
        return None;
    }
    let (at, json) = (file.display(), file.with_extension("ndjson"));
    let json = json.display();
    let line = format!(
        "{list} > {json} && python3 -c \"import duckdb; duckdb.sql('''copy (select * from \
         read_json('{json}', format='newline_delimited', columns={{timestamp:'TIMESTAMP', \
         node:'VARCHAR', type:'VARCHAR', severity:'VARCHAR', source:'VARCHAR', \
         service:'VARCHAR', correlation_id:'VARCHAR', payload:'JSON'}})) to '{at}' \
         (format parquet, compression zstd)''')\" && rm {json}"
    );
    assert!(has(&line), "{line}");
    Some(())
}

/// What `DuckDB` is asked for one id.
pub fn parquet_trace(file: &Path, id: &str) -> Work {
    let at = file.display();
    Work::shell(&format!(
        "exec python3 -c \"import duckdb; print(duckdb.sql('''select * from '{at}' where \
         correlation_id = '{id}' order by timestamp''').fetchall())\""
    ))
}
