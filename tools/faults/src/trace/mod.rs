//! Runs a command under the eyes of a tracer that sees every thread.
//!
//! Calls that count are let through one at a time, over all threads, so that there is one
//! order of them. At each one a director says what becomes of it: it goes through, fails,
//! is done by half, or is where the whole process dies.

mod call;
mod decode;
mod process;
mod registers;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub(crate) use call::{Call, Change, Kind};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes through.
    Pass,
    /// The process dies instead.
    Die,
    /// Half of it is done; the process learns so and goes on.
    Half,
    /// Half of it is done, and then the process dies.
    HalfAndDie,
    /// A write goes through with this bit of its bytes changed, and the process learns
    /// nothing of it.
    Flip(usize),
    /// It is not made, and gives this error.
    Fail(Errno),
}

/// Whoever decides the fate of calls, and sees how they end.
pub(crate) trait Director {
    /// Asked before each call that counts.
    fn before(&mut self, call: &Call) -> Fate;
    /// Told of each call that has ended, with its result.
    fn after(&mut self, _call: &Call) {}
}

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) words: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Calls below this directory count.
    pub(crate) root: PathBuf,
    pub(crate) stdin: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    /// Whether calls that change nothing count, too.
    pub(crate) looks: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(Signal),
}

/// How long a run may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a job to its end, whatever that is.
pub(crate) fn run(job: &Job, director: &mut dyn Director) -> io::Result<End> {
    let main = start(job)?;
    let (done, waits) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let timed_out = waits.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        if timed_out {
            let _ = kill(main, Signal::SIGKILL);
        }
        timed_out
    });
    let mut tracer = Tracer {
        job,
        main,
        director,
        count: 0,
        busy: None,
        queue: VecDeque::new(),
        calls: HashMap::new(),
        inside: HashSet::new(),
        dying: false,
    };
    let end = tracer.follow();
    drop(done);
    if watch.join().unwrap_or(false) {
        return Err(io::Error::other("the command hung, and was killed"));
    }
    Ok(end?)
}

/// Starts the command so that it waits for us before it does anything.
fn start(job: &Job) -> io::Result<Pid> {
    let child = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(&job.words)
        .env_clear()
        .envs(job.environment.iter().cloned())
        .stdin(File::open(&job.stdin)?)
        .stdout(Stdio::from(File::create(&job.stdout)?))
        .stderr(Stdio::from(File::create(&job.stderr)?))
        .process_group(0)
        .spawn()?;
    let main = Pid::from_raw(child.id() as i32);
    waitpid(main, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(main, options)?;
    kill(main, Signal::SIGCONT)?;
    Ok(main)
}

struct Tracer<'a> {
    job: &'a Job,
    main: Pid,
    director: &'a mut dyn Director,
    count: usize,
    /// The thread that is inside a call that counts.
    busy: Option<Pid>,
    /// Threads that wait before such a call.
    queue: VecDeque<(Pid, Call)>,
    calls: HashMap<Pid, (Call, Fate)>,
    /// Threads that are inside any call: stops come in pairs, before and after.
    inside: HashSet<Pid>,
    /// Nothing more is let through: the process was killed.
    dying: bool,
}

impl Tracer<'_> {
    fn follow(&mut self) -> nix::Result<End> {
        loop {
            // Only our own: other threads trace other processes.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let status = match waitpid(None::<Pid>, Some(flags)) {
                Err(Errno::EINTR) => continue,
                status => status?,
            };
            match status {
                WaitStatus::Exited(tid, code) => {
                    alive(self.gone(tid))?;
                    if tid == self.main {
                        return Ok(End::Code(code));
                    }
                }
                WaitStatus::Signaled(tid, signal, _) => {
                    alive(self.gone(tid))?;
                    if tid == self.main {
                        return Ok(End::Signal(signal));
                    }
                }
                WaitStatus::PtraceSyscall(tid) => alive(self.at_call(tid))?,
                WaitStatus::Stopped(tid, signal) => alive(ptrace::syscall(tid, signal))?,
                WaitStatus::PtraceEvent(tid, ..) => alive(ptrace::syscall(tid, None))?,
                WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
            }
        }
    }

    fn gone(&mut self, tid: Pid) -> nix::Result<()> {
        self.inside.remove(&tid);
        self.calls.remove(&tid);
        self.queue.retain(|(waiting, _)| *waiting != tid);
        if self.busy == Some(tid) {
            self.busy = None;
            self.admit()?;
        }
        Ok(())
    }

    fn at_call(&mut self, tid: Pid) -> nix::Result<()> {
        if self.inside.insert(tid) {
            let raw = registers::call(tid)?;
            let call = decode::decode(tid, &raw, &self.job.root)
                .filter(|call| self.job.looks || call.change != Change::Look);
            match call {
                None => ptrace::syscall(tid, None),
                Some(call) => {
                    self.queue.push_back((tid, call));
                    self.admit()
                }
            }
        } else {
            self.inside.remove(&tid);
            let ended = self.calls.remove(&tid);
            let Some((mut call, fate)) = ended else { return ptrace::syscall(tid, None) };
            match (fate, call.amount) {
                (Fate::Fail(errno), _) => registers::fail(tid, errno)?,
                // The program takes for granted that a call leaves its arguments alone.
                (Fate::Half, Some((at, whole))) => registers::set_argument(tid, at, whole)?,
                (Fate::Flip(bit), _) => {
                    process::flip(tid, registers::call(tid)?.arguments[1], bit)?;
                }
                _ => {}
            }
            let result = registers::result(tid)?;
            call.result = Some(result);
            call.made = decode::made(tid, &call.change, result);
            self.director.after(&call);
            self.busy = None;
            if fate == Fate::HalfAndDie {
                self.dying = true;
                return kill(self.main, Signal::SIGKILL);
            }
            ptrace::syscall(tid, None)?;
            self.admit()
        }
    }

    /// Lets the next call begin, if none is under way.
    fn admit(&mut self) -> nix::Result<()> {
        if self.busy.is_some() || self.dying {
            return Ok(());
        }
        let Some((tid, queued)) = self.queue.pop_front() else { return Ok(()) };
        // What it does may depend on calls that came before it in the meantime.
        let raw = registers::call(tid)?;
        let mut call = decode::decode(tid, &raw, &self.job.root).unwrap_or(queued);
        self.count += 1;
        call.number = self.count;
        let mut fate = self.director.before(&call);
        match fate {
            Fate::Pass => {}
            Fate::Die => {
                registers::skip(tid)?;
                self.dying = true;
                return kill(self.main, Signal::SIGKILL);
            }
            Fate::Half | Fate::HalfAndDie => match (call.amount, &mut call.change) {
                (Some((at, _)), Change::Write { data, .. } | Change::Answer { data }) => {
                    data.truncate(data.len() / 2);
                    registers::set_argument(tid, at, data.len() as u64)?;
                }
                _ => fate = Fate::Pass,
            },
            Fate::Flip(bit) => match (call.amount, &mut call.change) {
                (Some(_), Change::Write { data, .. }) if bit / 8 < data.len() => {
                    data[bit / 8] ^= 1 << (bit % 8);
                    process::flip(tid, raw.arguments[1], bit)?;
                }
                _ => fate = Fate::Pass,
            },
            Fate::Fail(_) => registers::skip(tid)?,
        }
        self.busy = Some(tid);
        self.calls.insert(tid, (call, fate));
        ptrace::syscall(tid, None)
    }
}

/// A thread may die at any moment: that is seen when it is reaped.
fn alive(outcome: nix::Result<()>) -> nix::Result<()> {
    match outcome {
        Err(Errno::ESRCH) => Ok(()),
        outcome => outcome,
    }
}
