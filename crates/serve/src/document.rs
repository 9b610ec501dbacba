//! Rows as one document: what `lakegate sql` writes as well, and the forms that
//! only the web knows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, SchemaRef};
use arrow::json::writer::make_encoder;
use lakegate_lake::output::{Encoder, json_options};
use lakegate_lake::session::Error;
use serde_json::{Map, Value};

use crate::wanted::Format;

/// A document in the making: batches in, bytes out.
pub enum Document {
    Rows(Box<Encoder>),
    GeoJson(GeoJson),
    Enveloped(Enveloped),
}

impl Document {
    /// A document of rows.
    ///
    /// # Errors
    /// A column that the format has no place for, or no such document.
    pub fn new(
        format: Format,
        schema: &SchemaRef,
        position: Option<&(String, String)>,
    ) -> Result<Self, Error> {
        Ok(match (format.of_rows(), format) {
            (Some(rows), _) => Self::Rows(Box::new(Encoder::new(rows, schema)?)),
            _ => Self::GeoJson(GeoJson::new(position.cloned())),
        })
    }

    /// # Errors
    /// A value that the format has no place for.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        match self {
            Self::Rows(encoder) => encoder.write(batch),
            Self::GeoJson(features) => features.write(batch),
            Self::Enveloped(rows) => rows.write(batch),
        }
    }

    /// # Errors
    /// As [`Document::write`].
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Rows(encoder) => encoder.finish(),
            Self::GeoJson(features) => Ok(features.finish()),
            Self::Enveloped(rows) => Ok(rows.finish()),
        }
    }
}

/// A `FeatureCollection` (RFC 7946): each row a feature, its point where it has
/// one, all its columns as properties.
pub struct GeoJson {
    position: Option<(String, String)>,
    n_written: u64,
}

impl GeoJson {
    /// `position` names the columns of latitude and longitude, in degrees.
    pub fn new(position: Option<(String, String)>) -> Self {
        Self { position, n_written: 0 }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        let coordinates =
            |name: &str| -> Option<ArrayRef> { cast(batch.column_by_name(name)?, &DataType::Float64).ok() };
        let points = self
            .position
            .as_ref()
            .and_then(|(latitude, longitude)| coordinates(latitude).zip(coordinates(longitude)));
        let rows = StructArray::from(batch.clone());
        let field = Arc::new(Field::new("row", rows.data_type().clone(), false));
        let options = json_options();
        let mut encoder =
            make_encoder(&field, &rows, &options).map_err(datafusion::error::DataFusionError::from)?;
        let mut out = Vec::with_capacity(batch.num_rows() * 256);
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.n_written == 0 { OPENING } else { b",\n" });
            self.n_written += 1;
            out.extend_from_slice(b"{\"type\":\"Feature\",\"geometry\":");
            match points.as_ref().and_then(|(lat, lon)| number(lat, row).zip(number(lon, row))) {
                Some((lat, lon)) => out.extend_from_slice(
                    format!("{{\"type\":\"Point\",\"coordinates\":[{lon},{lat}]}}").as_bytes(),
                ),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"properties\":");
            encoder.encode(row, &mut out);
            out.push(b'}');
        }
        Ok(out)
    }

    fn finish(self) -> Vec<u8> {
        let opening: &[u8] = if self.n_written == 0 { OPENING } else { b"" };
        [opening, b"\n]}\n"].concat()
    }
}

const OPENING: &[u8] = b"{\"type\":\"FeatureCollection\",\"features\":[\n";

/// A number that JSON can say.
fn number(column: &ArrayRef, row: usize) -> Option<f64> {
    let values = column.as_primitive::<Float64Type>();
    (values.is_valid(row)).then(|| values.value(row)).filter(|v| v.is_finite())
}

/// The shape of the Bus Observatory's API: the question, then the rows, in which
/// a missing value is an empty text.
pub struct Enveloped {
    query: Value,
    n_written: u64,
}

impl Enveloped {
    pub fn new(query: Value) -> Self {
        Self { query, n_written: 0 }
    }

    fn opening(&self) -> Vec<u8> {
        format!("{{\"query\": {},\n\"result\": [\n", self.query).into_bytes()
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        let mut lines = Encoder::new(lakegate_lake::output::OutputFormat::Ndjson, &batch.schema())?;
        let mut text = lines.write(batch)?;
        text.extend(lines.finish()?);
        let mut out = if self.n_written == 0 { self.opening() } else { Vec::new() };
        for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            if self.n_written > 0 {
                out.extend_from_slice(b",\n");
            }
            self.n_written += 1;
            // Numbers that are none are written as null, too.
            match serde_json::from_slice::<Map<String, Value>>(line) {
                Ok(mut row) => {
                    row.values_mut().filter(|v| v.is_null()).for_each(|v| *v = Value::String(String::new()));
                    out.extend_from_slice(Value::Object(row).to_string().as_bytes());
                }
                Err(_) => out.extend_from_slice(line),
            }
        }
        Ok(out)
    }

    fn finish(self) -> Vec<u8> {
        let mut out = if self.n_written == 0 { self.opening() } else { Vec::new() };
        out.extend_from_slice(b"\n]}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, StringArray};
    use serde_json::json;

    use super::*;

    fn batch() -> RecordBatch {
        let texts = StringArray::from(vec![Some("a\"<b>"), None, Some("c")]);
        let latitudes = Float64Array::from(vec![Some(40.5), Some(f64::NAN), None]);
        let longitudes = Float64Array::from(vec![Some(-73.25), Some(1.0), Some(2.0)]);
        RecordBatch::try_from_iter([
            ("vehicle", Arc::new(texts) as ArrayRef),
            ("lat", Arc::new(latitudes) as ArrayRef),
            ("lon", Arc::new(longitudes) as ArrayRef),
        ])
        .unwrap()
    }

    fn whole(mut document: Document, batches: &[RecordBatch]) -> Value {
        let mut bytes: Vec<u8> = batches.iter().flat_map(|b| document.write(b).unwrap()).collect();
        bytes.extend(document.finish().unwrap());
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)))
    }

    #[test]
    fn features_have_points_where_rows_have_them() {
        let position = ("lat".to_string(), "lon".to_string());
        let geojson = || Document::GeoJson(GeoJson::new(Some(position.clone())));
        let found = whole(geojson(), &[batch(), batch()]);
        assert_eq!(found["features"].as_array().unwrap().len(), 6);
        assert_eq!(
            found["features"][0],
            json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [-73.25, 40.5] },
                "properties": { "vehicle": "a\"<b>", "lat": 40.5, "lon": -73.25 } })
        );
        assert_eq!(found["features"][1]["geometry"], Value::Null);
        assert_eq!(found["features"][2]["geometry"], Value::Null);
        assert_eq!(whole(geojson(), &[]), json!({ "type": "FeatureCollection", "features": [] }));
    }

    #[test]
    fn an_envelope_has_no_nulls() {
        let query = json!({ "system_id": "x", "route": "M1" });
        let enveloped = || Document::Enveloped(Enveloped::new(query.clone()));
        let found = whole(enveloped(), &[batch()]);
        assert_eq!(found["query"], query);
        assert_eq!(found["result"][1], json!({ "vehicle": "", "lat": "", "lon": 1.0 }));
        assert_eq!(whole(enveloped(), &[]), json!({ "query": query, "result": [] }));
    }
}
