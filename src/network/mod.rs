//! What a model file says, and what the bounds see of it.

pub mod activation;
