//! Certified Lipschitz bounds of neural networks.

pub mod network;
pub mod numeric;
