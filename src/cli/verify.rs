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

/// Its version decides what a file must hold, so it is looked at first.
fn check_schema(text: &str) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    match serde_json::from_str::<Head>(text) {
        Ok(head) if head.schema == CERTIFICATE_SCHEMA => Ok(()),
        Ok(Head { schema }) => bail!(
            "found the format {schema}, expected {CERTIFICATE_SCHEMA}; write the certificate again with `lipbound compute --certificate`"
        ),
        // What is missing is said where all of it is read.
        Err(_) => Ok(()),
    }
}

/// Runs the command.
pub fn run(arguments: &Verify) -> anyhow::Result<Outcome> {
    let path = arguments.certificate.display();
    let text = std::fs::read_to_string(&arguments.certificate)
        .with_context(|| format!("{path}: cannot read the certificate"))?;
    check_schema(&text).with_context(|| path.to_string())?;
    let file: CertificateFile = serde_json::from_str(&text).with_context(|| {
        format!("{path}: not a certificate (expected what `lipbound compute --certificate` writes)")
    })?;
    if file.certificates.is_empty() {
        bail!("{path}: holds no certificate, so there is nothing to verify");
    }
    let mut outcome = Outcome::Done;
    for source in io::sources(std::slice::from_ref(&arguments.model))? {
        let network = io::read(&source, &arguments.reading.options(Memory::default().bytes()))?;
        stated::demand(&network, &source)?;
        let model = network.fingerprint().with_context(|| source.display())?;
        let Verify { selected, reading, region, .. } = arguments;
        let lowered = lower(network, &source, reading)?;
        let lowered = selected.restricted(lowered, region, &source)?;
        let subject = selected.subject_of(&lowered, model, reading.pooling);
        let problem = Problem::new(lowered, Options::default());
        for entry in &file.certificates {
            let line = match entry.verify(&problem, subject) {
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
