//! K5 in l1 behind max-poolings (see [`super::super::pool_hull`]): the column that is largest, backwards.

use ndarray::{Array1, Axis};

use super::backward::{signed_outer, through_products};
use super::extremal::{first_largest, unit};
use super::slopes::{Taken, sign};
use super::{Computed, Derivatives, in_order};
use crate::bounds::problem::Oriented;
use crate::bounds::products::Products;
use crate::bounds::{Problem, pool_hull};
use crate::network::{Chain, Slopes, Windows};
use crate::numeric::{Csr, Matrix, Norm};

/// K5 in l1 with its derivatives.
pub fn k5(problem: &Problem, oriented: &Oriented<'_>) -> Computed {
    let (chain, products) = (oriented.chain, oriented.products()?);
    let block = oriented.pushed(Norm::L1, |start| pool_hull::entries_up(chain, products, start));
    let sums = block.sum_axis(Axis(0));
    let column = first_largest(sums.iter().copied());
    let hull = Column::forward(chain, products, unit(chain.inputs(), column).column(0).to_owned());
    let (maps, slopes) = hull.backward();
    Ok(in_order(problem, oriented, Derivatives { value: sums[column], maps, slopes }))
}

/// What is known of one column at each stage.
struct Column<'a> {
    chain: &'a Chain,
    products: &'a Products,
    /// For each stage `0 ..= l` the signed centre that is given there: at 0 and behind poolings.
    centres: Vec<Option<Array1<f64>>>,
    /// The errors that begin there.
    errors: Vec<Option<Array1<f64>>>,
    /// For each layer `1 ..= l + 1` the last stage before it with a centre.
    given: Vec<usize>,
    /// The centre and the error that come out of it.
    out: Vec<(Array1<f64>, Array1<f64>)>,
}

impl<'a> Column<'a> {
    fn forward(chain: &'a Chain, products: &'a Products, start: Array1<f64>) -> Column<'a> {
        let mut column = Column {
            chain,
            products,
            centres: vec![Some(start)],
            errors: vec![None],
            given: Vec::new(),
            out: Vec::new(),
        };
        let mut at = 0;
        for t in 1..=chain.depth() + 1 {
            let (z, e) = column.advance(t, at);
            column.given.push(at);
            match chain.slopes().get(t - 1) {
                Some(Slopes::Pool(windows)) => {
                    let (centre, radius) = hulls(windows, &z, &e);
                    column.centres.push(Some(centre));
                    column.errors.push(Some(radius));
                    at = t;
                }
                Some(Slopes::Componentwise(d)) => {
                    let size = z.mapv(f64::abs) + &e;
                    let radius = size.iter().zip(d.radius()).map(|(m, r)| m * r).collect();
                    column.centres.push(None);
                    column.errors.push(Some(radius));
                }
                None => {}
            }
            column.out.push((z, e));
        }
        column
    }

    /// The centre and the error behind layer `t`, from those given at `at` on.
    fn advance(&self, t: usize, at: usize) -> (Array1<f64>, Array1<f64>) {
        let rows = self.chain.maps()[t - 1].rows();
        let (mut z, mut e) = (Array1::zeros(rows), Array1::zeros(rows));
        for s in at..t {
            let product = &self.products.get(t, s).value;
            if let Some(centre) = self.centres[s].as_ref().filter(|_| s == at) {
                z += &times(product, centre);
            }
            if let Some(error) = &self.errors[s] {
                e += &times(&product.abs(), error);
            }
        }
        (z, e)
    }

    fn backward(&self) -> (Vec<Matrix>, Vec<Taken>) {
        let depth = self.chain.depth();
        let zeros = |x: &Option<Array1<f64>>| x.as_ref().map(|x| Array1::zeros(x.len()));
        let mut centres: Vec<Option<Array1<f64>>> = self.centres.iter().map(zeros).collect();
        let mut errors: Vec<Option<Array1<f64>>> = self.errors.iter().map(zeros).collect();
        // The derivatives with respect to what comes out of each layer, from the last to the first.
        let mut layers: Vec<(Array1<f64>, Array1<f64>)> = Vec::with_capacity(depth + 1);
        let mut radii: Vec<Vec<f64>> = vec![Vec::new(); depth];
        for t in (1..=depth + 1).rev() {
            let (z, e) = &self.out[t - 1];
            let size = |m: Array1<f64>| (&m * &z.mapv(sign), m);
            let (dz, de) = match self.chain.slopes().get(t - 1) {
                None => size(Array1::ones(z.len())),
                Some(slopes) => {
                    let error = errors[t].take().unwrap_or_default();
                    match slopes {
                        Slopes::Componentwise(d) => {
                            radii[t - 1] = (&error * &(z.mapv(f64::abs) + e)).to_vec();
                            size(error.iter().zip(d.radius()).map(|(x, r)| x * r).collect())
                        }
                        Slopes::Pool(windows) => {
                            let centre = centres[t].take().unwrap_or_default();
                            through_hulls(windows, (z, e), (&centre, &error))
                        }
                    }
                }
            };
            let at = self.given[t - 1];
            for s in at..t {
                let back = self.products.get(t, s).value.transposed();
                if let Some(centre) = centres[s].as_mut().filter(|_| s == at) {
                    *centre += &times(&back, &dz);
                }
                if let Some(error) = &mut errors[s] {
                    *error += &times(&back.abs(), &de);
                }
            }
            layers.push((dz, de));
        }
        let (maps, mut slopes) = through_products(self.chain, self.products, |t, s| {
            let product = &self.products.get(t, s).value;
            let (dz, de) = &layers[depth + 1 - t];
            let at = self.given[t - 1];
            let centre = self.centres[s].as_ref().filter(|_| s == at);
            let error = self.errors[s]
                .as_ref()
                .filter(|_| s >= at)
                .map(|error| signed_outer(product, column(de).view(), column(error).view()));
            let linear = centre.map(|centre| outer(dz, centre));
            match (linear, error) {
                (Some(a), Some(b)) => a.sum_up(&b),
                (a, b) => a.or(b).unwrap_or_else(|| {
                    Matrix::sparse(Csr::from_rows(product.rows(), product.columns(), |_, _| ()))
                }),
            }
        });
        slopes.iter_mut().zip(radii).for_each(|(taken, radius)| taken.radius = radius);
        (maps, slopes)
    }
}

/// Midpoints and half-widths of the hulls of `[z - e, z + e]` over each window.
fn hulls(windows: &Windows, z: &Array1<f64>, e: &Array1<f64>) -> (Array1<f64>, Array1<f64>) {
    let ends = |i: usize| {
        let (low, high) = extremes(windows, i, z, e);
        (z[low] - e[low], z[high] + e[high])
    };
    let ends: Vec<(f64, f64)> = (0..windows.count()).map(ends).collect();
    let centre = ends.iter().map(|(low, high)| low / 2.0 + high / 2.0).collect();
    (centre, ends.iter().map(|(low, high)| high / 2.0 - low / 2.0).collect())
}

/// The first elements of window `i` with the least lower and the largest upper end.
fn extremes(windows: &Windows, i: usize, z: &Array1<f64>, e: &Array1<f64>) -> (usize, usize) {
    let members: Vec<usize> = windows.window(i).collect();
    let low = first_largest(members.iter().map(|&j| e[j] - z[j]));
    let high = first_largest(members.iter().map(|&j| z[j] + e[j]));
    (members[low], members[high])
}

/// Derivatives with respect to [`hulls`] as derivatives with respect to `z` and `e`.
fn through_hulls(
    windows: &Windows,
    (z, e): (&Array1<f64>, &Array1<f64>),
    (centre, radius): (&Array1<f64>, &Array1<f64>),
) -> (Array1<f64>, Array1<f64>) {
    let (mut dz, mut de) = (Array1::zeros(z.len()), Array1::zeros(z.len()));
    for i in 0..windows.count() {
        let (low, high) = extremes(windows, i, z, e);
        let (lower, upper) = ((centre[i] - radius[i]) / 2.0, (centre[i] + radius[i]) / 2.0);
        dz[low] += lower;
        de[low] -= lower;
        dz[high] += upper;
        de[high] += upper;
    }
    (dz, de)
}

fn times(a: &Matrix, x: &Array1<f64>) -> Array1<f64> {
    a.apply(column(x).view()).column(0).to_owned()
}

fn column(x: &Array1<f64>) -> ndarray::Array2<f64> {
    x.clone().insert_axis(Axis(1))
}

/// `a b^T`, of which only the rows and columns that are not zero are held.
fn outer(a: &Array1<f64>, b: &Array1<f64>) -> Matrix {
    Matrix::sparse(Csr::from_rows(a.len(), b.len(), |i, push| {
        if a[i] != 0.0 {
            b.iter().enumerate().for_each(|(j, &b)| push(j, a[i] * b));
        }
    }))
}
