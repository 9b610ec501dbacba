//! Where the records of an XML document that nobody has described stand.

use std::collections::HashMap;

use super::events::{Piece, Pieces};
use crate::encoding::{Bytestream, Place};
use crate::error::Result;

/// Different paths of elements that are told apart; a document with more has
/// no records that could be told by their names.
const MOST_PATHS: usize = 10_000;

#[derive(Default)]
struct Seen {
    count: u64,
    /// Most of them that one element holds.
    siblings: u64,
    /// Whether one has elements or attributes.
    is_structured: bool,
}

struct Open {
    path: String,
    is_structured: bool,
    /// Elements in it, by name.
    children: HashMap<String, u64>,
}

/// The path of the elements that are likeliest to be records: those nearest to
/// the root that stand several times in one element and hold something, and of
/// those the most frequent. `None` where none does.
///
/// # Errors
/// As of [`Pieces::next`].
pub(crate) fn likeliest(text: Bytestream, place: Place, record_cap: usize) -> Result<Option<Vec<String>>> {
    let mut pieces = Pieces::new(text, place, record_cap);
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Text(_) => {}
            Piece::Open { attributes } => {
                let name = pieces.open().last().cloned().unwrap_or_default();
                let path = match open.last_mut() {
                    Some(parent) => {
                        parent.is_structured = true;
                        *parent.children.entry(name.clone()).or_default() += 1;
                        format!("{}.{name}", parent.path)
                    }
                    None => name,
                };
                open.push(Open { path, is_structured: !attributes.is_empty(), children: HashMap::new() });
            }
            Piece::Close => {
                let Some(element) = open.pop() else { continue };
                for (name, n) in &element.children {
                    if let Some(child) = seen.get_mut(&format!("{}.{name}", element.path)) {
                        child.siblings = child.siblings.max(*n);
                    }
                }
                if seen.len() < MOST_PATHS || seen.contains_key(&element.path) {
                    let found = seen.entry(element.path).or_default();
                    found.count += 1;
                    found.is_structured |= element.is_structured;
                }
            }
        }
    }
    let depth = |path: &str| path.matches('.').count();
    let best = seen
        .into_iter()
        .filter(|(_, s)| s.siblings > 1 && s.is_structured)
        .min_by(|(a, x), (b, y)| depth(a).cmp(&depth(b)).then(y.count.cmp(&x.count)).then_with(|| a.cmp(b)));
    Ok(best.map(|(path, _)| path.split('.').map(str::to_string).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Option<String> {
        let (text, place) = crate::encoding::decode(Box::new(text.as_bytes()), None).unwrap();
        likeliest(text, place, 1 << 20).unwrap().map(|path| path.join("."))
    }

    #[test]
    fn records_are_what_repeats_and_holds_something() {
        for (text, want) in [
            ("<r><i><a/></i><i><a/></i></r>", Some("r.i")),
            ("<r><t>1</t><t>2</t><i a='1'/><i/></r>", Some("r.i")),
            ("<x:r xmlns:x='u'><x:l><x:v k='1'/><x:v k='2'/></x:l></x:r>", Some("r.l.v")),
            // What repeats within a record is not the record.
            ("<r><i><s a='1'/><s a='2'/><s a='3'/></i><i><s a='1'/></i></r>", Some("r.i")),
            ("<r><i><a/></i></r>", None),
            ("<r><t>1</t><t>2</t></r>", None),
        ] {
            assert_eq!(of(text).as_deref(), want, "{text}");
        }
    }
}
