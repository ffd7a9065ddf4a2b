//! Kl2: the least bound in l2, brought to another norm.

use super::k_sdp::KSdp;
use super::k_star::KStar;
use super::k1::K1;
use super::lengths::{lengths_up, sum_of_absolute_values_up};
use super::{Bound, Certificate, Cost, Problem, Refusal, compute, documented_bound, memory};
use crate::numeric::Norm;
use crate::numeric::rounding::max_up;

documented_bound! { KL2, "\
The least bound in l2, brought to l1 and linf by the equivalence of norms.

# Definition
Kl2 = min(K1, Ksdp in l2) times the square root of the number of outputs in l1, of inputs in linf, and 1
in l2; of these two, those that are in the default set in l2, and K* where K1 is not. K1 is taken for
each input by itself in l1, with the lengths of its columns in place of the norms of the products that
begin at the inputs, and for each output in linf, with lengths of rows; the largest of them counts.

# Source
||A||_1 <= sqrt(m) max_j ||A e_j||_2 and ||A||_inf <= sqrt(n) max_i ||e_i^T A||_2 for m x n matrices
(Golub and Van Loan, \"Matrix Computations\", section 2.3.2), for every Jacobian.

# Holds for
l1, l2, linf; every network.

# Order
Ksdp <= Kl2 in every norm, so Kl2 is in the default set only where Ksdp takes long. Bounds in l2 lose
least with depth: a random network of 12 layers of 256 neurons with 10 inputs has K5 3.1e10 and Kl2
2.5e3 in linf.

# Cost
That of the bounds in l2, which are not computed twice where both norms are asked for.

# Rounding
As in K1, K* and Ksdp; the square root and the product are rounded up.
" }

/// The bounds in l2 that take seconds and fit into the memory; K* only where K1, which is at most as large, does not.
fn sources(problem: &Problem) -> impl Iterator<Item = &'static dyn Bound> {
    let available = |bound: &&dyn Bound| {
        bound.cost(problem, Norm::L2) == Cost::Cheap
            && memory::check(*bound, problem, Norm::L2).is_ok()
    };
    let product: &dyn Bound = if available(&(&K1 as &dyn Bound)) { &K1 } else { &KStar };
    [product, &KSdp].into_iter().filter(available)
}

/// A bound of `||J||_2` by one of the sources, and between which norms it is one; with K1, of the longest column where
/// `norm` is l1, of the longest row where it is linf.
fn length_up(
    source: &dyn Bound,
    problem: &Problem,
    norm: Norm,
) -> Result<(f64, &'static str), Refusal> {
    let between = match norm {
        Norm::L1 if source.id() == K1.id() => "from l1 to l2",
        Norm::Linf if source.id() == K1.id() => "from l2 to linf",
        _ => return Ok((compute(source, problem, Norm::L2)?.upper, "in l2")),
    };
    let longest = lengths_up(problem, norm)?.into_iter().fold(0.0, max_up);
    Ok((problem.scaled_up(longest), between))
}

impl Bound for KL2 {
    fn id(&self) -> &'static str {
        "k_l2"
    }

    fn name(&self) -> &'static str {
        "Kl2"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        if norm == Norm::L2 || KSdp.cost(problem, norm) == Cost::Cheap {
            return Cost::Superseded;
        }
        Cost::Cheap
    }

    fn memory(&self, problem: &Problem, _: Norm) -> f64 {
        sources(problem).map(|bound| bound.memory(problem, Norm::L2)).fold(0.0, f64::max)
    }

    fn is_monotone(&self) -> bool {
        false
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        let chain = problem.chain();
        let (count, what) = match norm {
            Norm::L1 => (chain.outputs(), "outputs"),
            Norm::L2 => (1, ""),
            Norm::Linf => (chain.inputs(), "inputs"),
        };
        let found = sources(problem)
            .filter_map(|bound| Some((bound, length_up(bound, problem, norm).ok()?)));
        let Some((source, (length, between))) = found.min_by(|a, b| a.1.0.total_cmp(&b.1.0)) else {
            return Err(Refusal("no bound in l2 fits into the memory".to_owned()));
        };
        let upper = sum_of_absolute_values_up(count, length);
        let root = match count {
            1 => String::new(),
            _ => format!(" times the square root of {count} {what}"),
        };
        let note = format!("Kl2 {norm}: {} {between}{root}", source.name());
        Ok(Certificate::upper_bound(self.id(), norm, upper).with_note(note))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;
    use crate::bounds::Options;
    use crate::bounds::networks_for_tests::relu_problem;
    use crate::numeric::exact;

    #[test]
    fn lengths_are_those_of_columns_and_rows() {
        // The columns of 2 |1 0; 1 0; 0 1| are 2 sqrt(2) and 2 long, its rows 2; 2 sqrt(2) is its norm in l2.
        let problem = relu_problem([arr2(&[[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])]);
        for (norm, value) in
            [(Norm::L1, 24f64.sqrt()), (Norm::L2, 8f64.sqrt()), (Norm::Linf, 8f64.sqrt())]
        {
            let found = KL2.compute(&problem, norm).expect("small").upper;
            // Norms in l2 are above the exact ones by about 1e-14.
            assert!((value..value * (1.0 + 1e-12)).contains(&found), "{norm}: {found}");
        }
    }

    #[test]
    fn it_is_for_networks_of_which_ksdp_takes_long() {
        let small = relu_problem([Array2::eye(3), Array2::eye(3)]);
        let deep = relu_problem(vec![Array2::eye(300); 9]);
        for norm in [Norm::L1, Norm::Linf] {
            assert_eq!(KL2.cost(&small, norm), Cost::Superseded);
            assert_eq!(KL2.cost(&deep, norm), Cost::Cheap);
        }
        assert_eq!(KL2.cost(&deep, Norm::L2), Cost::Superseded);
    }

    #[test]
    fn a_problem_remembers_its_results() {
        let problem = relu_problem([Array2::eye(3)]);
        let planted = Certificate::upper_bound("k_sdp", Norm::L2, 0.5);
        problem.remembered("k_sdp", Norm::L2, || Ok(planted.clone())).expect("planted");
        assert_eq!(compute(&KSdp, &problem, Norm::L2), Ok(planted));
        assert!(compute(&KSdp, &problem, Norm::L1).expect("of the identity").upper >= 1.0);
        // From what was planted; the nearest number to the root of 3 is below it.
        for (norm, what) in [(Norm::L1, "outputs"), (Norm::Linf, "inputs")] {
            let found = compute(&KL2, &problem, norm).expect("a bound");
            let root = exact(2.0 * found.upper);
            assert!(&root * &root >= exact(3.0) && found.upper <= 0.866_025_403_784_438_8);
            let note = format!("Kl2 {norm}: Ksdp in l2 times the square root of 3 {what}");
            assert_eq!(found.note, Some(note));
        }
    }

    #[test]
    fn notes_name_the_source() {
        // Ksdp of a network of which it takes long is not a source, and where no products fit K1 is not.
        let long = relu_problem(vec![Array2::eye(1200); 2]);
        let note = |problem: &Problem, norm| KL2.compute(problem, norm).expect("a bound").note;
        for (norm, said) in [
            (Norm::L1, "Kl2 l1: K1 from l1 to l2 times the square root of 1200 outputs"),
            (Norm::L2, "Kl2 l2: K1 in l2"),
            (Norm::Linf, "Kl2 linf: K1 from l2 to linf times the square root of 1200 inputs"),
        ] {
            assert_eq!(note(&long, norm).as_deref(), Some(said));
        }
        let options = Options { memory_limit: 0, ..Options::default() };
        let without = Problem::new(long.network().clone(), options);
        let said = "Kl2 linf: K* in l2 times the square root of 1200 inputs";
        assert_eq!(note(&without, Norm::Linf).as_deref(), Some(said));
    }

    #[test]
    fn what_does_not_fit_into_the_memory_is_left_out() {
        // K* needs the norm of one map; the relaxation the matrix of all neurons.
        let roomy = relu_problem(vec![Array2::eye(300); 5]);
        let ceiling = memory::of(&crate::bounds::k_star::KStar, &roomy, Norm::L2) as usize + 1;
        let options = Options { ceiling, ..Options::default() };
        let tight = Problem::new(roomy.network().clone(), options);
        let ids = |problem: &Problem| sources(problem).map(|b| b.id()).collect::<Vec<_>>();
        assert_eq!(ids(&tight), ["k_star"]);
        let none = Options { ceiling: 0, ..Options::default() };
        let none = Problem::new(tight.network().clone(), none);
        assert_eq!(KL2.memory(&none, Norm::L1), 0.0);
        assert!(KL2.compute(&none, Norm::L1).expect_err("nothing fits").0.contains("memory"));
    }
}
