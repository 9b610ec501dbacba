//! Ends of a command's pipes that are given up when the command is over: what it
//! started may hold the other ends open for as long as it likes.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

/// How long is waited before it is looked whether the command is over.
const LOOK_EVERY_MS: u16 = 50;
/// A pipe that is ready takes so much without waiting.
const AT_ONCE: usize = 4096;

/// What the command writes. At its end once that is over and no more is there.
pub(super) struct Outlet<'a> {
    from: Box<dyn Pipe<'a> + 'a>,
    over: &'a AtomicBool,
}

/// An end that is read from, whichever it is.
trait Pipe<'a>: Read + AsFd + Send {}
impl<'a, T: Read + AsFd + Send + 'a> Pipe<'a> for T {}

impl<'a> Outlet<'a> {
    pub(super) fn new(from: impl Read + AsFd + Send + 'a, over: &'a AtomicBool) -> Self {
        Self { from: Box::new(from), over }
    }
}

impl Read for Outlet<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match is_ready(self.from.as_fd(), PollFlags::POLLIN, self.over)? {
            true => self.from.read(buffer),
            false => Ok(0),
        }
    }
}

/// What the command reads.
pub(super) struct Inlet<'a> {
    to: std::process::ChildStdin,
    over: &'a AtomicBool,
}

impl<'a> Inlet<'a> {
    pub(super) fn new(to: std::process::ChildStdin, over: &'a AtomicBool) -> Self {
        Self { to, over }
    }
}

impl Write for Inlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match is_ready(self.to.as_fd(), PollFlags::POLLOUT, self.over)? {
            true => self.to.write(&bytes[..bytes.len().min(AT_ONCE)]),
            false => Err(Error::new(ErrorKind::BrokenPipe, "the command is over")),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush()
    }
}

/// Waits until an end can be used; `false` when the command is over before.
fn is_ready(end: std::os::fd::BorrowedFd<'_>, what: PollFlags, over: &AtomicBool) -> Result<bool> {
    loop {
        // Looked at first: what was written before the command was over is there now.
        let is_over = over.load(Ordering::Relaxed);
        match poll(&mut [PollFd::new(end, what)], LOOK_EVERY_MS) {
            Ok(0) if is_over => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}
