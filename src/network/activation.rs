//! The activation functions.
