//! Gradients of bounds: finite differences, Euler's identity, closed forms, names and shapes.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;
mod support;

#[path = "gradient/closed_forms.rs"]
mod closed_forms;
#[path = "gradient/command.rs"]
mod command;
#[path = "gradient/differences.rs"]
mod differences;
#[path = "gradient/models.rs"]
mod models;
#[path = "gradient/trained.rs"]
mod trained;
