//! The number of linear regions of a ReLU network.

use std::sync::Arc;

use super::halfspace::{ExactNetwork, HalfSpace, Interior, interior};
use crate::network::lowering::LoweredNetwork;
use crate::network::ranges::Ranges;
use crate::numeric::Interval as Range;

/// The number of linear regions, counted by their activation patterns with inner points, for ReLU networks
/// whose weights are known exactly; `None` for others, or where a region could neither be found nor
/// excluded.
pub fn count(network: &LoweredNetwork) -> Option<usize> {
    let exact = ExactNetwork::new(network)?;
    let neurons =
        network.stages.iter().enumerate().flat_map(|(r, s)| (0..s.outputs()).map(move |k| (r, k)));
    let neurons: Vec<(usize, usize)> = neurons.collect();
    let start = Ranges::unlimited(network);
    count_from(network, &exact, &neurons, start, &mut Vec::new())
}

fn count_from(
    network: &LoweredNetwork,
    exact: &ExactNetwork,
    neurons: &[(usize, usize)],
    ranges: Ranges,
    half_spaces: &mut Vec<Arc<HalfSpace>>,
) -> Option<usize> {
    let Some((&(r, k), rest)) = neurons.split_first() else { return Some(1) };
    let above = exact.above(network, &ranges, (r, k), 0.0)?;
    let below = above.opposite();
    let half = |lo: f64, hi: f64| {
        let mut ranges = ranges.clone();
        ranges.arguments[r][k] = Range::new(lo, hi);
        ranges
    };
    let (up, down) = (half(0.0, f64::INFINITY), half(f64::NEG_INFINITY, 0.0));
    let mut total = 0;
    for (half_space, ranges) in [(above, up), (below, down)] {
        half_spaces.push(Arc::new(half_space));
        total += match interior(half_spaces, None, network.inputs(), None) {
            Interior::Empty => 0,
            Interior::Unknown => return None,
            Interior::Point(_) => count_from(network, exact, rest, ranges, half_spaces)?,
        };
        half_spaces.pop();
    }
    Some(total)
}
