//! The font that the binary carries: how wide text is, and its outlines.
//!
//! Noto Sans 1.04 (Apache-2.0; Latin, Greek and Cyrillic). No shaping: one
//! glyph after another, which is what labels of these scripts need. A character
//! that the font does not have is drawn as its box.

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

/// The font, opened; cheap to make.
pub(crate) struct Font {
    font: FontRef<'static>,
    units_per_em: f64,
}

/// One glyph of a line: which, how far from the start of the line, how much
/// smaller and how far raised (in ems) it is set.
struct Placed {
    glyph: GlyphId,
    offset: f64,
    scale: f64,
    rise: f64,
}

impl Font {
    pub fn new() -> Font {
        let font = FontRef::new(ttf_noto_sans::REGULAR).expect("the font is part of the binary and a font");
        let metrics = font.metrics(Size::unscaled(), LocationRef::default());
        Font { font, units_per_em: f64::from(metrics.units_per_em).max(1.0) }
    }

    /// The width of one line in pixels.
    pub fn width(&self, text: &str, size: f64) -> f64 {
        self.place(text).1 * size
    }

    /// `text`, or as much of its beginning as fits into `room` pixels with an
    /// ellipsis behind it; nothing where not even that fits.
    pub fn elided(&self, text: &str, size: f64, room: f64) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let room = room - self.width("…", size);
        let mut kept = String::new();
        for (placed, c) in self.place(text).0.iter().skip(1).zip(text.chars()) {
            if placed.offset * size > room {
                break;
            }
            kept.push(c);
        }
        match kept.trim_end() {
            "" => String::new(),
            kept => format!("{kept}…"),
        }
    }

    /// Draws the outlines of a line with its start at the origin: y grows downwards.
    pub fn outline(&self, text: &str, size: f64, pen: &mut impl OutlinePen) {
        let outlines = self.font.outline_glyphs();
        for placed in self.place(text).0 {
            let Some(outline) = outlines.get(placed.glyph) else { continue };
            let size = size as f32;
            let mut pen = Shifted {
                x: placed.offset as f32 * size,
                y: -(placed.rise as f32) * size,
                scale: placed.scale as f32,
                pen: &mut *pen,
            };
            // A glyph that cannot be drawn is left out: the font is fixed, and its test draws all.
            let _ = outline.draw(DrawSettings::unhinted(Size::new(size), LocationRef::default()), &mut pen);
        }
    }

    /// The glyphs of a line, and its width, in ems.
    fn place(&self, text: &str) -> (Vec<Placed>, f64) {
        let (charmap, metrics) =
            (self.font.charmap(), self.font.glyph_metrics(Size::unscaled(), LocationRef::default()));
        let mut offset = 0.0;
        let mut line = Vec::with_capacity(text.len());
        for c in text.chars() {
            let (glyph, scale, rise) = match (charmap.map(c), small(c)) {
                (Some(glyph), _) => (glyph, 1.0, 0.0),
                (None, Some((base, rise))) => (charmap.map(base).unwrap_or_default(), 0.62, rise),
                (None, None) => (GlyphId::NOTDEF, 1.0, 0.0),
            };
            line.push(Placed { glyph, offset, scale, rise });
            let advance = f64::from(metrics.advance_width(glyph).unwrap_or_default());
            offset += scale * advance / self.units_per_em;
        }
        (line, offset)
    }
}

/// Raised and lowered characters, which units are written with, by the
/// character that they are a small form of.
fn small(c: char) -> Option<(char, f64)> {
    let (raised, lowered) = (0.38, -0.14);
    match c {
        '⁺' => Some(('+', raised)),
        '⁻' => Some(('−', raised)),
        '₊' => Some(('+', lowered)),
        '₋' => Some(('−', lowered)),
        '₀'..='₉' => char::from_digit(c as u32 - '₀' as u32, 10).map(|base| (base, lowered)),
        _ => None,
    }
}

/// A pen that moves and scales what another draws, and turns the y axis of
/// fonts (upwards) into that of pixels (downwards).
struct Shifted<'a, P> {
    x: f32,
    y: f32,
    scale: f32,
    pen: &'a mut P,
}

impl<P> Shifted<'_, P> {
    fn to(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl<P: OutlinePen> OutlinePen for Shifted<'_, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.to(x, y);
        self.pen.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.to(x, y);
        self.pen.line_to(x, y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let ((cx, cy), (x, y)) = (self.to(cx, cy), self.to(x, y));
        self.pen.quad_to(cx, cy, x, y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let ((ax, ay), (bx, by), (x, y)) = (self.to(ax, ay), self.to(bx, by), self.to(x, y));
        self.pen.curve_to(ax, ay, bx, by, x, y);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

/// One line that XML can hold: white space as spaces, other control characters
/// and the two that XML leaves out as the replacement character.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.trim().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_units_and_labels_are_written_with_is_there() {
        let font = Font::new();
        let charmap = font.font.charmap();
        for c in "abcXYZ 0123456789 −+×·.,:;/()[]{}°²³µμσΔ‰…–<>%äéßñçøå⁰¹⁴⁵⁶⁷⁸⁹⁺⁻₀₁₉".chars()
        {
            assert!(charmap.map(c).is_some() || small(c).is_some_and(|s| charmap.map(s.0).is_some()), "{c}");
        }
    }

    #[test]
    fn a_line_is_cut_where_it_no_longer_fits() {
        let font = Font::new();
        let all = "significant wave height";
        assert_eq!(font.elided(all, 12.0, 1000.0), all);
        let cut = font.elided(all, 12.0, 80.0);
        assert!(cut.ends_with('…') && cut.len() > 8 && font.width(&cut, 12.0) <= 80.0, "{cut}");
        assert_eq!(font.elided(all, 12.0, 3.0), "");
    }

    #[test]
    fn a_line_holds_no_control_characters() {
        assert_eq!(one_line(" a\nb\tc\0d\u{ffff} "), "a b c\u{fffd}d\u{fffd}");
    }
}
