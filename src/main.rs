//! The program `lipbound`.

fn main() -> std::process::ExitCode {
    lipbound::cli::run()
}
