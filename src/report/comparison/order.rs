//! The order of the models in a comparison.

use std::cmp::Ordering;

use super::Comparison;
use crate::numeric::Norm;

/// By what models are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By name, numbers by their value: `epoch2` before `epoch10`.
    Name,
    /// As they were given.
    Given,
    /// The least upper bound first.
    Best,
    /// The least lower bound first.
    Lower,
    /// The least number of one bound first, by its id.
    Bound(&'static str),
}

impl Order {
    /// The models of a comparison in this order. Models of which the number is not known come last;
    /// equal ones stay in the order of their names.
    pub(super) fn of(self, comparison: &Comparison, norm: Norm) -> Vec<usize> {
        let mut order: Vec<usize> = (0..comparison.models.len()).collect();
        if self == Order::Given {
            return order;
        }
        order.sort_by(|&a, &b| natural(&comparison.models[a].name, &comparison.models[b].name));
        let key = |model: usize| -> Option<f64> {
            let report = comparison.report(model, norm)?;
            match self {
                Order::Name | Order::Given => Some(0.0),
                Order::Best => Some(report.best()?.upper),
                Order::Lower => report.lower,
                Order::Bound(id) => report.upper(id),
            }
        };
        if self != Order::Name {
            order.sort_by(|&a, &b| match (key(a), key(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            });
        }
        order
    }
}

/// Compares names in which numbers count by their value; equal names but for leading
/// zeros keep the order of their bytes.
pub fn natural(a: &str, b: &str) -> Ordering {
    let mut rest = (a, b);
    loop {
        let (Some(x), Some(y)) = (rest.0.chars().next(), rest.1.chars().next()) else {
            return rest.0.len().cmp(&rest.1.len()).then_with(|| a.cmp(b));
        };
        let ordering = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (p, q) = (digits(&mut rest.0), digits(&mut rest.1));
            p.len().cmp(&q.len()).then_with(|| p.cmp(q))
        } else {
            rest = (&rest.0[x.len_utf8()..], &rest.1[y.len_utf8()..]);
            x.cmp(&y)
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

/// Takes the digits at the beginning, without leading zeros.
fn digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    number.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::natural;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn numbers_count_by_value() {
        let mut names =
            ["epoch10.npz", "epoch2.npz", "epoch02.npz", "epoch.npz", "best", "epoch1.npz"];
        names.sort_by(|a, b| natural(a, b));
        let expected =
            ["best", "epoch.npz", "epoch1.npz", "epoch02.npz", "epoch2.npz", "epoch10.npz"];
        assert_eq!(names, expected);
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[a0é9]{0,6}", b in "[a0é9]{0,6}", c in "[a0é9]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b).is_eq(), a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert_eq!(natural(&a, &c).is_le(), true);
            }
        }
    }
}
