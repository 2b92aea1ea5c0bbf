//! What a stopped thread's registers say, and how a call is kept from happening.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// A system call as the kernel sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawCall {
    pub(super) number: i64,
    pub(super) arguments: [u64; 6],
}

impl RawCall {
    /// An argument that is a file descriptor or another small number.
    pub(super) fn int(&self, at: usize) -> i32 {
        self.arguments[at] as u32 as i32
    }
}

/// The call that a thread is about to make.
pub(super) fn call(tid: Pid) -> nix::Result<RawCall> {
    let r = ptrace::getregs(tid)?;
    Ok(RawCall { number: r.orig_rax as i64, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] })
}

/// What the call that just ended gave: a number, or a negative error number.
pub(super) fn result(tid: Pid) -> nix::Result<i64> {
    Ok(ptrace::getregs(tid)?.rax as i64)
}

/// Makes the call that a thread is about to make one that does nothing.
pub(super) fn skip(tid: Pid) -> nix::Result<()> {
    let mut registers = ptrace::getregs(tid)?;
    registers.orig_rax = u64::MAX;
    ptrace::setregs(tid, registers)
}

/// Makes the call that just ended look as if it had failed.
pub(super) fn fail(tid: Pid, errno: Errno) -> nix::Result<()> {
    let mut registers = ptrace::getregs(tid)?;
    registers.rax = (-i64::from(errno as i32)) as u64;
    ptrace::setregs(tid, registers)
}

/// Replaces an argument of the call that a thread is about to make.
pub(super) fn set_argument(tid: Pid, at: usize, value: u64) -> nix::Result<()> {
    let mut r = ptrace::getregs(tid)?;
    match at {
        0 => r.rdi = value,
        1 => r.rsi = value,
        2 => r.rdx = value,
        3 => r.r10 = value,
        4 => r.r8 = value,
        _ => r.r9 = value,
    }
    ptrace::setregs(tid, r)
}
