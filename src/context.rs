//! The actor of an operation, its clock and its randomness.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::archive::By;
use crate::event::Timestamp;
use crate::policy::{AuditRules, RetainRules};
use crate::segment::Sha256Hash;
use crate::{Result, system};

/// The actor of an operation, its clock and its randomness: everything that an operation must not
/// find out by itself.
///
/// [`History::open`](crate::History::open) takes one from the machine. A test creates its own, and
/// then decides what time it is:
///
/// ```
/// use hlarchive::{Context, History, Timestamp};
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let night: Timestamp = "2026-05-17T03:00:00Z".parse()?;
/// let context = Context::from_system("nightly test")?.at(night);
/// let history = History::open(root)?.with_context(context);
/// let emitted = history.emit("rotation_checked").send()?;
/// assert!(emitted.path().to_string().starts_with("2026-05-17/"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    clock: Clock,
    by: By,
    pub(crate) audit: AuditRules,
    pub(crate) retain: RetainRules,
    seed: [u8; 32],
    /// Shared by all clones, so that none draws what another one drew.
    drawn: Arc<AtomicU64>,
}

/// A clock supplied by the caller.
type OwnClock = dyn Fn() -> Timestamp + Send + Sync;

#[derive(Clone)]
enum Clock {
    /// A clock that stands still.
    Fixed(Timestamp),
    Running(Arc<OwnClock>),
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => write!(f, "Fixed({time})"),
            Self::Running(_) => f.write_str("Running"),
        }
    }
}

impl Context {
    /// Takes clock, user, host and randomness from the machine. `command` is what records say was
    /// run.
    ///
    /// Fails if the system gives no random bytes.
    pub fn from_system(command: impl Into<String>) -> Result<Self> {
        let clock = Clock::Running(Arc::new(system::now));
        Ok(Self::new(clock, system::by(command), system::seed()?))
    }

    /// Creates a context whose clock stands still and whose randomness follows from `seed`: two
    /// contexts of one seed draw the same ids, so it must be random wherever ids must differ.
    pub fn fixed(now: Timestamp, by: By, seed: [u8; 32]) -> Self {
        Self::new(Clock::Fixed(now), by, seed)
    }

    fn new(clock: Clock, by: By, seed: [u8; 32]) -> Self {
        let (audit, retain) = (AuditRules::default(), RetainRules::default());
        Self { clock, by, audit, retain, seed, drawn: Arc::default() }
    }

    /// Replaces the clock by one that stands still.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { clock: Clock::Fixed(now), ..self }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Clock::Running(Arc::new(clock)), ..self }
    }

    /// Sets the rules for audit events.
    #[must_use]
    pub(crate) fn with_audit(self, audit: AuditRules) -> Self {
        Self { audit, ..self }
    }

    /// Sets the rules for how long events are kept: what comes in may be older than that.
    #[must_use]
    pub(crate) fn with_retain(self, retain: RetainRules) -> Self {
        Self { retain, ..self }
    }

    /// Returns the time by this clock.
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::Fixed(time) => *time,
            Clock::Running(clock) => clock(),
        }
    }

    /// Returns the actor, as records name it.
    pub fn by(&self) -> &By {
        &self.by
    }

    /// Returns the context with its clock stopped: what one run judges and what it records are of
    /// one time, however long it takes.
    pub(crate) fn stopped(&self) -> Self {
        self.clone().at(self.now())
    }

    /// Returns fresh random bytes.
    pub(crate) fn draw(&self) -> [u8; 32] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut input = [0; 40];
        input[..32].copy_from_slice(&self.seed);
        input[32..].copy_from_slice(&drawn.to_le_bytes());
        Sha256Hash::of(&input).0
    }

    /// Returns a number that no other process has, for the name of a temporary file.
    pub(crate) fn next_token(&self) -> u64 {
        let mut token = [0; 8];
        token.copy_from_slice(&self.draw()[..8]);
        u64::from_le_bytes(token)
    }
}
