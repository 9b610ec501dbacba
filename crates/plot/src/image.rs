//! A variable over time and a second coordinate, as a field of colours.

use std::ops::Range;

use crate::axis::{self, Area, Numbers, PAD, TIME_AXIS, Times};
use crate::cells::Cells;
use crate::colour::{self, Colour, mapped};
use crate::marks::{Counts, Legend, Marks, hatched, pointed};
use crate::number::{Scale, short};
use crate::range::{self, GAP};
use crate::scene::{Item, Scene};
use crate::text::{Font, one_line};
use crate::time::instant;
use crate::{Error, Mark, Size};

/// A variable over time (left to right) and a second coordinate such as depth.
///
/// Each value fills its cell, whose edges stand midway to its neighbours; where
/// a step in time is longer than five typical (median) ones, the picture stays
/// empty between. Cells smaller than a pixel are averaged, those flagged bad
/// left out where others are. Missing values are hatched in grey. Flagged cells
/// have a shape; where they are dense, one for each 8 x 8 pixels.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Above the picture, and its name for those who do not see it.
    pub title: &'a str,
    /// The variable, such as `current speed`, and its unit; empty where there is none.
    pub name: &'a str,
    pub unit: &'a str,
    /// Microseconds since 1970-01-01 UTC, in any order.
    pub times_us: &'a [i64],
    /// The second coordinate in any order, the same at all times. What is not finite is left out.
    pub levels: &'a [f64],
    pub level_name: &'a str,
    pub level_unit: &'a str,
    /// Whether levels grow downwards, as depths do.
    pub downwards: bool,
    /// One per time and level: `values[time * levels.len() + level]`; NaN is missing.
    pub values: &'a [f64],
    /// In the order of `values`, or none at all where nothing is flagged.
    pub marks: &'a [Mark],
    pub size: Size,
}

/// The colour bar, in pixels: its width, and its distance from the picture.
const BAR: f64 = 14.0;
const BAR_GAP: f64 = 16.0;
const LEAST: f64 = 60.0;
/// The side of a square that has one shape at most.
const MARK_CELL: f64 = 8.0;
const LONE_TIME_US: f64 = 1_000_000.0;

impl Image<'_> {
    /// The plot as an SVG document; the colours in it are a PNG.
    ///
    /// # Errors
    /// Slices of unequal lengths; a size out of bounds.
    pub fn svg(&self) -> Result<String, Error> {
        Ok(crate::svg::write(&self.scene()?))
    }

    /// The plot as a PNG of `size` pixels.
    ///
    /// # Errors
    /// As [`Image::svg`].
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        crate::pixels::write(&self.scene()?)
    }

    fn checked(&self) -> Result<(), Error> {
        let cells = self.times_us.len().saturating_mul(self.levels.len());
        let unequal =
            |what, found| Err(Error::Lengths { name: one_line(self.name), what, found, expected: cells });
        if self.values.len() != cells {
            return unequal("values", self.values.len());
        }
        if !self.marks.is_empty() && self.marks.len() != cells {
            return unequal("marks", self.marks.len());
        }
        Ok(())
    }

    fn mark(&self, place: usize) -> Mark {
        self.marks.get(place).copied().unwrap_or_default()
    }

    fn scene(&self) -> Result<Scene, Error> {
        self.checked()?;
        let font = Font::new();
        let (mut scene, top) = axis::paper(&font, self.title, self.size)?;
        let (width, height) = (f64::from(self.size.width), f64::from(self.size.height));

        let cells = || self.values.iter().enumerate().map(|(i, v)| (*v, self.mark(i)));
        let infinite = self.values.iter().any(|v| v.is_infinite());
        let colours = range::fitted(cells(), 0.0).or(infinite.then_some(Scale { lo: 0.0, hi: 1.0 }));
        let counts = self.counted(colours);
        let legend = Legend::new(&font, Legend::of_cells(&counts), width - 2.0 * PAD);
        let area_top = (top + legend.height() + 4.0).round();
        let area_height = (height - TIME_AXIS - 4.0 - area_top).floor();
        if area_height < LEAST {
            let least = (height - area_height + LEAST).ceil() as u32;
            return Err(Error::Low { height: self.size.height, least });
        }
        legend.draw(&mut scene, (PAD, top));

        let field = Field::new(self);
        let levels = field.levels.span().map(|(lo, hi)| {
            let scale = if hi > lo { Scale { lo, hi } } else { Scale::around(lo, hi, 0.0) };
            Numbers::new(&font, scale, self.downwards, area_height)
        });
        let bar = colours.map(|scale| Numbers::new(&font, scale, false, area_height));
        let label = |n: &Option<Numbers>| n.as_ref().map_or(20.0, |n| n.width);
        let left = (PAD + 18.0 + label(&levels) + 7.0).min(width / 3.0).round();
        let right = (width - PAD - 18.0 - label(&bar) - 7.0 - BAR - BAR_GAP).max(width / 2.0).round();
        let area = Area { left, top: area_top, right, bottom: area_top + area_height };

        match (&levels, field.span()) {
            (Some(levels), Some((lo, hi))) => {
                let times = Times { lo, hi, left, right };
                let pixels = field.pixels(&area, &times, levels, colours.as_ref());
                scene.items.push(Item::Raster {
                    class: "field",
                    x: left as u32,
                    y: area_top as u32,
                    width: area.width() as u32,
                    pixels,
                });
                times.draw(&mut scene, &font, &[Area { top: area.bottom, ..area }]);
                levels.draw_left(&mut scene, &Area { right: area.left, ..area });
                axis::outline(&mut scene, &area);
                field.marks(&area, &times, levels).draw(&mut scene);
            }
            _ => {
                axis::outline(&mut scene, &area);
                axis::remark(&mut scene, &area, "no values");
            }
        }
        axis::upright_title(&mut scene, &font, PAD + 10.0, &area, self.level_name, self.level_unit);
        if let (Some(bar), Some(colours)) = (&bar, &colours) {
            self.draw_bar(&mut scene, &area, bar, colours);
        }
        axis::upright_title(&mut scene, &font, width - PAD - 2.0, &area, self.name, self.unit);
        scene.desc = self.described(&counts);
        Ok(scene)
    }

    fn counted(&self, colours: Option<Scale>) -> Counts {
        let mut counts = Counts::default();
        for (place, value) in self.values.iter().enumerate() {
            counts.add(*value, self.mark(place));
            counts.beyond += usize::from(colours.is_some_and(|c| *value < c.lo || *value > c.hi));
        }
        counts
    }

    /// The colours with their numbers; a point at an end says that values are beyond it.
    fn draw_bar(&self, scene: &mut Scene, area: &Area, bar: &Numbers, colours: &Scale) {
        let left = area.right + BAR_GAP;
        let (width, height) = (BAR as u32, area.height() as u32);
        let pixels = (0..height)
            .flat_map(|row| {
                let colour = mapped(1.0 - (f64::from(row) + 0.5) / f64::from(height.max(1)));
                std::iter::repeat_n(colour, width as usize)
            })
            .collect();
        scene.items.push(Item::Raster {
            class: "colours",
            x: left as u32,
            y: area.top as u32,
            width,
            pixels,
        });
        let beside = Area { left, right: left + BAR, ..*area };
        axis::outline(scene, &beside);
        bar.draw_right(scene, &beside);
        let middle = left + BAR / 2.0;
        let mut points = [(Vec::new(), 1.0), (Vec::new(), 0.0)];
        if self.values.iter().any(|v| *v > colours.hi) {
            pointed(&mut points[0].0, (middle, area.top - 10.0), 9.0);
        }
        if self.values.iter().any(|v| *v < colours.lo) {
            pointed(&mut points[1].0, (middle, area.bottom + 10.0), -9.0);
        }
        for (path, share) in points {
            scene.fill("beyond", path, mapped(share));
        }
    }

    fn described(&self, counts: &Counts) -> String {
        let (Some(from), Some(to)) = (self.times_us.iter().min(), self.times_us.iter().max()) else {
            return "Image without values.".to_owned();
        };
        let mut text = format!(
            "{} from {} to {} UTC: {}",
            axis::named(self.name, self.unit),
            instant(*from),
            instant(*to),
            counts.told(),
        );
        let finite = |values: &[f64]| range::ends(values.iter().copied().filter(|v| v.is_finite()));
        if let Some((lo, hi)) = finite(self.values) {
            text.push_str(&format!("; from {} to {}", short(lo), short(hi)));
        }
        if let Some((lo, hi)) = finite(self.levels) {
            let levels = axis::named(self.level_name, self.level_unit);
            text.push_str(&format!("; {levels} from {} to {}", short(lo), short(hi)));
        }
        text.push('.');
        text
    }
}

/// The cells of an image, by time and by level.
struct Field<'a> {
    image: &'a Image<'a>,
    times: Cells,
    levels: Cells,
    /// Positions of `times` are microseconds since this.
    origin: i64,
}

impl<'a> Field<'a> {
    fn new(image: &'a Image<'a>) -> Field<'a> {
        let origin = image.times_us.iter().min().copied().unwrap_or_default();
        let since = |t: &i64| (i128::from(*t) - i128::from(origin)) as f64;
        let times: Vec<f64> = image.times_us.iter().map(since).collect();
        let alone = image.levels.iter().find(|l| l.is_finite()).map_or(1.0, |l| (l.abs() / 10.0).max(1.0));
        Field {
            image,
            times: Cells::new(&times, GAP, LONE_TIME_US),
            levels: Cells::new(image.levels, f64::INFINITY, alone),
            origin,
        }
    }

    /// From the first edge to the last, in microseconds since 1970.
    fn span(&self) -> Option<(i64, i64)> {
        let (lo, hi) = self.times.span()?;
        Some((self.origin.saturating_add(lo.floor() as i64), self.origin.saturating_add(hi.ceil() as i64)))
    }

    fn pixels(&self, area: &Area, times: &Times, levels: &Numbers, colours: Option<&Scale>) -> Vec<Colour> {
        let (width, height) = (area.width() as u32, area.height() as u32);
        let (from, all) = (
            (i128::from(times.lo) - i128::from(self.origin)) as f64,
            (i128::from(times.hi) - i128::from(times.lo)) as f64,
        );
        let column_edge = |x: u32| from + all * (f64::from(x) / f64::from(width));
        let columns: Vec<_> =
            (0..width).map(|x| self.times.shown(column_edge(x), column_edge(x + 1))).collect();
        let Scale { lo, hi } = levels.scale;
        let row_edge = |y: u32| {
            let share = f64::from(y) / f64::from(height);
            lo * (1.0 - share) + hi * share
        };
        let colour = |value: f64| mapped(colours.map_or(0.0, |c| c.share(value)));
        let mut pixels = Vec::with_capacity((width * height) as usize);
        let (mut line, mut line_of) = (Vec::new(), None);
        for y in 0..height {
            let from_lo = if levels.down { y } else { height - 1 - y };
            let rows = self.levels.shown(row_edge(from_lo), row_edge(from_lo + 1));
            // A cell is mostly several pixels high.
            if line_of.as_ref() != Some(&rows) {
                line = columns.iter().map(|columns| self.shown(columns, &rows)).collect();
                line_of = Some(rows);
            }
            pixels.extend((0..).zip(&line).map(|(x, shown)| match shown {
                Shown::Nothing => colour::PAPER,
                Shown::Missing => hatched(x, y),
                Shown::Value(value) => colour(*value),
            }));
        }
        pixels
    }

    /// What the cells under one pixel come to: the mean of those that are not
    /// flagged bad, else of the bad ones.
    fn shown(&self, columns: &Range<usize>, rows: &Range<usize>) -> Shown {
        let cells = || {
            let places = columns.clone().flat_map(|t| rows.clone().map(move |l| (t, l)));
            places.map(|(t, l)| self.times.order[t] * self.image.levels.len() + self.levels.order[l])
        };
        let mean = |bad: bool| {
            let kept = || {
                cells()
                    .filter(|place| (self.image.mark(*place) == Mark::Bad) == bad)
                    .map(|place| self.image.values[place])
                    .filter(|value| !value.is_nan())
            };
            let n = kept().count() as f64;
            // Divided first: the sum of great numbers may be more than there are.
            (n > 0.0).then(|| kept().map(|v| v.clamp(f64::MIN, f64::MAX) / n).sum::<f64>())
        };
        match mean(false).or_else(|| mean(true)) {
            Some(value) => Shown::Value(value),
            None if cells().next().is_some() => Shown::Missing,
            None => Shown::Nothing,
        }
    }

    fn marks(&self, area: &Area, times: &Times, levels: &Numbers) -> Marks {
        let mut marks = Marks::new(MARK_CELL, 0.75);
        if self.image.marks.is_empty() {
            return marks;
        }
        for &time in &self.times.order {
            let x = times.x(self.image.times_us[time]);
            for &level in &self.levels.order {
                let mark = self.image.mark(time * self.image.levels.len() + level);
                marks.put(mark, (x, levels.y(self.image.levels[level], area)));
            }
        }
        marks
    }
}

enum Shown {
    Nothing,
    Missing,
    Value(f64),
}
