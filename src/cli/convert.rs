//! `lipbound convert`.

use super::arguments::Convert;
use super::memory::Memory;
use super::{Outcome, output, stated};
use crate::io;

/// Runs the command.
pub fn run(arguments: &Convert) -> anyhow::Result<Outcome> {
    let sources = io::sources(std::slice::from_ref(&arguments.input))?;
    for source in &sources {
        let network = io::read(source, &arguments.reading.options(Memory::default().bytes()))?;
        stated::demand(&network, source)?;
        network.notes.iter().for_each(|note| output::note(note));
        io::write(&network, &arguments.output)?;
    }
    Ok(Outcome::Done)
}
