//! ONNX: agreement with onnxruntime, the operators, and a message for every way in which a file can be
//! wrong.

#![allow(clippy::expect_used, clippy::print_stdout)] // tests fail by panicking; some print tables

#[path = "onnx/agreement.rs"]
mod agreement;
#[path = "onnx/batch.rs"]
mod batch;
#[path = "onnx/cases.rs"]
mod cases;
#[path = "onnx/differential.rs"]
mod differential;
#[path = "onnx/forward.rs"]
mod forward;
#[path = "onnx/malformed.rs"]
mod malformed;
#[path = "onnx/operands.rs"]
mod operands;
#[path = "onnx/writer.rs"]
mod writer;
