use ndarray::arr2;

use super::*;
use crate::network::{Diagonal, LinearMap};

#[test]
fn tiles_are_whole_groups() {
    for (columns, group) in [(1, 1), (600, 1), (6000, 3), (2 * TILE, TILE), (4000, 1000)] {
        let tiles = tiles(columns, group);
        let ends: Vec<usize> = tiles.iter().map(|tile| tile.end).collect();
        let starts: Vec<usize> = tiles.iter().map(|tile| tile.start).collect();
        assert_eq!(starts[1..], ends[..ends.len() - 1], "{columns} {group}");
        assert_eq!((starts[0], ends[ends.len() - 1]), (0, columns));
        // All but the last are as long as fits, or one large group.
        for tile in &tiles[..tiles.len() - 1] {
            assert!(tile.len().is_multiple_of(group), "{columns} {group}");
            assert!(tile.len() <= TILE.max(group) && tile.len() + group > TILE, "{group}");
        }
    }
}

#[test]
fn errors_of_products_are_added_where_there_are_any() {
    // |C| = 1/2 between the maps 2 and 3: P = A = 3 for a column of 1, and errors of 1/2 A or 1/4.
    let map = |x: f64| LinearMap { matrix: Matrix::dense(arr2(&[[x]])), radius: None, exponent: 0 };
    let slopes = Slopes::Componentwise(Diagonal::new(vec![0.0], vec![1.0]));
    let chain = Chain::new(vec![map(2.0), map(3.0)], vec![slopes]);
    for (relative, absolute, bound) in [(0.0, 0.0, 3.0), (0.5, 0.0, 4.5), (0.0, 0.25, 3.25)] {
        let product = |t: usize, s: usize| match (t, s) {
            (2, 0) => {
                let error = ProductError { relative, absolute };
                Product { value: Matrix::dense(arr2(&[[3.0]])), error }
            }
            _ => Product { value: chain.maps()[s].matrix.clone(), error: ProductError::NONE },
        };
        let mut blocks = Blocks::new(&chain, &product, arr2(&[[1.0]]));
        assert_eq!(blocks.next_up(), arr2(&[[2.0]]));
        let found = blocks.next_up()[[0, 0]];
        // Exact without an error, otherwise within a few roundings.
        let above = if bound == 3.0 { 3.0 } else { bound * (1.0 + 1e-14) };
        assert!((bound..=above).contains(&found), "{found} {bound}");
    }
}
