//! Bounds are rounded in the direction that names say.
//!
//! Functions that round end in `_up` or `_down`. This reads the sources as text: inside a function in `_down`
//! only names in `_down` are used, elsewhere only names in `_up`, but for those in `OPPOSITE`, each with a
//! reason. Calls count, functions that are handed on, and variables. Then each direction is turned, one at a
//! time, and each time the check has to fail.
//!
//! It says nothing of what a function computes, of the signs of operands, or of plain `+ - * /`. Uses of a
//! name in functions of one name in a file are counted, not told apart: two changes that make up for each
//! other are not seen. `rounding.rs` is left out, where one operation is the negative of another: they are
//! tested one by one against rational arithmetic.
#![allow(clippy::expect_used)] // tests fail by panicking

use std::collections::BTreeMap;
use std::path::Path;

/// Folders of `src` that are read, and ends of the names of files that are not, like modules of tests.
const FOLDERS: [&str; 3] = ["bounds", "network", "numeric"];
const LEFT_OUT: [&str; 2] = ["numeric/rounding.rs", "tests.rs"];

/// Names of which the ending is no direction of rounding.
const NO_DIRECTION: [&str; 5] = ["next_up", "next_down", "given_up", "moved_down", "runner_up"];

/// A file, a function in it, a name that it uses in the other direction, how often, and why that is right.
type Opposite = (&'static str, &'static str, &'static str, usize, &'static str);

#[rustfmt::skip] // one line for each
const OPPOSITE: &[Opposite] = &[
    ("bounds/certify.rs", "certify", "sub_down", 1, "the margin is a lower bound"),
    ("bounds/certify.rs", "safe_radius", "div_down", 1, "a radius is a lower bound"),
    ("bounds/enumerate.rs", "enumerate", "sub_down", 1, "the lower of two bounds"),
    ("bounds/enumerate.rs", "leaf", "spectral_norm_down", 1, "the lower of two bounds"),
    ("bounds/k.rs", "compute", "scale_down", 2, "the lower end, of the enumeration and of the search"),
    ("bounds/l.rs", "compute", "scale_down", 1, "the lower end"),
    ("bounds/lower/mod.rs", "lower_bounds", "jacobian_norm_down", 1, "a lower bound of L"),
    ("bounds/lower/mod.rs", "lower_bounds", "scale_down", 1, "a lower bound of L"),
    ("bounds/lower/verify.rs", "norm_down", "radius_l2_up", 1, "subtracted"),
    ("bounds/lower/verify.rs", "norm_of", "norm_down", 1, "the lower of two bounds"),
    ("bounds/pool_hull.rs", "hulls", "sub_down", 1, "the lower end of a window's interval"),
    ("bounds/search/regions.rs", "consider", "jacobian_norm_down", 1, "a lower bound of L, at a point"),
    ("bounds/search/regions.rs", "search", "scale_down", 1, "the lower bound with which the search starts"),
    ("network/activation/lines.rs", "relu_lines", "mul_down", 2, "subtracted"),
    ("network/affine.rs", "apply", "scale_down", 1, "the lower end"),
    ("network/input_box.rs", "depth", "sub_down", 2, "a lower bound of the distance from the faces"),
    ("network/ranges.rs", "new", "scale_down", 1, "the least entry, which must not be tiny"),
    ("numeric/conv_norm/cells.rs", "factor", "sub_down", 1, "a divisor"),
    ("numeric/conv_norm/symbol.rs", "ratio_up", "mul_down", 1, "the largest eigenvalue within the level"),
    ("numeric/conv_norm/symbol.rs", "ratio_up", "sub_down", 1, "the same, with its error taken off"),
    ("numeric/interval.rs", "add", "sum_down", 2, "the lower end, and minus that of the negative"),
    ("numeric/interval.rs", "div", "div_down", 1, "the lower end"),
    ("numeric/interval.rs", "mul", "mul_down", 3, "the lower end"),
    ("numeric/interval.rs", "sqrt", "sqrt_down", 1, "the lower end"),
    ("numeric/interval.rs", "square", "mul_down", 1, "the lower end"),
    ("numeric/interval/elementary.rs", "exp_point", "scale_down", 1, "the lower end"),
    ("numeric/sdp/ball.rs", "sum", "add_down", 1, "the lower end"),
    ("numeric/sdp/ball.rs", "times", "mul_down", 2, "the lower end"),
    ("numeric/dyadic.rs", "enclosure", "scale_down", 1, "the lower end"),
    ("numeric/sdp/certificate.rs", "input_block", "div_down", 1, "the lower end"),
    ("numeric/sdp/certificate.rs", "is_positive_semidefinite", "sub_down", 1, "a smaller diagonal is a smaller matrix"),
    ("numeric/spectral.rs", "norm_along_down", "abs_apply_up", 1, "in what is subtracted"),
    ("numeric/spectral.rs", "norm_along_down", "add_up", 2, "in what is subtracted, and in a divisor"),
    ("numeric/spectral.rs", "norm_along_down", "mul_up", 2, "in what is subtracted, and in a divisor"),
    ("numeric/spectral.rs", "spectral_norm_down", "max_up", 1, "the size by which entries are scaled"),
];

/// The ending of a name that is a direction.
fn direction(name: &str) -> Option<&'static str> {
    let ending = ["_up", "_down"].into_iter().find(|ending| name.ends_with(ending));
    ending.filter(|_| !NO_DIRECTION.contains(&name))
}

/// The name with the other direction.
fn turned(name: &str) -> String {
    match name.strip_suffix("_up") {
        Some(stem) => format!("{stem}_down"),
        None => format!("{}_up", name.trim_end_matches("_down")),
    }
}

/// Names (with numbers) and single other characters, with their places; no comments, strings and characters.
fn tokens(text: &[char]) -> Result<Vec<(usize, String)>, String> {
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < text.len() {
        match (at(i), at(i + 1), at(i + 2)) {
            ('/', '/', _) => i += text[i..].iter().take_while(|&&c| c != '\n').count(),
            ('/', '*', _) | ('r', '#', '#') => return Err("is too hard to read".to_owned()),
            ('r', '#', '"') => {
                i += 3;
                i += (i..text.len()).take_while(|&k| (at(k), at(k + 1)) != ('"', '#')).count() + 2;
            }
            // A quote without another one behind its character begins a lifetime.
            (quote @ '"', ..) | (quote @ '\'', '\\', _) | (quote @ '\'', _, '\'') => {
                i += 1;
                while i < text.len() && at(i) != quote {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            (c, ..) if c.is_whitespace() => i += 1,
            _ => {
                let in_name = |c: &&char| c.is_alphanumeric() || **c == '_';
                let end = i + text[i..].iter().take_while(in_name).count().max(1);
                tokens.push((i, text[i..end].iter().collect()));
                i = end;
            }
        }
    }
    Ok(tokens)
}

/// The number of tokens up to the end of an item or statement: its `;`, or the brace that closes it.
fn item(tokens: &[(usize, String)]) -> usize {
    let mut depth = 0;
    for (i, (_, token)) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token == ";" || token == "}") {
            return i + 1;
        }
    }
    tokens.len()
}

/// A name with a direction: where it is, the function around it (empty outside of functions), and itself.
struct Use {
    at: usize,
    function: String,
    name: String,
}

/// The uses in a file, without definitions and imports; an error where that cannot be told.
fn uses(text: &[char]) -> Result<Vec<Use>, String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let tokens = tokens(text)?;
    let token = |i: usize| tokens.get(i).map_or("", |t| t.1.as_str());
    let (mut uses, mut functions, mut pending) = (Vec::new(), Vec::new(), None);
    let mut depth = 0;
    let mut i = 0;
    while i < tokens.len() {
        match token(i) {
            "#" if (0..TEST.len()).all(|k| token(i + k) == TEST[k]) => {
                i += TEST.len();
                i += item(&tokens[i..]);
                continue;
            }
            "use" if token(i + 1) != "<" => {
                let end = i + item(&tokens[i..]);
                for k in (i..end).filter(|&k| token(k) == "as") {
                    if direction(token(k - 1)) != direction(token(k + 1)) {
                        return Err(format!("{} is renamed {}", token(k - 1), token(k + 1)));
                    }
                }
                i = end;
                continue;
            }
            "fn" if token(i + 1) != "(" => {
                pending = Some((depth, token(i + 1)));
                i += 1;
            }
            "(" | "[" => depth += 1,
            "{" => {
                functions.extend(pending.take_if(|(at, _)| *at == depth));
                depth += 1;
            }
            ")" | "]" | "}" => {
                depth -= 1;
                functions.pop_if(|(at, _)| token(i) == "}" && *at == depth);
            }
            // A function without a body.
            ";" if pending.is_some_and(|(at, _)| at == depth) => pending = None,
            name if direction(name).is_some() => uses.push(Use {
                at: tokens[i].0,
                function: functions.last().map_or("", |f| f.1).to_owned(),
                name: name.to_owned(),
            }),
            _ => {}
        }
        i += 1;
    }
    if depth == 0 { Ok(uses) } else { Err("brackets do not match".to_owned()) }
}

/// What is wrong with the directions in a file.
fn faults(file: &str, text: &[char]) -> Vec<String> {
    let uses = match uses(text) {
        Ok(uses) => uses,
        Err(error) => return vec![format!("{file}: {error}")],
    };
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for Use { function, name, .. } in &uses {
        if direction(name) != direction(function).or(Some("_up")) {
            *found.entry((function, name)).or_default() += 1;
        }
    }
    let mut faults = Vec::new();
    for (_, function, name, count, reason) in OPPOSITE.iter().filter(|entry| entry.0 == file) {
        let seen = found.remove(&(*function, *name)).unwrap_or(0);
        if seen != *count {
            faults.push(format!(
                "{file}: {function} uses {name} {seen} times, not {count} ({reason})"
            ));
        }
    }
    faults
        .extend(found.iter().map(|((f, name), n)| format!("{file}: {f} uses {name} ({n} times)")));
    faults
}

/// The sources with their paths in `src`.
fn sources() -> BTreeMap<String, Vec<char>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name =
                path.strip_prefix(&root).expect("in src").to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !LEFT_OUT.iter().any(|end| name.ends_with(end)) {
                let text = std::fs::read_to_string(&path).expect("text");
                sources.insert(name, text.chars().collect());
            }
        }
    }
    sources
}

#[test]
fn names_have_the_direction_of_the_function_around_them() {
    let sources = sources();
    let faults: Vec<String> = sources.iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    for (file, ..) in OPPOSITE {
        assert!(sources.contains_key(*file), "{file} is listed and not read");
    }
}

#[test]
fn each_turned_direction_is_noticed() {
    let mut turns = 0;
    for (file, text) in sources() {
        for Use { at, name, function } in uses(&text).expect("read above") {
            let mut changed = text.clone();
            changed.splice(at..at + name.chars().count(), turned(&name).chars());
            assert!(
                !faults(&file, &changed).is_empty(),
                "{file}: {name} in {function} turned unnoticed"
            );
            turns += 1;
        }
    }
    assert!(turns > OPPOSITE.len(), "only {turns} directions turned");
}

#[test]
fn uses_are_told_from_other_text() {
    let text = r##"
        // a_up
        use x::{b_up, y::c_down};
        struct S { d_up: f64 }
        trait T { fn h_up(&self, x: [f64; 2]); }
        fn i_down<'a>(x: &'a str) -> char {
            fn j_up() -> f64 { k_up() }
            x.map(l_down).fold('"', |a, b| m_down(a, b)) + n_down::<f64>("o_up\" p_up")
        }
        #[cfg(test)]
        mod tests { fn s_up() { t_up() } }
        const U: f64 = v_up('\'', x.next_up());
        const W: &str = r#"w_up: "x_up", "#;
        const Y: f64 = y_up();
    "##;
    let text: Vec<char> = text.chars().collect();
    let found = uses(&text).expect("code");
    let found: Vec<_> = found.iter().map(|u| format!("{}:{}", u.function, u.name)).collect();
    let wanted =
        [":d_up", "j_up:k_up", "i_down:l_down", "i_down:m_down", "i_down:n_down", ":v_up", ":y_up"];
    assert_eq!(found, wanted);
    assert!(uses(&"use x::a_up as b;".chars().collect::<Vec<_>>()).is_err());
}
