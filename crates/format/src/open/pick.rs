//! Which members of an archive are read, and as which stream.

use lakegate_domain::Code;
use lakegate_domain::model::{Format, Read};
use regex::Regex;

use crate::error::{Error, Result};

/// The declared choice of members, compiled.
pub(super) struct Picker {
    member: Option<Regex>,
    streams: Vec<(Regex, Pick)>,
    format: Option<Format>,
}

/// How a picked member is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pick {
    pub stream: Option<String>,
    pub format: Option<Format>,
}

impl Picker {
    pub fn new(read: &Read) -> Result<Self> {
        let member = read.member.as_deref().map(anchored).transpose()?;
        let streams = read
            .streams
            .iter()
            .map(|s| {
                let format = s.format.clone().or_else(|| read.format.clone());
                Ok((anchored(&s.member)?, Pick { stream: Some(s.name.clone()), format }))
            })
            .collect::<Result<_>>()?;
        Ok(Self { member, streams, format: read.format.clone() })
    }

    /// How the file is read where it is no archive: the choice of members does
    /// not concern it, but a stream's pattern may still name its stream.
    pub fn bare(&self, file_name: &str) -> Result<Pick> {
        if self.streams.is_empty() {
            return Ok(self.base());
        }
        self.pick(&[file_name])?.ok_or_else(|| {
            let patterns: Vec<_> =
                self.streams.iter().map(|(_, p)| p.stream.as_deref().unwrap_or_default()).collect();
            Error::new(
                Code::NoMember,
                format!(
                    "`{file_name}` is no archive, and its name belongs to none of the streams {}",
                    patterns.join(", ")
                ),
            )
        })
    }

    /// How a member is read that has these paths; `None`: it is passed by.
    /// A pattern fits where it fits a path or the last part of one.
    ///
    /// | streams that fit   | `member`        | picked as              |
    /// |--------------------|-----------------|------------------------|
    /// | one name           | any             | that stream            |
    /// | two names or more  | any             | LG110                  |
    /// | none               | fits            | the stream without name|
    /// | none               | absent, and no streams are declared | the same |
    /// | none               | otherwise       | passed by              |
    pub fn pick(&self, paths: &[&str]) -> Result<Option<Pick>> {
        let fits = |regex: &Regex| {
            paths
                .iter()
                .any(|p| regex.is_match(p) || p.rsplit('/').next().is_some_and(|last| regex.is_match(last)))
        };
        let mut fitting = self.streams.iter().filter(|(regex, _)| fits(regex)).map(|(_, pick)| pick);
        if let Some(first) = fitting.next() {
            return match fitting.find(|other| other.stream != first.stream) {
                Some(other) => Err(Error::new(
                    Code::NoMember,
                    format!(
                        "the member `{}` fits two streams, `{}` and `{}`: make their patterns tell it apart",
                        paths[0],
                        first.stream.as_deref().unwrap_or_default(),
                        other.stream.as_deref().unwrap_or_default()
                    ),
                )),
                None => Ok(Some(first.clone())),
            };
        }
        let taken = match &self.member {
            Some(regex) => fits(regex),
            None => self.streams.is_empty(),
        };
        Ok(taken.then(|| self.base()))
    }

    fn base(&self) -> Pick {
        Pick { stream: None, format: self.format.clone() }
    }
}

fn anchored(pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|e| Error::new(Code::NoMember, format!("`member: {pattern}` is no regular expression: {e}")))
}
