//! What is drawn, in pixels from the top left corner: the one model that both
//! back ends take. Nothing here knows of data or of files.

use crate::Size;
use crate::colour::Colour;

/// A drawing of a stated size.
pub(crate) struct Scene {
    pub size: Size,
    /// For readers that do not see: a name, and what the drawing shows.
    pub title: String,
    pub desc: String,
    pub items: Vec<Item>,
}

pub(crate) enum Item {
    /// Lines and areas. `class` names what it is, for style sheets and tests.
    Shape {
        class: &'static str,
        path: Vec<Step>,
        fill: Option<Colour>,
        stroke: Option<Stroke>,
    },
    Text(Text),
    /// One colour per pixel, row by row from the top.
    Raster {
        class: &'static str,
        x: u32,
        y: u32,
        width: u32,
        pixels: Vec<Colour>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Move(f64, f64),
    Line(f64, f64),
    Close,
}

/// Ends and joins are round, so that a line of no length is a dot.
#[derive(Clone, Copy)]
pub(crate) struct Stroke {
    pub colour: Colour,
    pub width: f64,
}

/// One line of text; `x` and `y` are of the point on its baseline that `anchor` names.
pub(crate) struct Text {
    pub class: &'static str,
    pub x: f64,
    pub y: f64,
    pub size: f64,
    pub anchor: Anchor,
    pub turn: Turn,
    pub colour: Colour,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    None,
    /// Read from bottom to top.
    Up,
}

impl Scene {
    pub fn stroke(&mut self, class: &'static str, path: Vec<Step>, colour: Colour, width: f64) {
        if !path.is_empty() {
            let stroke = Some(Stroke { colour, width });
            self.items.push(Item::Shape { class, path, fill: None, stroke });
        }
    }

    pub fn fill(&mut self, class: &'static str, path: Vec<Step>, colour: Colour) {
        if !path.is_empty() {
            self.items.push(Item::Shape { class, path, fill: Some(colour), stroke: None });
        }
    }

    pub fn text(&mut self, class: &'static str, (x, y): (f64, f64), size: f64, anchor: Anchor, text: &str) {
        self.turned(class, (x, y), size, anchor, Turn::None, text);
    }

    pub fn turned(
        &mut self,
        class: &'static str,
        (x, y): (f64, f64),
        size: f64,
        anchor: Anchor,
        turn: Turn,
        text: &str,
    ) {
        if !text.is_empty() {
            let (text, colour) = (text.to_owned(), crate::colour::INK);
            self.items.push(Item::Text(Text { class, x, y, size, anchor, turn, colour, text }));
        }
    }
}

/// The outline of a rectangle.
pub(crate) fn rectangle(left: f64, top: f64, right: f64, bottom: f64) -> Vec<Step> {
    vec![
        Step::Move(left, top),
        Step::Line(right, top),
        Step::Line(right, bottom),
        Step::Line(left, bottom),
        Step::Close,
    ]
}

/// A straight line as a path of its own.
pub(crate) fn segment(path: &mut Vec<Step>, from: (f64, f64), to: (f64, f64)) {
    path.push(Step::Move(from.0, from.1));
    path.push(Step::Line(to.0, to.1));
}
