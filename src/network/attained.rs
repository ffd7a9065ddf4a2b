//! Slopes that surely occur in a network: rounded inwards, where [`super::ranges`] rounds outwards.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lowering::LoweredNetwork;
use super::{InputBox, Stage};
use crate::numeric::Interval;

/// Points of a box at which the arguments of later stages are looked at.
const POINTS: u64 = 32;

/// Enclosures of two arguments, or of two slopes, that occur: a small one and a large one.
pub type Ends = [Interval; 2];

impl LoweredNetwork {
    /// For each component of each stage enclosures of a small slope and of a large one that occur there: over the whole
    /// real line where the network is not on a box, else at arguments that are shown to occur on it. `None` where the
    /// box has no points, or a stage is a pool.
    pub fn attained_slopes(&self) -> Option<Vec<Vec<Ends>>> {
        let whole = [f64::NEG_INFINITY, f64::INFINITY].map(Interval::point);
        let arguments = match &self.input {
            None => self.stages.iter().map(|stage| vec![whole; stage.outputs()]).collect(),
            Some(input) => self.attained_arguments(input)?,
        };
        let of_stage = |(stage, z): (&Stage, Vec<Ends>)| -> Option<Vec<Ends>> {
            let each = stage.activations()?.into_iter().zip(z);
            Some(
                each.map(|(activation, [from, to])| activation.attained_slopes(from, to)).collect(),
            )
        };
        self.stages.iter().zip(arguments).map(of_stage).collect()
    }

    /// For each component of each stage two arguments that occur on the box. Arguments are continuous and a box is
    /// connected, so what lies between them occurs, too.
    fn attained_arguments(&self, input: &InputBox) -> Option<Vec<Vec<Ends>>> {
        let points = input.points()?;
        let Some(stage) = self.stages.first() else { return Some(Vec::new()) };
        let mut arguments =
            vec![(0..stage.outputs()).map(|k| self.at_corners(points, k)).collect()];
        let mut seen: Vec<Vec<Vec<Interval>>> = vec![Vec::new(); self.stages.len()];
        for number in 0..POINTS {
            let mut state = point(points, number);
            for (r, stage) in self.stages.iter().enumerate() {
                let z = self.affine(r, &state);
                state = stage.values(&z);
                seen[r].push(z);
            }
        }
        for layer in seen.into_iter().skip(1) {
            let ends = |k: usize| {
                let each = || layer.iter().map(|z| z[k]);
                let least = each().reduce(|a, b| if b.hi < a.hi { b } else { a })?;
                let largest = each().reduce(|a, b| if b.lo > a.lo { b } else { a })?;
                Some([least, largest])
            };
            arguments.push((0..layer[0].len()).map(ends).collect::<Option<Vec<_>>>()?);
        }
        Some(arguments)
    }

    /// The least and the largest argument of component `k` of the first stage, at corners of a box.
    fn at_corners(&self, sides: &[Interval], k: usize) -> Ends {
        let mut row = vec![0.0; sides.len()];
        self.value_map(0).matrix.row_entries(k, &mut |j, x| row[j] = x);
        [false, true].map(|up| {
            let end =
                |(side, &w): (&Interval, &f64)| if (w > 0.0) == up { side.hi } else { side.lo };
            let corner: Vec<Interval> =
                sides.iter().zip(&row).map(end).map(Interval::point).collect();
            self.affine(0, &corner)[k]
        })
    }
}

/// A point of a box: the middle, two corners, then corners and points anywhere in turns.
fn point(sides: &[Interval], number: u64) -> Vec<Interval> {
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let place = |side: &Interval| match number {
        0 => side.midpoint(),
        1 => side.lo,
        2 => side.hi,
        _ if number.is_multiple_of(2) => {
            if rng.random::<bool>() {
                side.lo
            } else {
                side.hi
            }
        }
        #[expect(clippy::float_arithmetic, reason = "any point between the ends will do")]
        _ => (side.lo + rng.random::<f64>() * (side.hi - side.lo)).clamp(side.lo, side.hi),
    };
    sides.iter().map(place).map(Interval::point).collect()
}
