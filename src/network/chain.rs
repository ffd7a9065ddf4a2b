//! What the bounds see of a network: linear maps alternating with slopes.

use super::linear_map::LinearMap;
use super::slopes::Slopes;

/// The set of Jacobians `W_l D_l W_{l-1} ... D_1 W_0` of a network, where each `D_r` ranges over
/// its [`Slopes`]. Every Jacobian of the network, at every point where it has one, is in the set.
#[derive(Debug, Clone)]
pub struct Chain {
    maps: Vec<LinearMap>,
    slopes: Vec<Slopes>,
}

impl Chain {
    /// The chain `W_l S_l ... S_1 W_0`: `maps` holds `W_0 .. W_l`, `slopes` holds `S_1 .. S_l`, so
    /// there is one map more than there are slopes, and their dimensions agree.
    pub fn new(maps: Vec<LinearMap>, slopes: Vec<Slopes>) -> Chain {
        debug_assert_eq!(maps.len(), slopes.len() + 1);
        debug_assert!(slopes.iter().enumerate().all(|(r, s)| {
            s.inputs() == maps[r].rows() && s.outputs() == maps[r + 1].columns()
        }));
        Chain { maps, slopes }
    }

    /// The maps `W_0 .. W_l`.
    pub fn maps(&self) -> &[LinearMap] {
        &self.maps
    }

    /// The slopes `S_1 .. S_l`; `slopes()[r]` lies between `maps()[r]` and `maps()[r + 1]`.
    pub fn slopes(&self) -> &[Slopes] {
        &self.slopes
    }

    /// The number `l` of nonlinearities.
    pub fn depth(&self) -> usize {
        self.slopes.len()
    }

    /// The input dimension `a_0`.
    pub fn inputs(&self) -> usize {
        self.maps[0].columns()
    }

    /// The output dimension `a_{l+1}`.
    pub fn outputs(&self) -> usize {
        self.maps[self.depth()].rows()
    }

    /// The number of neurons (and pooling windows) whose slope is not fixed.
    pub fn neurons(&self) -> usize {
        self.slopes.iter().map(Slopes::branching).sum()
    }

    /// The sum of the exponents of the maps: bounds are computed from the maps without their
    /// exponents and multiplied by this power of two at the end.
    pub fn exponent(&self) -> i32 {
        self.maps.iter().map(|m| m.exponent).fold(0, i32::saturating_add)
    }

    /// Whether a nonlinearity is a max-pooling.
    pub fn has_pool(&self) -> bool {
        self.slopes.iter().any(|s| s.diagonal().is_none())
    }

    /// The chain of the transposed Jacobians, whose l-infinity norms are the l1 norms of this one;
    /// `None` where there is a max-pooling. Entries are shared.
    pub fn transposed(&self) -> Option<Chain> {
        let slopes: Option<Vec<Slopes>> =
            self.slopes.iter().rev().map(Slopes::transposed).collect();
        let maps = self.maps.iter().rev().map(LinearMap::transposed).collect();
        slopes.map(|slopes| Chain { maps, slopes })
    }

    /// The chain from the map `W_first` on.
    pub fn from(&self, first: usize) -> Chain {
        Chain::new(self.maps[first..].to_vec(), self.slopes[first..].to_vec())
    }

    /// The chain with another first map.
    pub fn with_first(&self, map: LinearMap) -> Chain {
        let mut chain = self.clone();
        chain.maps[0] = map;
        chain
    }

    /// The chain with another last map.
    pub fn with_last(&self, map: LinearMap) -> Chain {
        let mut chain = self.clone();
        let last = self.depth();
        chain.maps[last] = map;
        chain
    }

    /// The chain for some of the outputs only.
    pub fn select_outputs(&self, outputs: &[usize]) -> Chain {
        self.with_last(self.maps[self.depth()].select_rows(outputs))
    }
}
