//! The order of dense layers that no file says: from the numbers in their names and from their shapes.

use std::collections::HashMap;

use crate::io::source::natural_key;

/// Whether the labels differ in their numbers only, so that the numbers give the order.
pub(super) fn is_numbered(labels: &[&str]) -> bool {
    let mut skeletons = labels.iter().map(|label| skeleton(label));
    let first = skeletons.next();
    skeletons.all(|s| Some(s) == first)
}

/// Whether the labels differ in their numbers only, and are in the order of the numbers.
pub(super) fn is_ascending(labels: &[&str]) -> bool {
    is_numbered(labels) && labels.windows(2).all(|pair| natural_key(pair[0]) < natural_key(pair[1]))
}

/// The number of steps after which the search gives up.
const STEPS: usize = 100_000;

/// The only order of layers with these (outputs, inputs) in which they chain; where there are several, the
/// only one of those in which labels that differ in their numbers (`fc1`, `fc2`) follow them. `None` if there
/// is no such order, or more than one.
pub(super) fn only_chain(shapes: &[(usize, usize)], labels: &[&str]) -> Option<Vec<usize>> {
    let free = vec![None; shapes.len()];
    found(shapes, &free).or_else(|| found(shapes, &predecessors(labels)))
}

/// For each label that one whose number comes next before it among those that differ only in numbers.
fn predecessors(labels: &[&str]) -> Vec<Option<usize>> {
    let mut series: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, label) in labels.iter().enumerate() {
        series.entry(skeleton(label)).or_default().push(index);
    }
    let mut before = vec![None; labels.len()];
    for mut members in series.into_values() {
        members.sort_by_cached_key(|&index| natural_key(labels[index]));
        for pair in members.windows(2) {
            before[pair[1]] = Some(pair[0]);
        }
    }
    before
}

/// A label without its numbers; that of `dense`, which Keras puts before `dense_1`, is the same.
fn skeleton(label: &str) -> String {
    let mut text: String = label.chars().filter(|c| !c.is_ascii_digit()).collect();
    text.truncate(text.trim_end_matches(['_', '.', '/', '-']).len());
    text
}

fn found(shapes: &[(usize, usize)], before: &[Option<usize>]) -> Option<Vec<usize>> {
    let taken = vec![false; shapes.len()];
    let mut search = Search { shapes, before, taken, found: Vec::new(), steps: 0 };
    search.extend(&mut Vec::with_capacity(shapes.len()));
    match search.found.as_slice() {
        [only] if search.steps < STEPS => Some(only.clone()),
        _ => None,
    }
}

struct Search<'a> {
    shapes: &'a [(usize, usize)],
    /// Which layer must come earlier.
    before: &'a [Option<usize>],
    taken: Vec<bool>,
    found: Vec<Vec<usize>>,
    steps: usize,
}

impl Search<'_> {
    fn extend(&mut self, path: &mut Vec<usize>) {
        if path.len() == self.shapes.len() {
            self.found.push(path.clone());
            return;
        }
        let outputs = path.last().map(|&i| self.shapes[i].0);
        for next in 0..self.shapes.len() {
            self.steps += 1;
            if self.found.len() > 1 || self.steps >= STEPS {
                return;
            }
            let fits = outputs.is_none_or(|n| n == self.shapes[next].1);
            let in_order = self.before[next].is_none_or(|before| self.taken[before]);
            if fits && in_order && !self.taken[next] {
                path.push(next);
                self.taken[next] = true;
                self.extend(path);
                self.taken[next] = false;
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_ascending, is_numbered, only_chain};

    #[test]
    fn an_order_is_used_only_if_it_is_the_only_one() {
        let order = |shapes: &[(usize, usize)], labels: &str| {
            only_chain(shapes, &labels.split(' ').collect::<Vec<_>>())
        };
        assert_eq!(order(&[(10, 64), (128, 784), (64, 128)], "a b c"), Some(vec![1, 2, 0]));
        assert_eq!(order(&[(4, 4), (4, 4)], "a b"), None);
        assert_eq!(order(&[(3, 4), (5, 6)], "a b"), None);
        let labels: Vec<String> = (1..=64).map(|n| "x".repeat(n)).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert_eq!(only_chain(&[(2, 2); 64], &labels), None);
        // Numbers decide where shapes do not, and only there.
        assert_eq!(order(&[(4, 4), (4, 4)], "fc2 fc1"), Some(vec![1, 0]));
        assert_eq!(
            order(&[(4, 9), (4, 4), (4, 4), (1, 4)], "in h1 h2 out"),
            Some(vec![0, 1, 2, 3])
        );
        assert_eq!(order(&[(4, 9), (4, 4), (4, 4), (1, 4)], "in h g out"), None);
        assert_eq!(order(&[(3, 4), (2, 3)], "fc2 fc1"), Some(vec![0, 1]));
        // Children of two lists may be applied in turn.
        assert_eq!(order(&[(4, 4); 4], "a.0 a.1 b.0 b.1"), None);
    }

    #[test]
    fn numbers_give_an_order() {
        assert!(is_numbered(&["net.0", "net.2", "net.10"]));
        assert!(!is_numbered(&["fc1", "out"]));
        assert!(is_ascending(&["dense", "dense_1", "dense_2", "dense_10"]));
        assert!(is_ascending(&["net.0", "net.2", "net.10"]));
        assert!(!is_ascending(&["fc2", "fc1"]) && !is_ascending(&["a", "b"]));
    }
}
