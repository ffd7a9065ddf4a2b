use ndarray::arr2;

use super::*;
use crate::bounds::Problem;
use crate::bounds::networks_for_tests::relu_problem;
use crate::numeric::rounding::power_of_two;

/// `3 max(2 x, 0)`.
fn problem() -> Problem {
    relu_problem([arr2(&[[2.0]]), arr2(&[[3.0]])])
}

#[test]
fn kinks_are_inside_of_their_ranges() {
    let problem = problem();
    let network = problem.network();
    let regions = Regions::new(network, Norm::Linf, Stop::default());
    for (lo, hi, kink) in [(-1.0, 1.0, Some(0.0)), (-1.0, 0.0, None), (0.0, 1.0, None)] {
        let mut ranges = Ranges::unlimited(network);
        ranges.arguments[0][0] = Range::new(lo, hi);
        assert_eq!(regions.kink_inside(&ranges, (0, 0)), kink, "{lo} {hi}");
    }
}

#[test]
fn bounds_of_what_is_done_with_are_kept() {
    let problem = problem();
    let network = problem.network();
    // The slope on the right is 6, without the powers of two of the maps.
    let slope = 6.0 * power_of_two(-network.chain.exponent());
    for norm in Norm::ALL {
        let regions = Regions::new(network, norm, Stop::default());
        let mut ranges = Ranges::unlimited(network);
        ranges.arguments[0][0] = Range::new(0.0, f64::INFINITY);
        let node = |ranges: &Ranges| Node {
            rows: vec![0],
            starts: vec![None],
            input: None,
            ranges: Arc::new(ranges.clone()),
            kinks: 0,
            half_spaces: Vec::new(),
            point: Some(vec![1.0]),
            cut: Cut::Halve(0),
        };
        // Linear on the whole part, or already below what is known.
        for known in [0.0, slope] {
            let mut split = Split::default();
            regions.consider(node(&ranges), known, &mut split);
            assert!(split.open.is_empty());
            let settled = split.settled;
            assert!((slope..slope * (1.0 + 1e-9)).contains(&settled), "{norm} {known}: {settled}");
        }
        // Ksdp over both sides.
        let whole = Ranges::unlimited(network);
        let slopes = regions.oriented(&whole);
        let bound = regions.relaxed(&mut node(&whole), &slopes, 0.0, &mut Split::default());
        assert!((slope..slope * (1.0 + 1e-5)).contains(&bound), "{norm}: {bound}");
    }
}
