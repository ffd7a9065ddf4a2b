//! From derivatives with respect to the maps of a chain to derivatives with respect to the tensors of
//! the file.
//!
//! Between two nonlinearities the layers are merged into one map ([`super::lowering`]). Here the same
//! path is taken backwards: where a value is `E = A S` (`A` the layer's matrix, `S` its inputs as
//! functions of the state), a derivative `G` with respect to `E` is `G S^T` with respect to `A` and
//! `A^T G` with respect to `S`. What it is with respect to the layer's parameters each layer says
//! itself ([`super::layers::Layer::pull_back`]). Nothing here is certified.
#![expect(clippy::float_arithmetic, reason = "nothing here is certified")]

use std::collections::HashSet;

use ndarray::ArrayD;

use super::affine::stacked;
use super::layers::{AffineMap, Lowered};
use super::lowering::{Lowering, StageValues};
use super::{LayerError, LinearMap, Network, Node, Origin};
use crate::numeric::{Csr, Matrix};

/// The derivative with respect to one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The tensor's name: that of the file, or the layer's with the parameter's.
    pub name: String,
    /// The derivative, of the shape that the tensor has in the file.
    pub gradient: ArrayD<f64>,
}

/// Derivatives with respect to the lower and the upper ends of slope intervals.
pub type SlopeEnds<'a> = (&'a [f64], &'a [f64]);

/// The derivative `G S^T` with respect to the matrix of a layer, of which layers take what they need.
pub struct MapGradient<'a> {
    outer: &'a Matrix,
    inner: &'a LinearMap,
}

impl MapGradient<'_> {
    /// All entries.
    pub fn matrix(&self) -> Matrix {
        if self.is_plain() {
            return self.outer.clone();
        }
        let product = self.outer.multiply(&self.inner.matrix.transposed());
        product.scaled_by_power(self.inner.exponent)
    }

    /// The diagonal of a square one.
    pub fn diagonal(&self) -> Vec<f64> {
        if self.is_plain() {
            return (0..self.outer.rows()).map(|i| self.outer.get(i, i)).collect();
        }
        let (g, s) = (self.outer, &self.inner.matrix);
        let scale = 2f64.powi(self.inner.exponent);
        let mut row = vec![0.0; self.outer.columns()];
        (0..self.outer.rows())
            .map(|i| {
                g.row_entries(i, &mut |j, value| row[j] = value);
                let mut sum = 0.0;
                s.row_entries(i, &mut |j, value| sum += value * row[j]);
                g.row_entries(i, &mut |j, _| row[j] = 0.0);
                sum * scale
            })
            .collect()
    }

    fn is_plain(&self) -> bool {
        self.inner.exponent == 0 && self.inner.matrix.is_identity()
    }
}

impl Network {
    /// The derivatives with respect to the tensors of the file, given those with respect to the maps
    /// `W_0 .. W_l` of the chain of [`Network::lower`] (exponents included). They come in the order of
    /// the layers; the statistics of batch normalisations are taken as constants and left out. `slopes` are the
    /// derivatives with respect to the ends of the slope intervals of each stage, lower and upper ends.
    ///
    /// # Errors
    /// A layer whose shapes do not fit, or whose parameters have no derivatives here.
    pub fn pull_back(
        &self,
        gradients: &[Matrix],
        slopes: &[SlopeEnds<'_>],
    ) -> Result<Vec<Parameter>, LayerError> {
        let (shapes, layers) = self.lowered_layers()?;
        let lowering = Lowering::new(self, &shapes, &layers);
        let mut found: Vec<Vec<Parameter>> = vec![Vec::new(); self.nodes.len()];
        let mut met = vec![false; self.nodes.len()];
        let mut entered = lowering.inputs();
        for (depth, gradient) in gradients.iter().enumerate() {
            let mut expressions = entered;
            lowering.affine_values(depth, &mut expressions);
            let stage = lowering.stage_at(depth);
            let mut adjoints: Vec<Option<Matrix>> = vec![None; expressions.len()];
            let mut start = 0;
            for v in lowering.mapped_values(stage.as_ref()) {
                let rows = rows_of(gradient, start, lowering.size(v));
                start += lowering.size(v);
                add(&mut adjoints[v], rows);
            }
            for (i, node) in self.nodes.iter().enumerate().rev() {
                if !lowering.is_affine_at(i, depth) {
                    continue;
                }
                let Some(adjoint) = adjoints[i + 1].take() else { continue };
                let inputs: Vec<&AffineMap> =
                    node.inputs.iter().filter_map(|&v| expressions[v].as_ref()).collect();
                let inner = stacked(&inputs).linear;
                let map = match &layers[i] {
                    Lowered::Affine(map) => Some(&map.linear),
                    _ => None,
                };
                met[i] = true;
                if map.is_some() {
                    let gradient = MapGradient { outer: &adjoint, inner: &inner };
                    found[i] = self.of_layer(i, &shapes, &gradient)?;
                }
                if !node.inputs.iter().any(|&v| lowering.is_affine_value_at(v, depth)) {
                    continue;
                }
                let back = map.map_or(adjoint.clone(), |map| {
                    map.matrix.transposed().multiply(&adjoint).scaled_by_power(map.exponent)
                });
                let mut start = 0;
                for &v in &node.inputs {
                    if lowering.is_affine_value_at(v, depth) {
                        add(&mut adjoints[v], rows_of(&back, start, lowering.size(v)));
                    }
                    start += lowering.size(v);
                }
            }
            if let (Some(stage), Some(ends)) = (&stage, slopes.get(depth)) {
                self.of_slopes(&lowering, stage, *ends, &mut found)?;
            }
            entered = match stage {
                Some(stage) => lowering.entered(&stage),
                None => Vec::new(),
            };
        }
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| self.learns_slopes(*i)) {
            if found[i].is_empty() {
                let zeros = vec![0.0; lowering.size(i + 1)];
                found[i] = self.named(i, node.layer.pull_back_slopes(&zeros, &zeros))?;
            }
        }
        // The output does not depend on what has not been met.
        for (i, lowered) in layers.iter().enumerate().filter(|(i, _)| !met[*i]) {
            let Lowered::Affine(map) = lowered else { continue };
            let (rows, columns) = (map.linear.rows(), map.linear.columns());
            let zero = Matrix::sparse(Csr::from_rows(rows, columns, |_, _| ()));
            let inner = LinearMap::identity(columns);
            found[i] = self.of_layer(i, &shapes, &MapGradient { outer: &zero, inner: &inner })?;
        }
        self.check_names(found.into_iter().flatten().collect())
    }

    /// The derivatives of the layers of a stage with respect to parameters of their slopes.
    fn of_slopes(
        &self,
        lowering: &Lowering<'_>,
        stage: &StageValues,
        (alpha, beta): SlopeEnds<'_>,
        found: &mut [Vec<Parameter>],
    ) -> Result<(), LayerError> {
        let mut start = 0;
        for i in stage.nonlinear_nodes() {
            let end = start + lowering.size(i + 1);
            // A max-pooling has no slopes.
            if let (true, Some(alpha), Some(beta)) =
                (self.learns_slopes(i), alpha.get(start..end), beta.get(start..end))
            {
                let parameters = self.nodes[i].layer.pull_back_slopes(alpha, beta);
                found[i] = self.named(i, parameters)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Whether a layer has slopes that are parameters of the file: a `prelu`, but not one with slopes that were
    /// given beside a file that names its tensors.
    pub fn learns_slopes(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        let named = |node: &Node| node.origins.iter().any(|origin| origin.name.is_some());
        node.layer.kind() == "prelu" && (!node.origins.is_empty() || !self.nodes.iter().any(named))
    }

    fn of_layer(
        &self,
        index: usize,
        shapes: &[Vec<usize>],
        gradient: &MapGradient<'_>,
    ) -> Result<Vec<Parameter>, LayerError> {
        let node = &self.nodes[index];
        let inputs: Vec<Vec<usize>> = node.inputs.iter().map(|&i| shapes[i].clone()).collect();
        let parameters = node.layer.pull_back(&inputs, gradient);
        self.named(index, parameters.map_err(|reason| self.error(index, reason))?)
    }

    /// The layers' derivatives under the names and in the shapes of the file.
    fn named(
        &self,
        index: usize,
        parameters: Vec<(&'static str, ArrayD<f64>)>,
    ) -> Result<Vec<Parameter>, LayerError> {
        let node = &self.nodes[index];
        let label = node.name.strip_prefix("layer ").filter(|n| *n == index.to_string());
        let label = label.unwrap_or(&node.name);
        let default = |parameter: &str| format!("{label}.{parameter}");
        let mut named = Vec::with_capacity(parameters.len());
        for (parameter, gradient) in parameters {
            if node.origins.is_empty() {
                named.push(Parameter { name: default(parameter), gradient });
                continue;
            }
            let Some(origin) = node.origins.iter().find(|o| o.parameter == parameter) else {
                continue;
            };
            let gradient = in_file(origin, gradient).map_err(|reason| self.error(index, reason))?;
            let name = origin.name.clone().unwrap_or_else(|| default(parameter));
            named.push(Parameter { name, gradient });
        }
        Ok(named)
    }

    fn check_names(&self, parameters: Vec<Parameter>) -> Result<Vec<Parameter>, LayerError> {
        let mut names = HashSet::new();
        let twice = parameters.iter().find(|p| !names.insert(p.name.as_str()));
        match twice {
            None => Ok(parameters),
            Some(p) => {
                let reason = format!(
                    "two parameters have the name {}, under which each of them would be written; give the layers other names",
                    p.name
                );
                Err(self.error(self.nodes.len() - 1, reason))
            }
        }
    }
}

/// A derivative in the shape of its tensor.
fn in_file(origin: &Origin, gradient: ArrayD<f64>) -> Result<ArrayD<f64>, String> {
    let gradient = if origin.transposed { gradient.reversed_axes() } else { gradient };
    let found = gradient.shape().to_vec();
    let values = gradient.as_standard_layout().into_owned();
    values.into_shape_with_order(origin.shape.clone()).map_err(|_| {
        format!("{} has shape {:?}, its derivative {found:?}", origin.parameter, origin.shape)
    })
}

/// The rows `start..start + count`.
fn rows_of(matrix: &Matrix, start: usize, count: usize) -> Matrix {
    if start == 0 && count == matrix.rows() {
        return matrix.clone();
    }
    matrix.select_rows(&(start..start + count).collect::<Vec<_>>())
}

/// `sum += term`, rounded in no particular direction.
fn add(sum: &mut Option<Matrix>, term: Matrix) {
    *sum = Some(match sum.take() {
        Some(sum) => sum.sum_up(&term),
        None => term,
    });
}
