//! What is demanded of models of which something is to be proved: that nothing about them is assumed.

use anyhow::bail;

use super::thresholds::FILE;
use crate::io::Source;
use crate::network::Network;

/// Checks that the file and the user have said all of what the network is.
///
/// # Errors
/// What is assumed, and how it is said.
pub fn demand(network: &Network, source: &Source) -> anyhow::Result<()> {
    if network.assumed.is_empty() {
        return Ok(());
    }
    bail!(
        "{}: assuming {}. What rests on an assumption is no proof: if it is true, add --activation relu (in {FILE}: activation = \"relu\"); if another function is between the layers, its name; otherwise --arch with an architecture file (arch = \"FILE\")",
        source.display(),
        network.assumed.join("; ")
    )
}
