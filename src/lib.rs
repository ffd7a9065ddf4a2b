//! Certified Lipschitz bounds of neural networks.

pub mod bounds;
pub mod network;
pub mod numeric;
