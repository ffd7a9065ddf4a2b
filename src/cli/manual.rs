//! `lipbound completions` and `lipbound man`, both made from the arguments.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::arguments::Arguments as Program;
use super::{Outcome, output};

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound completions bash >> ~/.bashrc
  lipbound completions zsh > ~/.zfunc/_lipbound
  lipbound completions fish > ~/.config/fish/completions/lipbound.fish
  lipbound completions powershell >> $PROFILE")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound man ~/.local/share/man/man1
  man lipbound-compare")]
pub struct Man {
    /// The folder to write the pages to; it is made if need be
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Prints the completions of a shell.
pub fn completions(arguments: &Completions) -> anyhow::Result<Outcome> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Program::command(), "lipbound", &mut bytes);
    output::print(&String::from_utf8_lossy(&bytes))?;
    Ok(Outcome::Done)
}

/// Writes a page for the program and one for each subcommand.
pub fn man(arguments: &Man) -> anyhow::Result<Outcome> {
    let folder = &arguments.folder;
    let failed = || format!("{}: cannot make the folder", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut program = Program::command().disable_help_subcommand(true);
    program.build();
    page(&program, "lipbound", folder)?;
    for command in program.get_subcommands() {
        page(command, &format!("lipbound-{}", command.get_name()), folder)?;
    }
    Ok(Outcome::Done)
}

fn page(command: &clap::Command, name: &str, folder: &std::path::Path) -> anyhow::Result<()> {
    // A page is dated by its version only, so that it does not change from day to day.
    let page = clap_mangen::Man::new(command.clone().display_name(name.to_owned()));
    let mut bytes = Vec::new();
    page.render(&mut bytes).with_context(|| format!("{name}: cannot make the page"))?;
    output::save_bytes(&folder.join(format!("{name}.1")), &bytes)
}
