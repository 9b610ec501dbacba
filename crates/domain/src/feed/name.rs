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

/// Where what a link leads to lands: in a folder that is its record's alone, so
/// that no two records meet, under the record's name for it.
///
/// | id    | name         | link                     | lands as            |
/// |-------|--------------|--------------------------|---------------------|
/// | `7/a` | `x.csv`      | any                      | `7%2Fa/x.csv`       |
/// | `7`   |              | `/2024/y%20z.csv?sig=1`  | `7/y z.csv`         |
/// |       | `x.csv`      | `/2024/y.csv`            | `2024/x.csv`        |
/// |       |              | `/2024/y.csv`            | `2024/y.csv`        |
pub fn linked(id: Option<&str>, name: Option<&str>, link_path: &str) -> String {
    let mut of_link: Vec<String> = link_path.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
    let last = of_link.pop().unwrap_or_default();
    let mut parts: Vec<String> = match id {
        Some(id) => vec![part(id)],
        None => of_link.iter().map(|p| part(p)).collect(),
    };
    match name {
        Some(name) => parts.extend(name.split(['/', '\\']).filter(|p| !p.is_empty()).map(part)),
        None => parts.push(part(&last)),
    }
    parts.join("/")
}

/// The text that was percent-encoded; as it is where that is no text.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = text_of(after.get(..2)).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

fn text_of(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
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
    if out.is_empty() || crate::route::is_junk(&out) {
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
            ("a.csv", "7/a.csv"),
            ("2024/a.csv", "7/2024/a.csv"),
            ("/etc/passwd", "7/etc/passwd"),
            ("../../x", "7/%2E./%2E./x"),
            ("a\\b.csv", "7/a/b.csv"),
            ("x.part", "7/x.part_"),
            (".hidden", "7/%2Ehidden"),
            ("__MACOSX/a", "7/__MACOSX_/a"),
            ("a\nb?c", "7/a%0Ab%3Fc"),
        ] {
            let got = linked(Some("7"), Some(name), "/link");
            assert_eq!(got, want, "{name:?}");
            assert!(!crate::route::is_junk(&got), "{got}");
        }
        for (id, name, link, want) in [
            (Some("7/a"), Some("x.csv"), "/2024/y.csv", "7%2Fa/x.csv"),
            (Some("7"), None, "/2024/y%20z.csv", "7/y z.csv"),
            (Some(".."), None, "/2024/y.csv", "%2E./y.csv"),
            (None, Some("x.csv"), "/2024/y.csv", "2024/x.csv"),
            (None, None, "/2024/%2e%2e/y.csv", "2024/%2E./y.csv"),
            (None, None, "/%ff%/100%", "%25ff%25/100%25"),
            (None, None, "/", "_"),
            (Some(""), None, "", "_/_"),
        ] {
            assert_eq!(linked(id, name, link), want);
        }
        let long = |n: usize| linked(None, None, &format!("/{}1.csv", "x".repeat(n)));
        assert!(
            long(300) != long(301) && long(300).len() <= 140 && long(300).ends_with("1.csv"),
            "{}",
            long(300)
        );
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
