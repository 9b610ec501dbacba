//! Spikes in a series of evenly spaced values, found in phase space.
//!
//! Goring and Nikora, "Despiking acoustic Doppler velocimeter data", J. Hydraul.
//! Eng. 128 (2002) 117-126, in the form that Wahl, ibid. 129 (2003) 484-487,
//! gives it: values, first and second differences of a series without spikes lie
//! in an ellipsoid, whose axes follow from their standard deviations and the
//! universal threshold `sqrt(2 ln n)`. One pass finds spikes; what becomes of
//! them is not decided here.

/// Values that are judged together.
const BLOCK: usize = 5000;

/// Whether each value is a spike. Long series are judged in blocks of 5000 from
/// the start, and the last 5000 together.
pub(super) fn spikes(values: &[f64]) -> Vec<bool> {
    let mut found = vec![false; values.len()];
    if values.is_empty() {
        return found;
    }
    for start in (0..values.len() / BLOCK).map(|n| n * BLOCK) {
        outside_ellipsoid(&values[start..start + BLOCK], &mut found[start..start + BLOCK]);
    }
    let last = values.len().saturating_sub(BLOCK);
    outside_ellipsoid(&values[last..], &mut found[last..]);
    found
}

fn outside_ellipsoid(values: &[f64], found: &mut [bool]) {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let u: Vec<f64> = values.iter().map(|v| v - mean).collect();
    // Central differences; those that would need a neighbour beyond the ends are 0.
    let mut du = vec![0.0; n];
    for i in 1..n.saturating_sub(1) {
        du[i] = (u[i + 1] - u[i - 1]) / 2.0;
    }
    let mut d2u = vec![0.0; n];
    for i in 2..n.saturating_sub(2) {
        d2u[i] = (du[i + 1] - du[i - 1]) / 2.0;
    }
    let threshold = (2.0 * (n as f64).ln()).sqrt();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (sin, cos) = dot(&u, &d2u).atan2(dot(&u, &u)).sin_cos();
    // Half axes squared: equations 10 and 11 of the paper, solved for a² and b².
    let (s2, c2) = (sin * sin, cos * cos);
    let along = (threshold * deviation(&u)).powi(2);
    let across = (threshold * deviation(&d2u)).powi(2);
    let determinant = c2 * c2 - s2 * s2;
    let a = (c2 * along - s2 * across) / determinant;
    let b = (c2 * across - s2 * along) / determinant;
    let c = (threshold * deviation(&du)).powi(2);
    if along == 0.0 || across == 0.0 || c == 0.0 {
        // A series that is flat, too short or too even has no ellipsoid, and no spikes.
        return;
    }
    for (i, found) in found.iter_mut().enumerate() {
        let distance = u[i] * u[i] + du[i] * du[i] + d2u[i] * d2u[i];
        let (sin_theta, cos_theta) = du[i].atan2(u[i]).sin_cos();
        let (sin_phi, cos_phi) = du[i].hypot(u[i]).atan2(d2u[i]).sin_cos();
        let on_ellipsoid = 1.0
            / ((sin_phi * cos_theta * cos + cos_phi * sin).powi(2) / a
                + (sin_phi * cos_theta * sin - cos_phi * cos).powi(2) / b
                + (sin_phi * sin_theta).powi(2) / c);
        *found = distance > on_ellipsoid;
    }
}

/// Standard deviation of all, not of a sample.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}
