//! The open batch: which axis the samples follow each other on, and that they stay apart.
//!
//! A model whose first axis is open computes the same function of every sample, and that function is what
//! is bounded. Every value is translated with a batch of 1, and beside it is kept which of its axes holds
//! the samples: with a batch of n that axis is n times as long, the samples being blocks of it one after
//! the other. An operation that puts samples together is refused: with a batch of 1 it would be another
//! function. Shapes and numbers that follow from the length of the axis are computed twice, for a batch of
//! 1 and for one of [`OPEN`].

use super::builder::Signal;

/// A length that stands for that of an open batch: a prime, larger than any other axis, so that no
/// product of other lengths is a multiple of it.
pub const OPEN: usize = 2_147_483_647;

/// The message of an operation that puts samples together.
const MIXED: &str = "puts together the samples of a batch of open length, so what it computes depends on how many there are; export the model with a fixed batch size (the whole batch is the input then), or without this operation";

impl Signal {
    /// The shape with a batch of [`OPEN`].
    pub fn wide(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(axis) = self.batch {
            // At most 2^22 components times 2^31.
            shape[axis] *= OPEN;
        }
        shape
    }
}

/// The error of an operation that puts samples together.
pub fn mixed<T>() -> Result<T, String> {
    Err(MIXED.to_owned())
}

/// Checks that an operation along `axis` does not put samples together.
///
/// # Errors
/// It does.
pub fn check_apart(x: &Signal, axis: usize) -> Result<(), String> {
    if x.batch == Some(axis) { mixed() } else { Ok(()) }
}

/// Checks that a value is broadcast with a constant of shape `constant` in the same way for every length
/// of the batch.
///
/// # Errors
/// The constant has a length of its own along the batch.
pub fn check_constant(x: &Signal, constant: &[usize]) -> Result<(), String> {
    let Some(axis) = x.batch else { return Ok(()) };
    let from_behind = x.shape.len() - axis;
    let length = constant.len().checked_sub(from_behind).map_or(1, |i| constant[i]);
    if length == 1 { Ok(()) } else { mixed() }
}

/// The batch axis of a value computed from two with the same shape. A batch that is known to be 1 is
/// so in the whole graph.
///
/// # Errors
/// The samples follow each other along different axes.
pub fn common(x: Option<usize>, y: Option<usize>) -> Result<Option<usize>, String> {
    match (x, y) {
        (Some(x), Some(y)) if x != y => mixed(),
        _ => Ok(x.and(y)),
    }
}

/// The batch axis of two values that are broadcast to `rank` axes.
///
/// # Errors
/// The samples follow each other along different axes.
pub fn broadcast(x: &Signal, y: &Signal, rank: usize) -> Result<(), String> {
    let place = |s: &Signal| s.batch.map(|axis| axis + rank - s.shape.len());
    let length = |s: &Signal| s.batch.map(|axis| s.shape[axis]);
    common(place(x), place(y))?;
    if place(x).is_some() && place(y).is_some() && length(x) != length(y) {
        mixed()
    } else {
        Ok(())
    }
}

/// The batch axis after a change of shape to `new`, which is `wide` with a batch of [`OPEN`].
///
/// # Errors
/// The samples are no longer blocks that follow each other along one axis.
pub fn reshaped(x: &Signal, new: &[usize], wide: &[usize]) -> Result<Option<usize>, String> {
    let Some(old) = x.batch else { return Ok(None) };
    if wide.len() != new.len() {
        return mixed();
    }
    let grown: Vec<usize> = (0..new.len()).filter(|&a| wide[a] != new[a]).collect();
    let [axis] = grown.as_slice() else { return mixed() };
    let outer: usize = new[..*axis].iter().product();
    let blocks = Some(wide[*axis]) == new[*axis].checked_mul(OPEN);
    let same_place = outer == x.shape[..old].iter().product::<usize>();
    // All samples in one vector, one behind the other.
    let one_vector = outer == 1 && axis + 1 == new.len() && new[*axis] > 1;
    if blocks && same_place && !one_vector { Ok(Some(*axis)) } else { mixed() }
}
