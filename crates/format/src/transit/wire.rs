//! The wire format of protocol buffers
//! (<https://protobuf.dev/programming-guides/encoding/>): fields of a message
//! as they stand, known or not. Nothing is copied.

/// Groups within groups.
const MAX_DEPTH: usize = 100;
/// Field numbers have 29 bits.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// Bytes of a message and where in the file they begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub bytes: &'a [u8],
    pub at: u64,
}

/// A field's value as it is encoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoded<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Span<'a>),
    Fixed32(u32),
    /// All between a group's marks.
    Group(Span<'a>),
}

/// What cannot be a message, and where in the file.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub at: u64,
    pub what: &'static str,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FaultKind {
    NoMessage,
    TooDeep,
    TooLong,
}

impl Fault {
    /// A message that becomes more rows than anything real.
    pub fn too_long(at: u64) -> Self {
        Fault { at, what: "its rows would take many times the cap `record`", kind: FaultKind::TooLong }
    }
}

/// The fields of a message, in the order in which they stand. Ends after a
/// fault.
pub(super) struct Fields<'a> {
    span: Span<'a>,
    next: usize,
}

impl<'a> Fields<'a> {
    pub fn new(span: Span<'a>) -> Self {
        Self { span, next: 0 }
    }

    fn fault(&mut self, at: usize, what: &'static str) -> Fault {
        self.next = self.span.bytes.len();
        Fault { at: self.span.at + at as u64, what, kind: FaultKind::NoMessage }
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let start = self.next;
        match varint(&self.span.bytes[start..]) {
            Varint::Whole(value, len) => {
                self.next += len;
                Ok(value)
            }
            Varint::CutShort => Err(self.fault(start, "the message ends inside a number")),
            Varint::TooLong => Err(self.fault(start, "a number of more than ten bytes")),
        }
    }

    fn take(&mut self, len: u64) -> Result<Span<'a>, Fault> {
        let start = self.next;
        let left = self.span.bytes.len() - start;
        if len > left as u64 {
            return Err(self.fault(start, "a field that is longer than the message around it"));
        }
        self.next += len as usize;
        Ok(Span { bytes: &self.span.bytes[start..self.next], at: self.span.at + start as u64 })
    }

    /// A field's number and wire type.
    fn key(&mut self) -> Result<(u32, u8), Fault> {
        let start = self.next;
        let key = self.varint()?;
        match key >> 3 {
            number @ 1..=MAX_NUMBER => Ok((number as u32, (key & 7) as u8)),
            _ => Err(self.fault(start, "a field number that cannot be")),
        }
    }

    fn value(&mut self, number: u32, wire_type: u8) -> Result<Encoded<'a>, Fault> {
        let start = self.next;
        Ok(match wire_type {
            0 => Encoded::Varint(self.varint()?),
            1 => Encoded::Fixed64(u64::from_le_bytes(fixed(self.take(8)?))),
            2 => {
                let len = self.varint()?;
                Encoded::Bytes(self.take(len)?)
            }
            3 => Encoded::Group(self.group(number)?),
            5 => Encoded::Fixed32(u32::from_le_bytes(fixed(self.take(4)?))),
            4 => return Err(self.fault(start, "the end of a group that never began")),
            _ => return Err(self.fault(start, "a wire type that does not exist")),
        })
    }

    /// Passes a group, and those in it.
    fn group(&mut self, number: u32) -> Result<Span<'a>, Fault> {
        let start = self.next;
        let mut open = vec![number];
        loop {
            let at = self.next;
            if at == self.span.bytes.len() {
                return Err(self.fault(at, "the message ends inside a group"));
            }
            match self.key()? {
                (_, 3) if open.len() == MAX_DEPTH => {
                    return Err(Fault {
                        kind: FaultKind::TooDeep,
                        ..self.fault(at, "groups nested too deeply")
                    });
                }
                (number, 3) => open.push(number),
                (number, 4) => {
                    if open.pop() != Some(number) {
                        return Err(self.fault(at, "the end of another group than the one that is open"));
                    }
                    if open.is_empty() {
                        let span = &self.span.bytes[start..at];
                        return Ok(Span { bytes: span, at: self.span.at + start as u64 });
                    }
                }
                (number, wire_type) => {
                    self.value(number, wire_type)?;
                }
            }
        }
    }
}

fn fixed<const N: usize>(span: Span<'_>) -> [u8; N] {
    span.bytes.try_into().expect("as many bytes were taken")
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Encoded<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.span.bytes.len() {
            return None;
        }
        Some(self.key().and_then(|(number, wire_type)| Ok((number, self.value(number, wire_type)?))))
    }
}

enum Varint {
    /// The number and how many bytes it has.
    Whole(u64, usize),
    CutShort,
    TooLong,
}

/// Reads a number of up to ten bytes; bits beyond 64 are dropped, as all
/// implementations do.
fn varint(bytes: &[u8]) -> Varint {
    let mut value = 0u64;
    for (n, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            return Varint::Whole(value, n + 1);
        }
    }
    if bytes.len() < 10 { Varint::CutShort } else { Varint::TooLong }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, String)>, Fault> {
        let show = |value: Encoded| match value {
            Encoded::Varint(v) => format!("varint {v}"),
            Encoded::Fixed64(v) => format!("fixed64 {v}"),
            Encoded::Bytes(s) => format!("bytes {:?} at {}", s.bytes, s.at),
            Encoded::Fixed32(v) => format!("fixed32 {v}"),
            Encoded::Group(s) => format!("group {:?} at {}", s.bytes, s.at),
        };
        Fields::new(Span { bytes, at: 100 }).map(|f| f.map(|(n, v)| (n, show(v)))).collect()
    }

    #[test]
    fn every_wire_type() {
        let minus_one = [&[0x08][..], &[0xFF; 9], &[1]].concat();
        for (bytes, want) in [
            (&[0x08, 0x96, 0x01][..], vec![(1, "varint 150")]),
            (&minus_one, vec![(1, "varint 18446744073709551615")]),
            (&[0x11, 1, 0, 0, 0, 0, 0, 0, 0], vec![(2, "fixed64 1")]),
            (&[0x1A, 2, 7, 8, 0x18, 0], vec![(3, "bytes [7, 8] at 102"), (3, "varint 0")]),
            (&[0x25, 1, 0, 0, 0], vec![(4, "fixed32 1")]),
            (&[0x2B, 0x33, 0x34, 0x08, 1, 0x2C], vec![(5, "group [51, 52, 8, 1] at 101")]),
            (&[], vec![]),
        ] {
            let want: Vec<_> = want.into_iter().map(|(n, v)| (n, v.to_string())).collect();
            assert_eq!(fields(bytes).unwrap(), want);
        }
    }

    #[test]
    fn what_is_no_message() {
        let deep = [0x0B].repeat(200);
        for (bytes, at, what) in [
            (&[0x08][..], 101, "inside a number"),
            (&[0x08, 0x80], 101, "inside a number"),
            (&[[0x08].as_slice(), &[0x80; 10]].concat(), 101, "more than ten"),
            (&[0x0A, 5, 1], 102, "longer than the message"),
            (&[[0x0A].as_slice(), &[0xFF; 9], &[1]].concat(), 111, "longer than the message"),
            (&[0x09, 1], 101, "longer than the message"),
            (&[0x00], 100, "field number"),
            (&[0x0F], 101, "wire type"),
            (&[0x0C], 101, "never began"),
            (&[0x0B, 0x08, 1], 103, "inside a group"),
            (&[0x0B, 0x14], 101, "another group"),
            (&deep, 200, "too deeply"),
        ] {
            let fault = fields(bytes).unwrap_err();
            assert!(fault.at == at && fault.what.contains(what), "{bytes:?}: {fault:?}");
        }
    }
}
