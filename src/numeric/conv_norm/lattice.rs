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
