//! Derivatives with respect to the slopes of a stage.

use ndarray::ArrayView2;

use super::extremal::first_largest;
use crate::network::Slopes;

/// Derivatives with respect to the ends of the slope intervals `[alpha_k, beta_k]` of the neurons of a stage;
/// empty for a max-pooling.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SlopeGradient {
    /// With respect to the lower ends.
    pub alpha: Vec<f64>,
    /// With respect to the upper ends.
    pub beta: Vec<f64>,
}

/// Derivatives with respect to what the bounds take of the intervals: centres, radii and magnitudes, as if
/// they were independent of each other. Empty for a max-pooling.
#[derive(Debug, Clone)]
pub struct Taken {
    pub centre: Vec<f64>,
    pub radius: Vec<f64>,
    pub magnitude: Vec<f64>,
}

impl Taken {
    /// Zeros for a stage.
    pub fn zeros(slopes: &Slopes) -> Taken {
        let zeros = vec![0.0; slopes.diagonal().map_or(0, |d| d.alpha().len())];
        Taken { centre: zeros.clone(), radius: zeros.clone(), magnitude: zeros }
    }

    /// Zeros for stages, with these derivatives with respect to the centres.
    pub fn of_centres(slopes: &[Slopes], centres: Vec<Vec<f64>>) -> Vec<Taken> {
        let with = |(slopes, centre)| Taken { centre, ..Taken::zeros(slopes) };
        slopes.iter().zip(centres).map(with).collect()
    }

    /// The same with respect to the ends, times `scale`: with c = (alpha + beta) / 2,
    /// rho = (beta - alpha) / 2 and the magnitude max(|alpha|, |beta|), of equal ones that of beta.
    pub fn ends(&self, slopes: &Slopes, scale: f64) -> SlopeGradient {
        let Some(d) = slopes.diagonal() else { return SlopeGradient::default() };
        let pair = |k: usize| {
            let (alpha, beta) = (d.alpha()[k], d.beta()[k]);
            let size = self.magnitude[k];
            let (lower, upper) = if alpha.abs() > beta.abs() {
                (size * sign(alpha), 0.0)
            } else {
                (0.0, size * sign(beta))
            };
            let (centre, radius) = (self.centre[k] / 2.0, self.radius[k] / 2.0);
            (scale * (centre - radius + lower), scale * (centre + radius + upper))
        };
        let (alpha, beta) = (0..d.alpha().len()).map(pair).unzip();
        SlopeGradient { alpha, beta }
    }
}

/// The sign of a number, 0 for 0: a subgradient of the absolute value.
pub fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// Zeros, with a number where the first of the largest values is.
pub fn at_largest(values: impl Iterator<Item = f64>, number: f64) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut found = vec![0.0; values.len()];
    if !values.is_empty() {
        found[first_largest(values.into_iter())] = number;
    }
    found
}

/// The derivative with respect to the factors of rows, `x -> factor_k x_k`: of each row the sum of the products
/// with the derivative with respect to the result.
pub fn of_factors(x: ArrayView2<'_, f64>, adjoint: ArrayView2<'_, f64>) -> Vec<f64> {
    x.outer_iter().zip(adjoint.outer_iter()).map(|(x, a)| x.dot(&a)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Diagonal;

    #[test]
    fn magnitudes_belong_to_the_larger_end() {
        // d max(|a|, |b|) = 3 sign of the larger one, of equal ones of b; 0 where both are 0.
        let slopes = Slopes::Componentwise(Diagonal::new(
            vec![-2.0, -1.0, -1.0, 0.0, -2.0, -1.0],
            vec![1.0, 2.0, 1.0, 0.0, -1.0, -1.0],
        ));
        let taken = Taken { magnitude: vec![3.0; 6], ..Taken::zeros(&slopes) };
        let SlopeGradient { alpha, beta } = taken.ends(&slopes, 2.0);
        assert_eq!(alpha, [-6.0, 0.0, 0.0, 0.0, -6.0, 0.0]);
        assert_eq!(beta, [0.0, 6.0, 6.0, 0.0, 0.0, -6.0]);
        // c = (a + b) / 2 and rho = (b - a) / 2.
        let (centre, radius) = (vec![1.0; 6], vec![0.5; 6]);
        let SlopeGradient { alpha, beta } =
            Taken { centre, radius, ..Taken::zeros(&slopes) }.ends(&slopes, 1.0);
        assert_eq!((alpha, beta), (vec![0.25; 6], vec![0.75; 6]));
    }
}
