//! Names inside the raw store: safe on any file system and in any unzip tool,
//! however the landed file was called, and the time that an id carries.

use jiff::Timestamp;
use uuid::Uuid;

/// The longest part of a path, in bytes; file systems allow 255, of which an
/// id and `.part` take some.
const PART_BYTES: usize = 120;
/// The longest path inside a pack, in bytes.
const PATH_BYTES: usize = 1000;

/// One part of a path, without anything that a file system or an archiver takes
/// for more than a name.
pub(super) fn safe_part(part: &str) -> String {
    let mut safe: String = part
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    if safe.is_empty() || safe.chars().all(|c| c == '.') {
        safe = "_".repeat(safe.len().max(1));
    }
    shorten(&safe)
}

/// A landed path for use inside a pack, behind something that makes it unique.
pub(super) fn safe_path(path: &str) -> String {
    let safe = path.split('/').map(safe_part).collect::<Vec<_>>().join("/");
    if safe.len() <= PATH_BYTES {
        return safe;
    }
    // Where it is that deep, the name says more than the folders.
    safe.rsplit('/').next().map(str::to_owned).unwrap_or(safe)
}

/// Cuts the middle out, so that the name's beginning and its ending stay.
fn shorten(name: &str) -> String {
    if name.len() <= PART_BYTES {
        return name.to_owned();
    }
    let head = name.floor_char_boundary(PART_BYTES * 2 / 3);
    let tail = name.ceil_char_boundary(name.len() - PART_BYTES / 4);
    format!("{}~{}", &name[..head], &name[tail..])
}

/// A new pack's file name.
pub(super) fn new_pack() -> String {
    format!("{}.zip", Uuid::now_v7())
}

/// A new large file's name, with `ending` behind its own.
pub(super) fn new_whole(path: &str, ending: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{}-{}{ending}", Uuid::now_v7(), safe_part(name))
}

/// Whether a file's name is that of a pack of small files.
pub(super) fn is_pack(name: &str) -> bool {
    name.strip_suffix(".zip").is_some_and(|id| Uuid::try_parse(id).is_ok())
}

/// When the id that begins a name was made; nanoseconds since 1970.
pub(super) fn made_ns(name: &str) -> Option<i64> {
    const HYPHENATED: usize = 36;
    let id = Uuid::try_parse(name.get(..HYPHENATED)?).ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let time = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_tamed() {
        for (name, safe) in [
            ("a.csv", "a.csv"),
            ("..", "__"),
            (".", "_"),
            ("", "_"),
            ("a\nb\"c\\d:e", "a_b_c_d_e"),
            ("-rf", "-rf"),
            ("\u{1f680} é.csv", "\u{1f680} é.csv"),
        ] {
            assert_eq!(safe_part(name), safe, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_both_ends() {
        for name in ["x".repeat(250) + ".csv", "\u{1f680}".repeat(60) + ".csv"] {
            let safe = safe_part(&name);
            assert!(safe.len() <= PART_BYTES, "{}", safe.len());
            assert!(safe.ends_with(".csv") && safe.contains('~'));
        }
    }

    #[test]
    fn paths_keep_their_folders_unless_too_deep() {
        assert_eq!(safe_path("a/../b?/c.csv"), "a/__/b_/c.csv");
        assert_eq!(safe_path(&("deep/".repeat(400) + "c.csv")), "c.csv");
    }

    #[test]
    fn an_id_tells_its_time_and_kind() {
        let before = Timestamp::now().as_millisecond();
        let (pack, whole) = (new_pack(), new_whole("a/b.zip", ""));
        let after = Timestamp::now().as_millisecond();
        for name in [&pack, &whole] {
            let made = made_ns(name).unwrap() / 1_000_000;
            assert!((before..=after).contains(&made), "{name}");
        }
        assert!(is_pack(&pack) && !is_pack(&whole) && !is_pack("x.zip"));
        assert!(whole.ends_with("-b.zip"));
        assert_eq!(made_ns("x"), None);
    }
}
