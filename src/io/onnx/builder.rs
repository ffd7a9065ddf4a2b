//! Building a network one layer after the other.
//!
//! ONNX counts the batch as an axis, a [`Network`](crate::network::Network) does not. Here every value
//! keeps the shape that ONNX gives it, with a batch of 1; the network has that shape without its first
//! axis where that has the length 1 ([`net_shape`]). Both list the same numbers in the same order.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use ndarray::Array2;

use super::batch;
use super::constant::{Constant, Element};
use super::pattern::Form;
use crate::io::dtype;
use crate::network::layers::flatten::Flatten;
use crate::network::layers::gather::Gather;
use crate::network::layers::reshape::Reshape;
use crate::network::tensor::show_shape;
use crate::network::{Layer, Node};

/// The largest number of components of a value, so that a small file cannot claim a huge one.
pub const LARGEST: usize = 1 << 22;

/// The largest number of times that a value is repeated, each copy being work.
const MOST_COPIES: usize = 1 << 16;

/// A value of the graph.
#[derive(Debug, Clone)]
pub enum Value {
    /// Its numbers are known.
    Constant(Rc<Constant>),
    /// Its numbers follow from the length of the open batch axis: what they are for a batch of 1 and for
    /// one of [`OPEN`](super::batch::OPEN) (unknown if that would be too large).
    Open(Rc<Constant>, Option<Rc<Constant>>),
    /// It depends on the network's input.
    Signal(Signal),
    /// It depends on the input and is padded with minus infinity, before and behind each axis.
    Padded(Signal, Vec<usize>, Vec<usize>),
}

/// A value that depends on the input.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The value of the network: 0 is its input, `i + 1` the result of node `i`.
    pub id: usize,
    /// The shape that ONNX gives it, with a batch of 1.
    pub shape: Vec<usize>,
    /// The axis along which the samples of an open batch follow each other, see [`super::batch`].
    pub batch: Option<usize>,
    /// The type of its numbers in the file.
    pub element: Element,
}

impl Signal {
    /// Another value of the network with the same shape.
    pub fn same(&self, id: usize) -> Signal {
        Signal { id, ..self.clone() }
    }
}

impl From<Signal> for Vec<Value> {
    fn from(signal: Signal) -> Vec<Value> {
        vec![Value::Signal(signal)]
    }
}

impl From<Constant> for Vec<Value> {
    fn from(constant: Constant) -> Vec<Value> {
        vec![Value::Constant(Rc::new(constant))]
    }
}

/// The part of the network that is built.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    shapes: Vec<Vec<usize>>,
    forms: HashMap<usize, Form>,
    plain: HashMap<usize, Array2<f64>>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The shape without a batch of 1.
pub fn net_shape(shape: &[usize]) -> &[usize] {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest,
        _ => shape,
    }
}

/// Whether the network's shape lacks the first axis.
pub fn is_batched(shape: &[usize]) -> bool {
    shape.len() > 1 && shape[0] == 1
}

/// The number of components, checked.
///
/// # Errors
/// More than [`LARGEST`], or none.
pub fn count(shape: &[usize]) -> Result<usize, String> {
    match dtype::count(shape) {
        Some(n) if (1..=LARGEST).contains(&n) => Ok(n),
        Some(0) => Err(format!("a value of shape {} has no components", show_shape(shape))),
        _ => Err(format!(
            "a value of shape {} is too large (at most {LARGEST} components)",
            show_shape(shape)
        )),
    }
}

impl Builder {
    /// A network with this input, of the shape that ONNX gives it.
    ///
    /// # Errors
    /// An input without components, or one that is too large.
    pub fn new(shape: &[usize]) -> Result<Builder, String> {
        count(shape)?;
        Ok(Builder {
            nodes: Vec::new(),
            shapes: vec![net_shape(shape).to_vec()],
            forms: HashMap::new(),
            plain: HashMap::new(),
            notes: Vec::new(),
        })
    }

    /// Appends a layer; the number and the shape of its result in the network.
    ///
    /// # Errors
    /// Shapes that the layer does not take.
    pub fn push(
        &mut self,
        name: &str,
        layer: Arc<dyn Layer>,
        inputs: &[usize],
    ) -> Result<(usize, Vec<usize>), String> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|&i| self.shapes[i].clone()).collect();
        let shape = layer.output_shape(&shapes)?;
        count(&shape)?;
        self.nodes.push(Node::new(name, layer, inputs.to_vec()));
        self.shapes.push(shape.clone());
        Ok((self.nodes.len(), shape))
    }

    /// A value with another shape for ONNX, whose batch is on axis `batch`; a layer is added if the shape
    /// in the network differs.
    ///
    /// # Errors
    /// A shape of another size.
    pub fn shaped(
        &mut self,
        name: &str,
        x: &Signal,
        shape: &[usize],
        batch: Option<usize>,
    ) -> Result<Signal, String> {
        let id = self.reshaped(name, x.id, net_shape(shape))?;
        Ok(Signal { id, shape: shape.to_vec(), batch, element: x.element })
    }

    /// Value `id` with another shape in the network.
    fn reshaped(&mut self, name: &str, id: usize, target: &[usize]) -> Result<usize, String> {
        if self.shapes[id] == target {
            return Ok(id);
        }
        let layer: Arc<dyn Layer> = if target.len() == 1 {
            Arc::new(Flatten)
        } else {
            Arc::new(Reshape { shape: target.iter().map(|&n| n as i64).collect() })
        };
        let (reshaped, found) = self.push(name, layer, &[id])?;
        if found != target {
            return Err(format!(
                "the shape {} does not hold the values of shape {}",
                show_shape(target),
                show_shape(&self.shapes[id])
            ));
        }
        Ok(reshaped)
    }

    /// The value as the network has it and the number by which its axes are shifted there, so that
    /// none of `axes` is the one that the network lacks.
    ///
    /// # Errors
    /// None that should occur.
    pub fn with_axes(
        &mut self,
        name: &str,
        x: &Signal,
        axes: impl IntoIterator<Item = usize>,
    ) -> Result<(usize, usize), String> {
        if !is_batched(&x.shape) {
            return Ok((x.id, 0));
        }
        if axes.into_iter().any(|axis| axis == 0) {
            return Ok((self.reshaped(name, x.id, &x.shape)?, 0));
        }
        Ok((x.id, 1))
    }

    /// The axes in a new order.
    ///
    /// # Errors
    /// Not an order of the axes.
    pub fn transpose(&mut self, name: &str, x: &Signal, order: &[usize]) -> Result<Signal, String> {
        let rank = x.shape.len();
        let transpose = Gather::Transpose(order.to_vec());
        if order.len() != rank || transpose.check().is_err() {
            return Err(format!(
                "{order:?} is not an order of the {rank} axes of {}",
                show_shape(&x.shape)
            ));
        }
        let shape: Vec<usize> = order.iter().map(|&a| x.shape[a]).collect();
        let batch = order.iter().position(|&a| Some(a) == x.batch);
        let long: Vec<usize> = order.iter().copied().filter(|&a| x.shape[a] != 1).collect();
        if long.is_sorted() {
            return self.shaped(name, x, &shape, batch);
        }
        let moved = if order[0] == 0 { None } else { Some(0) };
        let (id, shift) = self.with_axes(name, x, moved)?;
        let order = order[shift..].iter().map(|a| a - shift).collect();
        let (id, _) = self.push(name, Arc::new(Gather::Transpose(order)), &[id])?;
        self.shaped(name, &x.same(id), &shape, batch)
    }

    /// Every `step`-th index of a part of one axis.
    ///
    /// # Errors
    /// An empty part.
    pub fn slice(
        &mut self,
        name: &str,
        x: &Signal,
        axis: usize,
        [start, end, step]: [usize; 3],
    ) -> Result<Signal, String> {
        let mut shape = x.shape.clone();
        let length = shape[axis];
        let end = end.min(length);
        if start >= end || step == 0 {
            return Err(format!("takes nothing of axis {axis}, which has {length} entries"));
        }
        if (start, end, step) == (0, length, 1) {
            return Ok(x.clone());
        }
        batch::check_apart(x, axis)?;
        shape[axis] = (end - start).div_ceil(step);
        let (id, shift) = self.with_axes(name, x, [axis])?;
        let layer = Gather::Slice { axis: axis - shift, start, end: Some(end), step };
        let (id, _) = self.push(name, Arc::new(layer), &[id])?;
        self.shaped(name, &x.same(id), &shape, x.batch)
    }

    /// Values side by side along an axis.
    ///
    /// # Errors
    /// Shapes that differ on other axes.
    pub fn concat(&mut self, name: &str, parts: &[Signal], axis: usize) -> Result<Signal, String> {
        let [first, rest @ ..] = parts else { return Err("has no operands".to_owned()) };
        let fits = |s: &Signal| {
            s.shape.len() == first.shape.len()
                && (0..s.shape.len()).all(|a| a == axis || s.shape[a] == first.shape[a])
        };
        if axis >= first.shape.len() || !rest.iter().all(fits) {
            let shapes: Vec<String> = parts.iter().map(|s| show_shape(&s.shape)).collect();
            let shapes = shapes.join(", ");
            return Err(format!(
                "operands of shapes {shapes} cannot be put together along axis {axis}"
            ));
        }
        if rest.is_empty() {
            return Ok(first.clone());
        }
        let mut batch = first.batch;
        for part in parts {
            batch::check_apart(part, axis)?;
            batch = batch::common(batch, part.batch)?;
        }
        let mut shape = first.shape.clone();
        shape[axis] = parts
            .iter()
            .try_fold(0usize, |sum, s| sum.checked_add(s.shape[axis]))
            .ok_or("the result is too large")?;
        count(&shape)?;
        let (mut ids, mut shift) = (Vec::new(), 0);
        for part in parts {
            let (id, by) = self.with_axes(name, part, [axis])?;
            ids.push(id);
            shift = by;
        }
        let (id, _) = self.push(name, Arc::new(Gather::Concat(axis - shift)), &ids)?;
        self.shaped(name, &first.same(id), &shape, batch)
    }

    /// The value repeated along axes of length 1.
    ///
    /// # Errors
    /// A shape to which the value cannot be broadcast.
    pub fn expand(&mut self, name: &str, x: &Signal, shape: &[usize]) -> Result<Signal, String> {
        count(shape)?;
        if x.shape == shape {
            return Ok(x.clone());
        }
        let before = shape.len().saturating_sub(x.shape.len());
        let mut own = vec![1; before];
        own.extend(&x.shape);
        let mut x = self.shaped(name, x, &own, x.batch.map(|axis| axis + before))?;
        for (axis, &n) in shape.iter().enumerate() {
            if x.shape.get(axis) == Some(&1) && n > 1 {
                if n > MOST_COPIES {
                    return Err(format!(
                        "repeats a value {n} times, at most {MOST_COPIES} times are supported"
                    ));
                }
                x = self.concat(name, &vec![x; n], axis)?;
            }
        }
        if x.shape != shape {
            return Err(format!(
                "the shape {} cannot be broadcast to {}",
                show_shape(&own),
                show_shape(shape)
            ));
        }
        Ok(x)
    }

    /// Notes what a value is.
    pub fn set_form(&mut self, id: usize, form: Form) {
        self.forms.insert(id, form);
    }

    /// What is known of a value.
    pub fn form(&self, id: usize) -> Option<&Form> {
        self.forms.get(&id)
    }

    /// Notes that a value is the product with a matrix (outputs x inputs), without a bias.
    pub fn set_plain(&mut self, id: usize, weight: Array2<f64>) {
        self.plain.insert(id, weight);
    }

    /// The matrix, the name and the operand of a value that is a product with a matrix.
    pub fn plain(&self, id: usize) -> Option<(&Array2<f64>, &str, usize)> {
        let node = &self.nodes[id.checked_sub(1)?];
        Some((self.plain.get(&id)?, &node.name, *node.inputs.first()?))
    }

    /// The layers on which value `output` depends, it being the last, with a name of its own for each.
    pub fn finish(mut self, output: usize) -> Vec<Node> {
        let mut needed: HashSet<usize> = HashSet::from([output]);
        for index in (0..output).rev() {
            if needed.contains(&(index + 1)) {
                needed.extend(&self.nodes[index].inputs);
            }
        }
        let mut numbers: HashMap<usize, usize> = HashMap::from([(0, 0)]);
        let mut names: HashSet<String> = HashSet::from(["input".to_owned(), String::new()]);
        let mut copies: HashMap<String, usize> = HashMap::new();
        let mut kept: Vec<Node> = Vec::new();
        for (index, mut node) in self.nodes.drain(..).enumerate() {
            if !needed.contains(&(index + 1)) {
                continue;
            }
            node.inputs = node.inputs.iter().filter_map(|i| numbers.get(i).copied()).collect();
            let base = node.name.clone();
            let number = copies.entry(base.clone()).or_insert(1);
            while !names.insert(node.name.clone()) {
                *number += 1;
                node.name = format!("{base}.{number}");
            }
            kept.push(node);
            numbers.insert(index + 1, kept.len());
        }
        kept
    }
}
