//! What a bound returns.

use std::sync::Arc;

use super::k_sdp::Proof;
use crate::numeric::Norm;

/// What is known of a number that a bound computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// The Lipschitz constant is at most this number: proved, rounding included.
    UpperBound,
    /// The quantity itself lies between a proved lower and a proved upper bound.
    Enclosure,
    /// Nothing is proved.
    Estimate,
}

impl Guarantee {
    /// The name used in reports.
    pub fn id(self) -> &'static str {
        match self {
            Guarantee::UpperBound => "upper_bound",
            Guarantee::Enclosure => "enclosure",
            Guarantee::Estimate => "estimate",
        }
    }
}

/// The value of a bound for one network and one norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// The bound's id, for example `k4`.
    pub id: &'static str,
    /// The norm.
    pub norm: Norm,
    /// A proved lower bound of the quantity that the bound defines, where there is one.
    pub lower: Option<f64>,
    /// The number: an upper bound, or an estimate, as `guarantee` says. `+inf` after an overflow.
    pub upper: f64,
    /// What is proved of `upper`.
    pub guarantee: Guarantee,
    /// What the user should know about how it was computed.
    pub note: Option<String>,
    /// What it takes to check the bound again, for Ksdp.
    pub proof: Option<Arc<Proof>>,
}

impl Certificate {
    /// A proved upper bound of the Lipschitz constant.
    pub fn upper_bound(id: &'static str, norm: Norm, upper: f64) -> Certificate {
        let upper = crate::numeric::rounding::upper(upper);
        Certificate {
            id,
            norm,
            lower: None,
            upper,
            guarantee: Guarantee::UpperBound,
            note: None,
            proof: None,
        }
    }

    /// The same with a remark for the user.
    pub fn with_note(mut self, note: impl Into<String>) -> Certificate {
        self.note = Some(note.into());
        self
    }

    /// Whether `upper` bounds the Lipschitz constant from above.
    pub fn is_upper_bound(&self) -> bool {
        self.guarantee != Guarantee::Estimate
    }
}
