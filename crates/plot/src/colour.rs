//! The colours of all plots, and the map from a value to a colour.
//!
//! Every pair that has to be told apart stays apart under the three kinds of
//! dichromatic vision (a test computes it), and a shape goes with each.

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Colour(pub u8, pub u8, pub u8);

pub(crate) const PAPER: Colour = Colour(255, 255, 255);
pub(crate) const FRAME: Colour = Colour(208, 208, 208);
pub(crate) const INK: Colour = Colour(34, 34, 34);
pub(crate) const AXIS: Colour = Colour(118, 118, 118);
pub(crate) const GRID: Colour = Colour(232, 232, 232);
pub(crate) const LINE: Colour = Colour(0, 114, 190);
pub(crate) const BAD: Colour = Colour(213, 84, 0);
pub(crate) const INDETERMINATE: Colour = Colour(100, 12, 104);
pub(crate) const MISSING: Colour = Colour(218, 218, 218);
pub(crate) const HATCH: Colour = Colour(150, 150, 150);

/// From low to high: a curve through Oklab (Ottosson 2020) from dark violet by
/// blue and green to yellow, cut into 32 steps of equal length, so that equal
/// differences of the value look equally large; lightness rises all the way,
/// so that it reads in grey too.
const MAP: [Colour; 33] = [
    Colour(33, 16, 75),
    Colour(37, 22, 84),
    Colour(39, 29, 94),
    Colour(40, 36, 103),
    Colour(40, 44, 112),
    Colour(40, 52, 120),
    Colour(39, 60, 127),
    Colour(37, 69, 132),
    Colour(34, 77, 136),
    Colour(29, 86, 139),
    Colour(23, 94, 142),
    Colour(18, 103, 144),
    Colour(12, 111, 146),
    Colour(8, 119, 147),
    Colour(6, 127, 148),
    Colour(7, 135, 150),
    Colour(12, 143, 150),
    Colour(21, 151, 150),
    Colour(32, 159, 149),
    Colour(44, 166, 148),
    Colour(56, 173, 146),
    Colour(69, 180, 142),
    Colour(82, 187, 138),
    Colour(97, 193, 134),
    Colour(111, 199, 129),
    Colour(127, 205, 123),
    Colour(142, 210, 118),
    Colour(158, 215, 112),
    Colour(174, 220, 107),
    Colour(191, 224, 102),
    Colour(207, 228, 98),
    Colour(223, 232, 95),
    Colour(238, 237, 96),
];

/// The colour of a share: 0 is the low end, 1 the high end; what is beyond
/// takes the colour of that end.
pub(crate) fn mapped(share: f64) -> Colour {
    let at = share.clamp(0.0, 1.0) * (MAP.len() - 1) as f64;
    let below = (at as usize).min(MAP.len() - 2);
    let (a, b, part) = (MAP[below], MAP[below + 1], at - below as f64);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    Colour(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(c: Colour) -> [f64; 3] {
        [c.0, c.1, c.2].map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(m: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// Oklab, https://bottosson.github.io/posts/oklab/
    fn oklab(rgb: [f64; 3]) -> [f64; 3] {
        let lms = times(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            rgb,
        );
        times(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            lms.map(f64::cbrt),
        )
    }

    fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn equal_steps_of_the_map_look_equal_and_lightness_rises() {
        let lab: Vec<_> = (0..=16).map(|i| oklab(linear(mapped(f64::from(i) / 16.0)))).collect();
        let steps: Vec<f64> = lab.windows(2).map(|w| distance(w[0], w[1])).collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        for (i, step) in steps.iter().enumerate() {
            assert!((step / mean - 1.0).abs() < 0.1, "step {i} is {step}, the mean {mean}");
        }
        assert!(lab.windows(2).all(|w| w[1][0] > w[0][0] + 0.02), "lightness rises: {lab:?}");
    }

    /// Machado, Oliveira, Fernandes 2009, severity 1.
    #[test]
    fn what_is_told_apart_by_colour_stays_apart_for_the_colour_blind() {
        let vision = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ];
        let told = [LINE, BAD, INDETERMINATE, PAPER];
        for seen in vision {
            for (i, a) in told.iter().enumerate() {
                for b in &told[i + 1..] {
                    let [a, b] = [a, b].map(|c| oklab(times(seen, linear(*c)).map(|v| v.clamp(0.0, 1.0))));
                    assert!(distance(a, b) > 0.15, "{a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn ends_hold_what_is_beyond() {
        assert_eq!(mapped(-3.0), MAP[0]);
        assert_eq!(mapped(7.0), MAP[32]);
        assert_eq!(mapped(0.5), MAP[16]);
    }
}
