//! Pass, fail or inconclusive: the ground floor of all judging.

use serde::Serialize;

use crate::exit_code;

/// A verdict. Too little data is inconclusive; it never passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was judged and it held.
    Pass,
    /// It was judged and it was broken.
    Fail,
    /// It could not be judged.
    Inconclusive,
}

impl Verdict {
    /// The verdict as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// The verdict as a process' exit code; see [`exit_code`].
    #[must_use]
    pub fn exit_code(self) -> i32 {
        match self {
            Verdict::Pass => exit_code::PASS,
            Verdict::Fail => exit_code::FAIL,
            Verdict::Inconclusive => exit_code::INCONCLUSIVE,
        }
    }

    /// Many verdicts in one: fail if one fails, else inconclusive if one is,
    /// else pass.
    #[must_use]
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts
            .into_iter()
            .fold(Verdict::Pass, |all, one| match (all, one) {
                (Verdict::Fail, _) | (_, Verdict::Fail) => Verdict::Fail,
                (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
                _ => Verdict::Pass,
            })
    }
}
