//! The products of a chain, some rows at a time, where all of them would take too much memory.
//!
//! Rows of `W~_(t,s)` are `x^T W~_(t,s)` for unit vectors `x`: starting with rows of `W_{t-1}`, a block of
//! them goes down through the transposed layers, `x <- W_{s-1}^T C_s x`, and passes by every `(t, s)` on
//! its way. The work is that of forming the products; what is kept is one block. Below a nonlinearity
//! without a centre (max-pooling) products are zero, so the block ends there; where the work would be too
//! much, it ends earlier ([`Spans`]).
//!
//! Where all layers on the way are convolutions and the centres are the same at all places of a channel, the
//! rows of most places are shifts of each other ([`Fields`]): then those of one place of each class go down,
//! with the columns in their receptive fields alone.

mod block;
mod spans;
mod transposed;

use ndarray::Array2;

use super::products::{Apply, ProductError};
use super::remaining::Counted;
use super::{Options, Refusal};
use crate::network::Chain;
use crate::numeric::conv_norm::fields::{ConvolutionMatrix, TransposedKernel};
use crate::numeric::rounding::{MIN_SUBNORMAL, add_up, gamma, max_up, mul_up};
use crate::numeric::{Matrix, Norm};
use block::{Block, GATHERED_ENTRIES, Rows};
pub use spans::Wanted;
use spans::{Shared, Spans, convolutions};

/// Entries of a block of rows that go down together: 64 MiB, or a few rows of a wide layer.
const BLOCK_ENTRIES: usize = 1 << 23;

/// How many rows of layer `t` go down together.
fn block_rows(chain: &Chain, spans: &Spans, t: usize) -> usize {
    (BLOCK_ENTRIES / widest(chain, spans, t).max(1)).max(16)
}

/// The most columns of a product with `t` as its end.
fn widest(chain: &Chain, spans: &Spans, t: usize) -> usize {
    spans.of(t).map(|s| chain.maps()[s].columns()).max().unwrap_or(0)
}

/// The bytes that the largest blocks take, before and behind a layer, with what a convolution gathers from
/// them, and matrices that are written out.
#[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
pub(super) fn bytes(chain: &Chain, options: &Options, rows: Wanted) -> f64 {
    let convolutions = convolutions(chain);
    let spans = Spans::new(chain, &convolutions, rows, options.product_work);
    let entries = |t: usize| match Shared::new(chain, &convolutions, spans.of(t), rows) {
        Some(shared) => shared.classes.largest_block() + GATHERED_ENTRIES / 4,
        None => {
            widest(chain, &spans, t) * block_rows(chain, &spans, t).min(chain.maps()[t - 1].rows())
        }
    };
    let block = (1..=chain.depth() + 1).map(entries).max().unwrap_or(0);
    let maps: usize = chain.maps().iter().map(|map| map.matrix.held_bytes()).sum();
    4.0 * 8.0 * block as f64 + 2.0 * maps as f64
}

/// The products of a chain, which are formed anew each time they are used.
pub struct Streamed<'a> {
    chain: &'a Chain,
    options: &'a Options,
    bound: &'static str,
    /// The transposed matrices of the maps.
    transposed: Vec<Matrix>,
    /// The maps that are convolutions.
    convolutions: Vec<Option<ConvolutionMatrix>>,
    /// The rows that are followed down.
    rows: Wanted,
    spans: Spans,
    /// Row `t - 1` holds the errors of `(t, 0) .. (t, t - 1)`.
    errors: Vec<Vec<ProductError>>,
}

impl<'a> Streamed<'a> {
    /// These rows of the products of `chain`; the options tell how much work they may take, when to stop and
    /// whom to tell how far the work is.
    pub fn new(
        chain: &'a Chain,
        options: &'a Options,
        bound: &'static str,
        rows: Wanted,
    ) -> Streamed<'a> {
        let convolutions = convolutions(chain);
        let spans = Spans::new(chain, &convolutions, rows, options.product_work);
        let transposed: Vec<Matrix> =
            chain.maps().iter().map(|map| map.matrix.transposed().dense_if_full()).collect();
        let steps: Vec<(f64, ProductError)> =
            (0..chain.depth()).map(|s| step(chain, s, &transposed[s])).collect();
        let errors = (1..=chain.depth() + 1).map(|t| {
            let mut row = vec![ProductError::NONE];
            for (growth, new) in steps[..t - 1].iter().rev() {
                row.push(row[row.len() - 1].extended(*growth, *new));
            }
            row.reverse();
            row
        });
        let errors = errors.collect();
        Streamed { chain, options, bound, transposed, convolutions, rows, spans, errors }
    }

    /// What is said where products end early, so that the value may go up to that of the bound named `above`.
    pub fn remark(&self, above: &str) -> Option<String> {
        self.spans.remark(self.bound, above)
    }

    /// Whether the work was done to its end.
    ///
    /// # Errors
    /// A refusal where it was stopped.
    pub fn finished(&self) -> Result<(), Refusal> {
        if !self.options.stop.is_set() {
            return Ok(());
        }
        Err(Refusal(format!("{} was stopped; k_star and k3 take less time", self.bound)))
    }

    /// Upper bounds of the norms, l1 or linf, of the computed products `(t, 0) .. (t, t - 1)`.
    ///
    /// # Errors
    /// A refusal where the work was stopped.
    pub fn norms_up(&self, t: usize, norm: Norm) -> Result<Vec<f64>, Refusal> {
        let mut norms = vec![0.0; t];
        let mut sums: Vec<Vec<f64>> = Vec::new();
        if norm == Norm::L1 {
            sums = self.chain.maps()[..t].iter().map(|map| vec![0.0; map.columns()]).collect();
        }
        self.for_blocks(t, |s, block| match sums.get_mut(s) {
            Some(sums) => block.add_column_sums_up(sums),
            None => norms[s] = max_up(norms[s], block.norm_linf_up()),
        });
        for (norm, sums) in norms.iter_mut().zip(&sums) {
            *norm = sums.iter().copied().fold(0.0, max_up);
        }
        self.finished().map(|()| norms)
    }

    /// Calls `use_block(s, block)` with blocks of rows of `P_(t,s)`, for all rows and all `s` for which the
    /// product is not zero; ends early where it is told to stop.
    fn for_blocks(&self, t: usize, mut use_block: impl FnMut(usize, &Block<'_>)) {
        let spans = self.spans.of(t);
        match Shared::new(self.chain, &self.convolutions, spans, self.rows) {
            Some(shared) if shared.classes.is_empty() => {}
            Some(shared) => self.for_classes(t, &shared, &mut use_block),
            None => self.for_rows(t, &mut use_block),
        }
    }

    fn for_rows(&self, t: usize, use_block: &mut dyn FnMut(usize, &Block<'_>)) {
        let matrix = &self.chain.maps()[t - 1].matrix;
        let mut order = matrix.rows_by_place();
        order.retain(|&row| self.rows.has(self.chain, t, row));
        let block = block_rows(self.chain, &self.spans, t);
        let below: Vec<usize> = self.spans.of(t).rev().skip(1).collect();
        // The memory of blocks that are done with.
        let mut spare: Vec<Vec<f64>> = Vec::new();
        let (bound, layers) = (self.bound, self.chain.depth() + 1);
        self.options.progress.say(|| format!("{bound}: layer {t} of {layers}"));
        // The blocks of a layer are of one size; the layers are not.
        let counted = Counted::new(&self.options.progress, order.len().div_ceil(block), 1);
        for rows in order.chunks(block) {
            if self.options.stop.is_set() {
                return;
            }
            let mut x = matrix.rows_as_columns(rows, spare.pop().unwrap_or_default());
            use_block(t - 1, &Block { x: x.view(), rows: Rows::Whole(rows) });
            for &s in &below {
                x = self.chain.slopes()[s].centre_transposed(x);
                let next = self.transposed[s].apply_in(x.view(), spare.pop().unwrap_or_default());
                spare.push(std::mem::replace(&mut x, next).into_raw_vec_and_offset().0);
                use_block(s, &Block { x: x.view(), rows: Rows::Whole(rows) });
            }
            spare.push(x.into_raw_vec_and_offset().0);
            counted.one_more(|share, left| {
                let end = if left.is_empty() { "" } else { " in this layer" };
                format!("{bound}: layer {t} of {layers}, {share}% of its rows{left}{end}")
            });
        }
    }

    #[expect(
        clippy::float_arithmetic,
        reason = "one rounding for each centre, which `step` counts"
    )]
    fn for_classes(&self, t: usize, shared: &Shared, use_block: &mut dyn FnMut(usize, &Block<'_>)) {
        // The memory of blocks that are done with.
        let mut spare: Vec<Vec<f64>> = Vec::new();
        let kernels: Vec<_> = shared.classes.maps().iter().map(TransposedKernel::new).collect();
        for (k, fields) in shared.classes.iter().enumerate() {
            if self.options.stop.is_set() {
                return;
            }
            // Classes at borders take less time than others, so no time is foretold.
            self.options.progress.say(|| {
                let (layers, done) = (self.chain.depth() + 1, 100 * k / shared.classes.count());
                format!("{}: layer {t} of {layers}, {done}% of its kinds of rows", self.bound)
            });
            let mut x = fields.first_rows(&kernels[0], spare.pop().unwrap_or_default());
            use_block(t - 1, &Block { x: x.view(), rows: Rows::Fields(&fields, 0) });
            let below = self.spans.of(t).rev().skip(1);
            for (step, (s, factors)) in below.zip(&shared.factors).enumerate() {
                for (mut row, c) in x.outer_iter_mut().zip(factors.iter().cycle()) {
                    row.mapv_inplace(|value| c * value);
                }
                let memory = spare.pop().unwrap_or_default();
                let next = fields.step(step + 1, &kernels[step + 1], x.view(), memory);
                spare.push(std::mem::replace(&mut x, next).into_raw_vec_and_offset().0);
                use_block(s, &Block { x: x.view(), rows: Rows::Fields(&fields, step + 1) });
            }
            spare.push(x.into_raw_vec_and_offset().0);
        }
    }
}

/// What the step `x <- W_s^T C x` adds to the error: by how much it makes absolute errors grow, and its own
/// (see [`super::products`]). One rounding for each term of `C^T x` and one dot product; what underflows
/// in `C^T x` is multiplied by `W_s^T`.
fn step(chain: &Chain, s: usize, transposed: &Matrix) -> (f64, ProductError) {
    let (map, slopes) = (&chain.maps()[s], &chain.slopes()[s]);
    let (size, terms) = (map.mantissa_norm_up(Norm::L1), slopes.centre_terms());
    let growth = mul_up(size, slopes.norms_up(Norm::L1).centre);
    #[expect(clippy::float_arithmetic, reason = "exact: integers times a power of two")]
    let (centring, product) =
        (terms as f64 * MIN_SUBNORMAL, transposed.terms() as f64 * MIN_SUBNORMAL);
    let error = ProductError {
        relative: gamma(transposed.terms() + terms),
        absolute: add_up(mul_up(size, centring), product),
    };
    (growth, error)
}

impl Apply for Streamed<'_> {
    fn error(&self, t: usize, s: usize) -> ProductError {
        self.errors[t - 1][s]
    }

    fn end(&self, t: usize) -> usize {
        self.spans.early_end(t)
    }

    fn add_up(&self, t: usize, cuts: &[(usize, Array2<f64>)], total: &mut Array2<f64>) {
        self.for_blocks(t, |s, block| {
            for (_, v) in cuts.iter().filter(|(start, _)| *start == s) {
                block.add_products_up(v.view(), total);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array4;

    use super::*;
    use crate::bounds::products::Products;
    use crate::network::layers::conv::{Conv, Geometry};
    use crate::network::layers::window::PerAxis;
    use crate::network::{Activation, Diagonal, Layer, LinearMap, Network, Slopes};

    #[test]
    fn a_step_counts_centres_and_sums() {
        // Centres of 1/2 and a map with l1 norm 3: sums of 3 terms, each rounded once in front of the map. What is lost
        // there grows by 3, and each of the 3 terms may lose as much.
        let map =
            |m: Array2<f64>| LinearMap { matrix: Matrix::dense(m), radius: None, exponent: 0 };
        let slopes = Slopes::Componentwise(Diagonal::new(vec![0.0; 3], vec![1.0; 3]));
        let maps = vec![map(Array2::ones((3, 2))), map(Array2::ones((1, 3)))];
        let chain = Chain::new(maps, vec![slopes]);
        let (growth, error) = step(&chain, 0, &chain.maps()[0].matrix.transposed());
        assert_eq!((growth, error.relative), (1.5, gamma(4)));
        assert!((6.0 * MIN_SUBNORMAL..=7.0 * MIN_SUBNORMAL).contains(&error.absolute));
    }

    #[test]
    fn rows_of_convolutions_are_shifts_of_each_other() {
        // Small integers and centres of 1/2: nothing is rounded, so both ways give the same numbers.
        let conv = |outputs: usize, inputs: usize| -> Arc<dyn Layer> {
            let entry = |(o, i, y, x): (usize, usize, usize, usize)| {
                ((3 * o + 5 * i + 7 * y + 2 * x + o * y) % 5) as f64 - 2.0
            };
            let weight = Array4::from_shape_fn((outputs, inputs, 3, 3), entry).into_dyn();
            let geometry =
                Geometry { padding: Some(PerAxis::All(1)), groups: 1, ..Geometry::default() };
            Arc::new(Conv::new(2, weight, None, &geometry).expect("a kernel"))
        };
        let relu = || -> Arc<dyn Layer> { Arc::new(Activation::Relu) };
        let layers = vec![conv(2, 1), relu(), conv(1, 2), relu(), conv(2, 1)];
        let network = Network::sequential("convolutions", vec![1, 5, 6], layers).expect("shapes");
        let chain = network.lower().expect("convolutions").chain;
        let (products, options) = (Products::new(&chain), Options::default());
        let streamed = Streamed::new(&chain, &options, "K5", Wanted::All);
        for t in 1..=chain.depth() + 1 {
            let (maps, spans) = (&streamed.convolutions, streamed.spans.of(t));
            assert!(Shared::new(&chain, maps, spans, Wanted::All).is_some());
            let block = |s: usize| {
                Array2::from_shape_fn((chain.maps()[s].columns(), 3), |(i, j)| {
                    ((i + 2 * j) % 4) as f64
                })
            };
            let cuts: Vec<_> = (0..t).map(|s| (s, block(s))).collect();
            let zeros = || Array2::<f64>::zeros((chain.maps()[t - 1].rows(), 3));
            let (mut kept, mut anew) = (zeros(), zeros());
            products.add_up(t, &cuts, &mut kept);
            streamed.add_up(t, &cuts, &mut anew);
            assert_eq!(anew, kept, "{t}");
            for norm in [Norm::L1, Norm::Linf] {
                let of = |s| match norm {
                    Norm::L1 => products.get(t, s).value.norm_l1_up(),
                    _ => products.get(t, s).value.norm_linf_up(),
                };
                let norms: Vec<f64> = (0..t).map(of).collect();
                assert_eq!(streamed.norms_up(t, norm).expect("not stopped"), norms, "{t} {norm}");
            }
        }
    }
}
