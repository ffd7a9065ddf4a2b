//! One nonlinearity of a lowered network.

use super::Activation;
use super::slopes::{Diagonal, Slopes, Windows};

/// One nonlinearity of a [`LoweredNetwork`].
#[derive(Debug, Clone)]
pub enum Stage {
    /// Each activation is applied to the given number of consecutive components.
    Componentwise(Vec<(Activation, usize)>),
    /// The maximum over each window.
    Pool(Windows),
}

impl Stage {
    /// The number of components of the result.
    pub fn outputs(&self) -> usize {
        match self {
            Stage::Componentwise(parts) => parts.iter().map(|(_, count)| count).sum(),
            Stage::Pool(windows) => windows.count(),
        }
    }

    /// The slopes over the whole real line.
    pub fn slopes(&self) -> Slopes {
        match self {
            Stage::Componentwise(parts) => {
                let (mut alpha, mut beta) = (Vec::new(), Vec::new());
                for (activation, count) in parts {
                    let (low, high) = activation.slopes();
                    alpha.extend(std::iter::repeat_n(low, *count));
                    beta.extend(std::iter::repeat_n(high, *count));
                }
                Slopes::Componentwise(Diagonal::new(alpha, beta))
            }
            Stage::Pool(windows) => Slopes::Pool(windows.clone()),
        }
    }

    /// The activation of one component; `None` for a pool.
    pub fn activation(&self, component: usize) -> Option<&Activation> {
        let Stage::Componentwise(parts) = self else { return None };
        let mut end = 0;
        let holds = |(_, count): &&(Activation, usize)| {
            end += count;
            component < end
        };
        parts.iter().find(holds).map(|(activation, _)| activation)
    }

    /// The activation of each component; `None` for a pool.
    pub fn activations(&self) -> Option<Vec<&Activation>> {
        match self {
            Stage::Componentwise(parts) => {
                let each = parts.iter().flat_map(|(a, count)| std::iter::repeat_n(a, *count));
                Some(each.collect())
            }
            Stage::Pool(_) => None,
        }
    }
}
