//! The tables of Pintore and Despres, "Computable Lipschitz bounds for deep neural networks"
//! (arXiv 2410.21053), and the test of their slides, computed anew.
//!
//! `cargo run --release --example paper_tables [x2|random|xy|cnn]` (default: all of them).

#![allow(clippy::print_stdout)] // a program that prints

mod cnn;
mod networks;
mod random;
mod tables;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    if is_wanted("x2") {
        print!("{}", tables::x2()?);
    }
    if is_wanted("random") {
        print!("{}", random::table(1000)?);
    }
    if is_wanted("cnn") {
        print!("{}", cnn::table()?);
    }
    if is_wanted("xy") {
        print!("{}", tables::xy()?);
    }
    Ok(())
}
