//! What archives may grow to, and how far they have grown.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lakegate_domain::Code;
use lakegate_domain::model::Caps;

use super::{Peeler, damaged};
use crate::error::{Error, Result};

/// Below this much expanded text no ratio is suspicious.
const RATIO_FROM_BYTES: u64 = 16 << 20;

/// Counts what one landed file expands to, over all its layers and members.
#[derive(Debug)]
pub(crate) struct Meter {
    caps: Caps,
    source_bytes: u64,
    expanded: AtomicU64,
    entries: AtomicU64,
}

impl Meter {
    pub fn new(caps: Caps, source_bytes: u64) -> Self {
        Self { caps, source_bytes, expanded: AtomicU64::new(0), entries: AtomicU64::new(0) }
    }

    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Counts `n` bytes that came out of a decompressor.
    pub fn expand(&self, n: u64) -> Result<()> {
        let total = self.expanded.fetch_add(n, Ordering::Relaxed) + n;
        if total > self.caps.expanded_bytes {
            return Err(exceeded(format!(
                "the file of {} has expanded to more than {} (`caps: {{ expanded: … }}` allows {})",
                human(self.source_bytes),
                human(self.caps.expanded_bytes),
                self.caps.expanded_bytes
            )));
        }
        if total > RATIO_FROM_BYTES && total / self.caps.ratio.max(1) > self.source_bytes.max(1) {
            return Err(exceeded(format!(
                "the file of {} has expanded to {}, more than {} times its size (the cap `ratio`)",
                human(self.source_bytes),
                human(total),
                self.caps.ratio
            )));
        }
        Ok(())
    }

    /// Counts `n` members.
    pub fn enter(&self, n: u64) -> Result<()> {
        let total = self.entries.fetch_add(n, Ordering::Relaxed) + n;
        if total > self.caps.entries {
            return Err(exceeded(format!(
                "the archive has more than {} members: {total} counted so far (the cap `entries`)",
                self.caps.entries
            )));
        }
        Ok(())
    }
}

fn exceeded(message: String) -> Error {
    Error::new(Code::CapExceeded, message)
}

/// A size for people.
pub(super) fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// A decompressor whose output is metered and whose errors say what is damaged.
pub(super) struct Expanding<R> {
    inner: R,
    kind: &'static str,
    peeler: Arc<Peeler>,
}

impl<R> Expanding<R> {
    pub fn new(inner: R, kind: &'static str, peeler: Arc<Peeler>) -> Self {
        Self { inner, kind, peeler }
    }
}

impl<R: Read> Read for Expanding<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(out) {
            Ok(n) => {
                self.peeler.meter.expand(n as u64).map_err(io::Error::other)?;
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => Err(io::Error::other(damaged(self.kind, &e))),
        }
    }
}
