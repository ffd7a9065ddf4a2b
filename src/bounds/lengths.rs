//! Euclidean lengths of the columns or rows of all Jacobians, each bounded as K1 bounds their norm in l2.

use super::{Problem, Refusal};
use crate::numeric::Norm;
use crate::numeric::rounding::{add_up, mul_up, sqrt_up};

/// Upper bounds of the lengths of the columns of every Jacobian where `norm` is l1, of its rows where it is linf, without
/// the powers of two of the maps.
///
/// Column `j` of a product of matrices is a product of matrices and one column, so in the sum over all ways to cut the
/// length of column `j` of the product that begins at the inputs takes the place of its norm (K1, Combettes and Pesquet,
/// Theorem 4.2). Rows are columns of the transposed chain.
///
/// # Errors
/// As [`Problem::products`].
pub(super) fn lengths_up(problem: &Problem, norm: Norm) -> Result<Vec<f64>, Refusal> {
    let (norms, products) = (problem.product_norms_l2()?, problem.products()?);
    let slopes = problem.chain().slopes();
    let last = slopes.len() + 1;
    let radius = |layer: usize| slopes[layer - 1].norms_up(Norm::L2).radius;
    let lengths = |t, s| norms.lengths_up(products, (t, s), norm);
    Ok(match norm {
        Norm::L1 => along_up(last, |t| lengths(t, 0), |t, s| norms.get(t, s), radius),
        Norm::L2 | Norm::Linf => along_up(
            last,
            |t| lengths(last, last - t),
            |t, s| norms.get(last - s, last - t),
            |layer| radius(last - layer),
        ),
    })
}

/// An upper bound of the sum of the absolute values of a column or row of `count` numbers, given one of its length:
/// `sqrt(count)` times that (Cauchy and Schwarz).
pub(super) fn sum_of_absolute_values_up(count: usize, length: f64) -> f64 {
    mul_up(sqrt_up(count as f64), length)
}

/// `c_last`, where `c_t = ends(t) + sum over 0 < s < t of norm(t, s) radius(s) c_s`, entry by entry.
fn along_up(
    last: usize,
    ends: impl Fn(usize) -> Vec<f64>,
    norm: impl Fn(usize, usize) -> f64,
    radius: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let mut behind_cuts: Vec<Vec<f64>> = Vec::new();
    for t in 1..last {
        let c = with_cuts_up(ends(t), &behind_cuts, |s| norm(t, s));
        behind_cuts.push(c.into_iter().map(|c| mul_up(radius(t), c)).collect());
    }
    with_cuts_up(ends(last), &behind_cuts, |s| norm(last, s))
}

/// `c + sum over s of norm(s)` times what is behind the cut `s`.
fn with_cuts_up(
    mut c: Vec<f64>,
    behind_cuts: &[Vec<f64>],
    norm: impl Fn(usize) -> f64,
) -> Vec<f64> {
    for (s, behind) in (1..).zip(behind_cuts) {
        let factor = norm(s);
        c.iter_mut().zip(behind).for_each(|(c, &b)| *c = add_up(*c, mul_up(factor, b)));
    }
    c
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::bounds::networks_for_tests::relu_problem;
    use crate::numeric::decompose::thin_svd;

    fn lengths(a: &Array2<f64>, norm: Norm) -> Vec<f64> {
        let axis = Axis(usize::from(norm != Norm::L1));
        a.map_axis(axis, |line| line.dot(&line).sqrt()).to_vec()
    }

    /// The sum over all subsets of the hidden layers, as it is defined.
    fn definition(maps: &[Array2<f64>], norm: Norm) -> Vec<f64> {
        let hidden = maps.len() - 1;
        let product =
            |t: usize, s: usize| maps[s + 1..t].iter().fold(maps[s].clone(), |p, w| w.dot(&p));
        let spectral = |a: &Array2<f64>| thin_svd(a.view()).expect("converges").1[0];
        let mut sums = Vec::new();
        for subset in 0..1u32 << hidden {
            let mut cuts = vec![0];
            cuts.extend((1..=hidden).filter(|r| subset >> (r - 1) & 1 == 1));
            cuts.push(hidden + 1);
            let mut factors: Vec<Array2<f64>> =
                cuts.windows(2).map(|c| product(c[1], c[0])).collect();
            let end =
                if norm == Norm::L1 { factors.remove(0) } else { factors.pop().expect("one") };
            let rest: f64 = factors.iter().map(spectral).product();
            let term = lengths(&end, norm).into_iter().map(|x| x * rest / 2f64.powi(hidden as i32));
            let term: Vec<f64> = term.collect();
            sums.resize(term.len(), 0.0);
            sums.iter_mut().zip(term).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    #[test]
    fn they_are_those_of_the_definition_and_hold_for_every_jacobian() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for widths in [vec![3, 2], vec![3, 4, 2], vec![2, 3, 4, 3], vec![4, 3, 2, 3, 5]] {
            let maps: Vec<Array2<f64>> = widths
                .windows(2)
                .map(|w| Array2::from_shape_simple_fn((w[1], w[0]), || rng.random_range(-1.0..1.0)))
                .collect();
            let problem = relu_problem(maps.clone());
            for norm in [Norm::L1, Norm::Linf] {
                let found = lengths_up(&problem, norm).expect("small");
                let found: Vec<f64> = found.into_iter().map(|x| problem.scaled_up(x)).collect();
                let exact = definition(&maps, norm);
                assert_eq!(found.len(), exact.len());
                for (found, exact) in found.iter().zip(exact) {
                    // Norms in l2 have margins of 64 * 4 u and below, up to four of them are multiplied.
                    assert!(
                        (exact * (1.0 - 1e-14)..exact * (1.0 + 1e-12)).contains(found),
                        "{found} {exact}"
                    );
                }
                for _ in 0..50 {
                    let mut jacobian = maps[0].clone();
                    for w in &maps[1..] {
                        jacobian
                            .rows_mut()
                            .into_iter()
                            .for_each(|mut row| row *= f64::from(rng.random_range(0u8..2)));
                        jacobian = w.dot(&jacobian);
                    }
                    for (length, bound) in lengths(&jacobian, norm).into_iter().zip(&found) {
                        assert!(length <= bound * (1.0 + 1e-14), "{norm}: {length} {bound}");
                    }
                }
            }
        }
    }
}
