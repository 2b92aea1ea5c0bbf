//! Export: events as files that query engines read, for data beyond one machine's tools.
//!
//! One file for each day and node, laid out as Hive does, live and archived events alike. A file is
//! written beside its place, synced, and only then given its name; existing files are never
//! overwritten. So an export that is stopped leaves only complete files, and its memory does not
//! grow with the data.

mod cloudevents;
pub(crate) mod csv;
mod fields;
mod layout;
mod outlet;
#[cfg(feature = "parquet")]
mod parquet;
mod part;
mod parts;
#[cfg(feature = "parquet")]
mod spill;
mod target;

use serde::Serialize;

pub use target::{ExportFormat, ExportTarget};

use crate::Context;
use crate::History;
use crate::Result;
use crate::event::{Date, Timestamp};
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::store::{
    EventStream, Filter, FoundEvent, Notices, Order, Query, Scope, Store, bounds, clamp,
};
use fields::Fields;
use layout::Partition;
use outlet::Outlet;
use parts::{Done, Parts};

/// Number of events that are made into rows together.
const BATCH: usize = 1024;

/// Options of an export.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions<'a> {
    /// Only events filed under these days; empty for all.
    pub dates: Vec<Date>,
    /// Only events that match it.
    pub(crate) filter: Filter,
    /// Live, archived or both.
    pub(crate) scope: Scope,
    /// The file format.
    pub format: ExportFormat,
    /// The destination.
    pub target: ExportTarget<'a>,
    /// True to skip files that exist, which otherwise are an error.
    pub resume: bool,
    /// True to also export days of which some events could not be read.
    pub partial: bool,
}

impl<'a> ExportOptions<'a> {
    /// Exports everything.
    pub fn new(format: ExportFormat, target: ExportTarget<'a>) -> Self {
        let (dates, filter, scope) = (Vec::new(), Filter::default(), Scope::Everything);
        Self { dates, filter, scope, format, target, resume: false, partial: false }
    }
}

/// A report of what an export did.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// The directory or address that holds the files now.
    pub target: String,
    /// The days with written files, in order.
    pub days: Vec<ExportedDay>,
    /// Files that were written.
    pub files: u64,
    /// Events in them.
    pub events: u64,
    /// Their size.
    pub bytes: u64,
    /// Files that existed already and were skipped.
    pub already_there: u64,
    /// Files of the history that are not events; they are not exported.
    pub invalid: u64,
    /// Events that share their name with another one; both are exported.
    pub conflicts: u64,
    /// Problems: what could not be exported.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
    /// Days with missing files, because of that or because some of their events could not be read.
    pub left_days: Vec<Date>,
    /// Notices about what was skipped.
    #[serde(skip)]
    pub notices: Notices,
}

/// One day of an export.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedDay {
    /// The day.
    pub date: Date,
    /// Files written, one per node.
    pub files: u64,
    /// Events in them.
    pub events: u64,
    /// Their size.
    pub bytes: u64,
}

impl History {
    /// Writes events as files for other programs, one for each day and node.
    ///
    /// A file that has its name has all its events: if a day could not be read in full, none of its
    /// files is named.
    ///
    /// ```
    /// use hlarchive::{ExportFormat, ExportOptions, ExportTarget, History};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("backup_completed").send()?;
    /// let target = ExportTarget::Directory(directory.path().join("export"));
    /// let report = history.export(&ExportOptions::new(ExportFormat::Ndjson, target))?;
    /// assert_eq!(report.events, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self, options: &ExportOptions<'_>) -> Result<ExportReport> {
        export(&self.store, &self.context.stopped(), options, &*self.progress)
    }
}

/// Exports events.
fn export(
    store: &Store,
    context: &Context,
    options: &ExportOptions<'_>,
    progress: &dyn Progress,
) -> Result<ExportReport> {
    if options.format == ExportFormat::Parquet && !cfg!(feature = "parquet") {
        return Err(parts::not_built());
    }
    if let ExportTarget::Directory(directory) = &options.target {
        // An export into its own source would be read as part of it.
        store.check_outside(directory, "export")?;
    }
    let events = store.events(Query {
        filter: options.filter.clone(),
        dates: options.dates.clone(),
        order: Order::Forward,
        scope: options.scope,
        day_by_day: true,
        by_manifest: true,
        ..Query::default()
    })?;
    let outlet = Outlet::open(&options.target, options.format)?;
    let report = ExportReport { target: options.target.to_string(), ..ExportReport::default() };
    let parts = Parts::new(&outlet, context, options.format);
    let mut run = Run { options, outlet: &outlet, parts, report, progress };
    progress.begin("exporting", None, Unit::Events);
    let outcome = run.all(events);
    progress.end();
    outcome.map(|()| run.report)
}

/// Rows of bytes, in the order of their events.
struct Rows {
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

struct Row {
    partition: Partition,
    /// Its time in the order of events.
    time: i64,
    /// The end of its bytes, or the reason why there are none.
    end: Result<usize, Finding>,
}

impl Rows {
    fn of(events: &mut dyn Iterator<Item = FoundEvent>, format: ExportFormat) -> Self {
        let (mut rows, mut bytes) = (Vec::new(), Vec::new());
        for event in events {
            let partition = Partition { date: event.path.date, node: event.path.node.clone() };
            let made = Self::add(&event, format, &mut bytes);
            // The query parsed the event before, so there is a timestamp.
            let time = made.as_ref().map_or_else(|_| partition.date.start(), |time| *time);
            let end = match made {
                Ok(_) => Ok(bytes.len()),
                Err(error) => {
                    let reason = format!("it could not be exported: {error}");
                    Err(Finding::new(event.path.to_string(), reason))
                }
            };
            rows.push(Row { time: clamp(partition.date, time), partition, end });
        }
        Self { rows, bytes }
    }

    fn add(
        event: &FoundEvent,
        format: ExportFormat,
        out: &mut Vec<u8>,
    ) -> Result<Timestamp, crate::event::InvalidEvent> {
        if format == ExportFormat::Ndjson {
            let time = event.head()?.timestamp;
            event.write_json(out);
            out.push(b'\n');
            return Ok(time);
        }
        let fields = Fields::of(event)?;
        match format {
            ExportFormat::Csv { escape_formulas } => csv::row(&fields, escape_formulas, out),
            ExportFormat::CloudEvents => cloudevents::line(event, &fields, out),
            ExportFormat::Ndjson | ExportFormat::Parquet => {
                #[cfg(feature = "parquet")]
                parquet::row(&fields, out);
            }
        }
        Ok(fields.head.timestamp)
    }
}

struct Run<'a> {
    options: &'a ExportOptions<'a>,
    outlet: &'a Outlet<'a>,
    parts: Parts<'a>,
    report: ExportReport,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    fn all(&mut self, mut events: EventStream) -> Result<()> {
        let format = self.options.format;
        let progress = self.progress;
        let stops = || progress.stop_requested();
        while !self.stops() {
            let batch = events.next_parts(BATCH, &stops, |events| Rows::of(events, format))?;
            if batch.is_empty() {
                break;
            }
            for rows in batch {
                self.take(rows, &mut events)?;
            }
        }
        self.stops();
        self.finish_before(None, &mut events)?;
        self.report.notices = std::mem::take(events.notices());
        self.report.invalid = self.report.notices.invalid();
        self.report.conflicts = self.report.notices.conflicts();
        Ok(())
    }

    fn stops(&mut self) -> bool {
        self.report.stopped |= self.progress.stop_requested();
        self.report.stopped
    }

    fn take(&mut self, rows: Rows, events: &mut EventStream) -> Result<()> {
        let mut from = 0;
        let count = rows.rows.len() as u64;
        for Row { partition, time, end } in rows.rows {
            self.finish_before(Some(time), events)?;
            let end = match end {
                Ok(end) => end,
                Err(finding) => {
                    self.report.findings.push(finding);
                    continue;
                }
            };
            if !self.parts.is_open(&partition) {
                self.begin(&partition)?;
            }
            self.parts.add(&partition, &rows.bytes[from..end])?;
            from = end;
        }
        self.progress.advance(count);
        Ok(())
    }

    fn begin(&mut self, partition: &Partition) -> Result<()> {
        let pass_over = match self.outlet.is_there(partition) {
            Ok(true) if !self.options.resume => return Err(self.outlet.taken(partition)),
            Ok(true) => {
                self.outlet.settle(partition)?;
                self.report.already_there += 1;
                true
            }
            Ok(false) => false,
            // It costs that node's events, and not those of all others.
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::InvalidFilename) => {
                let reason = "the name is too long for a directory, so its events are not exported";
                let finding = Finding::new(self.outlet.shown(partition), reason);
                self.report.findings.push(finding);
                true
            }
            Err(error) => return Err(error),
        };
        self.parts.begin(partition.clone(), pass_over)
    }

    /// Finishes the files that get no more events from this instant on: an event is ordered within
    /// a day of the one that it is filed under. At the end, all of them.
    fn finish_before(&mut self, time: Option<i64>, events: &mut EventStream) -> Result<()> {
        while let Some(first) = self.parts.first()
            && time.is_none_or(|time| bounds(first.date).1 < time)
        {
            let first = first.clone();
            let lacks = !self.options.partial && events.notices().lacks(first.date);
            if self.stops() || lacks {
                // An incomplete file must not look like a complete one.
                if self.report.left_days.last() != Some(&first.date) {
                    self.report.left_days.push(first.date);
                }
                self.parts.give_up_first();
                continue;
            }
            if let Some(done) = self.parts.finish_first()? {
                self.publish(done)?;
            }
            if self.parts.first().is_none_or(|next| next.date != first.date) {
                self.outlet.end_of_day(&first)?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, done: Done) -> Result<()> {
        let Some(file) = done.file else { return Ok(()) };
        let bytes = self.outlet.publish(file, &|_| ())?;
        let date = done.partition.date;
        if self.report.days.last().is_none_or(|day| day.date != date) {
            self.report.days.push(ExportedDay { date, files: 0, events: 0, bytes: 0 });
        }
        if let Some(day) = self.report.days.last_mut() {
            day.files += 1;
            day.events += done.events;
            day.bytes += bytes;
        }
        self.report.files += 1;
        self.report.events += done.events;
        self.report.bytes += bytes;
        Ok(())
    }
}
