//! Receptive fields: which rows of a product of convolutions are shifts of each other.
//!
//! Row `(o, p)` of a product `W_{t-1} C ... W_s` of convolutions (or transposes of such) has entries in the
//! receptive field of the place `p` alone. Along an axis a place reaches the sources under its taps, each
//! of those reaches its own, and so on. Two places look alike if the same taps have a source, and if the two
//! sources under each of them look alike in the next map. Under one tap the sources of `p` and `p'` differ by
//! `stride (p' - p)` (by `(p' - p) / stride` for a transpose) whichever tap it is, so the field of `p'` is
//! that of `p` moved, map by map, and the entries are the same entries of the kernels, if the factors `C`
//! are the same at all places of a channel. Places look alike in two dimensions if they do along both axes.
//!
//! So the rows of one place of each class, followed down within its fields, are those of all places. The
//! sums of products are the same for all of them, so a bound of the rounding errors of one row holds for
//! its copies.

mod kernel;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::gather::Side;
use super::{ConvAxis, Convolution};
use crate::numeric::product::{multiply_into, zeros};
use crate::numeric::rounding::upper;
use kernel::Piece;
pub use kernel::TransposedKernel;

/// The matrix of a convolution, or its transpose.
#[derive(Debug, Clone)]
pub struct ConvolutionMatrix {
    /// The convolution.
    pub convolution: Convolution,
    /// Whether the matrix is its transpose.
    pub transposed: bool,
}

/// Places whose rows of a product of convolutions are shifts of each other.
#[derive(Debug)]
pub struct Fields {
    /// From the last map of the product down.
    steps: Vec<Step>,
    places: Vec<Place>,
    /// The channels of the rows, and their height and width.
    rows: Side,
    /// The channels whose rows are wanted.
    channels: Arc<[usize]>,
}

/// The way from the field of the rows of a map, of the first place, to the field of its columns.
#[derive(Debug)]
struct Step {
    /// The channels of the columns, and their height and width.
    columns: Side,
    /// The height and width of the field.
    field: [usize; 2],
    /// For each element of the field, the elements of the field before that a tap joins with it, and the tap.
    joined: Vec<Vec<(usize, usize)>>,
}

/// A place with its fields.
#[derive(Debug)]
pub struct Place {
    index: usize,
    /// The first element of the field within a channel, for each step.
    corners: Vec<usize>,
}

/// The classes of places of a product of convolutions.
#[derive(Debug)]
pub struct Classes {
    /// The last map of the product comes first.
    maps: Vec<ConvolutionMatrix>,
    vertical: Vec<Vec<AxisPlace>>,
    horizontal: Vec<Vec<AxisPlace>>,
    /// The channels whose rows are wanted.
    channels: Arc<[usize]>,
}

impl Classes {
    /// The classes of places of `maps[0] maps[1] ...` (the last map of a product comes first); `None` where the
    /// shapes do not follow one another, or the rows of a place are zero.
    pub fn new(maps: Vec<ConvolutionMatrix>) -> Option<Classes> {
        let fits = |pair: &[ConvolutionMatrix]| pair[0].side(true) == pair[1].side(false);
        if maps.is_empty() || !maps.windows(2).all(fits) {
            return None;
        }
        let axis = |k: usize| {
            let axes: Vec<_> = maps.iter().map(|m| (m.convolution.axes[k], m.transposed)).collect();
            alike(&axes)
        };
        let (vertical, horizontal) = (axis(0)?, axis(1)?);
        let channels = (0..maps[0].side(false).channels).collect();
        Some(Classes { maps, vertical, horizontal, channels })
    }

    /// The same for the rows of some channels only.
    pub fn with_channels(self, channels: Vec<usize>) -> Classes {
        Classes { channels: channels.into(), ..self }
    }

    /// The maps, the last one of the product first.
    pub fn maps(&self) -> &[ConvolutionMatrix] {
        &self.maps
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.vertical.len() * self.horizontal.len()
    }

    /// Whether no rows are wanted.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// The classes, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Fields> + '_ {
        let pairs = self.vertical.iter().flat_map(|v| self.horizontal.iter().map(move |h| (v, h)));
        pairs.map(|(v, h)| Fields::new(self, v, h))
    }

    /// The most entries of a block of rows behind a step.
    pub fn largest_block(&self) -> usize {
        let longest = |along: &[Vec<AxisPlace>], step: usize| {
            along.iter().map(|class| class[0][step + 1].len()).max().unwrap_or(0)
        };
        let entries = |(step, map): (usize, &ConvolutionMatrix)| {
            let field = longest(&self.vertical, step) * longest(&self.horizontal, step);
            field * map.side(true).channels * self.channels.len()
        };
        self.maps.iter().enumerate().map(entries).max().unwrap_or(0)
    }

    /// The multiplications that [`Fields::step`] does for the rows of all classes.
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    pub fn work(&self) -> f64 {
        let joined = |along: &[Vec<AxisPlace>], k: usize, step: usize| -> usize {
            let map = &self.maps[step];
            let axis = &map.convolution.axes[k];
            let of = |class: &Vec<AxisPlace>| {
                let pairs = joined(axis, map.transposed, &class[0][step], &class[0][step + 1]);
                pairs.iter().map(Vec::len).sum::<usize>()
            };
            along.iter().map(of).sum()
        };
        let of_step = |(step, map): (usize, &ConvolutionMatrix)| {
            // The entries of a tap, on average.
            let entries = map.convolution.kernel.iter().filter(|&&x| x != 0.0).count();
            let per_tap = entries as f64 / map.convolution.taps() as f64;
            let taps = joined(&self.vertical, 0, step) * joined(&self.horizontal, 1, step);
            taps as f64 * per_tap * self.channels.len() as f64
        };
        // The first step only copies entries.
        self.maps.iter().enumerate().skip(1).map(of_step).sum()
    }
}

impl Fields {
    fn new(classes: &Classes, vertical: &[AxisPlace], horizontal: &[AxisPlace]) -> Fields {
        let maps = classes.maps();
        let rows = maps[0].side(false);
        let place = |v: &AxisPlace, h: &AxisPlace| {
            let corner = |(k, map): (usize, &ConvolutionMatrix)| {
                v[k + 1].start * map.side(true).width + h[k + 1].start
            };
            Place {
                index: v[0].start * rows.width + h[0].start,
                corners: maps.iter().enumerate().map(corner).collect(),
            }
        };
        let places = vertical.iter().flat_map(|v| horizontal.iter().map(move |h| place(v, h)));
        let places = places.collect();
        let step = |(k, map): (usize, &ConvolutionMatrix)| {
            let along = [&vertical[0], &horizontal[0]].map(|place| &place[k..k + 2]);
            let of_axis = |axis: usize| {
                let [rows, columns] = [&along[axis][0], &along[axis][1]];
                joined(&map.convolution.axes[axis], map.transposed, rows, columns)
            };
            let (vertical, horizontal) = (of_axis(0), of_axis(1));
            let (across, taps) = (along[1][0].len(), map.convolution.axes[1].taps);
            let pairs = |v: &[(usize, usize)], h: &[(usize, usize)]| {
                let pair = |&(y, a): &(usize, usize)| {
                    h.iter().map(move |&(x, b)| (y * across + x, a * taps + b))
                };
                v.iter().flat_map(pair).collect()
            };
            let joined = vertical.iter().flat_map(|v| horizontal.iter().map(|h| pairs(v, h)));
            let joined = joined.collect();
            Step { columns: map.side(true), field: [along[0][1].len(), along[1][1].len()], joined }
        };
        let steps = maps.iter().enumerate().map(step).collect();
        Fields { steps, places, rows, channels: classes.channels.clone() }
    }

    /// The places of the class; the first one is that whose rows are computed.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The rows at a place: one for each channel that is wanted.
    pub fn rows(&self, place: &Place) -> impl Iterator<Item = usize> + '_ {
        let (index, plane) = (place.index, self.rows.height * self.rows.width);
        self.channels.iter().map(move |channel| channel * plane + index)
    }

    /// The columns of the product that ends with map `step` which lie in the field of a place: for each of its
    /// elements, those of all channels.
    pub fn columns(&self, step: usize, place: &Place) -> impl Iterator<Item = usize> + '_ {
        let Step { columns: Side { channels, height, width }, field, .. } = self.steps[step];
        let (corner, [rows, across]) = (place.corners[step], field);
        let elements = (0..rows).flat_map(move |y| (0..across).map(move |x| y * width + x));
        elements.flat_map(move |element| {
            (0..channels).map(move |channel| channel * height * width + corner + element)
        })
    }

    /// The entries of a block of rows behind a step: the columns in the field times the channels.
    #[cfg(test)]
    fn entries(&self, step: usize) -> usize {
        let Step { columns, joined, .. } = &self.steps[step];
        joined.len() * columns.channels * self.channels.len()
    }

    /// The rows of the last map, with this kernel, at the first place, as columns: columns in the field x
    /// channels.
    pub fn first_rows(&self, kernel: &TransposedKernel, memory: Vec<f64>) -> Array2<f64> {
        let mut units = Array2::zeros((self.rows.channels, self.channels.len()));
        self.channels.iter().enumerate().for_each(|(k, &channel)| units[[channel, k]] = 1.0);
        self.step(0, kernel, units.view(), memory)
    }

    /// `W^T x` for the map of a step, with this kernel, `x` being a block of rows, as columns, behind the step
    /// before: columns in the field x channels, with rounding to nearest. The result takes the place of what is in
    /// `memory`.
    pub fn step(
        &self,
        step: usize,
        kernel: &TransposedKernel,
        x: ArrayView2<'_, f64>,
        memory: Vec<f64>,
    ) -> Array2<f64> {
        let Step { columns, joined, .. } = &self.steps[step];
        let mut y = zeros((joined.len() * columns.channels, x.ncols()), memory);
        let targets = y.axis_chunks_iter_mut(Axis(0), columns.channels.max(1));
        targets.into_par_iter().zip(joined).for_each(|(mut y, joined)| {
            for &(source, tap) in joined {
                let first = source * kernel.rows;
                for Piece { row, column, entries } in &kernel.taps[tap] {
                    let from = first + row;
                    multiply_into(
                        y.slice_mut(s![*column..column + entries.nrows(), ..]),
                        entries.view(),
                        x.slice(s![from..from + entries.ncols(), ..]),
                        true,
                    );
                }
            }
            y.mapv_inplace(upper);
        });
        y
    }
}

impl ConvolutionMatrix {
    /// All channels of the columns, or of the rows.
    fn side(&self, columns: bool) -> Side {
        let side = self.convolution.side(columns != self.transposed);
        Side { channels: side.channels * self.convolution.groups, ..side }
    }

    /// The number of neighbouring columns that belong to one channel.
    pub fn columns_of_channel(&self) -> usize {
        self.convolution.channel_size(!self.transposed)
    }

    /// The number of neighbouring rows that belong to one channel.
    pub fn rows_of_channel(&self) -> usize {
        self.convolution.channel_size(self.transposed)
    }

    /// Marks the columns of all channels that lie under the places of these rows.
    pub fn reach(&self, rows: &[usize], reached: &mut [bool]) {
        let [above, below] = [self.side(false), self.side(true)];
        let (plane, of_channel) = (above.height * above.width, below.height * below.width);
        let mut places = vec![false; plane];
        rows.iter().for_each(|row| places[row % plane] = true);
        for place in (0..plane).filter(|&place| places[place]) {
            let [vertical, horizontal] = &self.convolution.axes;
            for (y, _) in vertical.sources(self.transposed, place / above.width) {
                for (x, _) in horizontal.sources(self.transposed, place % above.width) {
                    reached[y * below.width + x] = true;
                }
            }
        }
        for channel in 1..below.channels {
            reached.copy_within(..of_channel, channel * of_channel);
        }
    }

    /// The transpose.
    pub fn into_transposed(self) -> ConvolutionMatrix {
        ConvolutionMatrix { transposed: !self.transposed, ..self }
    }

    /// The identity from the left.
    pub fn identity(&self) -> ConvolutionMatrix {
        let Side { channels, height, width } = self.side(false);
        let kernel = Array2::eye(channels).insert_axis(Axis(2)).insert_axis(Axis(3));
        let axes = [height, width].map(|n| ConvAxis {
            taps: 1,
            stride: 1,
            dilation: 1,
            padding: 0,
            inputs: n,
            windows: n,
        });
        let convolution = Convolution { kernel: Arc::new(kernel), groups: 1, axes, exponent: 0 };
        ConvolutionMatrix { convolution, transposed: false }
    }
}

/// A place along an axis, as a range, and the range of its field behind each map.
type AxisPlace = Vec<Range<usize>>;

/// The classes of places along an axis that look alike; `None` where a field is empty.
fn alike(axes: &[(ConvAxis, bool)]) -> Option<Vec<Vec<AxisPlace>>> {
    // From the first map up: of each place the taps with a source, and the class of that source.
    let mut below: Vec<usize> = Vec::new();
    for (axis, transposed) in axes.iter().rev() {
        let mut known: BTreeMap<Vec<(usize, usize)>, usize> = BTreeMap::new();
        let count = if *transposed { axis.inputs } else { axis.windows };
        let mut class = |place: usize| {
            let sources = axis.sources(*transposed, place).into_iter();
            let of = |(source, tap)| (tap, below.get(source).copied().unwrap_or(0));
            let next = known.len();
            *known.entry(sources.map(of).collect()).or_insert(next)
        };
        below = (0..count).map(&mut class).collect();
    }
    let mut classes: BTreeMap<usize, Vec<AxisPlace>> = BTreeMap::new();
    for (place, class) in below.into_iter().enumerate() {
        let mut reached = BTreeSet::from([place]);
        let mut fields: AxisPlace = std::iter::once(place..place + 1).collect();
        for (axis, transposed) in axes {
            let sources = |p: &usize| axis.sources(*transposed, *p).into_iter().map(|(q, _)| q);
            reached = reached.iter().flat_map(sources).collect();
            fields.push(*reached.first()?..*reached.last()? + 1);
        }
        classes.entry(class).or_default().push(fields);
    }
    Some(classes.into_values().collect())
}

/// For each element of `columns`, the elements of `rows` that a tap joins with it, counted from the first of
/// each, and the tap.
fn joined(
    axis: &ConvAxis,
    transposed: bool,
    rows: &Range<usize>,
    columns: &Range<usize>,
) -> Vec<Vec<(usize, usize)>> {
    let inside = |&(row, _): &(usize, usize)| rows.contains(&row);
    let of = |column: usize| axis.sources(!transposed, column).into_iter().filter(inside);
    columns.clone().map(|c| of(c).map(|(row, tap)| (row - rows.start, tap)).collect()).collect()
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
