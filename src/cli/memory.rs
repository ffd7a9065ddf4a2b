//! `--memory-limit`: how much memory the program may take.

use anyhow::Context;
use clap::Args;

use crate::bounds::{Options, memory};
use crate::io::Source;
use crate::network::Network;

/// How much memory may be used.
#[derive(Debug, Clone, Default, Args)]
pub struct Memory {
    /// Refuse, before it begins, what is estimated to need more memory (such as 500MB or 4GiB)
    /// [default: that of the machine]
    #[arg(long = "memory-limit", value_name = "SIZE", value_parser = parse)]
    pub limit: Option<usize>,
}

impl Memory {
    /// The limit in bytes. Without the option, what the machine or the control group of the process has:
    /// beyond that the system would end the process, and what it has computed would be lost. What is free
    /// at the moment does not count, as it is another number each time.
    pub fn bytes(&self) -> usize {
        self.limit.or_else(machine).unwrap_or(usize::MAX)
    }

    /// The options with the limit. Without `--memory-limit` the products of the maps keep theirs.
    pub fn limited(&self, options: Options) -> Options {
        let products = self.limit.unwrap_or(options.memory_limit);
        Options { memory_limit: products, ceiling: self.bytes(), ..options }
    }

    /// Checks that a network can be brought into the form that is bounded.
    pub fn check_lowering(&self, network: &Network, source: &Source) -> anyhow::Result<()> {
        memory::check_lowering(network, self.bytes()).with_context(|| source.display())
    }
}

const UNITS: [(&str, f64); 10] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1048576.0),
    ("gib", 1073741824.0),
    ("tib", 1099511627776.0),
];

/// Reads a number of bytes such as `500MB` or `4GiB`.
fn parse(text: &str) -> Result<usize, String> {
    let failed = || {
        format!(
            "found {text}, expected a number of bytes with a unit: B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), for example 500MB or 4GiB"
        )
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().map_err(|_| failed())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(failed)?;
    #[expect(clippy::float_arithmetic, reason = "a number of bytes")]
    let bytes = number * factor;
    // Beyond the range the conversion saturates, which is as good as no limit.
    if bytes >= 1.0 { Ok(bytes as usize) } else { Err(failed()) }
}

/// The memory of the machine, or of the control group of this process where that is less; `None` where
/// neither is known (systems other than Linux).
fn machine() -> Option<usize> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let total = read("/proc/meminfo").and_then(|text| total_of(&text));
    let groups =
        ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].map(read);
    let group = groups.into_iter().flatten().filter_map(|text| text.trim().parse().ok()).min();
    total.into_iter().chain(group).min()
}

/// The line `MemTotal:  24000000 kB`.
fn total_of(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{parse, total_of};

    #[test]
    fn sizes_are_read_in_both_kinds_of_units() {
        for (text, bytes) in [
            ("1", 1),
            ("500MB", 500_000_000),
            ("4GiB", 4 << 30),
            ("1.5 kib", 1536),
            ("2tb", 2_000_000_000_000),
            ("10B", 10),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "4G", "-1MB", "0", "1..5MB", "0.1B", "4 GiB x", "\u{661}MB"] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("for example 500MB or 4GiB"), "{text}: {error}");
        }
    }

    #[test]
    fn the_memory_of_the_machine() {
        assert_eq!(total_of("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
    }
}
