//! A scene as pixels, by tiny-skia and the font of the binary: the same on
//! every machine (no SIMD, no system fonts).

use skrifa::outline::OutlinePen;
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Transform};

use crate::colour::{Colour, PAPER};
use crate::scene::{Anchor, Item, Scene, Step, Text, Turn};
use crate::text::Font;
use crate::{Error, Size};

/// The scene as a PNG file.
///
/// # Errors
/// A size of nothing, or of more than can be addressed.
pub(crate) fn write(scene: &Scene) -> Result<Vec<u8>, Error> {
    let Size { width, height } = scene.size;
    let mut pixmap = Pixmap::new(width, height).ok_or(Error::Size { width, height })?;
    pixmap.fill(skia(PAPER));
    let font = Font::new();
    for item in &scene.items {
        match item {
            Item::Shape { path, fill, stroke, .. } => {
                let Some(path) = built(path) else { continue };
                if let Some(fill) = fill {
                    pixmap.fill_path(&path, &paint(*fill), FillRule::Winding, Transform::identity(), None);
                }
                if let Some(stroke) = stroke {
                    let pen = tiny_skia::Stroke {
                        width: stroke.width as f32,
                        line_cap: LineCap::Round,
                        // Of thin lines nobody sees the joins, and round ones are many edges more.
                        line_join: LineJoin::Bevel,
                        ..Default::default()
                    };
                    pixmap.stroke_path(&path, &paint(stroke.colour), &pen, Transform::identity(), None);
                }
            }
            Item::Text(text) => draw_text(&mut pixmap, &font, text),
            Item::Raster { x, y, width, pixels, .. } => copy(&mut pixmap, (*x, *y), *width, pixels),
        }
    }
    // All is painted over opaque paper: what is premultiplied is what it was.
    let pixels: Vec<Colour> = pixmap.pixels().iter().map(|p| Colour(p.red(), p.green(), p.blue())).collect();
    Ok(crate::png::encoded(width, &pixels))
}

fn copy(pixmap: &mut Pixmap, (x, y): (u32, u32), width: u32, pixels: &[Colour]) {
    let across = pixmap.width() as usize;
    for (row, line) in pixels.chunks_exact(width.max(1) as usize).enumerate() {
        let start = (y as usize + row) * across + x as usize;
        let Some(into) = pixmap.pixels_mut().get_mut(start..start + line.len()) else { break };
        for (to, Colour(r, g, b)) in into.iter_mut().zip(line) {
            *to = tiny_skia::ColorU8::from_rgba(*r, *g, *b, 255).premultiply();
        }
    }
}

fn draw_text(pixmap: &mut Pixmap, font: &Font, text: &Text) {
    let mut pen = Outline(PathBuilder::new());
    font.outline(&text.text, text.size, &mut pen);
    let Some(path) = pen.0.finish() else { return };
    let width = font.width(&text.text, text.size);
    let back = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let (x, y, back) = (text.x as f32, text.y as f32, back as f32);
    let transform = match text.turn {
        Turn::None => Transform::from_translate(x - back, y),
        Turn::Up => Transform::from_row(0.0, -1.0, 1.0, 0.0, x, y + back),
    };
    pixmap.fill_path(&path, &paint(text.colour), FillRule::Winding, transform, None);
}

fn built(steps: &[Step]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for step in steps {
        match *step {
            Step::Move(x, y) => path.move_to(x as f32, y as f32),
            Step::Line(x, y) => path.line_to(x as f32, y as f32),
            Step::Close => path.close(),
        }
    }
    path.finish()
}

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(skia(colour));
    paint
}

fn skia(Colour(r, g, b): Colour) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(r, g, b, 255)
}

struct Outline(PathBuilder);

impl OutlinePen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to(cx, cy, x, y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        self.0.cubic_to(ax, ay, bx, by, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
