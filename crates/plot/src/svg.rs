//! A scene as SVG: text stays text, rasters are PNGs inside, no scripts, no
//! identifiers (several plots can stand in one page), nothing fetched.

use std::fmt::Write;

use base64::Engine;

use crate::Size;
use crate::colour::Colour;
use crate::scene::{Anchor, Item, Scene, Step, Turn};

/// Like the font that measures, then what is on most machines and not wider.
const FAMILY: &str = "'Noto Sans', 'Open Sans', 'Segoe UI', Arial, Helvetica, sans-serif";

/// The scene as an SVG document.
pub(crate) fn write(scene: &Scene) -> String {
    let Size { width: w, height: h } = scene.size;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         role=\"img\" font-family=\"{FAMILY}\">\n<title>{}</title>\n<desc>{}</desc>\n",
        escaped(&scene.title),
        escaped(&scene.desc),
    );
    for item in &scene.items {
        match item {
            Item::Shape { class, path, fill, stroke } => {
                let _ = write!(out, "<path class=\"{class}\" d=\"");
                steps(&mut out, path);
                out.push('"');
                match fill {
                    Some(fill) => {
                        let _ = write!(out, " fill=\"{}\"", hex(*fill));
                    }
                    None => out.push_str(" fill=\"none\""),
                }
                if let Some(stroke) = stroke {
                    let _ = write!(
                        out,
                        " stroke=\"{}\" stroke-width=\"{}\" stroke-linecap=\"round\" stroke-linejoin=\"round\"",
                        hex(stroke.colour),
                        Px(stroke.width),
                    );
                }
                out.push_str("/>\n");
            }
            Item::Text(t) => {
                let (x, y) = (Px(t.x), Px(t.y));
                let anchor = match t.anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let _ = write!(
                    out,
                    "<text class=\"{}\" x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{}\"",
                    t.class,
                    Px(t.size),
                    hex(t.colour),
                );
                if t.turn == Turn::Up {
                    let _ = write!(out, " transform=\"rotate(-90 {x} {y})\"");
                }
                let _ = writeln!(out, ">{}</text>", escaped(&t.text));
            }
            Item::Raster { class, x, y, width, pixels } => {
                let png = crate::png::encoded(*width, pixels);
                let _ = writeln!(
                    out,
                    "<image class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" \
                     preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
                     href=\"data:image/png;base64,{}\"/>",
                    pixels.len() as u32 / width,
                    base64::engine::general_purpose::STANDARD.encode(png),
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

fn steps(out: &mut String, path: &[Step]) {
    for step in path {
        let _ = match step {
            Step::Move(x, y) => write!(out, "M{} {}", Px(*x), Px(*y)),
            Step::Line(x, y) => write!(out, "L{} {}", Px(*x), Px(*y)),
            Step::Close => write!(out, "Z"),
        };
    }
}

/// Pixels to a hundredth, as short as they can be written.
struct Px(f64);

impl std::fmt::Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        let (sign, whole, part) =
            (if hundredths < 0 { "-" } else { "" }, hundredths.abs() / 100, hundredths.abs() % 100);
        match part {
            0 => write!(f, "{sign}{whole}"),
            p if p % 10 == 0 => write!(f, "{sign}{whole}.{}", p / 10),
            p => write!(f, "{sign}{whole}.{p:02}"),
        }
    }
}

fn hex(Colour(r, g, b): Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_short() {
        let shown = |v: f64| Px(v).to_string();
        assert_eq!(
            [shown(0.0), shown(-0.001), shown(12.5), shown(12.054), shown(-3.25), shown(7.999)],
            ["0", "0", "12.5", "12.05", "-3.25", "8"],
        );
    }
}
