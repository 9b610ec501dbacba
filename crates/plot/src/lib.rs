//! Plots of measurements, as SVG and as PNG, made by the binary itself: no
//! system fonts, no C library, nothing to install.
//!
//! - [`TimeSeries`]: one or several variables over time, a panel each. Gaps
//!   where values are missing; values flagged bad or indeterminate marked by
//!   colour and by shape.
//! - [`Image`]: a variable over time and depth, as colours with their scale.
//!
//! ```
//! use lakegate_plot::{Mark, Series, TimeSeries};
//!
//! let height = Series {
//!     name: "significant wave height",
//!     unit: "m",
//!     times_us: &[1_606_780_800_000_000, 1_606_782_000_000_000, 1_606_783_200_000_000],
//!     values: &[2.3, f64::NAN, 9.9],
//!     marks: &[Mark::Good, Mark::Indeterminate, Mark::Bad],
//!     period: None,
//! };
//! let series = [height];
//! let plot = TimeSeries::new("humboldt.buoy_z05-waves.a1", &series);
//! assert!(plot.svg()?.starts_with("<svg"));
//! assert!(plot.png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), lakegate_plot::Error>(())
//! ```
//!
//! Any data make a plot: none at all, one point, all missing, constants,
//! infinities, numbers of any size, times out of order or repeated. What is
//! refused ([`Error`]) is slices that do not fit together and sizes that leave
//! no room. The work is one pass over the points (a sort before it where times
//! are out of order), and a plot is bounded by its size in pixels.
//!
//! The same data give the same bytes, on every machine: nothing is asked of the
//! system, and pixels are computed without what differs between processors.
//!
//! Plots stand on paper of their own, white with a thin frame, in light and in
//! dark surroundings. Colours that follow the page (`currentColor`) would need
//! a second set of all others, tested for contrast and for the colour blind as
//! the first is; a file that is shown by `<img>` or opened alone does not know
//! its page; and the PNG shall be the same picture.
//!
//! Text in an SVG is text, in the reader's font. It is laid out by the width of
//! Noto Sans, which is in the binary and draws the PNG, with room for wider
//! fonts. An SVG has a title, a description with the figures, `role="img"`, no
//! scripts and no identifiers, so that several can stand in one page.
//!
//! This crate knows no other of the lake's, no Arrow and no files: slices in,
//! bytes out.

mod axis;
mod cells;
mod colour;
mod image;
mod marks;
mod number;
mod pixels;
mod png;
mod range;
mod reduce;
mod scene;
mod series;
mod svg;
mod text;
mod time;

pub use image::Image;
pub use marks::Mark;
pub use series::{Series, TimeSeries};

/// The size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    const LEAST: Size = Size { width: 240, height: 160 };
    const GREATEST: Size = Size { width: 8192, height: 32_768 };
    /// Four bytes each: 256 MiB.
    const MOST_PIXELS: u64 = 1 << 26;

    fn checked(self) -> Result<(), Error> {
        let Size { width, height } = self;
        let (least, greatest) = (Self::LEAST, Self::GREATEST);
        let fits = (least.width..=greatest.width).contains(&width)
            && (least.height..=greatest.height).contains(&height)
            && u64::from(width) * u64::from(height) <= Self::MOST_PIXELS;
        if fits { Ok(()) } else { Err(Error::Size { width, height }) }
    }
}

/// Why there is no plot. No data alone are a reason.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{what} of {name:?}: {found} are given where {expected} belong: give one for each point")]
    Lengths { name: String, what: &'static str, found: usize, expected: usize },
    #[error(
        "a plot of {width} x {height} pixels: choose from 240 x 160 to 8192 x 32768, and no more than {} in all",
        Size::MOST_PIXELS
    )]
    Size { width: u32, height: u32 },
    #[error("a plot of {height} pixels is too low for what it shows: choose {least} or more, or show less")]
    Low { height: u32, least: u32 },
}
