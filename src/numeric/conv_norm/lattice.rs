//! One axis of a convolution as a convolution without stride between phases of the input.

/// The geometry of a convolution along one axis: tap `o` of window `p` is over the input element
/// `p stride + o dilation - padding`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvAxis {
    /// The number of taps of the kernel.
    pub taps: usize,
    /// The distance between windows.
    pub stride: usize,
    /// The distance between taps.
    pub dilation: usize,
    /// The padding before the first element.
    pub padding: usize,
    /// The number of input elements.
    pub inputs: usize,
    /// The number of windows.
    pub windows: usize,
}

impl ConvAxis {
    /// Whether all sizes are positive and small enough for the arithmetic of positions.
    pub(super) fn is_valid(&self) -> bool {
        let sizes = [self.taps, self.stride, self.dilation, self.inputs, self.windows];
        sizes.iter().all(|&n| (1..1 << 28).contains(&n)) && self.padding < 1 << 28
    }

    /// The input element under tap `tap` of window `window`; `None` in the padding.
    pub(super) fn element(&self, window: usize, tap: usize) -> Option<usize> {
        let position = window * self.stride + tap * self.dilation;
        position.checked_sub(self.padding).filter(|&i| i < self.inputs)
    }
}

/// A convolution without stride that contains the one of a [`ConvAxis`].
///
/// In units of `g = gcd(stride, dilation)`, tap `o` of window `p` is at the position `p s + o d`
/// (counted from the first padded element; other positions are not used). With
/// `o d = s m + r`, `0 <= r < s`, it is element `p + m` of the phase `r` of the input: a convolution
/// without stride, with the phases as channels. If `s = 1`, windows `p = d p' + rho` of one residue
/// share no input with those of another, and each class is a convolution without dilation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lattice {
    /// The number of phases.
    pub phases: usize,
    /// The phase and the offset of each tap.
    pub taps: Vec<(usize, i64)>,
    /// The number of windows of a circle on which the two ends of the input do not meet; `None` where
    /// the whole lattice is asked for.
    pub circle: Option<usize>,
}

impl Lattice {
    /// The lattice of an axis; `None` where no window touches the input.
    pub fn new(axis: &ConvAxis, whole: bool) -> Option<Lattice> {
        let g = gcd(axis.stride, axis.dilation);
        let (s, d) = (axis.stride / g, axis.dilation / g);
        // The input elements are at the positions first..=last.
        let first = axis.padding.div_ceil(g);
        let last = (axis.padding + axis.inputs - 1) / g;
        let (classes, d) = if s == 1 { (d, 1) } else { (1, d) };
        let circles = (0..classes).filter_map(|rho| {
            let windows = axis.windows.checked_sub(rho)?.div_ceil(classes);
            let first = first.saturating_sub(rho).div_ceil(classes);
            let last = last.checked_sub(rho)? / classes;
            let reach = (windows.checked_sub(1)?) * s + d * (axis.taps - 1);
            (first <= last && first <= reach).then(|| circle(windows, s, first, last, reach))
        });
        let circle = circles.max()?;
        let taps: Vec<(usize, i64)> =
            (0..axis.taps).map(|o| (o * d % s, (o * d / s) as i64)).collect();
        // A symbol that does not depend on the frequency is the same on every circle.
        let constant = taps.iter().all(|t| t.1 == taps[0].1);
        let circle = if constant { Some(1) } else { (!whole).then_some(circle) };
        Some(Lattice { phases: s, taps, circle })
    }
}

/// The least number `n` of windows such that on the circle of `n s` positions neither two windows nor
/// two inputs coincide and no position `0..=reach` outside the input `first..=last` meets it:
/// - a position `q < first` meets the input only as `q + n s <= last`: excluded by `n s > last`;
/// - a position `q > last` only as `q - n s >= first`: excluded by `n s > reach - first`.
///
/// Then the operator is a submatrix of the convolution on the circle, as is one on any longer circle.
fn circle(windows: usize, s: usize, first: usize, last: usize, reach: usize) -> usize {
    (last + 1).max(reach - first + 1).div_ceil(s).max(windows)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The axes of all small sizes.
    fn axes() -> impl Iterator<Item = ConvAxis> {
        (0..5 * 4 * 4 * 4 * 5 * 4).map(|i| ConvAxis {
            taps: i % 4 + 1,
            stride: i / 4 % 4 + 1,
            dilation: i / 16 % 4 + 1,
            padding: i / 64 % 5,
            inputs: i / 320 % 5 + 1,
            windows: i / 1600 % 4 + 1,
        })
    }

    /// Whether on a circle of `length` positions the inputs stay apart and no other position up to `reach` meets
    /// one.
    fn keeps_apart(length: usize, inputs: &BTreeSet<usize>, reach: usize) -> bool {
        let places: BTreeSet<usize> = inputs.iter().map(|q| q % length).collect();
        let meets = |q: usize| !inputs.contains(&q) && places.contains(&(q % length));
        places.len() == inputs.len() && !(0..=reach).any(meets)
    }

    #[test]
    fn circles_are_the_least_on_which_nothing_meets() {
        for axis in axes() {
            let g = (1..=4).rev().find(|g| axis.stride % g == 0 && axis.dilation % g == 0);
            let g = g.expect("1 divides both");
            let stride = axis.stride / g;
            // Windows of one residue modulo the dilation share no input with others where every place has one.
            let classes = if stride == 1 { axis.dilation / g } else { 1 };
            // Positions in units of g that are a residue plus a multiple of the number of classes.
            let position = |p: usize, o: usize| (p * axis.stride + o * axis.dilation) / g;
            let input = |q: usize| (axis.padding..axis.padding + axis.inputs).contains(&(q * g));
            let of_class = |residue: usize| {
                let windows: Vec<usize> =
                    (0..axis.windows).filter(|p| p % classes == residue).collect();
                let reach = position(*windows.last()?, axis.taps - 1) / classes;
                let inputs: BTreeSet<usize> =
                    (0..20).filter(|q| input(q * classes + residue)).collect();
                if inputs.first().is_none_or(|&first| first > reach) {
                    return None;
                }
                let fits = |n: &usize| keeps_apart(n * stride, &inputs, reach);
                (windows.len()..).find(fits)
            };
            let least = (0..classes).filter_map(of_class).max();
            let lattice = Lattice::new(&axis, false);
            assert_eq!(lattice.is_some(), least.is_some(), "{axis:?}");
            let (Some(lattice), Some(least)) = (lattice, least) else { continue };
            // Tap o is at position o d, element m of phase r.
            let dilation = axis.dilation / g / classes;
            assert_eq!((lattice.phases, lattice.taps.len()), (stride, axis.taps));
            for (o, &(phase, m)) in lattice.taps.iter().enumerate() {
                assert!(phase < stride && m >= 0);
                assert_eq!(m as usize * stride + phase, o * dilation, "{axis:?}");
            }
            let constant = lattice.taps.iter().all(|t| t.1 == 0);
            assert_eq!(lattice.circle, Some(if constant { 1 } else { least }), "{axis:?}");
            let whole = Lattice::new(&axis, true).expect("the same");
            assert_eq!(whole.circle, constant.then_some(1), "{axis:?}");
        }
    }

    #[test]
    fn sizes_are_positive_and_not_too_large() {
        let one = ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs: 1, windows: 1 };
        for (n, valid) in [(0, false), (1, true), ((1 << 28) - 1, true), (1 << 28, false)] {
            assert_eq!(ConvAxis { taps: n, ..one }.is_valid(), valid);
            assert_eq!(ConvAxis { stride: n, ..one }.is_valid(), valid);
            assert_eq!(ConvAxis { dilation: n, ..one }.is_valid(), valid);
            assert_eq!(ConvAxis { inputs: n, ..one }.is_valid(), valid);
            assert_eq!(ConvAxis { windows: n, ..one }.is_valid(), valid);
            assert_eq!(ConvAxis { padding: n, ..one }.is_valid(), valid || n == 0);
        }
    }
}
