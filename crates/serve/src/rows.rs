//! A feed's rows of some instants, in the order of time, as a stream that is as
//! long as it has to be.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lakegate_domain::local::Span;
use lakegate_domain::model::TimeUnit;

use crate::feed::{Feed, Opened};
use crate::problem::{Problem, Result};

/// Which rows of a feed.
#[derive(Clone, Debug)]
pub struct Rows {
    pub feed: Arc<Feed>,
    pub opened: Arc<Opened>,
    /// Instants, in order, that do not overlap.
    pub spans: Vec<Span>,
    pub route: Option<String>,
    /// Columns, in order.
    pub columns: Vec<String>,
    /// The first rows only.
    pub limit: Option<usize>,
}

impl Rows {
    /// All columns of the rows of some instants.
    pub fn new(feed: Arc<Feed>, opened: Arc<Opened>, spans: Vec<Span>) -> Self {
        let columns = opened.columns.clone();
        Self { feed, opened, spans, route: None, columns, limit: None }
    }

    /// Chooses columns by a list of names between commas.
    ///
    /// # Errors
    /// 400 for a name that is none.
    pub fn select(&mut self, names: &str) -> Result<()> {
        let mut columns = Vec::new();
        for name in names.split(',').map(str::trim) {
            if self.opened.schema.field_with_name(name).is_err() {
                let detail = format!("the feed `{}` has no column `{name}`", self.feed.name());
                let help = format!("the columns are {}", self.opened.columns.join(", "));
                return Err(Problem::bad("unknown_column", detail, help));
            }
            if columns.iter().any(|c| c == name) {
                let detail = format!("the column `{name}` is named twice");
                return Err(Problem::bad("wrong_parameter", detail, "name it once"));
            }
            columns.push(name.to_string());
        }
        self.columns = columns;
        Ok(())
    }

    /// What the answer depends on beside the request itself: two answers to one
    /// request are the same where this is the same.
    pub fn etag(&self, request: &str) -> String {
        let mut hasher = DefaultHasher::new();
        let mut paths: Vec<&str> = self
            .opened
            .files
            .iter()
            .filter(|f| self.spans.iter().any(|s| may_hold(f.times, *s)))
            .map(|f| f.path.as_str())
            .collect();
        paths.sort_unstable();
        (paths, &self.columns, &self.spans.iter().map(|s| (s.start, s.end)).collect::<Vec<_>>())
            .hash(&mut hasher);
        (self.opened.view.name().to_string(), request, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        // Weak: the same rows may be compressed in another way.
        format!("W/\"{:016x}\"", hasher.finish())
    }

    pub fn schema(&self) -> SchemaRef {
        let field = |name: &String| self.opened.schema.field_with_name(name).cloned();
        Arc::new(Schema::new(self.columns.iter().filter_map(|c| field(c).ok()).collect::<Vec<_>>()))
    }

    /// The rows. Data files are opened as the stream gets to them.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn stream(self) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let windows = self.windows();
        let limit = self.limit;
        let one = Arc::new(self);
        let adapted = schema.clone();
        let all = stream::iter(windows)
            .then(move |window| {
                let rows = one.clone();
                async move { rows.window(window).await }
            })
            .try_flatten()
            .map(move |batch| Ok(RecordBatch::try_new(adapted.clone(), batch?.columns().to_vec())?));
        let stream = RecordBatchStreamAdapter::new(schema, all);
        Ok(match limit {
            Some(limit) => first(Box::pin(stream), limit),
            None => Box::pin(stream),
        })
    }

    /// The spans, each cut at the ends of days where rows are stored by day or
    /// hour: what is sorted at once is a day at most. Those without data files
    /// are left out.
    fn windows(&self) -> Vec<Span> {
        let by_day = matches!(self.opened.partition, Some((_, TimeUnit::Day | TimeUnit::Hour)));
        let mut windows = Vec::new();
        for span in &self.spans {
            let Some(held) = self.held(*span) else { continue };
            if !by_day {
                windows.push(held);
                continue;
            }
            let mut start = held.start;
            while start < held.end {
                let end = next_day(start).min(held.end);
                let window = Span { start, end };
                if self.opened.files.iter().any(|f| may_hold(f.times, window)) {
                    windows.push(window);
                }
                start = end;
            }
        }
        windows
    }

    /// The part of a span that data files reach; `None` where none does. Without
    /// it a range of centuries would be looked through day by day.
    fn held(&self, span: Span) -> Option<Span> {
        let (mut low, mut high) = (Timestamp::MAX, Timestamp::MIN);
        for file in self.opened.files.iter().filter(|f| may_hold(f.times, span)) {
            // Without statistics rows may be anywhere, but a calendar has an end.
            let (least, greatest) = file.times.unwrap_or((span.start, span.end));
            low = low.min(least);
            high = high.max(greatest);
        }
        let beyond = high.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX);
        let held = Span { start: span.start.max(low), end: span.end.min(beyond) };
        (held.start < held.end).then_some(held)
    }

    async fn window(&self, window: Span) -> DataFusionResult<SendableRecordBatchStream> {
        let publish = &self.feed.publish;
        let mut filter = self.opened.within(&publish.time, window);
        if let Some(route) = &self.route {
            filter = filter.and(self.opened.equals(&publish.route, route));
        }
        let mut order = vec![publish.time.as_str()];
        order.extend(publish.vehicle.as_deref());
        let selected = self.opened.view.select(filter, &order, &self.columns, self.limit).await;
        Ok(selected.map_err(|e| DataFusionError::External(Box::new(e)))?.1)
    }
}

impl Opened {
    /// That a row's time is within a span, said of the partition as well, so
    /// that no other day is looked at.
    pub fn within(&self, time: &str, span: Span) -> Expr {
        let at = |t: Timestamp| {
            lit(ScalarValue::TimestampMicrosecond(Some(t.as_microsecond()), Some("UTC".into())))
        };
        let rows = column(time).gt_eq(at(span.start)).and(column(time).lt(at(span.end)));
        let last = span.end.checked_sub(SignedDuration::from_micros(1)).unwrap_or(span.end).max(span.start);
        match &self.partition {
            Some((name, unit)) => {
                let (low, high) = (partition_value(span.start, *unit), partition_value(last, *unit));
                rows.and(column(name).gt_eq(lit(low))).and(column(name).lt_eq(lit(high)))
            }
            None => rows,
        }
    }

    /// That a column has a value, given as the text of a request. A text that is
    /// no value of the column's type equals none.
    pub fn equals(&self, name: &str, text: &str) -> Expr {
        let kind = self.schema.field_with_name(name).map_or(DataType::Utf8, |f| f.data_type().clone());
        match ScalarValue::try_from_string(text.to_string(), &kind) {
            Ok(value) if !value.is_null() => column(name).eq(lit(value)),
            _ => lit(false),
        }
    }
}

/// A column by its exact name, whatever characters it has.
pub fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Whether a data file with such times may hold rows of a span.
pub fn may_hold(times: Option<(Timestamp, Timestamp)>, span: Span) -> bool {
    times.is_none_or(|(least, greatest)| least < span.end && greatest >= span.start)
}

const DAY_S: i64 = 86_400;

fn next_day(t: Timestamp) -> Timestamp {
    Timestamp::from_second((t.as_second().div_euclid(DAY_S) + 1) * DAY_S).unwrap_or(Timestamp::MAX)
}

/// What the partition column holds for an instant: as the lake writes it.
fn partition_value(t: Timestamp, unit: TimeUnit) -> ScalarValue {
    let days = t.as_second().div_euclid(DAY_S) as i32;
    match unit {
        TimeUnit::Day => ScalarValue::Date32(Some(days)),
        TimeUnit::Month => ScalarValue::Date32(Some(days - i32::from(t.to_zoned(TimeZone::UTC).day()) + 1)),
        TimeUnit::Hour => ScalarValue::Utf8(Some(t.strftime("%Y-%m-%dT%H").to_string())),
    }
}

/// The first rows of a stream.
fn first(inner: SendableRecordBatchStream, limit: usize) -> SendableRecordBatchStream {
    let schema = inner.schema();
    let cut = inner.scan(limit, |left, batch| {
        let next = match batch {
            _ if *left == 0 => None,
            Ok(batch) => {
                let n = batch.num_rows().min(*left);
                *left -= n;
                Some(Ok::<RecordBatch, DataFusionError>(batch.slice(0, n)))
            }
            Err(e) => Some(Err(e)),
        };
        futures::future::ready(next)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn partition_values_are_those_that_are_stored() {
        let t = at("2024-02-29T23:59:59.999999Z");
        assert_eq!(partition_value(t, TimeUnit::Hour), ScalarValue::Utf8(Some("2024-02-29T23".into())));
        assert_eq!(partition_value(t, TimeUnit::Day), ScalarValue::Date32(Some(19782)));
        assert_eq!(partition_value(t, TimeUnit::Month), ScalarValue::Date32(Some(19754)));
        assert_eq!(partition_value(at("1969-12-31T12:00:00Z"), TimeUnit::Day), ScalarValue::Date32(Some(-1)));
    }

    #[test]
    fn days_end_at_midnight() {
        assert_eq!(next_day(at("2024-02-29T00:00:00Z")), at("2024-03-01T00:00:00Z"));
        assert_eq!(next_day(at("2024-02-29T23:59:59.5Z")), at("2024-03-01T00:00:00Z"));
    }

    #[test]
    fn data_files_by_their_times() {
        let span = Span { start: at("2024-01-01T10:00:00Z"), end: at("2024-01-01T11:00:00Z") };
        for (least, greatest, want) in [
            ("2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z", true),
            ("2024-01-01T09:00:00Z", "2024-01-01T09:59:59Z", false),
            ("2024-01-01T10:59:59Z", "2024-01-01T12:00:00Z", true),
            ("2024-01-01T11:00:00Z", "2024-01-01T12:00:00Z", false),
            ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", true),
        ] {
            assert_eq!(may_hold(Some((at(least), at(greatest))), span), want, "{least} {greatest}");
        }
        assert!(may_hold(None, span));
    }
}
