//! Variables over time, one panel each.

use crate::axis::{self, Area, Numbers, PAD, TIME_AXIS, Times};
use crate::colour;
use crate::marks::{Counts, Key, Legend, Marks, pointed};
use crate::number::short;
use crate::range::{self, GAP};
use crate::reduce::Reduced;
use crate::scene::{Scene, Step, segment};
use crate::text::{Font, one_line};
use crate::time::instant;
use crate::{Error, Mark, Size};

/// One variable over time: a panel of a [`TimeSeries`].
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// As the legend shows it, such as `significant wave height`.
    pub name: &'a str,
    /// Such as `m`; empty where there is none.
    pub unit: &'a str,
    /// Microseconds since 1970-01-01 UTC, in any order.
    pub times_us: &'a [i64],
    /// One per time; NaN is missing.
    pub values: &'a [f64],
    /// One per time, or none at all where nothing is flagged.
    pub marks: &'a [Mark],
    /// Where values begin anew, such as 360 of a direction: no line joins two that
    /// are farther apart than half of it, since the way between them is the other.
    pub period: Option<f64>,
}

/// Variables over time, below each other over one axis of times in UTC.
///
/// A line joins neighbours in time. It is interrupted where a value is missing
/// or flagged bad, and where a step is longer than five typical (median) ones.
/// A missing value is a tick at the foot of its panel, with a bar across and in
/// the colour of its flag where it is flagged; a flagged value has its shape. What
/// is beyond the scale has a point at the edge, a flagged one its shape below it. Per column of pixels a line keeps its first, least, greatest and last
/// value, so millions of points take the room of thousands and no spike is lost.
#[derive(Clone, Copy, Debug)]
pub struct TimeSeries<'a> {
    /// Above the panels, and the picture's name for those who do not see it.
    pub title: &'a str,
    /// From top to bottom.
    pub series: &'a [Series<'a>],
    pub size: Size,
}

/// A panel is not drawn lower than this.
const LEAST_PANEL: f64 = 40.0;
/// At the foot of a panel, for what is missing.
const FOOT: f64 = 13.0;
/// The height of a point at the edge.
const POINT: f64 = 8.0;
/// Between panels.
const BETWEEN: f64 = 12.0;

impl<'a> TimeSeries<'a> {
    /// With a size that gives each panel room.
    pub fn new(title: &'a str, series: &'a [Series<'a>]) -> TimeSeries<'a> {
        let height = 120u32.saturating_add(220u32.saturating_mul(series.len().max(1) as u32));
        TimeSeries { title, series, size: Size { width: 960, height } }
    }

    /// The plot as an SVG document.
    ///
    /// # Errors
    /// Slices of unequal lengths; a size that is out of bounds or too low for so many panels.
    pub fn svg(&self) -> Result<String, Error> {
        Ok(crate::svg::write(&self.scene()?))
    }

    /// The plot as a PNG of `size` pixels.
    ///
    /// # Errors
    /// As [`TimeSeries::svg`].
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        crate::pixels::write(&self.scene()?)
    }

    fn scene(&self) -> Result<Scene, Error> {
        for s in self.series {
            s.checked()?;
        }
        let font = Font::new();
        let (mut scene, top) = axis::paper(&font, self.title, self.size)?;
        let (width, height) = (f64::from(self.size.width), f64::from(self.size.height));
        let panels: Vec<Panel> = self.series.iter().map(Panel::new).collect();
        let right = width - PAD - 10.0;
        let legends: Vec<Legend> =
            panels.iter().map(|p| Legend::new(&font, p.legend(), right - PAD)).collect();

        let n = panels.len().max(1) as f64;
        let fixed =
            top + legends.iter().map(Legend::height).sum::<f64>() + BETWEEN * (n - 1.0) + TIME_AXIS + 4.0;
        let each = ((height - fixed) / n).floor();
        if each < LEAST_PANEL {
            let least = (fixed + n * LEAST_PANEL).ceil().min(f64::from(u32::MAX)) as u32;
            return Err(Error::Low { height: self.size.height, least });
        }
        let numbers: Vec<Option<Numbers>> =
            panels.iter().map(|p| p.scale(each).map(|s| Numbers::new(&font, s, false, each))).collect();
        let labels = numbers.iter().flatten().map(|n| n.width).fold(20.0, f64::max);
        // A title beside the labels takes 18 pixels; labels leave at least half of the picture to the data.
        let left = (PAD + 18.0 + labels + 7.0).min(width / 2.0).round();

        let mut areas = Vec::with_capacity(panels.len());
        let mut y = top;
        for legend in legends {
            let area_top = (y + legend.height()).round();
            legend.draw(&mut scene, (PAD, y));
            areas.push(Area { left, top: area_top, right, bottom: area_top + each });
            y = area_top + each + BETWEEN;
        }
        let times = self.times(left, right);
        if let Some(times) = &times {
            times.draw(&mut scene, &font, &areas);
        }
        for ((panel, numbers), area) in panels.iter().zip(&numbers).zip(&areas) {
            panel.draw(&mut scene, &font, area, numbers.as_ref(), times.as_ref());
        }
        if areas.is_empty() {
            axis::remark(&mut scene, &Area { left: PAD, top, right, bottom: height - PAD }, "no variables");
        }
        scene.desc = described(&panels);
        Ok(scene)
    }

    /// The times of all panels, with some room.
    fn times(&self, left: f64, right: f64) -> Option<Times> {
        let all = || self.series.iter().flat_map(|s| s.times_us.iter().copied());
        let (lo, hi) = (all().min()?, all().max()?);
        let span = hi.saturating_sub(lo);
        let room = if span == 0 { 1_000_000 } else { (span / 100).max(1) };
        Some(Times { lo: lo.saturating_sub(room), hi: hi.saturating_add(room), left, right })
    }
}

impl Series<'_> {
    fn checked(&self) -> Result<(), Error> {
        let times = self.times_us.len();
        let unequal =
            |what, found| Err(Error::Lengths { name: one_line(self.name), what, found, expected: times });
        if self.values.len() != times {
            return unequal("values", self.values.len());
        }
        if !self.marks.is_empty() && self.marks.len() != times {
            return unequal("marks", self.marks.len());
        }
        Ok(())
    }

    fn mark(&self, row: usize) -> Mark {
        self.marks.get(row).copied().unwrap_or_default()
    }
}

struct Panel<'a> {
    series: &'a Series<'a>,
    counts: Counts,
    scale: Option<crate::number::Scale>,
}

impl<'a> Panel<'a> {
    fn new(series: &'a Series<'a>) -> Panel<'a> {
        let rows = || series.values.iter().enumerate().map(|(i, v)| (*v, series.mark(i)));
        let scale = range::fitted(rows(), 0.0);
        let mut counts = Counts::default();
        for (value, mark) in rows() {
            counts.add(value, mark);
            counts.beyond += usize::from(scale.is_some_and(|s| value < s.lo || value > s.hi));
        }
        if scale.is_none() {
            counts.beyond = series.values.iter().filter(|v| v.is_infinite()).count();
        }
        Panel { series, counts, scale }
    }

    fn legend(&self) -> Vec<(Key, String)> {
        let mut entries = vec![(Key::Line, axis::named(self.series.name, self.series.unit))];
        entries.extend(Legend::of_points(&self.counts));
        entries
    }

    /// The scale with room above and below, and more below for what stands at the foot.
    fn scale(&self, height: f64) -> Option<crate::number::Scale> {
        // With infinite values alone, any scale will do: they stand at its ends.
        let some = (self.counts.beyond > 0).then_some(crate::number::Scale { lo: 0.0, hi: 1.0 });
        let mut scale = self.scale.or(some)?;
        let half = scale.hi / 2.0 - scale.lo / 2.0;
        let foot = if self.counts.missing > 0 { FOOT / height } else { 0.0 };
        scale.lo = (scale.lo - half * 2.0 * (0.06 + foot / (1.0 - foot))).max(f64::MIN);
        scale.hi = (scale.hi + half * 2.0 * 0.06).min(f64::MAX);
        Some(scale)
    }

    fn draw(
        &self,
        scene: &mut Scene,
        font: &Font,
        area: &Area,
        numbers: Option<&Numbers>,
        times: Option<&Times>,
    ) {
        if let Some(numbers) = numbers {
            numbers.draw_left(scene, area);
        }
        axis::outline(scene, area);
        axis::upright_title(scene, font, PAD + 10.0, area, self.series.name, self.series.unit);
        match (times, self.counts.points) {
            (Some(times), 1..) => self.draw_values(scene, area, numbers, times),
            _ => axis::remark(scene, area, "no values"),
        }
        if self.counts.points > 0 && numbers.is_none() {
            axis::remark(scene, area, "all values are missing");
        }
    }

    /// What is beyond the scale stands inside the edge, clear of the point there and
    /// of the foot.
    fn y(&self, value: f64, area: &Area, numbers: &Numbers) -> f64 {
        match value {
            v if v > numbers.scale.hi => area.top + POINT + 5.0,
            v if v < numbers.scale.lo => self.ground(area) - POINT - 5.0,
            v => numbers.y(v, area),
        }
    }

    /// Where the foot begins.
    fn ground(&self, area: &Area) -> f64 {
        area.bottom - if self.counts.missing > 0 { FOOT } else { 0.0 }
    }

    /// Whether the line goes on from one value to the next.
    fn joins(&self, before: Option<f64>, value: f64) -> bool {
        let half = self.series.period.map_or(f64::INFINITY, |period| period / 2.0);
        before.is_none_or(|before| (value - before).abs() <= half)
    }

    fn draw_values(&self, scene: &mut Scene, area: &Area, numbers: Option<&Numbers>, times: &Times) {
        let series = self.series;
        let order = Order::of(series.times_us);
        let gap = gap_of(&order, series.times_us);
        let mut line = Reduced::new(area.width());
        let (mut marks, mut gaps, mut beyond) = (Marks::new(3.0, 1.0), Vec::new(), Vec::new());
        let (mut before, mut last_gap, mut last_beyond) = (None, None, [None; 2]);
        let mut value_before = None;
        for row in order.rows() {
            let (at, value, mark) = (series.times_us[row], series.values[row], series.mark(row));
            let x = times.x(at);
            if before.is_some_and(|b| (i128::from(at) - i128::from(b)) as f64 > gap) {
                line.interrupt();
            }
            before = Some(at);
            let Some(numbers) = numbers.filter(|_| !value.is_nan()) else {
                line.interrupt();
                let foot = area.bottom - FOOT / 2.0;
                marks.put_gap(mark, (x, foot));
                if mark == Mark::Good && last_gap != Some(x.floor()) {
                    last_gap = Some(x.floor());
                    segment(&mut gaps, (x, foot - 3.0), (x, foot + 3.0));
                }
                continue;
            };
            let y = self.y(value, area, numbers);
            marks.put(mark, (x, y));
            if mark == Mark::Bad || value.is_infinite() {
                line.interrupt();
            } else {
                if !self.joins(value_before, value) {
                    line.interrupt();
                }
                value_before = Some(value);
                line.point(x, y);
            }
            let is_high = value > numbers.scale.hi;
            let last = &mut last_beyond[usize::from(is_high)];
            if (is_high || value < numbers.scale.lo) && *last != Some(x.floor()) {
                *last = Some(x.floor());
                let (tip, height) = if is_high { (area.top, POINT) } else { (self.ground(area), -POINT) };
                pointed(&mut beyond, (x, tip), height);
            }
        }
        let (path, dots) = line.finish();
        scene.stroke("gaps", gaps, colour::AXIS, 1.2);
        scene.stroke("line", path, colour::LINE, 1.3);
        let dots = dots.into_iter().flat_map(|(x, y)| [Step::Move(x, y), Step::Line(x, y)]).collect();
        scene.stroke("dots", dots, colour::LINE, 3.2);
        scene.fill("beyond", beyond, colour::AXIS);
        marks.draw(scene);
    }
}

/// Rows in the order of their times.
enum Order {
    AsTheyAre(usize),
    Sorted(Vec<usize>),
}

impl Order {
    fn of(times: &[i64]) -> Order {
        if times.is_sorted() {
            return Order::AsTheyAre(times.len());
        }
        let mut rows: Vec<usize> = (0..times.len()).collect();
        rows.sort_by_key(|row| times[*row]);
        Order::Sorted(rows)
    }

    fn rows(&self) -> impl Iterator<Item = usize> {
        let (n, sorted) = match self {
            Order::AsTheyAre(n) => (*n, None),
            Order::Sorted(rows) => (rows.len(), Some(rows)),
        };
        (0..n).map(move |i| sorted.map_or(i, |rows| rows[i]))
    }
}

/// Steps longer than this many microseconds are gaps. A few points do not tell what is typical.
fn gap_of(order: &Order, times: &[i64]) -> f64 {
    if times.len() < 8 {
        return f64::INFINITY;
    }
    let steps = order
        .rows()
        .zip(order.rows().skip(1))
        .map(|(a, b)| (i128::from(times[b]) - i128::from(times[a])) as f64);
    range::typical(steps).map_or(f64::INFINITY, |step| step * GAP)
}

fn described(panels: &[Panel]) -> String {
    let times = panels.iter().flat_map(|p| p.series.times_us);
    let (Some(lo), Some(hi)) = (times.clone().min(), times.max()) else {
        return "Time series without values.".to_owned();
    };
    let mut text = format!("Time series from {} to {} UTC.", instant(*lo), instant(*hi));
    for panel in panels {
        text.push_str(&format!(" {}: ", axis::named(panel.series.name, panel.series.unit)));
        text.push_str(&panel.counts.told());
        let finite = panel.series.values.iter().copied().filter(|v| v.is_finite());
        if let Some((lo, hi)) = range::ends(finite) {
            text.push_str(&format!("; from {} to {}", short(lo), short(hi)));
        }
        text.push('.');
    }
    text
}
