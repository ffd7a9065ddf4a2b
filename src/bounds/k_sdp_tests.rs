//! What is known of rows before their problem is solved.

use ndarray::{Array2, arr2};

use super::*;
use crate::bounds::networks_for_tests::relu_problem;

#[test]
fn rows_have_the_smaller_one_of_two_bounds() {
    // W W = 2 I, so that K5 of a row is (2 + 4) / 2 and its length at most (2 + sqrt(2) sqrt(2)) / 2, of two numbers.
    let w = arr2(&[[1.0, 1.0], [1.0, -1.0]]);
    let folded = relu_problem([w.clone(), w]);
    // Of one map K5 is the sum of the absolute values, and the length of two numbers 1 and 0 is 1.
    let one = relu_problem([Array2::eye(2)]);
    for (problem, value) in [(folded, 8f64.sqrt()), (one, 1.0)] {
        for norm in [Norm::L1, Norm::Linf] {
            let task = Task::new(&problem, norm).expect("a chain");
            let found = task.row_bounds().expect("small");
            assert_eq!(found.len(), 2);
            for bound in found.into_iter().map(|x| problem.scaled_up(x)) {
                // Norms in l2 have margins of 64 * 2 u.
                assert!((value..value * (1.0 + 1e-13)).contains(&bound), "{norm}: {bound}");
            }
        }
    }
}
