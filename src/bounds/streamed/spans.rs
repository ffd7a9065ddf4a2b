//! How far down the products of a chain are followed.
//!
//! The products with `t` as their end are followed down to a stage `e`. For the slopes `D_s = C_s + R_s Z_s`,
//! `|Z_s| <= I`, the Jacobian `J_t` of the first `t` maps is
//!
//! `J_t = sum over e < s < t of W~_(t,s) R_s Z_s J_s + W~_(t,e) D_e J_e`,
//!
//! as one finds by writing `D_{t-1} = C_{t-1} + R_{t-1} Z_{t-1}`, then `D_{t-2}` in the term with `C_{t-1}`, and so
//! on. So with `M_e >= |D_e|`, the largest absolute slopes, and `|J_s| <= v_s`,
//!
//! `|J_t| <= v_t = sum over e < s < t of |W~_(t,s)| R_s v_s + |W~_(t,e)| M_e v_e`,
//!
//! and the same with norms in place of absolute values is a bound for K1. It lies between the bound without an
//! early end and that of the absolute values (K3; K* for norms), by induction over `t`:
//! - `M_e = |C_e| + R_e` and `|W~_(t,s)| <= |W~_(t,e)| |C_e| |W~_(e,s)|` for `s < e`, so `|W~_(t,e)| M_e v_e` is at
//!   least what the stages up to `e` contribute to K5;
//! - let `u_r` be the bound of `J_r` whose products end at `e` for every `r` (`u_e = v_e`). Then
//!   `u_(r+1) <= |W_r| (R_r v_r + |C_r| u_r)`, at most `|W_r| M_r` times the bound of K3 if `u_r` and `v_r` are at
//!   most that.

use std::ops::Range;

use crate::network::{Chain, Slopes};
use crate::numeric::Norm;
use crate::numeric::conv_norm::fields::{Classes, ConvolutionMatrix};
use crate::numeric::conv_norm::of_channels;

/// Which rows of the products are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// All.
    All,
    /// Those of neurons whose slopes are not fixed, and of the outputs: K5 multiplies the others by zero.
    Branching,
}

impl Wanted {
    /// Whether the row of a product with `t` as its end is wanted.
    pub fn has(self, chain: &Chain, t: usize, row: usize) -> bool {
        let radius = chain.slopes().get(t - 1).and_then(Slopes::diagonal).map(|d| d.radius());
        self == Wanted::All || radius.is_none_or(|r| r[row] > 0.0)
    }

    /// The channels of `size` rows each, some of whose rows are wanted.
    fn channels(self, chain: &Chain, t: usize, size: usize) -> Vec<usize> {
        let channels = 0..chain.maps()[t - 1].rows() / size;
        let has = |c: &usize| (c * size..(c + 1) * size).any(|row| self.has(chain, t, row));
        channels.filter(has).collect()
    }
}

/// The maps that are convolutions.
pub fn convolutions(chain: &Chain) -> Vec<Option<ConvolutionMatrix>> {
    chain.maps().iter().map(|map| map.matrix.as_convolution()).collect()
}

/// The rows of a layer in classes of shifts of each other.
pub struct Shared {
    pub classes: Classes,
    /// Behind each step but the last, the factor of each channel.
    pub factors: Vec<Vec<f64>>,
}

impl Shared {
    /// For the products whose maps are these; `None` where one is no convolution, or a centre depends on the
    /// place.
    pub fn new(
        chain: &Chain,
        convolutions: &[Option<ConvolutionMatrix>],
        span: Range<usize>,
        rows: Wanted,
    ) -> Option<Shared> {
        let mut maps: Vec<ConvolutionMatrix> = Vec::new();
        for s in span.clone() {
            let map = match &convolutions[s] {
                None if chain.maps()[s].matrix.is_identity() => maps.last()?.identity(),
                map => map.clone()?,
            };
            maps.push(map);
        }
        maps.reverse();
        let factors: Option<Vec<_>> = (span.clone().rev().skip(1).zip(&maps))
            .map(|(s, above)| {
                let centres = chain.slopes()[s].diagonal()?.centre();
                of_channels(centres, above.columns_of_channel())
            })
            .collect();
        let channels = rows.channels(chain, span.end, maps.first()?.rows_of_channel());
        Some(Shared { classes: Classes::new(maps)?.with_channels(channels), factors: factors? })
    }
}

/// The stages at which products end.
#[derive(Debug)]
pub struct Spans {
    /// For each end `t`, from 1 on: the stage from which on there are products that are not zero, and that at
    /// which they are ended.
    ends: Vec<(usize, usize)>,
    /// The work of all products, and of those that are formed.
    pub(super) work: [f64; 2],
}

impl Spans {
    /// All products where they take at most `limit` multiplications. Otherwise those with an end `t` go as far
    /// down as the work allows that each end gets, the same for all; this is found from the shapes alone.
    pub fn new(
        chain: &Chain,
        convolutions: &[Option<ConvolutionMatrix>],
        rows: Wanted,
        limit: f64,
    ) -> Spans {
        let ends = 1..=chain.depth() + 1;
        let work = |t: usize, s: usize| work(chain, convolutions, s..t, rows);
        let whole: Vec<usize> = ends.clone().map(|t| lowest(chain, t)).collect();
        let all: f64 = whole.iter().zip(ends.clone()).map(|(&s, t)| work(t, s)).sum();
        if all <= limit {
            return Spans { ends: whole.iter().map(|&s| (s, s)).collect(), work: [all, all] };
        }
        // For each end, the stages where products may end, from above, with the work of going so far.
        let choices: Vec<Vec<(usize, f64)>> = (whole.iter().zip(ends))
            .map(|(&lowest, t)| {
                let may_end = |s: &usize| *s == lowest || may_end(chain, *s);
                let stages = (lowest..t).rev().filter(may_end);
                let mut choices: Vec<(usize, f64)> = Vec::new();
                for choice in stages.map(|s| (s, work(t, s))) {
                    if !choices.is_empty() && choice.1 > limit {
                        break; // as are all below it
                    }
                    choices.push(choice);
                }
                choices
            })
            .collect();
        let within = |choices: &[(usize, f64)], each: f64| {
            let count = choices.partition_point(|&(_, work)| work <= each);
            choices[count.saturating_sub(1)]
        };
        let total = |each: f64| choices.iter().map(|c| within(c, each).1).sum::<f64>();
        let mut limits: Vec<f64> = choices.iter().flatten().map(|&(_, work)| work).collect();
        limits.sort_unstable_by(f64::total_cmp);
        let affordable = limits.partition_point(|&each| total(each) <= limit);
        let each = affordable.checked_sub(1).map_or(0.0, |k| limits[k]);
        let chosen = whole.iter().zip(&choices).map(|(&lowest, c)| (lowest, within(c, each).0));
        Spans { ends: chosen.collect(), work: [all, total(each)] }
    }

    /// The stages with a product with `t` as its end that is formed.
    pub fn of(&self, t: usize) -> Range<usize> {
        self.ends[t - 1].1..t
    }

    /// Where products with `t` as their end are ended, 0 where they are not.
    pub fn early_end(&self, t: usize) -> usize {
        let (lowest, end) = self.ends[t - 1];
        if end > lowest { end } else { 0 }
    }

    /// What is to be said of that.
    #[expect(clippy::float_arithmetic, reason = "a number for a message")]
    pub fn remark(&self, bound: &str, above: &str) -> Option<String> {
        let early = (1..=self.ends.len()).filter(|&t| self.early_end(t) > 0).count();
        let [all, done] = self.work;
        let (layers, times) = (self.ends.len(), all / done);
        (early > 0).then(|| {
            format!(
                "the products of {early} of {layers} layers end early, as all of them would take {times:.1} times the work; the value is a bound, not below {bound} and not above {above}; --product-work raises the limit"
            )
        })
    }
}

/// The stage from which on there are products with `t` as their end that are not zero.
fn lowest(chain: &Chain, t: usize) -> usize {
    let passes = |s: &usize| chain.slopes()[*s].norms_up(Norm::Linf).centre != 0.0;
    (0..t - 1).rev().take_while(passes).last().unwrap_or(t - 1)
}

/// Whether products may end at a stage: nothing passes it unchanged, so that all its rows are wanted.
fn may_end(chain: &Chain, s: usize) -> bool {
    let slopes = s.checked_sub(1).and_then(|r| chain.slopes()[r].diagonal());
    slopes.is_some_and(|d| d.radius().iter().zip(d.magnitude()).all(|(&r, m)| r > 0.0 || m == 0.0))
}

/// The multiplications that following down the rows of the products of these maps takes.
#[expect(clippy::float_arithmetic, reason = "an estimate of work")]
fn work(
    chain: &Chain,
    convolutions: &[Option<ConvolutionMatrix>],
    span: Range<usize>,
    rows: Wanted,
) -> f64 {
    if let Some(shared) = Shared::new(chain, convolutions, span.clone(), rows) {
        return shared.classes.work();
    }
    let (t, maps) = (span.end, chain.maps());
    let count = (0..maps[t - 1].rows()).filter(|&row| rows.has(chain, t, row)).count();
    let entries: usize = maps[span.start..t - 1].iter().map(|m| m.matrix.stored_entries()).sum();
    count as f64 * entries as f64
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
