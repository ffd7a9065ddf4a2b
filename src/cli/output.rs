//! Printing: standard output, files that appear whole or not at all, and messages.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;

use crate::report::{Style, Symbols};

/// Whether standard output shows colours (a terminal, `NO_COLOR` unset, and so on).
pub fn style() -> Style {
    let choice = anstream::AutoStream::choice(&std::io::stdout());
    if std::io::stdout().is_terminal() && choice != anstream::ColorChoice::Never {
        Style::Coloured
    } else {
        Style::Plain
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard output shows more than ASCII: a terminal in a locale with UTF-8. Files and pipes
/// get ASCII, so that they do not depend on the locale.
pub fn symbols() -> Symbols {
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let utf8 = locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    if is_terminal() && utf8 { Symbols::Unicode } else { Symbols::Ascii }
}

/// Writes to standard output. A reader that has gone away (`lipbound ... | head`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes a file that appears whole or not at all.
pub fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    save_bytes(path, text.as_bytes())
}

/// The same for contents that are not text.
pub fn save_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("{}: cannot write the file", path.display());
    crate::io::replace(path, bytes).with_context(failed)
}

/// An error on standard error, with its causes.
pub fn error(error: &anyhow::Error) {
    message("error", anstyle::AnsiColor::Red, &describe(error));
}

/// An error with its causes, each said once.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

/// A remark on standard error.
pub fn note(text: &str) {
    message("note", anstyle::AnsiColor::Cyan, text);
}

fn message(kind: &str, colour: anstyle::AnsiColor, text: &str) {
    let style = anstyle::Style::new().bold().fg_color(Some(colour.into()));
    let mut out = anstream::stderr().lock();
    // Nothing is left to be done where even this fails.
    let _ = writeln!(out, "{style}{kind}:{style:#} {text}");
}

/// Whether standard error is a terminal, where progress can be shown.
pub fn is_interactive() -> bool {
    std::io::stderr().is_terminal()
}

/// Replaces the line of progress; an empty text removes it.
pub fn progress(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush());
}
