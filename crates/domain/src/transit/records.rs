//! Feeds whose messages are lists of records, in XML or JSON: SIRI
//! VehicleMonitoring, Clever Devices BusTime and NextBus.

mod clever_devices;
mod nextbus;
mod siri_vm;

use crate::model::{Column, Kind, Names};

/// A feed format that yields one stream of flat records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    SiriVm,
    CleverDevices,
    NextBus,
}

/// A field of a record and the column that it becomes.
#[derive(Clone, Copy, Debug)]
pub struct RecordField {
    /// The format's own name in small letters, words parted by `_`.
    pub name: &'static str,
    /// BusObservatory's name for it, where that has one.
    pub bus_observatory: Option<&'static str>,
    pub origin: Origin,
    pub kind: Kind,
    pub unit: Option<&'static str>,
}

/// What a column is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An element below the record, in dots; an attribute is `@name`.
    Record(&'static str),
    /// The same, from the document's root: one value for all records.
    Around(&'static str),
    Derived(Derived),
    /// JSON: all that no other column takes, by path.
    Rest,
}

/// Values that a feed says in other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// SIRI: the line without the operator before its last `_`.
    ShortLine,
    /// NextBus: the time of the document less the age of the report.
    ReportTime,
}

impl Preset {
    /// Every preset and the word that stands for it.
    pub const ALL: [Preset; 3] = [Preset::SiriVm, Preset::CleverDevices, Preset::NextBus];

    pub fn name(self) -> &'static str {
        match self {
            Preset::SiriVm => "siri_vm",
            Preset::CleverDevices => "clever_devices",
            Preset::NextBus => "nextbus",
        }
    }

    /// Path of a record's element, from the root of the XML document.
    pub fn record_path(self) -> &'static [&'static str] {
        match self {
            Preset::SiriVm => siri_vm::RECORD,
            Preset::CleverDevices => &["buses", "bus"],
            Preset::NextBus => &["body", "vehicle"],
        }
    }

    /// The fields under a naming: each has a column.
    pub fn fields(self, names: Names) -> impl Iterator<Item = RecordField> {
        let fields = match self {
            Preset::SiriVm => siri_vm::FIELDS,
            Preset::CleverDevices => clever_devices::FIELDS,
            Preset::NextBus => nextbus::FIELDS,
        };
        // What only BusObservatory has is told under its names alone.
        fields.iter().copied().filter(move |f| {
            names == Names::BusObservatory || f.origin != Origin::Derived(Derived::ShortLine)
        })
    }

    /// The declared columns under a naming.
    pub fn columns(self, names: Names) -> Vec<Column> {
        self.fields(names)
            .map(|field| {
                let mut column = Column::named(field.column_name(names));
                column.kind = Some(field.kind);
                column.unit = field.unit.map(str::to_string);
                column
            })
            .collect()
    }

    /// Where an answer that is an error says so, from the root.
    pub fn error_paths(self) -> &'static [&'static str] {
        match self {
            Preset::SiriVm => siri_vm::ERRORS,
            Preset::CleverDevices => &["buses.error"],
            Preset::NextBus => &["body.Error"],
        }
    }

    /// What is kept of what stands around the records: the paths of
    /// [`Origin::Around`] and of errors.
    pub fn paths_around(self) -> Vec<&'static str> {
        let fields = self.fields(Names::Specification).filter_map(|f| match f.origin {
            Origin::Around(path) => Some(path),
            _ => None,
        });
        fields.chain(self.error_paths().iter().copied()).collect()
    }
}

impl RecordField {
    pub fn column_name(&self, names: Names) -> &'static str {
        match names {
            Names::Specification => self.name,
            Names::BusObservatory => self.bus_observatory.unwrap_or(self.name),
        }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    const fn bus_observatory(self, name: &'static str) -> Self {
        Self { bus_observatory: Some(name), ..self }
    }
}

const fn field(name: &'static str, path: &'static str, kind: Kind) -> RecordField {
    RecordField { name, bus_observatory: None, origin: Origin::Record(path), kind, unit: None }
}

const fn around(name: &'static str, path: &'static str, kind: Kind) -> RecordField {
    RecordField { origin: Origin::Around(path), ..field(name, path, kind) }
}

const fn derived(name: &'static str, what: Derived, kind: Kind) -> RecordField {
    RecordField { origin: Origin::Derived(what), ..field(name, "", kind) }
}

/// What no other column takes.
const REST: RecordField = RecordField { origin: Origin::Rest, ..field("extensions", "", Kind::Json) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_columns_are_called_the_same_and_no_path_is_taken_twice() {
        for preset in Preset::ALL {
            for names in [Names::Specification, Names::BusObservatory] {
                let fields: Vec<_> = preset.fields(names).collect();
                for (n, field) in fields.iter().enumerate() {
                    let name = field.column_name(names);
                    for other in &fields[..n] {
                        assert!(!other.column_name(names).eq_ignore_ascii_case(name), "{preset:?}: {name}");
                        assert_ne!(other.origin, field.origin, "{preset:?}: {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn bus_observatory_has_its_columns() {
        let names = |preset: Preset| {
            let columns = preset.columns(Names::BusObservatory);
            columns.into_iter().map(|c| c.name).collect::<Vec<_>>()
        };
        for (preset, want) in [
            (
                Preset::SiriVm,
                "timestamp route route_long direction service_date trip_id gtfs_shape_id route_short agency \
                 origin_id destination_id destination_name next_stop_id next_stop_eta next_stop_d_along_route \
                 next_stop_d alert lat lon bearing progress_rate progress_status occupancy vehicle_id \
                 gtfs_block_id passenger_count",
            ),
            (
                Preset::CleverDevices,
                "id consist cars rtpiFeedName m rt rtRtpiFeedName rtdd d dd dn lat lon pid pd pdRtpiFeedName run fs \
                 op dip bid wid1 wid2",
            ),
        ] {
            let found = names(preset);
            for name in want.split_whitespace() {
                assert!(found.iter().any(|n| n == name), "{preset:?}: {name} is not in {found:?}");
            }
        }
    }
}
