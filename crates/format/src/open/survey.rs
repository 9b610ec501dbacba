//! What the documents of a file are, whatever is wrong with it. For reviews: of
//! a file that is refused, a reader tells the first reason alone.

use std::io::Read as _;
use std::path::Path;

use lakegate_domain::model::{Read, WhpExchange};

use super::{Source, documents, guarded};
use crate::container::carried;
use crate::error::Result;
use crate::exchange::{Report, inspect};

/// A document that was looked at.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// Its path, where the file is an archive.
    pub member: Option<String>,
    /// The word of what it is; `None` where nothing recognises it.
    pub kind: Option<&'static str>,
    /// Where it is read as WHP-Exchange, and is no longer than such a file may be:
    /// how, and all that is to be said of it.
    pub exchange: Option<(WhpExchange, Report)>,
}

/// Looks at each document of a file: at its first bytes, and at all of those that
/// can be inspected. Ends where the file cannot be read further.
pub fn survey(source: Source, file_name: &str, read: &Read, spool: &Path) -> Vec<Surveyed> {
    let mut found = Vec::new();
    // What ends it is the failure that is told of already.
    let _ = guarded(|| look_through(source, file_name, read, spool, &mut found));
    found
}

fn look_through(
    source: Source,
    file_name: &str,
    read: &Read,
    spool: &Path,
    found: &mut Vec<Surveyed>,
) -> Result<()> {
    let mut documents = documents(source, file_name, read, spool, super::CHUNK_BYTES)?;
    while let Some(looked) = documents.look()? {
        let mut exchange = None;
        if let Some(options) = looked.exchange {
            let cap = documents.record_cap();
            let mut bytes = Vec::new();
            let blob = documents.blob(looked.input)?;
            blob.reader().take(cap as u64 + 1).read_to_end(&mut bytes).map_err(carried)?;
            exchange = (bytes.len() <= cap).then(|| {
                let report = inspect(&bytes, options.encoding);
                (options, report)
            });
        }
        found.push(Surveyed { member: looked.member, kind: looked.kind, exchange });
    }
    Ok(())
}
