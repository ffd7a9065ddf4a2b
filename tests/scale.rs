//! Extreme shapes, with values in closed form; and how much memory bounds take.
#![allow(clippy::expect_used)] // tests fail by panicking
#![allow(clippy::print_stderr)] // the figures, with --nocapture

mod program;

#[cfg(target_os = "linux")]
#[path = "scale/memory.rs"]
mod memory;
#[path = "scale/shapes.rs"]
mod shapes;

use std::fmt::Write;

/// A network of dense layers with ReLU between them, in JSON; `weight(r, i, j)` is an entry of `W_r`.
pub fn dense(widths: &[usize], weight: impl Fn(usize, usize, usize) -> f64) -> String {
    let mut text = r#"{"weights": ["#.to_owned();
    for (r, pair) in widths.windows(2).enumerate() {
        text.push_str(if r == 0 { "[" } else { ", [" });
        for i in 0..pair[1] {
            let row: Vec<String> = (0..pair[0]).map(|j| weight(r, i, j).to_string()).collect();
            let comma = if i == 0 { "" } else { ", " };
            write!(text, "{comma}[{}]", row.join(", ")).expect("text");
        }
        text.push(']');
    }
    text + "]}"
}
