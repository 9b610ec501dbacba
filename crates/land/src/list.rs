//! What lies in a landing folder.
//!
//! A listing is only a look: it opens no file, changes nothing and decides
//! nothing but what is junk by name.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use lakegate_domain::route::is_junk;

use crate::disk::{mtime_ns, sync_folder};

/// A landed file as a listing saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Below the landing folder, with `/` between its parts. Where a part is
    /// not UTF-8 its bad bytes are percent-escaped.
    pub path: String,
    /// What the operating system calls it, the landing folder included.
    pub os_path: PathBuf,
    pub size_bytes: u64,
    /// Nanoseconds since 1970 (UTC).
    pub mtime_ns: i64,
}

/// Something in the landing zone that needs a person but stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    /// What happened and what to do about it.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), message: message.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.path.display(), self.message)
    }
}

/// All files below a landing folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by path; no two have the same.
    pub files: Vec<Seen>,
    pub problems: Vec<Problem>,
}

/// Creates a landing folder where it is missing.
///
/// # Errors
/// A problem where there is no such folder and none can be made. A folder that
/// exists is fine, however little may be done in it.
pub fn ensure(folder: &Path) -> Result<(), Problem> {
    if folder.is_dir() {
        return Ok(());
    }
    match fs::create_dir_all(folder) {
        Ok(()) => {
            // A landing folder is made again where a power cut unmakes it.
            let _ = folder.parent().map(sync_folder);
            Ok(())
        }
        Err(e) => Err(Problem::new(
            folder,
            format!("the landing folder cannot be created: {e}; create it, or change `landing:`"),
        )),
    }
}

/// Lists a landing folder and everything below it but junk.
///
/// | found                                  | becomes                        |
/// |----------------------------------------|--------------------------------|
/// | file                                   | a file                         |
/// | folder                                 | is listed, whatever its name   |
/// | folder in `exclude`                    | nothing: it is another zone    |
/// | junk by name                           | nothing                        |
/// | link to a file                         | a file, sized as what it names |
/// | link to a folder                       | a problem: it could be a loop  |
/// | dangling link, socket, pipe, device    | a problem                      |
/// | folder or file that may not be read    | a problem                      |
/// | file that vanishes meanwhile           | nothing                        |
/// | the landing folder itself is missing   | an empty listing               |
pub fn list(folder: &Path, exclude: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((os_folder, relative)) = pending.pop() {
        let entries = match fs::read_dir(&os_folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                let message = format!("the folder cannot be read: {e}; its files wait until it can");
                listing.problems.push(Problem::new(&os_folder, message));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    let message = format!("the folder was read in part only: {e}");
                    listing.problems.push(Problem::new(&os_folder, message));
                    break;
                }
            };
            let path = below(&relative, &entry.file_name());
            match look(&entry, &path) {
                Ok(Found::File(metadata)) => listing.files.push(Seen {
                    path,
                    os_path: entry.path(),
                    size_bytes: metadata.len(),
                    mtime_ns: mtime_ns(&metadata),
                }),
                Ok(Found::Folder) => {
                    let os_path = entry.path();
                    if !exclude.contains(&os_path) {
                        pending.push((os_path, path));
                    }
                }
                Ok(Found::Nothing) => {}
                Err(message) => listing.problems.push(Problem::new(&entry.path(), message)),
            }
        }
    }
    listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path).then_with(|| a.os_path.cmp(&b.os_path)));
    set_clashes_apart(&mut listing);
    listing.problems.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    listing
}

enum Found {
    File(Metadata),
    Folder,
    Nothing,
}

/// Says what one entry is; an error is a problem's message.
fn look(entry: &fs::DirEntry, path: &str) -> Result<Found, String> {
    let unreadable = |e: io::Error| format!("it cannot be looked at: {e}");
    let kind = entry.file_type().map_err(unreadable)?;
    if kind.is_dir() {
        // A folder is junk where any file in it would be, however it is called.
        return Ok(if is_junk(&format!("{path}/x")) { Found::Nothing } else { Found::Folder });
    }
    if is_junk(path) {
        return Ok(Found::Nothing);
    }
    let metadata = if kind.is_symlink() { fs::metadata(entry.path()) } else { entry.metadata() };
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => return Ok(Found::Nothing),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err("a link that leads nowhere; mend or remove it".into());
        }
        Err(e) => return Err(unreadable(e)),
    };
    if metadata.is_file() {
        Ok(Found::File(metadata))
    } else if metadata.is_dir() {
        Err("a link to a folder is not followed; link its files, or make that folder a landing folder".into())
    } else {
        Err(format!("{} is not a file; remove it", kind_of_thing(metadata.file_type())))
    }
}

/// A name below a folder, as text.
fn below(folder: &str, name: &OsStr) -> String {
    let mut path = String::with_capacity(folder.len() + 1 + name.len());
    if !folder.is_empty() {
        path.push_str(folder);
        path.push('/');
    }
    match name.to_str() {
        Some(text) => path.push_str(text),
        None => escape(name.as_encoded_bytes(), &mut path),
    }
    path
}

/// Writes bytes that are not all UTF-8 so that they can be told from each other.
fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive('%') {
            out.push_str(part);
            if part.ends_with('%') {
                out.push_str("25");
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "%{byte:02X}"); // a String takes everything
        }
    }
}

/// An escaped name can be the plain name of another file (`a%FF`): no spelling
/// avoids it, as every text is a legal name. Then the plain one keeps it.
fn set_clashes_apart(listing: &mut Listing) {
    let clash = |a: &Seen, b: &Seen| a.path == b.path;
    if !listing.files.windows(2).any(|w| clash(&w[0], &w[1])) {
        return;
    }
    let mut kept: Vec<Seen> = Vec::with_capacity(listing.files.len());
    for file in listing.files.drain(..) {
        let Some(last) = kept.last_mut().filter(|last| clash(last, &file)) else {
            kept.push(file);
            continue;
        };
        let refused = if file.os_path.to_str().is_some() { std::mem::replace(last, file) } else { file };
        let message = format!(
            "its name is not UTF-8, and its escaped spelling `{}` is the name of another file; rename it",
            refused.path
        );
        listing.problems.push(Problem::new(&refused.os_path, message));
    }
    listing.files = kept;
}

#[cfg(unix)]
fn kind_of_thing(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind_of_thing(_: FileType) -> &'static str {
    "this"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bytes_are_escaped_and_percents_with_them() {
        for (bytes, text) in [
            (&b"a\xff"[..], "a%FF"),
            (b"100%\xfe\xfd.csv", "100%25%FE%FD.csv"),
            (b"\xc3(", "%C3("),
            ("é\u{1f600}".as_bytes(), "é\u{1f600}"),
        ] {
            let mut out = String::new();
            escape(bytes, &mut out);
            assert_eq!(out, text);
        }
    }
}
