//! Members of a tar archive, as streams, from a stream.
//!
//! The `tar` crate parses headers (long names, pax, GNU); since its iterator
//! borrows the archive, each header is parsed by an iterator of its own over
//! the shared stream, and the member's bytes are then read past it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lakegate_domain::Code;
use tar::EntryType;

use super::names::safe_path;
use super::{Blob, Expanding, Input, Peeler, carried, damaged};
use crate::encoding::Bytestream;
use crate::error::{Error, Result};

const BLOCK: u64 = 512;
/// Long names and attributes of one member; more is an attack on memory.
const HEADER_BYTES: u64 = 1 << 20;

pub(crate) struct TarWalk {
    shared: Shared,
    path: String,
    /// A sparse member, already put together.
    whole: Option<Blob>,
    at_end: bool,
    peeler: Arc<Peeler>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    stream: Bytestream,
    /// Which member the stream stands in; readers of earlier ones are void.
    member: u64,
    /// Bytes of the member that are still to be read, then its padding.
    left: u64,
    padding: u64,
    /// Bytes of headers read for the current member, and how many may be.
    header: u64,
    header_cap: u64,
    /// The stream ended where a header or a sparse member should go on.
    ended_early: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TarWalk {
    pub(super) fn new(stream: Bytestream, peeler: Arc<Peeler>) -> Self {
        let state = State {
            stream,
            member: 0,
            left: 0,
            padding: 0,
            header: 0,
            header_cap: HEADER_BYTES,
            ended_early: false,
        };
        Self {
            shared: Shared(Arc::new(Mutex::new(state))),
            path: String::new(),
            whole: None,
            at_end: false,
            peeler,
        }
    }

    pub fn next_path(&mut self) -> Result<Option<String>> {
        while !self.at_end {
            self.whole = None;
            self.leave_member()?;
            let mut archive = tar::Archive::new(HeaderReader(self.shared.clone()));
            let mut entries = archive.entries().map_err(|e| damaged("tar", &e))?;
            let mut entry = match entries.next() {
                None => {
                    self.at_end = true;
                    self.read_to_end()?;
                    return Ok(None);
                }
                Some(entry) => entry.map_err(|e| self.broken(&e))?,
            };
            self.peeler.meter.enter(1)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = match entry.header().entry_type() {
                // Attributes for all that follow, not a member.
                EntryType::XGlobalHeader => String::new(),
                _ => safe_path(&name)?,
            };
            self.path.clone_from(&path);
            let kind = entry.header().entry_type();
            let stored = if kind == EntryType::GNUSparse {
                entry.header().entry_size().map_err(|e| damaged("tar", &e))?
            } else {
                entry.size()
            };
            let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse)
                && !name.ends_with('/')
                && !path.is_empty();
            if is_file {
                refuse_pax_sparse(&mut entry, &path)?;
            }
            if is_file && kind == EntryType::GNUSparse {
                // Its holes are known to the entry alone.
                self.shared.state().header_cap = u64::MAX;
                let blob = self.peeler.spool(&mut Expanding::new(entry, "tar", self.peeler.clone()));
                self.whole = Some(blob.map_err(|e| e.within(&path))?);
            } else {
                self.shared.state().left = stored;
            }
            self.shared.state().padding = stored.next_multiple_of(BLOCK) - stored;
            if is_file {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    pub fn open(&mut self) -> Result<Input> {
        if let Some(blob) = self.whole.take() {
            return Ok(Input::Blob(blob));
        }
        let member = self.shared.state().member;
        Ok(Input::Stream(Box::new(MemberReader { shared: self.shared.clone(), member })))
    }

    /// Passes what was not read of the current member and its padding.
    fn leave_member(&mut self) -> Result<()> {
        let mut state = self.shared.state();
        state.member += 1;
        state.header = 0;
        state.header_cap = HEADER_BYTES;
        let rest = state.left.saturating_add(state.padding);
        (state.left, state.padding) = (0, 0);
        let passed = io::copy(&mut (&mut state.stream).take(rest), &mut io::sink()).map_err(carried)?;
        if passed < rest {
            return Err(cut_short(&self.path));
        }
        Ok(())
    }

    /// What is wrong with a header that could not be read.
    fn broken(&self, error: &io::Error) -> Error {
        if self.shared.state().ended_early {
            return cut_short(&self.path);
        }
        let mut own = damaged("tar", error);
        if super::inside(error).is_none() && !self.path.is_empty() {
            own.message.push_str(&format!(" (after its member `{}`)", self.path));
        }
        own
    }

    /// Reads what follows the end mark, so that the checksum of a compression
    /// around the archive is looked at.
    fn read_to_end(&mut self) -> Result<()> {
        let mut state = self.shared.state();
        if state.header == 0 {
            return Err(Error::new(
                Code::DamagedArchive,
                "the tar archive is cut short: it ends without its end mark",
            ));
        }
        io::copy(&mut state.stream, &mut io::sink()).map_err(carried)?;
        Ok(())
    }
}

fn cut_short(path: &str) -> Error {
    let place = if path.is_empty() {
        "in its first header".into()
    } else {
        format!("inside or after its member `{path}`")
    };
    Error::new(Code::DamagedArchive, format!("the tar archive is cut short {place}"))
}

/// The newer way to write sparse files puts a map into the data, which would
/// be taken for rows.
fn refuse_pax_sparse(entry: &mut tar::Entry<'_, HeaderReader>, path: &str) -> Result<()> {
    let Some(extensions) = entry.pax_extensions().map_err(|e| damaged("tar", &e))? else { return Ok(()) };
    for extension in extensions {
        let extension = extension.map_err(|e| damaged("tar", &e))?;
        if extension.key_bytes().starts_with(b"GNU.sparse.") {
            return Err(Error::new(
                Code::DamagedArchive,
                format!(
                    "the tar member `{path}` is a sparse file of the pax kind, which is not read; pack it without `--sparse`"
                ),
            ));
        }
    }
    Ok(())
}

/// Reads headers from the shared stream, in bounds.
struct HeaderReader(Shared);

impl Read for HeaderReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.header >= state.header_cap {
            return Err(io::Error::other(Error::new(
                Code::DamagedArchive,
                format!("the tar archive has a member whose header is longer than {HEADER_BYTES} bytes"),
            )));
        }
        let n = state.stream.read(out)?;
        state.ended_early |= n == 0 && state.header > 0;
        if n == 0 && state.header_cap == u64::MAX {
            return Err(io::Error::other(Error::new(
                Code::DamagedArchive,
                "the tar archive is cut short inside a sparse member",
            )));
        }
        state.header += n as u64;
        Ok(n)
    }
}

/// Reads one member's bytes from the shared stream.
struct MemberReader {
    shared: Shared,
    member: u64,
}

impl Read for MemberReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shared.state();
        if state.member != self.member || state.left == 0 || out.is_empty() {
            return Ok(0);
        }
        let want = out.len().min(usize::try_from(state.left).unwrap_or(usize::MAX));
        let n = state.stream.read(&mut out[..want])?;
        if n == 0 {
            let missing = state.left;
            return Err(io::Error::other(Error::new(
                Code::DamagedArchive,
                format!("the tar archive is cut short: {missing} bytes of the member are missing"),
            )));
        }
        state.left -= n as u64;
        Ok(n)
    }
}
