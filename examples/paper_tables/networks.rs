//! The networks of the tables, built from their formulas.

use std::error::Error;
use std::sync::Arc;

use lipbound::network::layers::dense::Dense;
use lipbound::network::{Activation, Layer, Network};
use ndarray::{Array1, Array2, arr1, arr2};

type Affine = (Array2<f64>, Array1<f64>);

/// A ReLU network of the given affine maps.
pub fn relu_network(name: &str, maps: Vec<Affine>) -> Result<Network, Box<dyn Error>> {
    let inputs = maps.first().map_or(0, |(w, _)| w.ncols());
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    for (weight, bias) in maps {
        if !layers.is_empty() {
            layers.push(Arc::new(Activation::Relu));
        }
        layers.push(Arc::new(Dense::new(weight, bias)?));
    }
    Ok(Network::sequential(name, vec![inputs], layers)?)
}

/// The interpolation of x^2 on [0, 1] at the multiples of 2^-l, as a network with `l` hidden layers of
/// three neurons (section 5.1): two neurons build the hat function of the level from that of the
/// previous one, the third carries the partial sum.
pub fn x_squared(l: usize) -> Result<Network, Box<dyn Error>> {
    let mut maps = vec![(arr2(&[[2.0], [-2.0], [1.0]]), arr1(&[-1.0, 1.0, 0.0]))];
    for level in 1..=l {
        // |2x - 1| = R(2x - 1) + R(1 - 2x), the hat function is 1 minus that.
        let q = 0.25f64.powi(level as i32);
        if level == l {
            maps.push((arr2(&[[q, q, 1.0]]), arr1(&[-q])));
        } else {
            let weight = arr2(&[[-2.0, -2.0, 0.0], [2.0, 2.0, 0.0], [q, q, 1.0]]);
            maps.push((weight, arr1(&[1.0, -1.0, -q])));
        }
    }
    relu_network(&format!("x^2, l = {l}"), maps)
}

/// A piecewise linear function `c_0 + sum of c_k R(t + 2 - k)`, `k = 1..=4`, of `t` in [-2, 2], by
/// its values at the integers -2..2.
fn piecewise(values: [f64; 5]) -> (f64, [f64; 4]) {
    let mut slope = 0.0;
    let coefficients = std::array::from_fn(|k| {
        let change = values[k + 1] - values[k] - slope;
        slope += change;
        change
    });
    (values[0], coefficients)
}

/// `T_n(x, y) = sum for k < n of 4^-k e_0(Lambda^k(x, y))`, which is within `4^-n` of `xy` on
/// [-1, 1]^2, as a ReLU network with `2n - 1` hidden layers.
///
/// With `s = x + y` and `d = x - y` every node of the criss-cross mesh has integer `s` and `d`, and the
/// mesh's triangles are cut out by the lines where one of them is an integer. So `e_0`, the
/// interpolant of `xy = (s^2 - d^2) / 4`, is `(q(s) - q(d)) / 4` with `q` the interpolant of the square at
/// the integers, and `Lambda_2 = -(g(s) + g(d)) / 2` with `g` the zigzag between 1 at even and -1 at
/// odd integers. `Lambda_1` is the sum of four pyramids `R(1 - |s - s_c| - |d - d_c|)` with the signs
/// + - + - around the cell centres.
pub fn x_times_y(n: usize) -> Result<Network, Box<dyn Error>> {
    let square = piecewise([4.0, 1.0, 0.0, 1.0, 4.0]);
    let zigzag = piecewise([1.0, -1.0, 1.0, -1.0, 1.0]);
    let distance =
        |centre: i32| piecewise(std::array::from_fn(|k| f64::from((k as i32 - 2 - centre).abs())));
    // A state is affine in the current neurons: rows x, y and the sum so far.
    let mut x = (arr1(&[1.0, 0.0]), 0.0);
    let mut y = (arr1(&[0.0, 1.0]), 0.0);
    let mut sum = (arr1(&[0.0, 0.0]), 0.0);
    let mut maps: Vec<Affine> = Vec::new();
    for k in 0..n {
        // Hinges R(s + 2 - j) and R(d + 2 - j), j = 0..3, and the sum, which stays above -2.
        let s = (&x.0 + &y.0, x.1 + y.1);
        let d = (&x.0 - &y.0, x.1 - y.1);
        let hinges = |t: &(Array1<f64>, f64)| {
            (0..4).map(|j| (t.0.clone(), t.1 + 2.0 - f64::from(j))).collect::<Vec<_>>()
        };
        let mut rows = hinges(&s);
        rows.extend(hinges(&d));
        if k > 0 {
            rows.push((sum.0.clone(), sum.1 + 2.0));
        }
        let width = rows.len();
        maps.push(stack(&rows));
        let combine = |on_s: &(f64, [f64; 4]), a: f64, on_d: &(f64, [f64; 4]), b: f64| {
            let mut w = Array1::zeros(width);
            for j in 0..4 {
                w[j] = a * on_s.1[j];
                w[4 + j] = b * on_d.1[j];
            }
            (w, a * on_s.0 + b * on_d.0)
        };
        let q = 0.25f64.powi(k as i32);
        let mut total = combine(&square, q / 4.0, &square, -q / 4.0);
        if k > 0 {
            total.0[8] = 1.0;
            total.1 -= 2.0;
        }
        if k + 1 == n {
            maps.push(stack(&[total]));
            return relu_network(&format!("x*y, n = {n}"), maps);
        }
        // Four pyramids, Lambda_2 + 1 >= 0, and the sum.
        let centres = [(-1, 0), (0, 1), (1, 0), (0, -1)];
        let mut rows: Vec<(Array1<f64>, f64)> = centres
            .iter()
            .map(|&(sc, dc)| {
                let (w, c) = combine(&distance(sc), -1.0, &distance(dc), -1.0);
                (w, c + 1.0)
            })
            .collect();
        let (w, c) = combine(&zigzag, -0.5, &zigzag, -0.5);
        rows.push((w, c + 1.0));
        rows.push((total.0, total.1 + 2.0));
        maps.push(stack(&rows));
        x = (arr1(&[1.0, -1.0, 1.0, -1.0, 0.0, 0.0]), 0.0);
        y = (arr1(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]), -1.0);
        sum = (arr1(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), -2.0);
    }
    Err("at least one term is needed".into())
}

fn stack(rows: &[(Array1<f64>, f64)]) -> Affine {
    let columns = rows[0].0.len();
    let weight = Array2::from_shape_fn((rows.len(), columns), |(i, j)| rows[i].0[j]);
    (weight, rows.iter().map(|row| row.1).collect())
}

/// The value of a network at a point, in plain floating point.
pub fn evaluate(network: &Network, x: &[f64]) -> Result<Vec<f64>, Box<dyn Error>> {
    let lowered = network.lower()?;
    let mut state: Vec<f64> = x.to_vec();
    for r in 0..=lowered.chain.depth() {
        let points: Vec<_> = state.iter().map(|&x| lipbound::numeric::Interval::point(x)).collect();
        state = lowered.affine(r, &points).iter().map(|i| i.midpoint()).collect();
        if let Some(stage) = lowered.stages.get(r) {
            let activations = stage.activations().ok_or("a pool")?;
            state = state.iter().zip(activations).map(|(&z, a)| a.eval(z)).collect();
        }
    }
    Ok(state)
}
