//! The text of a mutated file.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::Serialize;

use crate::find::{Form, Site};

/// One change; the ranges are bytes of the mutated file, in which an error of the compiler is looked up.
#[derive(Serialize)]
pub struct Mutant {
    pub id: usize,
    /// File, function, change and the how-manieth such change it is: what stays the same when other places change.
    pub key: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub function: String,
    pub kind: &'static str,
    /// The first mutant of the same place.
    pub first: usize,
    pub branch: Range<usize>,
    pub place: Range<usize>,
}

/// The text with all sites rewritten, outermost first; their mutants are appended to `mutants`. The code of those
/// with the keys in `unviable` is left out.
pub fn emit(
    text: &str,
    file: &str,
    mut sites: Vec<Site>,
    unviable: &HashSet<String>,
    mutants: &mut Vec<Mutant>,
) -> String {
    sites.sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
    let mut writer = Writer {
        text,
        file,
        sites,
        unviable,
        mutants,
        out: String::new(),
        next: 0,
        seen: HashMap::new(),
    };
    writer.copy(0..text.len());
    writer.out
}

struct Writer<'a> {
    text: &'a str,
    file: &'a str,
    sites: Vec<Site>,
    unviable: &'a HashSet<String>,
    mutants: &'a mut Vec<Mutant>,
    out: String,
    /// The next site that is not written.
    next: usize,
    /// How many changes of the same name there are so far.
    seen: HashMap<String, usize>,
}

impl Writer<'_> {
    /// Copies a range of the original, with the sites inside of it rewritten.
    fn copy(&mut self, range: Range<usize>) {
        let mut position = range.start;
        while let Some(site) = self.sites.get(self.next)
            && site.range.start < range.end
            && site.range.end <= range.end
        {
            let site = site.clone();
            self.next += 1;
            self.out.push_str(&self.text[position..site.range.start]);
            position = site.range.end;
            self.site(&site);
        }
        self.out.push_str(&self.text[position..range.end]);
    }

    fn site(&mut self, site: &Site) {
        let (first, n) = (self.mutants.len(), site.changes.len());
        let before = &self.text[..site.range.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |p| p + 1) + 1;
        for (k, change) in site.changes.iter().enumerate() {
            let name = format!("{} {}: {}", self.file, site.function, change.description);
            let name = name.replace('\n', " ");
            let count = self.seen.entry(name.clone()).or_default();
            *count += 1;
            self.mutants.push(Mutant {
                id: first + k,
                key: format!("{name} #{count}"),
                file: self.file.to_owned(),
                line,
                column,
                function: site.function.clone(),
                kind: change.kind,
                first,
                branch: 0..0,
                place: 0..0,
            });
        }
        let viable: Vec<usize> =
            (0..n).filter(|k| !self.unviable.contains(&self.mutants[first + k].key)).collect();
        let start = self.out.len();
        if viable.is_empty() {
            self.copy(site.range.clone());
            return;
        }
        let off = format!("crate::mutant::off({first}, {n})");
        match site.form {
            Form::Expression => {
                self.out.push_str(&format!("(if {off} {{ "));
                self.copy(site.range.clone());
                self.out.push_str(" } else ");
                self.branches(site, first, &viable, "");
                self.out.push(')');
            }
            Form::Body => {
                self.out.push_str(&format!(" if !{off} {{ "));
                self.branches(site, first, &viable, "return ");
                self.out.push_str(" }");
            }
            Form::Guard => {
                self.out.push_str(&format!(" if {off}"));
                self.mutants[first].branch = start..self.out.len();
            }
        }
        let end = self.out.len();
        for mutant in &mut self.mutants[first..first + n] {
            mutant.place = start..end;
        }
    }

    /// `if on(1) { one } else if on(2) { two } else { three }`.
    fn branches(&mut self, site: &Site, first: usize, viable: &[usize], before: &str) {
        for (position, &k) in viable.iter().enumerate() {
            let start = self.out.len();
            if position + 1 < viable.len() {
                self.out.push_str(&format!("if crate::mutant::on({}) ", first + k));
            }
            self.out.push_str(&format!("{{ {before}{} }}", site.changes[k].text));
            self.mutants[first + k].branch = start..self.out.len();
            if position + 1 < viable.len() {
                self.out.push_str(" else ");
            }
        }
    }
}
