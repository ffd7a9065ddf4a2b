//! The bounds by their definitions, in exact arithmetic: sums over all 2^l subsets, and all 2^N slopes.

use std::cell::OnceCell;

use lipbound::network::{Chain, Slopes};
use lipbound::numeric::Norm;
use ndarray::Array2;

pub use super::dyadic::Dyadic;
pub use super::exact_matrix::{Enclosure, Exact};

/// The slopes of a neuron: the ends of their interval, its centre and its radius.
pub struct Interval {
    pub alpha: Dyadic,
    pub beta: Dyadic,
    centre: Dyadic,
    radius: Dyadic,
}

impl Interval {
    pub fn new(alpha: f64, beta: f64) -> Interval {
        let (alpha, beta) = (Dyadic::of(alpha), Dyadic::of(beta));
        let (centre, radius) = (beta.plus(&alpha).scaled(-1), beta.minus(&alpha).scaled(-1));
        Interval { alpha, beta, centre, radius }
    }

    fn magnitude(&self) -> Dyadic {
        self.alpha.abs().max(self.beta.abs())
    }
}

/// A chain in exact arithmetic.
pub struct Oracle {
    maps: Vec<Exact>,
    slopes: Vec<Vec<Interval>>,
    absolute_products: OnceCell<Vec<Exact>>,
    vertices: OnceCell<Vec<Exact>>,
}

impl Oracle {
    /// The oracle of a chain, which must hold its weights as they are stored.
    pub fn new(chain: &Chain) -> Oracle {
        let map = |r: usize| {
            let map = &chain.maps()[r];
            assert!(map.radius.is_none());
            Exact::of(&map.matrix.to_dense()).map(|_, x| x.scaled(map.exponent as isize))
        };
        Oracle::of((0..=chain.depth()).map(map).collect(), chain)
    }

    /// The oracle of the slopes of a chain for maps with exactly these entries.
    pub fn with_weights(chain: &Chain, weights: &[Array2<f64>]) -> Oracle {
        assert_eq!(chain.depth() + 1, weights.len());
        Oracle::of(weights.iter().map(Exact::of).collect(), chain)
    }

    /// The oracle of the slopes of a chain for these maps.
    pub fn of(maps: Vec<Exact>, chain: &Chain) -> Oracle {
        let slopes = intervals(chain);
        Oracle { maps, slopes, absolute_products: OnceCell::new(), vertices: OnceCell::new() }
    }

    fn depth(&self) -> usize {
        self.slopes.len()
    }

    /// `W_{t-1} C_{t-1} ... C_{s+1} W_s`.
    pub fn product(&self, t: usize, s: usize) -> Exact {
        (s + 1..t).fold(self.maps[s].clone(), |p, r| {
            self.maps[r].multiply(&p.map(|i, x| self.slopes[r - 1][i].centre.times(x)))
        })
    }

    /// The products of all pairs `s < t`, by `t`, then `s`.
    fn products<T>(&self, f: impl Fn(Exact) -> T) -> Vec<Vec<T>> {
        let row = |t: usize| (0..t).map(|s| f(self.product(t, s))).collect();
        (0..=self.depth() + 1).map(row).collect()
    }

    /// The cuts of every subset: 0, the elements of the subset, l + 1.
    fn subsets(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        let l = self.depth();
        (0..1usize << l).map(move |mask| {
            let inner = (1..=l).filter(|r| mask >> (r - 1) & 1 == 1);
            std::iter::once(0).chain(inner).chain([l + 1]).collect()
        })
    }

    /// `R_r |p|` of the rows that a cut multiplies; nothing at the output.
    fn cut(&self, r: usize, p: Exact) -> Exact {
        if r > self.depth() { p } else { p.map(|i, x| self.slopes[r - 1][i].radius.times(x)) }
    }

    /// The products of absolute values of every subset, as in K4 and K5.
    fn absolute_products(&self) -> &[Exact] {
        self.absolute_products.get_or_init(|| {
            let parts = self.products(|p| p.abs());
            let product = |cuts: Vec<usize>| {
                let first = self.cut(cuts[1], parts[cuts[1]][0].clone());
                let rest = cuts.windows(2).skip(1);
                rest.fold(first, |p, w| self.cut(w[1], parts[w[1]][w[0]].multiply(&p)))
            };
            self.subsets().map(product).collect()
        })
    }

    /// The largest of a number of each neuron in a layer.
    fn largest(&self, r: usize, f: impl Fn(&Interval) -> Dyadic) -> Enclosure {
        Enclosure::of(self.slopes[r].iter().map(f).fold(Dyadic::ZERO, Dyadic::max))
    }

    /// The value of a bound by its definition; `None` where it has none in these numbers.
    pub fn bound(&self, id: &str, norm: Norm) -> Option<Enclosure> {
        let one = Enclosure::of(Dyadic::ONE);
        let zero = Enclosure::of(Dyadic::ZERO);
        Some(match id {
            "k_star" => {
                let maps = self.maps.iter().map(|w| w.norm(norm));
                let slopes = (0..self.depth()).map(|r| self.largest(r, Interval::magnitude));
                maps.chain(slopes).fold(one, |a, b| a.times(&b))
            }
            "k1" => {
                let norms = self.products(|p| p.norm(norm));
                let radii: Vec<Enclosure> =
                    (0..self.depth()).map(|r| self.largest(r, |s| s.radius.clone())).collect();
                let term = |cuts: Vec<usize>| {
                    cuts.windows(2).fold(one.clone(), |p, w| {
                        let p = p.times(&norms[w[1]][w[0]]);
                        radii.get(w[1] - 1).map_or(p.clone(), |radius| p.times(radius))
                    })
                };
                self.subsets().map(term).fold(zero, |sum, t| sum.plus(&t))
            }
            "k3" => self.product_of_absolute_values().norm(norm),
            "k4" => {
                let norms = self.absolute_products().iter().map(|p| p.norm(norm));
                norms.fold(zero, |sum, t| sum.plus(&t))
            }
            "k5" => self.sum_of_products().norm(norm),
            "k" => largest_norm(self.vertices(), norm),
            _ => return None,
        })
    }

    /// The matrix of K5.
    pub fn sum_of_products(&self) -> Exact {
        let products = self.absolute_products().iter().cloned();
        products.reduce(|a, b| a.plus(&b)).expect("the empty subset")
    }

    /// The matrix of K3.
    pub fn product_of_absolute_values(&self) -> Exact {
        (1..=self.depth()).fold(self.maps[0].abs(), |p, r| {
            let scaled = p.map(|i, x| self.slopes[r - 1][i].magnitude().times(x));
            self.maps[r].abs().multiply(&scaled)
        })
    }

    /// All matrices `W_l D_l ... W_0` with slopes at the ends of their intervals.
    pub fn vertices(&self) -> &[Exact] {
        self.vertices.get_or_init(|| {
            let layers = self.slopes.iter().zip(&self.maps[1..]);
            layers.fold(vec![self.maps[0].clone()], |states, (layer, map)| {
                let choices = choices(layer);
                let next = |state: &Exact| {
                    let vertex =
                        |slopes: &Vec<&Dyadic>| map.multiply(&state.map(|i, x| slopes[i].times(x)));
                    choices.iter().map(vertex).collect::<Vec<_>>()
                };
                states.iter().flat_map(next).collect()
            })
        })
    }

    /// `W_l D_l ... W_0` for the slopes that `slope` gives from the layer, the neuron and the exact values
    /// that come into it, with the values that come out: the Jacobian at `x` of the function that it
    /// describes.
    pub fn jacobian(
        &self,
        x: Vec<Dyadic>,
        biases: &[Vec<Dyadic>],
        slope: impl Fn(usize, usize, &Dyadic) -> Option<(Dyadic, Dyadic)>,
    ) -> Option<Exact> {
        let affine = |r: usize, x: Vec<Dyadic>| -> Vec<Dyadic> {
            let column = Exact { rows: x.into_iter().map(|x| vec![x]).collect() };
            let product = self.maps[r].multiply(&column).rows.into_iter().flatten();
            product.zip(&biases[r]).map(|(y, b)| y.plus(b)).collect()
        };
        let mut values = affine(0, x);
        let mut jacobian = self.maps[0].clone();
        for r in 0..self.depth() {
            let pairs = values.iter().enumerate().map(|(i, y)| slope(r, i, y));
            let (slopes, results): (Vec<_>, Vec<_>) =
                pairs.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            jacobian = self.maps[r + 1].multiply(&jacobian.map(|i, x| slopes[i].times(x)));
            values = affine(r + 1, results);
        }
        Some(jacobian)
    }
}

fn intervals(chain: &Chain) -> Vec<Vec<Interval>> {
    let layer = |s: &Slopes| {
        let d = s.diagonal().expect("componentwise");
        d.alpha().iter().zip(d.beta()).map(|(&a, &b)| Interval::new(a, b)).collect()
    };
    chain.slopes().iter().map(layer).collect()
}

/// All choices of an end of each interval, each once.
fn choices(layer: &[Interval]) -> Vec<Vec<&Dyadic>> {
    layer.iter().fold(vec![Vec::new()], |choices, s| {
        let ends = if s.alpha == s.beta { vec![&s.alpha] } else { vec![&s.alpha, &s.beta] };
        let longer = |choice: &Vec<_>| {
            let with = |&end| choice.iter().copied().chain([end]).collect::<Vec<&Dyadic>>();
            ends.iter().map(with).collect::<Vec<_>>()
        };
        choices.iter().flat_map(longer).collect()
    })
}

/// The largest norm. In l2 only the matrices that seem to have the largest are enclosed; the others are
/// shown not to exceed them.
pub fn largest_norm(matrices: &[Exact], norm: Norm) -> Enclosure {
    if norm != Norm::L2 {
        let norms = matrices.iter().map(|j| j.norm(norm));
        return norms.fold(Enclosure::of(Dyadic::ZERO), Enclosure::max);
    }
    let guesses = matrices.iter().map(Exact::spectral_guess);
    let best = guesses.enumerate().max_by(|(_, a), (_, b)| a.cmp(b)).map(|(i, _)| i);
    let Some(best) = best else { return Enclosure::of(Dyadic::ZERO) };
    let found = matrices[best].norm(norm);
    if matrices.iter().all(|j| j.spectral_norm_at_most(&found.upper)) {
        return found;
    }
    matrices.iter().map(|j| j.norm(norm)).fold(found, Enclosure::max)
}
