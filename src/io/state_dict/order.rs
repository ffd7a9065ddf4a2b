//! The order of dense layers whose file does not keep it.

/// Whether the labels differ in their numbers only, so that the numbers give the order.
pub(super) fn is_numbered(labels: &[&str]) -> bool {
    let skeleton = |label: &str| label.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let mut skeletons = labels.iter().map(|label| skeleton(label));
    let first = skeletons.next();
    skeletons.all(|s| Some(s) == first)
}

/// The number of steps after which the search gives up.
const STEPS: usize = 100_000;

/// The only order of layers with these (outputs, inputs) in which they chain; `None` if there is no
/// such order, or more than one.
pub(super) fn only_chain(shapes: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut search = Search { shapes, found: Vec::new(), steps: 0 };
    search.extend(&mut Vec::with_capacity(shapes.len()));
    match search.found.as_slice() {
        [only] if search.steps < STEPS => Some(only.clone()),
        _ => None,
    }
}

struct Search<'a> {
    shapes: &'a [(usize, usize)],
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
            if fits && !path.contains(&next) {
                path.push(next);
                self.extend(path);
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_numbered, only_chain};

    #[test]
    fn an_order_is_used_only_if_it_is_the_only_one() {
        assert_eq!(only_chain(&[(10, 64), (128, 784), (64, 128)]), Some(vec![1, 2, 0]));
        assert_eq!(only_chain(&[(4, 4), (4, 4)]), None);
        assert_eq!(only_chain(&[(3, 4), (5, 6)]), None);
        assert_eq!(only_chain(&[(2, 2); 64]), None);
        assert!(is_numbered(&["net.0", "net.2", "net.10"]));
        assert!(!is_numbered(&["fc1", "out"]));
    }
}
