//! The places of a file that are changed, and the changes.

use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ReturnType, Type, UnOp};

use crate::changes::{other_direction, other_operators, values};

/// How a place is rewritten.
#[derive(Clone, Copy)]
pub enum Form {
    /// An expression, of which each change is another one.
    Expression,
    /// The beginning of a function's body, where each change is a value that is returned.
    Body,
    /// The place behind the pattern of a match arm; the change is that it does not match.
    Guard,
}

#[derive(Clone)]
pub struct Change {
    pub kind: &'static str,
    pub text: String,
    pub description: String,
}

#[derive(Clone)]
pub struct Site {
    pub range: Range<usize>,
    pub form: Form,
    pub function: String,
    pub changes: Vec<Change>,
}

/// The sites of a file, in no particular order. Constants, macros and tests are left alone.
pub fn sites(text: &str) -> syn::Result<Vec<Site>> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder { text, function: String::new(), sites: Vec::new() };
    finder.visit_file(&file);
    Ok(finder.sites)
}

struct Finder<'a> {
    text: &'a str,
    function: String,
    sites: Vec<Site>,
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

impl Finder<'_> {
    fn source(&self, node: &impl Spanned) -> &str {
        &self.text[range(node)]
    }

    fn push(&mut self, form: Form, range: Range<usize>, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.sites.push(Site { range, form, function: self.function.clone(), changes });
        }
    }

    fn binary(&mut self, node: &syn::ExprBinary) {
        let (left, right) =
            (self.source(&node.left).to_owned(), self.source(&node.right).to_owned());
        let old = self.source(&node.op).to_owned();
        let compound = old.ends_with('=') && !matches!(old.as_str(), "==" | "!=" | "<=" | ">=");
        let changes = other_operators(&node.op)
            .iter()
            .map(|new| Change {
                kind: if compound { "assignment" } else { "operator" },
                text: format!("{left} {new} {right}"),
                description: format!("{old} -> {new}"),
            })
            .collect();
        self.push(Form::Expression, range(node), changes);
    }

    /// Another direction of rounding, or none; `min` for `max`; no absolute value.
    fn call(&mut self, node: &syn::ExprCall) {
        let Expr::Path(path) = &*node.func else { return };
        let Some(last) = path.path.segments.last() else { return };
        let name = last.ident.to_string();
        let arguments: Vec<String> =
            node.args.iter().map(|argument| self.source(argument).to_owned()).collect();
        let all = arguments.join(", ");
        let mut changes = Vec::new();
        let mut change = |kind, text: String, new: &str| {
            changes.push(Change { kind, text, description: format!("{name}() -> {new}") });
        };
        if let Some(other) = other_direction(&name) {
            let head = &self.text[range(path).start..range(&last.ident).start];
            let basic = ["add_", "sub_", "mul_", "div_", "sqrt_", "scale_"];
            let head = match head {
                "" if basic.iter().any(|b| name.starts_with(b)) => "crate::numeric::rounding::",
                head => head,
            };
            change("rounding", format!("{head}{other}({all})"), &other);
        }
        if let Some((operation, _)) = name.split_once('_')
            && other_direction(&name).is_some()
        {
            let operator = match operation {
                "add" => "+",
                "sub" => "-",
                "mul" => "*",
                "div" => "/",
                _ => "",
            };
            match (&arguments[..], operation) {
                ([a, b], _) if !operator.is_empty() => {
                    change("rounding", format!("({a}) {operator} ({b})"), operator);
                }
                ([a], "sqrt") => change("rounding", format!("({a}).sqrt()"), "sqrt"),
                ([a, b], "max") => change("minimum", format!("({a}).min({b})"), "min"),
                _ => {}
            }
        }
        if name == "gamma" {
            change("rounding", "0.0".to_owned(), "0.0");
        }
        self.push(Form::Expression, range(node), changes);
    }

    fn method(&mut self, node: &syn::ExprMethodCall) {
        let name = node.method.to_string();
        let receiver = self.source(&node.receiver).to_owned();
        let after = &self.text[range(&node.method).end..range(node).end];
        let before = &self.text[range(node).start..range(&node.method).start];
        let (kind, text, new) = match name.as_str() {
            "next_up" | "next_down" => ("rounding", receiver, "nothing".to_owned()),
            "abs" => ("absolute value", receiver, "nothing".to_owned()),
            "min" => ("minimum", format!("{before}max{after}"), "max".to_owned()),
            "max" => ("minimum", format!("{before}min{after}"), "min".to_owned()),
            _ => match other_direction(&name) {
                Some(other) => ("rounding", format!("{before}{other}{after}"), other),
                None => return,
            },
        };
        let description = format!(".{name}() -> {new}");
        self.push(Form::Expression, range(node), vec![Change { kind, text, description }]);
    }

    /// A function: its body returns at once, or is changed inside.
    fn function(
        &mut self,
        attributes: &[syn::Attribute],
        signature: &syn::Signature,
        body: &syn::Block,
    ) {
        if is_test(attributes) || signature.constness.is_some() {
            return;
        }
        self.function = signature.ident.to_string();
        let values = match &signature.output {
            ReturnType::Default => vec![String::new()],
            ReturnType::Type(_, ty) => values(ty),
        };
        let changes = values
            .into_iter()
            .map(|text| Change {
                kind: "body",
                description: format!("{}() returns {text}", self.function),
                text,
            })
            .collect();
        let inside = range(&body.brace_token.span.open()).start + 1;
        self.push(Form::Body, inside..inside, changes);
        self.visit_block(body);
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !is_test(&node.attrs) {
            visit::visit_item_mod(self, node);
        }
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.function(&node.attrs, &node.sig, &node.block);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        if !is_test(&node.attrs) {
            visit::visit_item_impl(self, node);
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.function(&node.attrs, &node.sig, &node.block);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(body) = &node.default {
            self.function(&node.attrs, &node.sig, body);
        }
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_path(&mut self, _: &'ast syn::Path) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_expr_repeat(&mut self, node: &'ast syn::ExprRepeat) {
        self.visit_expr(&node.expr);
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        if !has_let(&node.left) && !has_let(&node.right) {
            self.binary(node);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        if matches!(node.op, UnOp::Neg(_) | UnOp::Not(_)) {
            let text = self.source(&node.expr).to_owned();
            let description = format!("{} -> nothing", self.source(&node.op));
            self.push(
                Form::Expression,
                range(node),
                vec![Change { kind: "sign", text, description }],
            );
        }
        visit::visit_expr_unary(self, node);
    }

    fn visit_expr_call(&mut self, node: &'ast syn::ExprCall) {
        self.call(node);
        for argument in &node.args {
            let old = self.source(argument);
            let new = match old {
                "f64::max" => "f64::min",
                "f64::min" => "f64::max",
                _ => continue,
            };
            let description = format!("{old} -> {new}");
            let change = Change { kind: "minimum", text: new.to_owned(), description };
            self.push(Form::Expression, range(argument), vec![change]);
        }
        visit::visit_expr_call(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        self.method(node);
        visit::visit_expr_method_call(self, node);
    }

    /// A field that is left to what follows `..`.
    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        if let Some(rest) = &node.rest {
            for field in &node.fields {
                let syn::Member::Named(name) = &field.member else { continue };
                if field.colon_token.is_some() {
                    let text = format!("({}).{name}", self.source(rest));
                    let text = text.replace("(Self::default())", "Self::default()");
                    let description = format!("field {name} left to {}", self.source(rest));
                    let change = Change { kind: "field", text, description };
                    self.push(Form::Expression, range(&field.expr), vec![change]);
                }
            }
        }
        visit::visit_expr_struct(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let wild =
            node.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none());
        for arm in &node.arms {
            match &arm.guard {
                Some((_, guard)) if !has_let(guard) => {
                    let changes = ["true", "false"]
                        .map(|new| Change {
                            kind: "match",
                            text: new.to_owned(),
                            description: format!("guard -> {new}"),
                        })
                        .to_vec();
                    self.push(Form::Expression, range(guard), changes);
                }
                None if wild && !matches!(arm.pat, syn::Pat::Wild(_)) => {
                    let description = format!("arm {} deleted", self.source(&arm.pat));
                    let change = Change { kind: "match", text: String::new(), description };
                    let end = range(&arm.pat).end;
                    self.push(Form::Guard, end..end, vec![change]);
                }
                _ => {}
            }
        }
        visit::visit_expr_match(self, node);
    }
}

/// Whether `let` is a part of this chain of conditions, which is then no expression of its own.
fn has_let(node: &Expr) -> bool {
    match node {
        Expr::Let(_) => true,
        Expr::Binary(b) if matches!(b.op, BinOp::And(_)) => has_let(&b.left) || has_let(&b.right),
        _ => false,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}
