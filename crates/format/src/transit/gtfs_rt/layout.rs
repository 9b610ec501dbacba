//! Which field of a message goes to which column of a record stream.

use std::collections::HashMap;

use lakegate_domain::model::Names;
use lakegate_domain::transit::gtfs_rt::{
    self, FEED_HEADER, Field, Message, Part, RecordStream, STREAMS, StreamColumn, Type, message_at,
};

/// A message of a stream: what becomes of each of its fields.
#[derive(Debug)]
pub(super) struct Node {
    /// From the entity, in dots.
    pub path: String,
    steps: Vec<(Known, Step)>,
}

/// A field of the specification, and its name in JSON.
#[derive(Debug)]
pub(super) struct Known {
    pub field: &'static Field,
    camel: String,
}

/// What becomes of a field. Numbers are columns of the stream.
#[derive(Debug)]
pub(super) enum Step {
    Value(usize),
    Enum {
        word: usize,
        number: usize,
    },
    Translated {
        text: usize,
        json: usize,
    },
    Json(usize),
    Message(Node),
    /// Each of its values is a row of this stream.
    Rows(usize),
}

impl Node {
    pub fn by_number(&self, number: u32) -> Option<(&'static Field, &Step)> {
        self.steps.iter().find(|(k, _)| k.field.number == number).map(|(k, step)| (k.field, step))
    }

    /// By the specification's name or the one that JSON encoders make of it.
    pub fn by_name(&self, name: &str) -> Option<(&'static Field, &Step)> {
        self.steps
            .iter()
            .find(|(k, _)| k.field.name == name || k.camel == name)
            .map(|(k, step)| (k.field, step))
    }

    fn new(path: &str, message: &'static Message, columns: &Index) -> Self {
        let steps = message.0.iter().map(|field| (Known::new(field), step(path, field, columns))).collect();
        Self { path: path.to_string(), steps }
    }
}

impl Known {
    fn new(field: &'static Field) -> Self {
        Self { field, camel: camel_case(field.name) }
    }
}

/// `stop_time_update` as `stopTimeUpdate`.
pub(super) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !camel.is_empty() => camel.extend(first.to_uppercase()),
            Some(first) => camel.push(first),
            None => {}
        }
        camel.push_str(letters.as_str());
    }
    camel
}

type Index = HashMap<(String, Part), usize>;

fn step(around: &str, field: &'static Field, columns: &Index) -> Step {
    let path = gtfs_rt::joined(around, field.name);
    let at =
        |part| *columns.get(&(path.clone(), part)).expect("every field of a stream's message has a column");
    if field.repeated {
        return match STREAMS.iter().position(|s| s.path == path) {
            Some(stream) => Step::Rows(stream),
            None => Step::Json(at(Part::Json)),
        };
    }
    match field.of {
        Type::Enum(_) => Step::Enum { word: at(Part::Word), number: at(Part::Number) },
        Type::Translated => Step::Translated { text: at(Part::Text), json: at(Part::Json) },
        Type::Json(_) => Step::Json(at(Part::Json)),
        Type::Of(message) => Step::Message(Node::new(&path, message, columns)),
        _ => Step::Value(at(Part::Value)),
    }
}

/// One record stream.
#[derive(Debug)]
pub(super) struct Layout {
    pub stream: &'static RecordStream,
    pub columns: Vec<StreamColumn>,
    /// `None` for entities that carry nothing.
    pub node: Option<Node>,
    /// Column of the stream around it, and column of this one.
    pub inherited: Vec<(usize, usize)>,
    /// Where the entity's own cells stand: `id` and `is_deleted`.
    pub entity: [usize; 2],
    pub extensions: usize,
    /// Where the feed header's cells begin; they are the last ones.
    pub header: usize,
}

/// All streams, in the order of [`STREAMS`], and the feed's header.
pub(super) fn layouts(names: Names) -> (Vec<Layout>, Node) {
    let mut layouts: Vec<Layout> = Vec::new();
    for stream in &STREAMS {
        let columns = gtfs_rt::columns(stream, names);
        let index = index(&columns);
        let node = message_at(stream.path).map(|message| Node::new(stream.path, message, &index));
        // The stream around it comes before it.
        let parent = layouts
            .iter()
            .find(|l| stream.path.rsplit_once('.').is_some_and(|(around, _)| around == l.stream.path));
        let inherited = parent.map_or(Vec::new(), |p| {
            let inherits = |c: &StreamColumn| stream.inherits.contains(&c.path.as_str());
            p.columns
                .iter()
                .enumerate()
                .filter(|(_, c)| inherits(c))
                .map(|(n, c)| (n, index[&(c.path.clone(), c.part)]))
                .collect()
        });
        let at = |path: &str, part| index[&(path.to_string(), part)];
        layouts.push(Layout {
            stream,
            node,
            inherited,
            entity: [at("id", Part::Value), at("is_deleted", Part::Value)],
            extensions: at("", Part::Extensions),
            header: at("header.gtfs_realtime_version", Part::Value),
            columns,
        });
    }
    let any = &layouts[0];
    let header = Node::new("header", &FEED_HEADER, &index(&any.columns[any.header..]));
    (layouts, header)
}

fn index(columns: &[StreamColumn]) -> Index {
    columns.iter().enumerate().map(|(n, c)| ((c.path.clone(), c.part), n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_names() {
        for (name, want) in [
            ("trip", "trip"),
            ("stop_time_update", "stopTimeUpdate"),
            ("gtfs_realtime_version", "gtfsRealtimeVersion"),
        ] {
            assert_eq!(camel_case(name), want);
        }
    }

    #[test]
    fn headers_stand_alike_in_every_stream() {
        for names in [Names::Specification, Names::BusObservatory] {
            let (layouts, _) = layouts(names);
            let header = |l: &Layout| {
                l.columns[l.header..].iter().map(|c| (c.column.name.clone(), c.part)).collect::<Vec<_>>()
            };
            for layout in &layouts {
                assert_eq!(header(layout), header(&layouts[0]), "{}", layout.stream.name);
                assert_eq!(layout.inherited.is_empty(), layout.stream.inherits.is_empty());
            }
        }
    }
}
