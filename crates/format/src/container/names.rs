//! Names of archive members: cleaned, or refused.

use lakegate_domain::Code;

use crate::error::{Error, Result};

/// The path of a member below its archive, with `/` between its parts and no
/// `.` parts. Empty for the archive's own folder (`./`).
///
/// | name             | path      |
/// |------------------|-----------|
/// | `./a/b.csv`      | `a/b.csv` |
/// | `a\b.csv`        | `a/b.csv` |
/// | `/etc/passwd`    | LG105     |
/// | `a/../b`, `..\b` | LG105     |
/// | `C:\b`, `\\x\b`  | LG105     |
/// | with a NUL byte  | LG105     |
///
/// Nothing is written under these names; an archive that has such a one was
/// made to do harm, and the rest of it is not to be trusted either.
pub(super) fn safe_path(name: &str) -> Result<String> {
    let refused = |why: &str| {
        Err(Error::new(
            Code::UnsafeName,
            format!("the archive has a member named `{}`: {why}", name.escape_debug()),
        ))
    };
    if name.contains('\0') {
        return refused("it holds a NUL byte");
    }
    let slashed = name.replace('\\', "/");
    if slashed.starts_with('/') {
        return refused("it is absolute");
    }
    if matches!(slashed.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return refused("it names a drive");
    }
    let parts: Vec<&str> = slashed.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
    if parts.contains(&"..") {
        return refused("`..` leaves the archive's folder");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaned() {
        for (name, want) in [
            ("a.csv", "a.csv"),
            ("./a/b.csv", "a/b.csv"),
            ("a\\b.csv", "a/b.csv"),
            ("a//b.csv", "a/b.csv"),
            ("./", ""),
            ("..a/b..", "..a/b.."),
            ("ü/ß.csv", "ü/ß.csv"),
        ] {
            assert_eq!(safe_path(name).unwrap(), want, "{name}");
        }
    }

    #[test]
    fn refused() {
        for name in
            ["/a", "\\a", "\\\\host\\a", "..", "../a", "a/../b", "a\\..\\b", "C:\\a", "c:a", "a\0.csv"]
        {
            assert_eq!(safe_path(name).unwrap_err().code, Code::UnsafeName, "{name:?}");
        }
    }
}
