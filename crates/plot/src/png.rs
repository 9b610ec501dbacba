//! Pixels as a PNG file (PNG specification, third edition): one byte per pixel
//! and a palette where 256 colours suffice, else three bytes.
//!
//! Rows are not filtered, which is smallest for drawings. The compressor is
//! named here and not chosen by what else is in the binary, because others
//! compress differently by processor, and a plot shall be the same everywhere.

use std::collections::HashMap;

use crate::colour::Colour;

/// Drawings are as small at the default, 6, which takes twice as long.
const LEVEL: u8 = 3;

/// `width` pixels in each row, from the top; a last row that is not full is left out.
pub(crate) fn encoded(width: u32, pixels: &[Colour]) -> Vec<u8> {
    let across = width.max(1) as usize;
    let rows = pixels.chunks_exact(across);
    let height = rows.len() as u32;
    let (kind, palette, data) = match indexed(rows.clone()) {
        Some((palette, data)) => (3, palette, data),
        None => (2, Vec::new(), direct(rows)),
    };
    let mut header = Vec::with_capacity(13);
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // Eight bits; the kind of colour; the only compression and filter method there is; not interlaced.
    header.extend_from_slice(&[8, kind, 0, 0, 0]);

    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, b"IHDR", &header);
    if !palette.is_empty() {
        let palette: Vec<u8> = palette.iter().flat_map(|c| [c.0, c.1, c.2]).collect();
        chunk(&mut out, b"PLTE", &palette);
    }
    chunk(&mut out, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&data, LEVEL));
    chunk(&mut out, b"IEND", &[]);
    out
}

/// The colours in the order in which they come, and rows of their numbers, each
/// after a zero: not filtered. `None` where there are more than 256.
fn indexed<'a>(rows: impl Iterator<Item = &'a [Colour]>) -> Option<(Vec<Colour>, Vec<u8>)> {
    let mut palette: Vec<Colour> = Vec::new();
    let mut numbers: HashMap<Colour, u8> = HashMap::new();
    let mut data = Vec::new();
    let mut last = None;
    for row in rows {
        data.push(0);
        for &colour in row {
            // Most pixels are as the one before them.
            let number = match last {
                Some((before, number)) if before == colour => number,
                _ => match numbers.get(&colour) {
                    Some(number) => *number,
                    None => {
                        let number = u8::try_from(palette.len()).ok()?;
                        palette.push(colour);
                        numbers.insert(colour, number);
                        number
                    }
                },
            };
            last = Some((colour, number));
            data.push(number);
        }
    }
    Some((palette, data))
}

fn direct<'a>(rows: impl Iterator<Item = &'a [Colour]>) -> Vec<u8> {
    let mut data = Vec::new();
    for row in rows {
        data.push(0);
        data.extend(row.iter().flat_map(|c| [c.0, c.1, c.2]));
    }
    data
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(data);
    let sum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut data = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut data).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        (info.width, info.height, data)
    }

    #[test]
    fn pixels_come_back_with_and_without_a_palette() {
        for colours in [2u32, 256, 257, 5000] {
            let pixels: Vec<Colour> =
                (0..6000u32).map(|i| i * 7 % colours).map(|i| Colour((i >> 8) as u8, i as u8, 9)).collect();
            let (width, height, data) = decoded(&encoded(75, &pixels));
            assert_eq!((width, height), (75, 80));
            assert_eq!(data, pixels.iter().flat_map(|c| [c.0, c.1, c.2]).collect::<Vec<_>>());
        }
    }
}
