//! The parameters of an operation. One that nobody asks for is an error: it could change the result.

use std::cell::RefCell;
use std::collections::HashSet;

use super::constant::{Constant, Data, Element};
use super::proto::{Attribute, SparseTensor, Tensor};

/// The parameters of one operation.
#[derive(Debug)]
pub struct Attributes<'t, 'a> {
    list: &'t [Attribute<'a>],
    used: RefCell<Vec<&'t str>>,
}

impl<'t, 'a> Attributes<'t, 'a> {
    /// The parameters in `list`.
    pub fn new(list: &'t [Attribute<'a>]) -> Attributes<'t, 'a> {
        Attributes { list, used: RefCell::new(Vec::new()) }
    }

    fn find(&self, name: &str, kind: u64) -> Result<Option<&'t Attribute<'a>>, String> {
        let Some(found) = self.list.iter().find(|a| a.name == name) else { return Ok(None) };
        self.used.borrow_mut().push(found.name);
        if found.is_reference {
            return Err(format!(
                "attribute {name}: refers to one of a function, which is not supported here"
            ));
        }
        if found.kind != 0 && found.kind != kind {
            return Err(format!(
                "attribute {name}: found the type {}, expected {}",
                kind_name(found.kind),
                kind_name(kind)
            ));
        }
        Ok(Some(found))
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &'t str> {
        self.list.iter().map(|a| a.name)
    }

    /// Whether the attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|a| a.name == name)
    }

    /// A whole number.
    ///
    /// # Errors
    /// An attribute of another type.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.find(name, 2)?.map_or(default, |a| a.int.unwrap_or(0)))
    }

    /// A number.
    ///
    /// # Errors
    /// An attribute of another type, or one that is not finite.
    pub fn float(&self, name: &str, default: f32) -> Result<f64, String> {
        let x = self.find(name, 1)?.map_or(default, |a| a.float.unwrap_or(0.0));
        if x.is_finite() {
            return Ok(f64::from(x));
        }
        Err(format!("attribute {name}: found {x}, expected a finite number"))
    }

    /// A number, which may be infinite.
    ///
    /// # Errors
    /// An attribute of another type, or no number.
    pub fn any_float(&self, name: &str, default: f32) -> Result<f32, String> {
        let x = self.find(name, 1)?.map_or(default, |a| a.float.unwrap_or(0.0));
        if x.is_nan() { Err(format!("attribute {name}: not a number")) } else { Ok(x) }
    }

    /// Whole numbers.
    ///
    /// # Errors
    /// An attribute of another type.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, String> {
        Ok(self.find(name, 7)?.map(|a| a.ints.iter().map(|&n| n as i64).collect()))
    }

    /// Whole numbers that are not negative.
    ///
    /// # Errors
    /// An attribute of another type, or a negative number.
    pub fn sizes(&self, name: &str) -> Result<Option<Vec<usize>>, String> {
        let Some(values) = self.ints(name)? else { return Ok(None) };
        let sizes: Result<Vec<usize>, _> = values.iter().map(|&n| usize::try_from(n)).collect();
        sizes.map(Some).map_err(|_| {
            format!("attribute {name}: found {values:?}, expected numbers that are not negative")
        })
    }

    /// A text.
    ///
    /// # Errors
    /// An attribute of another type, or text that is not UTF-8.
    pub fn text(&self, name: &str, default: &'t str) -> Result<&'t str, String> {
        let Some(found) = self.find(name, 3)? else { return Ok(default) };
        std::str::from_utf8(found.text.unwrap_or(b""))
            .map_err(|_| format!("attribute {name}: not UTF-8 text"))
    }

    /// A tensor as it is stored.
    ///
    /// # Errors
    /// An attribute of another type.
    pub fn tensor(&self, name: &str) -> Result<Option<&'t Tensor<'a>>, String> {
        Ok(self.find(name, 4)?.and_then(|a| a.tensor.as_ref()))
    }

    /// A sparse tensor as it is stored.
    ///
    /// # Errors
    /// An attribute of another type.
    pub fn sparse_tensor(&self, name: &str) -> Result<Option<&'t SparseTensor<'a>>, String> {
        Ok(self.find(name, 11)?.and_then(|a| a.sparse.as_ref()))
    }

    /// The value of a constant that is given as numbers.
    ///
    /// # Errors
    /// An attribute of another type.
    pub fn numbers(&self) -> Result<Option<Constant>, String> {
        let real = |values: Vec<f64>, scalar: bool| {
            let array = ndarray::Array1::from(values).into_dyn();
            let array = if scalar { array.index_axis_move(ndarray::Axis(0), 0) } else { array };
            Constant { element: Element::F32, data: Data::Real(array) }
        };
        if self.has("value_float") {
            return Ok(Some(real(vec![self.float("value_float", 0.0)?], true)));
        }
        if self.has("value_int") {
            return Constant::ints(vec![self.int("value_int", 0)?]).reshaped(&[]).map(Some);
        }
        if let Some(found) = self.find("value_floats", 6)? {
            return Ok(Some(real(found.floats.iter().map(|&x| f64::from(x)).collect(), false)));
        }
        Ok(self.ints("value_ints")?.map(Constant::ints))
    }

    /// Marks attributes that do not change the result.
    pub fn ignore(&self, names: &[&'t str]) {
        self.used.borrow_mut().extend(names);
    }

    /// Checks that every attribute was used.
    ///
    /// # Errors
    /// The first that was not, or that is given twice.
    pub fn check_used(&self) -> Result<(), String> {
        let used = self.used.borrow();
        let mut names = HashSet::new();
        if let Some(twice) = self.list.iter().find(|a| !names.insert(a.name)) {
            return Err(format!("the attribute {} is given twice", twice.name));
        }
        match self.list.iter().find(|a| !used.contains(&a.name)) {
            None => Ok(()),
            Some(a) => Err(format!("the attribute {} is not supported here", a.name)),
        }
    }
}

fn kind_name(kind: u64) -> &'static str {
    const NAMES: [&str; 12] = [
        "undefined",
        "float",
        "int",
        "string",
        "tensor",
        "graph",
        "floats",
        "ints",
        "strings",
        "tensors",
        "graphs",
        "sparse tensor",
    ];
    usize::try_from(kind).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or("other")
}
