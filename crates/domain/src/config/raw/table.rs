//! `tables:` and `columns:`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::expect::ExpectKeys;
use super::export::ExportKeys;
use super::quality::QualityKeys;
use super::stages::{GridKeys, HookKeys, MergeKeys};
use crate::config::decode::{At, Decode, Keyed, Many, Named, OneOrMany, Pair, Reporter, Slot, keyed, words};
use crate::config::scalars::{Lapse, PartitionWord, Spelled, Zone};
use crate::config::yaml::{Content, Node};
use crate::model::{Attribute, Evolve, Kind, Scalar};

keyed! {
    /// One table.
    pub struct TableKeys {
        /// The table of this dataset whose rows of a file it takes, as that table gets them.
        of = "of": String;
        /// What the table is, for people.
        description = "description": String;
    }
    .. rest: TableRest
}

keyed! {
    /// The keys of a table that may also stand beside `team:`, where a dataset has one table.
    pub struct TableRest {
        /// The stream of records it takes (`read: { zip: { members: … } }`); the one of its
        /// own name, or the only one, where not given. Several, or `all`, need `merge`.
        from = "from": OneOrMany<String>;
        /// Makes one set of rows of several streams.
        merge = "merge": MergeKeys;
        /// A command that takes a file's rows and gives others, before `transform`.
        hook = "hook": HookKeys;
        /// The columns by name: a type, or a map of keys. Columns that are not declared are
        /// inferred from the first file.
        columns = "columns": Named<ColumnDecl>;
        /// What follows columns and values that the table has no place for; `add` where not given.
        evolve = "evolve": Evolve;
        /// What its files are laid out by: a column, or `day(column)` of a time column.
        partition_by = "partition_by": OneOrMany<PartitionWord>;
        /// Columns that rows are sorted by within a file.
        sort_by = "sort_by": OneOrMany<String>;
        /// Leaves out rows whose key came before within a window of time, in any file.
        dedupe = "dedupe": DedupeKeys;
        /// SQL over one file's rows, which are called `input`.
        transform = "transform": String;
        /// Brings a file's rows to a regular grid of time.
        grid = "grid": GridKeys;
        /// Columns that say where a value belongs, the one of the rows first; the first column that
        /// is declared as a timestamp where not given.
        coordinates = "coordinates": OneOrMany<String>;
        /// Checks of values, in the order in which they are done; each sees what those before it
        /// left.
        quality = "quality": Many<QualityKeys>;
        /// What must hold of the rows, and what follows where it does not.
        expect = "expect": Many<ExpectKeys>;
        /// Writes the rows to files for others, below `<storage>/export/`.
        export = "export": ExportKeys;
    }
}

impl TableRest {
    /// Whether nothing of it is written.
    pub fn is_absent(&self) -> bool {
        self.written().is_empty()
    }
}

keyed! {
    /// Which rows of a table count as one: the first that came stays.
    pub struct DedupeKeys {
        /// Columns that tell rows apart; a missing value equals a missing value.
        key = "key": OneOrMany<String>, required;
        /// Column of the row's time. A row without one stays.
        by = "by": String, required;
        /// How far apart two rows of one key are at most that count as one. Not needed where
        /// the key has the time in it: then they are equal.
        window = "window": Lapse;
    }
}

keyed! {
    /// One column.
    pub struct ColumnKeys {
        /// Its type; inferred from the first file where not given.
        kind = "type": Kind;
        /// The input column it is made from; the one of its own name where not given. Of
        /// several the first that the file has.
        from = "from": OneOrMany<Spelled>;
        /// Spellings of a missing value in this column.
        nulls = "nulls": OneOrMany<Spelled>;
        /// `strftime` format of a date or time that is given as text, or `unix`, `unix_ms`.
        format = "format": String;
        /// IANA zone of a naive time, instead of the dataset's.
        timezone = "timezone": Zone;
        /// Unit of its values in the table, kept with the column.
        unit = "unit": Spelled;
        /// Unit that the input's values are in; they are converted to `unit`. Units as
        /// UDUNITS writes them: `mbar`, `m s-1`, `degF`, `umol/kg`. `stated` is the one that
        /// the file says of the input column, in its row of units or its attributes.
        from_unit = "from_unit": Spelled;
        /// What stands where the file has no such column.
        default = "default": Scalar;
        /// What it is, for people.
        description = "description": String;
        /// Least and greatest valid value, for `is: in_valid_range` and the checks `valid_min` and
        /// `valid_max`; `null` leaves a side open.
        valid_range = "valid_range": Pair<f64>;
        /// Least and greatest value for the checks `fail_min` and `fail_max`.
        fail_range = "fail_range": Pair<f64>;
        /// Least and greatest value for the checks `warn_min` and `warn_max`.
        warn_range = "warn_range": Pair<f64>;
        /// Greatest difference from the value before, for the check of this name.
        valid_delta = "valid_delta": f64;
        /// Greatest difference from the value before, for the check of this name.
        fail_delta = "fail_delta": f64;
        /// Greatest difference from the value before, for the check of this name.
        warn_delta = "warn_delta": f64;
        /// Greatest distance above the file's mean, in standard deviations, for the check of this
        /// name.
        valid_std = "valid_std": f64;
        /// Greatest distance above the file's mean, in standard deviations, for the check of this
        /// name.
        fail_std = "fail_std": f64;
        /// Greatest distance above the file's mean, in standard deviations, for the check of this
        /// name.
        warn_std = "warn_std": f64;
        /// Its name in the CF standard name table, kept with the column.
        standard_name = "standard_name": String;
        /// Its name for people, kept with the column.
        long_name = "long_name": String;
        /// More that is kept with the column: texts, numbers, or lists of them.
        attributes = "attributes": Named<Attribute>;
    }
}

/// A type, a map of keys, or nothing: then the type is inferred.
#[derive(Clone, Debug)]
pub struct ColumnDecl(pub ColumnKeys);

impl Decode for ColumnDecl {
    fn decode(node: &Node, report: &mut Reporter) -> Option<Self> {
        match &node.content {
            Content::Scalar(_) if !node.is_null() => {
                let value = Kind::decode(node, report)?;
                let kind = Slot::Given(At { value, span: node.span });
                Some(ColumnDecl(ColumnKeys { kind, ..Default::default() }))
            }
            Content::List(_) => {
                report.expected(
                    node,
                    "a type or a map of keys",
                    "write `name: float` or `name: { type: float, … }`",
                );
                None
            }
            _ => ColumnKeys::decode(node, report).map(ColumnDecl),
        }
    }
}

impl JsonSchema for ColumnDecl {
    fn schema_name() -> Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<Kind>();
        json_schema!({ "anyOf": [word, generator.subschema_for::<ColumnKeys>()] })
    }
}

words! { Evolve, "Evolve", "what follows what a table has no place for":
    /// New columns are added; values that do not fit go to `_rescued`.
    "add" => Evolve::Add;
    /// Either parks the file.
    "fixed" => Evolve::Fixed;
    /// Both go to `_rescued`.
    "rescue" => Evolve::Rescue;
}
