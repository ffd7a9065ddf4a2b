//! Reading and writing models, and a message for every way in which a file can be wrong.

#![allow(clippy::expect_used)] // tests fail by panicking

#[path = "io/arch.rs"]
mod arch;
#[path = "io/arrays.rs"]
mod arrays;
#[path = "io/json.rs"]
mod json;
#[path = "io/nnet.rs"]
mod nnet;
#[path = "io/pickles.rs"]
mod pickles;
#[path = "io/pytorch.rs"]
mod pytorch;
#[path = "io/safetensors.rs"]
mod safetensors;
#[path = "io/sources.rs"]
mod sources;
#[path = "io/state_dicts.rs"]
mod state_dicts;
#[path = "io/support.rs"]
mod support;
