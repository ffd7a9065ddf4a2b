//! A number by which models are told apart.

use super::layers::Lowered;
use super::{InputBox, LayerError, LinearMap, Network};

/// What tells models apart: a 64-bit number made of all that bounds depend on. Equal models have equal ones
/// on every machine, as no layer is merged with another (which may round differently there); a difference in
/// one number always shows, others almost surely. It guards against mistakes, not against forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The same for a part of what can be said of the model: text counts, too.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Fingerprint {
        self.word(text.len() as u64);
        text.bytes().for_each(|byte| self.word(u64::from(byte)));
        self
    }

    /// The same for the model on a box.
    #[must_use]
    pub fn with_box(mut self, input: &InputBox) -> Fingerprint {
        self.word(input.dimension() as u64);
        for side in input.sides() {
            self.number(side.lo);
            self.number(side.hi);
        }
        self
    }

    /// A step that is one-to-one in either argument, so that no later one forgets a difference.
    fn word(&mut self, word: u64) {
        // The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        let mut x = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = x ^ (x >> 31);
    }

    fn number(&mut self, x: f64) {
        self.word(x.to_bits());
    }

    fn map(&mut self, map: &LinearMap) {
        self.word(u64::from(map.exponent.cast_unsigned()));
        for matrix in [Some(&map.matrix), map.radius.as_ref()].into_iter().flatten() {
            self.word(matrix.rows() as u64);
            self.word(matrix.columns() as u64);
            if let Some(entries) = matrix.as_dense() {
                entries.iter().for_each(|&x| self.number(x));
                continue;
            }
            for i in 0..matrix.rows() {
                self.word(i as u64);
                matrix.row_entries(i, &mut |j, x| {
                    self.word(j as u64);
                    self.number(x);
                });
            }
        }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Network {
    /// What tells the network from others. It takes one pass over the weights.
    ///
    /// # Errors
    /// As [`Network::lower`].
    pub fn fingerprint(&self) -> Result<Fingerprint, LayerError> {
        let shapes = self.shapes()?;
        let mut found = Fingerprint(0).with_text(&format!("{:?}", self.input_shape));
        for (index, node) in self.nodes.iter().enumerate() {
            found = found.with_text(&format!("{:?}", node.inputs));
            match self.lowered_layer(index, &shapes)? {
                Lowered::Reshape => {}
                Lowered::Affine(map) => {
                    found.map(&map.linear);
                    for bias in &map.bias {
                        found.number(bias.lo);
                        found.number(bias.hi);
                    }
                }
                Lowered::Activation(parts) => found = found.with_text(&format!("{parts:?}")),
                Lowered::MaxPool(windows) => {
                    for i in 0..windows.count() {
                        found.word(windows.window(i).len() as u64);
                        windows.window(i).for_each(|j| found.word(j as u64));
                    }
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::network::layers::dense::Dense;
    use crate::network::{Activation, InputBox, Layer, Network};

    fn network(weight: f64, bias: f64, slope: f64) -> Network {
        let dense = |x: f64, b: f64| -> Arc<dyn Layer> {
            let weight = ndarray::Array2::from_elem((1, 1), x);
            Arc::new(Dense::new(weight, ndarray::arr1(&[b])).expect("shapes"))
        };
        let activation = Arc::new(Activation::LeakyRelu { negative_slope: slope });
        let layers: Vec<Arc<dyn Layer>> = vec![dense(weight, bias), activation, dense(1.0, 0.0)];
        Network::sequential("test", vec![1], layers).expect("shapes")
    }

    #[test]
    fn every_number_counts() {
        let of = |network: &Network| network.fingerprint().expect("layers");
        let one = of(&network(1.0, 0.5, 0.1));
        assert_eq!(one, of(&network(1.0, 0.5, 0.1)));
        // The powers of two of a map are apart from its entries.
        for other in [network(2.0, 0.5, 0.1), network(1.0, 0.25, 0.1), network(1.0, 0.5, 0.2)] {
            assert_ne!(one, of(&other));
        }
        let boxes = [(0.0, 1.0), (0.0, 2.0)].map(|side| InputBox::new(&[side]).expect("a box"));
        assert_ne!(one.with_box(&boxes[0]), one.with_box(&boxes[1]));
        assert_ne!(one.with_box(&boxes[0]), one);
    }

    #[test]
    fn it_is_the_same_on_every_machine() {
        // Of this program, once: a change of it makes parts of earlier reports unknown to later ones.
        assert_eq!(
            network(1.0, 0.5, 0.1).fingerprint().expect("layers").to_string(),
            "a656d4e943fd0ecf"
        );
    }
}
