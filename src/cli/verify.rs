//! `lipbound verify`.

use anyhow::{Context, bail};

use super::arguments::Verify;
use super::compute::lower;
use super::memory::Memory;
use super::{Outcome, output, stated};
use crate::bounds::k_sdp::{CERTIFICATE_SCHEMA, CertificateFile};
use crate::bounds::{Options, Problem};
use crate::io;
use crate::report::number;

/// Runs the command.
pub fn run(arguments: &Verify) -> anyhow::Result<Outcome> {
    let path = arguments.certificate.display();
    let text = std::fs::read_to_string(&arguments.certificate)
        .with_context(|| format!("{path}: cannot read the certificate"))?;
    let file: CertificateFile = serde_json::from_str(&text).with_context(|| {
        format!("{path}: not a certificate (expected what `lipbound compute --certificate` writes)")
    })?;
    if file.schema != CERTIFICATE_SCHEMA {
        bail!("{path}: found the format {}, expected {CERTIFICATE_SCHEMA}", file.schema);
    }
    let mut outcome = Outcome::Done;
    for source in io::sources(std::slice::from_ref(&arguments.model))? {
        let network = io::read(&source, &arguments.reading.options(Memory::default().bytes()))?;
        stated::demand(&network, &source)?;
        let lowered = lower(network, &source, &arguments.reading)?;
        let lowered = arguments.selected.restricted(lowered, &arguments.region, &source)?;
        let problem = Problem::new(lowered, Options::default());
        for entry in &file.certificates {
            let line = match entry.verify(&problem) {
                Ok(proved) => format!(
                    "{:<4}  verified: L is at most {}",
                    entry.norm,
                    number::upper(proved, 17)
                ),
                Err(refusal) => {
                    outcome = Outcome::Failed;
                    format!("{:<4}  rejected: {refusal}", entry.norm)
                }
            };
            output::print(&format!("{line}\n"))?;
        }
    }
    Ok(outcome)
}
