//! Which members of an input are record streams, and in which of them each
//! variable is.

use super::pipeline::{Pipeline, Reader, ReaderKind, Retrieval, Style, TIME, Variable};
use super::python::{anywhere, whole};
use super::reader::Format;
use super::{Note, NoteKind, Sample};
use crate::config::scalars;

/// How inputs are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Where there is one stream, its format and which members of archives it is.
    pub format: Format,
    pub is_archive: bool,
    pub member: Option<String>,
    /// Where there are several.
    pub streams: Vec<Stream>,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub name: String,
    /// Regular expression for a member's whole path.
    pub member: String,
    pub format: Format,
    /// Its columns, where a sample was looked at.
    columns: Option<Vec<String>>,
    /// The patterns of variables that it is meant by.
    patterns: Vec<String>,
}

impl Plan {
    pub fn of(pipeline: &Pipeline, sample: Option<&Sample>, notes: &mut Vec<Note>) -> Self {
        let readers = Readers::of(pipeline, notes);
        let patterns = patterns(pipeline);
        let is_old = pipeline.style == Style::Old;
        // 0.2 unpacks whatever is an archive.
        let may_be_one = !patterns.is_empty() || sample.is_some_and(|s| s.members.len() > 1);
        let names_one = || pipeline.triggers.iter().any(|t| t.contains("zip") || t.contains("tar"));
        let is_archive = readers.is_archive || is_old && (may_be_one || names_one());
        if !is_archive || (patterns.is_empty() && sample.is_none_or(|s| s.members.len() < 2)) {
            if let ([_, ..], false) = (patterns.as_slice(), is_archive) {
                let text = format!(
                    "variables are read from inputs whose names match {}; a file lands by itself here, and each \
                     variable takes the first of its columns that the file has",
                    patterns.join(", ")
                );
                notes.push(Note::new(NoteKind::Differs, "inputs", text));
            }
            return Self {
                format: readers.of_name(None, notes),
                is_archive,
                member: readers.member(),
                ..Self::default()
            };
        }
        let streams = match sample.filter(|s| s.members.len() > 1) {
            Some(sample) => sampled(pipeline, &readers, &patterns, sample, notes),
            None => declared(pipeline, &readers, &patterns, notes),
        };
        match <[Stream; 1]>::try_from(streams) {
            // One stream needs no name.
            Ok([only]) => {
                Self { format: only.format, is_archive, member: Some(only.member), streams: Vec::new() }
            }
            Err(streams) => Self { streams, is_archive, ..Self::default() },
        }
    }

    /// The input columns of a variable, as a table calls them; the first that is
    /// there counts.
    pub fn columns(&self, pipeline: &Pipeline, variable: &Variable, notes: &mut Vec<Note>) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for retrieval in &variable.inputs {
            if self.streams.is_empty() || variable.name == TIME {
                found.extend(retrieval.names.iter().cloned());
                continue;
            }
            let streams = self.candidates(pipeline, variable, retrieval, notes);
            for name in &retrieval.names {
                let has = |s: &&&Stream| s.columns.as_ref().is_none_or(|columns| columns.contains(name));
                found.extend(streams.iter().filter(has).map(|s| format!("{}.{name}", s.name)));
            }
            if found.is_empty() {
                found.extend(retrieval.names.first().cloned());
            }
        }
        let mut seen = Vec::new();
        found.retain(|column| {
            let is_new = !seen.contains(column);
            seen.extend(is_new.then(|| column.clone()));
            is_new
        });
        found
    }

    /// The streams that a variable may be in.
    fn candidates(
        &self,
        pipeline: &Pipeline,
        variable: &Variable,
        retrieval: &Retrieval,
        notes: &mut Vec<Note>,
    ) -> Vec<&Stream> {
        if let Some(pattern) = &retrieval.pattern {
            return self.streams.iter().filter(|s| s.patterns.contains(pattern)).collect();
        }
        let has =
            |s: &&Stream| s.columns.as_ref().is_some_and(|c| retrieval.names.iter().any(|n| c.contains(n)));
        let found: Vec<&Stream> = self.streams.iter().filter(has).collect();
        if found.len() < 2 {
            return found;
        }
        // The one that the variable is called after.
        let called: Vec<&Stream> =
            found.iter().copied().filter(|s| variable.name.contains(&s.name)).collect();
        let names =
            |streams: &[&Stream]| streams.iter().map(|s| s.name.clone()).collect::<Vec<_>>().join(", ");
        let (taken, what) = match (called.as_slice(), pipeline.style) {
            ([one], _) => (vec![*one], format!("that of {} is taken, by its name", one.name)),
            _ => (found.clone(), "the first that a file has is taken".to_string()),
        };
        let text = format!("`{}` is in {}; {what}", retrieval.names.join("`, `"), names(&found));
        notes.push(Note::new(NoteKind::Differs, &variable.name, text));
        taken
    }

    /// Whether a column of the sample is what a variable is read from; `true`
    /// where no sample was looked at.
    pub fn is_there(&self, sample: Option<&Sample>, variable: &Variable) -> bool {
        let Some(sample) = sample else { return true };
        let names: Vec<&String> = variable.inputs.iter().flat_map(|r| &r.names).collect();
        sample.members.iter().any(|m| names.iter().any(|name| m.columns.contains(name)))
    }
}

/// What reads plain files, and what the members of archives.
struct Readers<'a> {
    plain: Vec<&'a Reader>,
    is_archive: bool,
}

impl<'a> Readers<'a> {
    fn of(pipeline: &'a Pipeline, notes: &mut Vec<Note>) -> Self {
        let mut plain = Vec::new();
        let mut is_archive = false;
        for reader in &pipeline.readers {
            match &reader.kind {
                ReaderKind::Archive(nested) => {
                    is_archive = true;
                    // What is in an archive comes first: its members are what the streams are.
                    nested.iter().rev().for_each(|reader| plain.insert(0, reader));
                }
                _ => plain.push(reader),
            }
        }
        let words: Vec<&str> = plain.iter().map(|r| r.pattern.as_str()).collect();
        if plain.len() > 1
            && plain.iter().any(|r| std::mem::discriminant(&r.kind) != std::mem::discriminant(&plain[0].kind))
        {
            let text = format!(
                "there are several readers, for {}; files are recognised by their bytes, and what `{}` was told counts \
                 for all of its format",
                words.join(", "),
                words[0]
            );
            notes.push(Note::new(NoteKind::Differs, "readers", text));
        }
        Self { plain, is_archive }
    }

    /// The format of what is called so; of the first where nothing is called so.
    fn of_name(&self, name: Option<&str>, notes: &mut Vec<Note>) -> Format {
        let fits = |reader: &&&Reader| {
            let Some(name) = name else { return true };
            whole(&reader.pattern)
                .ok()
                .and_then(|p| regex::Regex::new(&format!("^(?:{p})$")).ok())
                .is_some_and(|regex| regex.is_match(name))
        };
        let reader = self.plain.iter().find(fits).or(self.plain.first());
        reader.map_or_else(Format::default, |reader| Format::of(&reader.kind, notes))
    }

    /// Members that are read, where not all are.
    fn member(&self) -> Option<String> {
        let mut patterns: Vec<String> = self.plain.iter().filter_map(|r| whole(&r.pattern).ok()).collect();
        patterns.dedup();
        match patterns.as_slice() {
            [] => None,
            several if several.iter().any(|p| p == ".*") => None,
            [one] => Some(one.clone()),
            several => Some(format!("(?:{})", several.join("|"))),
        }
    }
}

/// The patterns of inputs' names that variables have, each once.
fn patterns(pipeline: &Pipeline) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for retrieval in pipeline.variables.iter().flat_map(|v| &v.inputs) {
        if let Some(pattern) = &retrieval.pattern
            && !found.contains(pattern)
        {
            found.push(pattern.clone());
        }
    }
    found
}

/// The pattern of a whole member's path, as the style means it.
fn member_pattern(pipeline: &Pipeline, pattern: &str) -> Result<String, String> {
    match pipeline.style {
        Style::Old => anywhere(pattern),
        Style::Current => whole(pattern),
    }
}

/// Streams by what the configuration says alone.
fn declared(
    pipeline: &Pipeline,
    readers: &Readers,
    patterns: &[String],
    notes: &mut Vec<Note>,
) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    for pattern in patterns {
        let member = member_pattern(pipeline, pattern).unwrap_or_else(|why| {
            let text = format!("`{pattern}`: {why}; write the `member:` of its stream");
            notes.push(Note::new(NoteKind::Lost, "member", text));
            regex::escape(pattern)
        });
        let name = unique(stream_name(pattern), &streams);
        let format = readers.of_name(None, notes);
        streams.push(Stream { name, member, format, columns: None, patterns: vec![pattern.clone()] });
    }
    let unplaced: Vec<&str> = pipeline
        .variables
        .iter()
        .filter(|v| v.name != TIME && v.inputs.iter().any(|r| r.pattern.is_none()))
        .map(|v| v.name.as_str())
        .collect();
    if !unplaced.is_empty() {
        let text = format!(
            "the configuration does not say which file of an archive {} {} in: give `--sample FILE`, an archive of this \
             pipeline, or a stream for each file under `members:` and in `from:`",
            unplaced.join(", "),
            if unplaced.len() == 1 { "is" } else { "are" }
        );
        notes.push(Note::new(NoteKind::Lost, "members", text));
    }
    streams
}

/// Streams by the members of a sample: each that a variable is in.
fn sampled(
    pipeline: &Pipeline,
    readers: &Readers,
    patterns: &[String],
    sample: &Sample,
    notes: &mut Vec<Note>,
) -> Vec<Stream> {
    let free: Vec<&String> = pipeline
        .variables
        .iter()
        .filter(|v| v.name != TIME)
        .flat_map(|v| &v.inputs)
        .filter(|r| r.pattern.is_none())
        .flat_map(|r| &r.names)
        .collect();
    let lacking: Vec<&String> = free
        .iter()
        .copied()
        .filter(|input| !sample.members.iter().any(|m| m.columns.contains(input)))
        .collect();
    let paths: Vec<&str> = sample.members.iter().map(|m| m.path.as_str()).collect();
    let mut streams: Vec<Stream> = Vec::new();
    for (member, (name, pattern)) in sample.members.iter().zip(told_apart(&paths)) {
        let fits = |p: &&String| {
            let regex =
                member_pattern(pipeline, p).ok().and_then(|p| regex::Regex::new(&format!("^(?:{p})$")).ok());
            regex.is_some_and(|r| r.is_match(&member.path))
        };
        let patterns: Vec<String> = patterns.iter().filter(fits).cloned().collect();
        // What a hook made of it may be called after it.
        let is_named = || lacking.iter().any(|input| input.contains(name.as_str()));
        if patterns.is_empty() && !member.columns.iter().any(|c| free.contains(&c)) && !is_named() {
            continue;
        }
        let format = readers.of_name(Some(&member.path), notes);
        streams.push(Stream {
            name: unique(name, &streams),
            member: pattern,
            format,
            columns: Some(member.columns.clone()),
            patterns,
        });
    }
    streams
}

/// A name and a pattern for each of several paths that tell it from the others:
/// by what is left between what all begin with and what all end with.
fn told_apart(paths: &[&str]) -> Vec<(String, String)> {
    let names: Vec<&str> = paths.iter().map(|p| p.rsplit('/').next().unwrap_or(p)).collect();
    let first = names.first().copied().unwrap_or_default();
    let shared = |of: &dyn Fn(&str) -> usize| names.iter().map(|n| of(n)).min().unwrap_or(0);
    let is_boundary = |c: char| !c.is_alphanumeric();
    let mut head = shared(&|n| n.bytes().zip(first.bytes()).take_while(|(a, b)| a == b).count());
    // A name is not cut within a word.
    head = first[..first.floor_char_boundary(head)].rfind(is_boundary).map_or(0, |n| n + 1);
    let mut tail = shared(&|n| n.bytes().rev().zip(first.bytes().rev()).take_while(|(a, b)| a == b).count());
    tail =
        (0..=tail).rev().find(|n| *n == 0 || first[first.len() - n..].starts_with(is_boundary)).unwrap_or(0);
    names
        .iter()
        .map(|name| {
            let middle = name.get(head..name.len().saturating_sub(tail)).unwrap_or(name);
            let begin = if head == 0 { "" } else { &name[head - 1..head] };
            let pattern = format!(
                "{}{}",
                if head == 0 { "" } else { ".*" },
                regex::escape(&format!("{begin}{}", &name[head..]))
            );
            (stream_name(middle), pattern)
        })
        .collect()
}

/// What a stream is called by its pattern: the last word that tells something.
fn stream_name(pattern: &str) -> String {
    const EMPTY: [&str; 8] = ["csv", "nc", "txt", "dat", "zip", "tar", "gz", "parquet"];
    let words = pattern.split(|c: char| !c.is_alphanumeric() && c != '_');
    let told = words.rev().find(|w| w.len() > 1 && !EMPTY.contains(w)).unwrap_or(pattern);
    scalars::as_name(told).unwrap_or_else(|| "part".into())
}

fn unique(name: String, streams: &[Stream]) -> String {
    let is_free = |name: &str| streams.iter().all(|s| s.name != name);
    if is_free(&name) {
        return name;
    }
    (2..)
        .map(|n| format!("{name}_{n}"))
        .find(|name| is_free(name))
        .expect("there are more numbers than streams")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_apart_by_what_differs() {
        let paths = ["x/buoy.z05.2020.gill.csv", "x/buoy.z05.2020.gps.csv", "x/buoy.z05.2020.wind.csv"];
        assert_eq!(
            told_apart(&paths),
            [
                ("gill".to_string(), r".*\.gill\.csv".to_string()),
                ("gps".to_string(), r".*\.gps\.csv".to_string()),
                ("wind".to_string(), r".*\.wind\.csv".to_string())
            ]
        );
        assert_eq!(told_apart(&["a.csv", "b.csv"])[1], ("b".to_string(), r"b\.csv".to_string()));
        assert_eq!(told_apart(&["wind_a.csv", "wind_b.csv"])[1], ("b".to_string(), r".*_b\.csv".to_string()));
    }

    #[test]
    fn streams_are_called_after_the_last_word_of_their_pattern() {
        for (pattern, want) in [
            ("currents", "currents"),
            (r".*\.wind\.csv", "wind"),
            (r"buoy\..*Met2\.nc", "met2"),
            (".", "part"),
        ] {
            assert_eq!(stream_name(pattern), want);
        }
    }
}
