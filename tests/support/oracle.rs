//! The bounds by their definitions, in exact rational arithmetic: sums over all 2^l subsets, and all
//! 2^N slopes.

use dashu::base::Abs;
use dashu::rational::RBig;
use lipbound::network::{Chain, LinearMap, Slopes};
use lipbound::numeric::{Matrix, Norm};

/// A matrix of exact numbers, by rows.
#[derive(Clone, Debug)]
pub struct Exact {
    pub rows: Vec<Vec<RBig>>,
}

pub fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("finite")
}

impl Exact {
    /// The exact matrix of a map of a chain (which must hold its weights as they are stored).
    pub fn of_map(chain: &Chain, r: usize) -> Exact {
        let map = &chain.maps()[r];
        assert!(map.radius.is_none());
        let scale = RBig::from(2u8).pow(map.exponent as isize);
        let dense = map.matrix.to_dense();
        let rows = dense.outer_iter().map(|row| row.iter().map(|&x| exact(x) * &scale).collect());
        Exact { rows: rows.collect() }
    }

    pub fn multiply(&self, other: &Exact) -> Exact {
        let columns = other.rows[0].len();
        let entry = |row: &Vec<RBig>, j: usize| {
            row.iter().zip(&other.rows).fold(RBig::ZERO, |s, (a, b)| s + a * &b[j])
        };
        let rows = self.rows.iter().map(|row| (0..columns).map(|j| entry(row, j)).collect());
        Exact { rows: rows.collect() }
    }

    pub fn map(&self, f: impl Fn(usize, &RBig) -> RBig) -> Exact {
        let rows = self.rows.iter().enumerate();
        Exact { rows: rows.map(|(i, row)| row.iter().map(|x| f(i, x)).collect()).collect() }
    }

    pub fn abs(&self) -> Exact {
        self.map(|_, x| x.clone().abs())
    }

    pub fn add(&self, other: &Exact) -> Exact {
        let rows = self.rows.iter().zip(&other.rows);
        let sum = |(a, b): (&Vec<RBig>, &Vec<RBig>)| a.iter().zip(b).map(|(x, y)| x + y).collect();
        Exact { rows: rows.map(sum).collect() }
    }

    pub fn transposed(&self) -> Exact {
        let columns = self.rows[0].len();
        Exact {
            rows: (0..columns)
                .map(|j| self.rows.iter().map(|row| row[j].clone()).collect())
                .collect(),
        }
    }

    /// The l1 or linf operator norm.
    pub fn norm(&self, norm: Norm) -> RBig {
        match norm {
            Norm::L1 => self.transposed().norm(Norm::Linf),
            Norm::Linf => {
                let sums = self
                    .rows
                    .iter()
                    .map(|row| row.iter().fold(RBig::ZERO, |s, x| s + x.clone().abs()));
                sums.fold(RBig::ZERO, |a, b| if a > b { a } else { b })
            }
            Norm::L2 => panic!("the spectral norm is not rational"),
        }
    }

    /// Whether the spectral norm is at most `s`: whether `s^2 I - A A^T` is positive semidefinite, by
    /// elimination without rounding.
    pub fn spectral_norm_at_most(&self, s: f64) -> bool {
        let gram = self.multiply(&self.transposed());
        let n = gram.rows.len();
        let square = exact(s) * exact(s);
        let mut m = gram.map(|_, x| -x.clone()).rows;
        for (i, row) in m.iter_mut().enumerate() {
            row[i] = &row[i] + &square;
        }
        for k in 0..n {
            if m[k][k] < RBig::ZERO {
                return false;
            }
            if m[k][k] == RBig::ZERO {
                if (k + 1..n).any(|j| m[k][j] != RBig::ZERO) {
                    return false;
                }
                continue;
            }
            for i in k + 1..n {
                let factor = &m[i][k] / &m[k][k];
                let pivot = m[k].clone();
                for (x, p) in m[i].iter_mut().zip(&pivot).skip(k) {
                    *x = &*x - &factor * p;
                }
            }
        }
        true
    }
}

/// The slopes of a chain: for each layer centre, radius and ends of every neuron.
struct Interval {
    centre: RBig,
    radius: RBig,
    alpha: RBig,
    beta: RBig,
}

/// A chain in exact arithmetic.
pub struct Oracle {
    maps: Vec<Exact>,
    slopes: Vec<Vec<Interval>>,
}

impl Oracle {
    pub fn new(chain: &Chain) -> Oracle {
        let half = RBig::from_parts(1.into(), 2u8.into());
        let interval = |a: f64, b: f64| {
            let (alpha, beta) = (exact(a), exact(b));
            Interval {
                centre: (&alpha + &beta) * &half,
                radius: (&beta - &alpha) * &half,
                alpha,
                beta,
            }
        };
        let layer = |s: &Slopes| {
            let d = s.diagonal().expect("componentwise");
            d.alpha().iter().zip(d.beta()).map(|(&a, &b)| interval(a, b)).collect()
        };
        Oracle {
            maps: (0..=chain.depth()).map(|r| Exact::of_map(chain, r)).collect(),
            slopes: chain.slopes().iter().map(layer).collect(),
        }
    }

    /// The oracle of the same slopes for maps with exactly these entries.
    pub fn with_weights(chain: &Chain, weights: &[ndarray::Array2<f64>]) -> Oracle {
        let rows = |w: &ndarray::Array2<f64>| {
            w.outer_iter().map(|row| row.iter().map(|&x| exact(x)).collect()).collect()
        };
        let zero = |m: &LinearMap| ndarray::Array2::zeros((m.rows(), m.columns()));
        let units = chain.maps().iter().map(|m| LinearMap::new(Matrix::dense(zero(m))));
        let plain = Chain::new(units.collect(), chain.slopes().to_vec());
        let maps = weights.iter().map(|w| Exact { rows: rows(w) }).collect();
        Oracle { maps, ..Oracle::new(&plain) }
    }

    fn depth(&self) -> usize {
        self.slopes.len()
    }

    /// `W_{t-1} C_{t-1} ... C_{s+1} W_s`.
    fn product(&self, t: usize, s: usize) -> Exact {
        (s + 1..t).fold(self.maps[s].clone(), |p, r| {
            self.maps[r].multiply(&p.map(|i, x| &self.slopes[r - 1][i].centre * x))
        })
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
        if r > self.depth() { p } else { p.map(|i, x| &self.slopes[r - 1][i].radius * x) }
    }

    /// The product of absolute values of one subset, as in K4 and K5.
    fn absolute_product(&self, cuts: &[usize]) -> Exact {
        let first = self.cut(cuts[1], self.product(cuts[1], cuts[0]).abs());
        cuts.windows(2)
            .skip(1)
            .fold(first, |p, w| self.cut(w[1], self.product(w[1], w[0]).abs().multiply(&p)))
    }

    fn magnitude(&self, r: usize, i: usize) -> RBig {
        let s = &self.slopes[r][i];
        let (a, b) = (s.alpha.clone().abs(), s.beta.clone().abs());
        if a > b { a } else { b }
    }

    /// The exact value of a bound in l1 or linf.
    pub fn bound(&self, id: &str, norm: Norm) -> RBig {
        let max = |values: Vec<RBig>| {
            values.into_iter().fold(RBig::ZERO, |a, b| if a > b { a } else { b })
        };
        match id {
            "k_star" => {
                let maps = self.maps.iter().map(|w| w.norm(norm));
                let slopes = (0..self.depth()).map(|r| {
                    max((0..self.slopes[r].len()).map(|i| self.magnitude(r, i)).collect())
                });
                maps.chain(slopes).fold(RBig::ONE, |a, b| a * b)
            }
            "k1" => self.subsets().fold(RBig::ZERO, |sum, cuts| {
                let term = cuts.windows(2).fold(RBig::ONE, |p, w| {
                    let radius = match self.slopes.get(w[1] - 1) {
                        Some(layer) => max(layer.iter().map(|s| s.radius.clone()).collect()),
                        None => RBig::ONE,
                    };
                    p * self.product(w[1], w[0]).norm(norm) * radius
                });
                sum + term
            }),
            "k3" => (1..=self.depth())
                .fold(self.maps[0].abs(), |p, r| {
                    self.maps[r].abs().multiply(&p.map(|i, x| self.magnitude(r - 1, i) * x))
                })
                .norm(norm),
            "k4" => self
                .subsets()
                .fold(RBig::ZERO, |sum, cuts| sum + self.absolute_product(&cuts).norm(norm)),
            "k5" => self.sum_of_products().norm(norm),
            "k" => max(self.vertices().iter().map(|j| j.norm(norm)).collect()),
            _ => panic!("no definition of {id}"),
        }
    }

    /// The matrix of K5.
    pub fn sum_of_products(&self) -> Exact {
        let products = self.subsets().map(|cuts| self.absolute_product(&cuts));
        products.reduce(|a, b| a.add(&b)).expect("the empty subset")
    }

    /// The matrix of K3.
    pub fn product_of_absolute_values(&self) -> Exact {
        (1..=self.depth()).fold(self.maps[0].abs(), |p, r| {
            self.maps[r].abs().multiply(&p.map(|i, x| self.magnitude(r - 1, i) * x))
        })
    }

    /// All matrices `W_l D_l ... W_0` with slopes at the ends of their intervals.
    pub fn vertices(&self) -> Vec<Exact> {
        let mut states = vec![self.maps[0].clone()];
        for (r, layer) in self.slopes.iter().enumerate() {
            let mut next = Vec::new();
            for state in &states {
                for mask in 0..1usize << layer.len() {
                    let slope = |i: usize| {
                        if mask >> i & 1 == 1 { &layer[i].beta } else { &layer[i].alpha }
                    };
                    next.push(self.maps[r + 1].multiply(&state.map(|i, x| slope(i) * x)));
                }
            }
            states = next;
        }
        states
    }
}
