//! Certified Lipschitz bounds of neural networks.

pub mod bounds;
pub mod io;
pub mod network;
pub mod numeric;
