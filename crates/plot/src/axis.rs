//! Axes and what both kinds of plot have in common: the picture's paper and
//! title, the axis of times below, an axis of numbers at the left.

use crate::colour;
use crate::number::{self, Scale};
use crate::scene::{Anchor, Scene, Turn, rectangle, segment};
use crate::text::{Font, one_line};
use crate::time::{self, Tick};
use crate::{Error, Size};

/// Between the edge of the picture and what is in it.
pub(crate) const PAD: f64 = 14.0;
const TITLE: f64 = 16.0;
const LABEL: f64 = 11.5;
/// Labels, the days or years below them, and the axis title.
pub(crate) const TIME_AXIS: f64 = 54.0;
/// Other fonts than the one that measures are wider, by as much as this.
const SLACK: f64 = 1.15;

/// Where the data stand, in whole pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// The picture with its paper and its title, and where what follows may begin.
///
/// # Errors
/// A size out of bounds.
pub(crate) fn paper(font: &Font, title: &str, size: Size) -> Result<(Scene, f64), Error> {
    size.checked()?;
    let title = one_line(title);
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let mut scene = Scene { size, title, desc: String::new(), items: Vec::new() };
    scene.fill("paper", rectangle(0.0, 0.0, width, height), colour::PAPER);
    scene.stroke("frame", rectangle(0.5, 0.5, width - 0.5, height - 0.5), colour::FRAME, 1.0);
    if scene.title.is_empty() {
        return Ok((scene, PAD));
    }
    let shown = font.elided(&scene.title, TITLE, (width - 2.0 * PAD) / SLACK);
    scene.text("title", (PAD, PAD + 13.0), TITLE, Anchor::Start, &shown);
    Ok((scene, PAD + 26.0))
}

/// A name with its unit, as axes and legends show it.
pub(crate) fn named(name: &str, unit: &str) -> String {
    match (one_line(name), one_line(unit)) {
        (name, unit) if unit.is_empty() => name,
        (name, unit) if name.is_empty() => unit,
        (name, unit) => format!("{name} ({unit})"),
    }
}

/// Times from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub lo: i64,
    pub hi: i64,
    pub left: f64,
    pub right: f64,
}

impl Times {
    pub fn x(&self, at: i64) -> f64 {
        let (from, all) = (i128::from(at) - i128::from(self.lo), i128::from(self.hi) - i128::from(self.lo));
        self.left + (self.right - self.left) * (from as f64 / (all.max(1)) as f64)
    }

    /// The finest ticks whose labels stand clear of each other.
    fn ticks(&self, font: &Font, picture: f64) -> Vec<Tick> {
        let most = ((self.right - self.left) / 20.0) as usize;
        let mut some = Vec::new();
        for every in time::ladder() {
            let Some(ticks) = every.ticks(self.lo, self.hi, most) else { continue };
            if ticks.is_empty() {
                break;
            }
            let spans: Vec<_> = ticks.iter().map(|t| self.span(font, t.at, &t.label, picture)).collect();
            if spans.windows(2).all(|w| w[0].1 + 8.0 <= w[1].0) {
                return ticks;
            }
            some = ticks;
        }
        // Too little room for two of any kind.
        some.truncate(1);
        some
    }

    /// From where to where a label reaches, kept within the picture.
    fn span(&self, font: &Font, at: i64, label: &str, picture: f64) -> (f64, f64) {
        let half = font.width(label, LABEL) * SLACK / 2.0;
        let middle =
            self.x(at).clamp((half + 3.0).min(picture / 2.0), (picture - half - 3.0).max(picture / 2.0));
        (middle - half, middle + half)
    }

    /// Grid lines through all areas (which stand below each other), and labels below the last.
    pub fn draw(&self, scene: &mut Scene, font: &Font, areas: &[Area]) {
        let picture = f64::from(scene.size.width);
        let ticks = self.ticks(font, picture);
        let Some(foot) = areas.last().map(|a| a.bottom) else { return };
        let (mut grid, mut short) = (Vec::new(), Vec::new());
        for tick in &ticks {
            let x = self.x(tick.at).floor() + 0.5;
            for area in areas {
                segment(&mut grid, (x, area.top), (x, area.bottom));
            }
            segment(&mut short, (x, foot), (x, foot + 4.0));
            let (from, to) = self.span(font, tick.at, &tick.label, picture);
            scene.text("tick x", ((from + to) / 2.0, foot + 17.0), LABEL, Anchor::Middle, &tick.label);
        }
        scene.stroke("grid", grid, colour::GRID, 1.0);
        scene.stroke("axis", short, colour::AXIS, 1.0);
        for (from, to, text) in self.within(font, &ticks, picture) {
            scene.text("tick within", ((from + to) / 2.0, foot + 31.0), LABEL, Anchor::Middle, &text);
        }
        let middle = (self.left + self.right) / 2.0;
        scene.text("axis-title x", (middle, foot + 48.0), LABEL, Anchor::Middle, "Time (UTC)");
    }

    /// The days or years below the labels, at the first tick and where they
    /// change. Where the first leaves no room to the second, it is left out: the
    /// tick at which a day begins says more.
    fn within(&self, font: &Font, ticks: &[Tick], picture: f64) -> Vec<(f64, f64, String)> {
        let mut placed: Vec<(f64, f64, String)> = Vec::new();
        let mut before = "";
        for tick in ticks.iter().filter(|t| !t.within.is_empty()) {
            if tick.within == before {
                continue;
            }
            before = &tick.within;
            let (from, to) = self.span(font, tick.at, &tick.within, picture);
            if placed.last().is_some_and(|last| last.1 + 8.0 > from) {
                if placed.len() > 1 {
                    continue;
                }
                placed.clear();
            }
            placed.push((from, to, tick.within.clone()));
        }
        placed
    }
}

/// Numbers from bottom to top, or from top to bottom.
pub(crate) struct Numbers {
    pub scale: Scale,
    pub down: bool,
    ticks: Vec<number::Tick>,
    /// The widest label, in pixels.
    pub width: f64,
}

impl Numbers {
    pub fn new(font: &Font, scale: Scale, down: bool, height: f64) -> Numbers {
        let ticks = scale.ticks((height / 30.0) as usize);
        let width = ticks.iter().map(|t| font.width(&t.label, LABEL) * SLACK).fold(0.0, f64::max).ceil();
        Numbers { scale, down, ticks, width }
    }

    pub fn y(&self, value: f64, area: &Area) -> f64 {
        let share = self.scale.share(value).clamp(0.0, 1.0);
        let from_top = if self.down { share } else { 1.0 - share };
        area.top + area.height() * from_top
    }

    /// Grid lines and labels at the left of the area.
    pub fn draw_left(&self, scene: &mut Scene, area: &Area) {
        let (mut grid, mut short) = (Vec::new(), Vec::new());
        for tick in &self.ticks {
            let y = self.y(tick.value, area).floor().min(area.bottom - 1.0) + 0.5;
            segment(&mut grid, (area.left, y), (area.right, y));
            segment(&mut short, (area.left - 4.0, y), (area.left, y));
            scene.text("tick y", (area.left - 7.0, y + 4.0), LABEL, Anchor::End, &tick.label);
        }
        scene.stroke("grid", grid, colour::GRID, 1.0);
        scene.stroke("axis", short, colour::AXIS, 1.0);
    }

    /// Labels at the right of the area, for a colour bar.
    pub fn draw_right(&self, scene: &mut Scene, area: &Area) {
        let mut short = Vec::new();
        for tick in &self.ticks {
            let y = self.y(tick.value, area).floor().min(area.bottom - 1.0) + 0.5;
            segment(&mut short, (area.right, y), (area.right + 4.0, y));
            scene.text("tick colour", (area.right + 7.0, y + 4.0), LABEL, Anchor::Start, &tick.label);
        }
        scene.stroke("axis", short, colour::AXIS, 1.0);
    }
}

/// The title of an upright axis, centred at `x` beside the area: name and unit
/// where they fit, else the unit alone, else as much of it as fits.
pub(crate) fn upright_title(scene: &mut Scene, font: &Font, x: f64, area: &Area, name: &str, unit: &str) {
    let room = (area.height() + 8.0) / SLACK;
    let both = named(name, unit);
    let text = match one_line(unit) {
        unit if !unit.is_empty() && font.width(&both, LABEL) > room => unit,
        _ => both,
    };
    let text = font.elided(&text, LABEL, room);
    let middle = (area.top + area.bottom) / 2.0;
    scene.turned("axis-title", (x, middle), LABEL, Anchor::Middle, Turn::Up, &text);
}

/// The box around an area.
pub(crate) fn outline(scene: &mut Scene, area: &Area) {
    let edge = rectangle(area.left - 0.5, area.top - 0.5, area.right + 0.5, area.bottom + 0.5);
    scene.stroke("axis", edge, colour::AXIS, 1.0);
}

/// A remark in the middle of an area that has nothing else to show.
pub(crate) fn remark(scene: &mut Scene, area: &Area, text: &str) {
    let at = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0 + 4.0);
    scene.text("remark", at, 13.0, Anchor::Middle, text);
}
