//! What takes the place of an operator, of a rounded operation and of a function's value.

use syn::{BinOp, Type};

/// The name of the same operation, rounded in the other direction.
pub fn other_direction(name: &str) -> Option<String> {
    let up = name.strip_suffix("_up").map(|stem| format!("{stem}_down"));
    up.or_else(|| name.strip_suffix("_down").map(|stem| format!("{stem}_up")))
}

/// The replacements of cargo-mutants.
pub fn other_operators(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["%", "*"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::BitXor(_) => &["|", "&"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["==", ">", "<="],
        BinOp::Gt(_) => &["==", "<", ">="],
        BinOp::Le(_) => &[">"],
        BinOp::Ge(_) => &["<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["%=", "*="],
        BinOp::RemAssign(_) => &["/=", "+="],
        BinOp::BitXorAssign(_) => &["|=", "&="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        _ => &[],
    }
}

/// A few values of a type, as they are written. A tuple takes the first values of all parts, then the
/// second ones, not every combination.
pub fn values(ty: &Type) -> Vec<String> {
    let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    match ty {
        Type::Tuple(tuple) => {
            let parts: Vec<Vec<String>> = tuple.elems.iter().map(values).collect();
            let n = parts.iter().map(Vec::len).max().unwrap_or(0);
            if parts.iter().any(Vec::is_empty) {
                return Vec::new();
            }
            (0..n)
                .map(|k| {
                    let row: Vec<&str> =
                        parts.iter().map(|p| p[k.min(p.len() - 1)].as_str()).collect();
                    format!("({})", row.join(", "))
                })
                .collect()
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(_) => list(&["&[]"]),
            Type::Path(path) if path.path.is_ident("str") => list(&["\"\"", "\"xyzzy\""]),
            _ => Vec::new(),
        },
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Vec::new() };
            let inner = match &last.arguments {
                syn::PathArguments::AngleBracketed(generic) => match generic.args.first() {
                    Some(syn::GenericArgument::Type(inner)) => values(inner),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            let wrapped = |before: &str, after: &str| {
                inner.iter().map(|value| format!("{before}{value}{after}")).collect::<Vec<_>>()
            };
            match last.ident.to_string().as_str() {
                "f64" | "f32" => list(&["0.0", "1.0", "-1.0"]),
                "bool" => list(&["true", "false"]),
                "usize" | "u8" | "u16" | "u32" | "u64" | "u128" => list(&["0", "1"]),
                "isize" | "i8" | "i16" | "i32" | "i64" | "i128" => list(&["0", "1", "-1"]),
                "String" => list(&["String::new()", "\"xyzzy\".to_owned()"]),
                "Range" => list(&["0..0", "0..1"]),
                "Option" => [list(&["None"]), wrapped("Some(", ")")].concat(),
                "Result" => wrapped("Ok(", ")"),
                "Vec" => [list(&["Vec::new()"]), wrapped("vec![", "]")].concat(),
                _ => list(&["Default::default()"]),
            }
        }
        _ => Vec::new(),
    }
}
