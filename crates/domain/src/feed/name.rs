//! What a landed answer is called below its dataset's landing folder.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Longest item or file name in a landed name, in bytes; file systems allow 255.
const LONGEST: usize = 120;

/// `2025/11/21/20251121T124309.123Z-item-1a2b3c4d.json`: when the poll began
/// (UTC), the item of a fan-out, and the beginning of the bytes' hash. A
/// pattern finds all of it in the file's own name.
pub fn polled(started_ms: i64, item: Option<&str>, hash: &str, extension: &str) -> String {
    let at = Timestamp::from_millisecond(started_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut out = at.strftime("%Y/%m/%d/%Y%m%dT%H%M%S").to_string();
    let _ = write!(out, ".{:03}Z-", started_ms.rem_euclid(1000)); // a String takes everything
    if let Some(item) = item {
        out.push_str(&part(item));
        out.push('-');
    }
    out.push_str(&hash[..hash.len().min(8)]);
    out.push('.');
    out.push_str(extension);
    out
}

/// The name that a record gives its file, as a path that stays below the
/// landing folder and is no junk to the listing.
pub fn linked(name: &str) -> String {
    let parts: Vec<String> = name.split(['/', '\\']).filter(|p| !p.is_empty()).map(part).collect();
    if parts.is_empty() { "_".into() } else { parts.join("/") }
}

/// One part of a path: whatever is not a letter, a digit or plain punctuation
/// is percent-encoded, so that different names stay different.
fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, c) in text.char_indices() {
        match c {
            // A dot file would be junk, and `..` another folder.
            '.' if n == 0 => out.push_str("%2E"),
            c if c.is_alphanumeric()
                || matches!(c, '.' | '_' | '-' | '+' | '=' | ',' | '~' | ' ' | '(' | ')') =>
            {
                out.push(c)
            }
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{byte:02X}"); // a String takes everything
                }
            }
        }
    }
    if crate::route::is_junk(&out) {
        out.push('_');
    }
    if out.len() <= LONGEST {
        return out;
    }
    let head = out.floor_char_boundary(LONGEST / 2);
    let tail = out.ceil_char_boundary(out.len() - LONGEST / 4);
    format!("{}~{:016x}~{}", &out[..head], super::fnv(text.bytes()), &out[tail..])
}

/// The ending of an answer's name: that of the address, else what the server
/// says of the content, else `bin`. Endings of programs tell nothing.
///
/// | address         | content type           | ending |
/// |-----------------|------------------------|--------|
/// | `/a/bus.pb`     | any                    | `pb`   |
/// | `/a.csv.gz`     | any                    | `csv.gz` |
/// | `/feed.jsp`     | `text/xml`             | `xml`  |
/// | `/feed`         | `application/json`     | `json` |
/// | `/feed`         | none                   | `bin`  |
pub fn extension(url_path: &str, content_type: Option<&str>) -> String {
    const PROGRAMS: [&str; 9] = ["jsp", "php", "asp", "aspx", "ashx", "cgi", "do", "svc", "asmx"];
    const PACKED: [&str; 5] = ["gz", "zst", "bz2", "xz", "br"];
    let is_ending = |e: &str| {
        (1..=8).contains(&e.len())
            && e.bytes().all(|b| b.is_ascii_alphanumeric())
            && e.bytes().any(|b| b.is_ascii_alphabetic())
    };
    let file = url_path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    if let Some((stem, last)) = file.rsplit_once('.')
        && is_ending(last)
        && !stem.is_empty()
        && !PROGRAMS.contains(&last)
        && !crate::route::is_junk(&file)
    {
        return match stem.rsplit_once('.') {
            Some((_, inner)) if PACKED.contains(&last) && is_ending(inner) => format!("{inner}.{last}"),
            _ => last.to_string(),
        };
    }
    let kind = content_type.and_then(|c| c.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let ending = match kind.as_str() {
        "application/x-protobuf" | "application/protobuf" | "application/x-google-protobuf" => "pb",
        "application/zip" | "application/x-zip-compressed" => "zip",
        "application/gzip" | "application/x-gzip" => "gz",
        "application/x-ndjson" | "application/jsonl" => "ndjson",
        "application/vnd.apache.parquet" => "parquet",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/plain" => "txt",
        kind if kind.ends_with("json") => "json",
        kind if kind.ends_with("xml") => "xml",
        _ => "bin",
    };
    ending.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_when_what_and_which() {
        let at = 1_763_728_989_123;
        assert_eq!(polled(at, None, "1a2b3c4d5e6f", "pb"), "2025/11/21/20251121T124309.123Z-1a2b3c4d.pb");
        assert_eq!(
            polled(at, Some("MTA NYCT_B63"), "1a2b3c4d5e6f", "json"),
            "2025/11/21/20251121T124309.123Z-MTA NYCT_B63-1a2b3c4d.json"
        );
        assert_eq!(
            polled(at - 123, Some("../x"), "1a2b", "json"),
            "2025/11/21/20251121T124309.000Z-%2E.%2Fx-1a2b.json"
        );
    }

    #[test]
    fn linked_names_stay_below_and_are_never_junk() {
        for (name, want) in [
            ("a.csv", "a.csv"),
            ("2024/a.csv", "2024/a.csv"),
            ("/etc/passwd", "etc/passwd"),
            ("../../x", "%2E./%2E./x"),
            ("a\\b.csv", "a/b.csv"),
            ("x.part", "x.part_"),
            (".hidden", "%2Ehidden"),
            ("__MACOSX/a", "__MACOSX_/a"),
            ("a\nb?c", "a%0Ab%3Fc"),
            ("", "_"),
            ("///", "_"),
        ] {
            let got = linked(name);
            assert_eq!(got, want, "{name:?}");
            assert!(!crate::route::is_junk(&got), "{got}");
        }
        let (a, b) = (linked(&("x".repeat(300) + "1.csv")), linked(&("x".repeat(301) + "1.csv")));
        assert!(a != b && a.len() <= 140 && a.ends_with("1.csv"), "{a}");
    }

    #[test]
    fn endings() {
        for (path, kind, want) in [
            ("/a/bus.pb", Some("text/html"), "pb"),
            ("/a.csv.gz", None, "csv.gz"),
            ("/v1.2", Some("application/json; charset=utf-8"), "json"),
            ("/feed.jsp", Some("text/xml"), "xml"),
            ("/feed", Some("application/geo+json"), "json"),
            ("/feed", Some("application/x-protobuf"), "pb"),
            ("/feed", None, "bin"),
            ("/feed.tmp", None, "bin"),
            ("", Some("nonsense"), "bin"),
        ] {
            assert_eq!(extension(path, kind), want, "{path} {kind:?}");
        }
    }
}
