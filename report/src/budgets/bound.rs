//! A bound, and k6's way of writing one: `p(95)<500`.

use std::fmt;

use super::stat::Statistic;
use crate::number::readable;

/// How a value has to compare with its bound to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Below it.
    Below,
    /// Not above it.
    AtMost,
    /// Above it.
    Above,
    /// Not below it.
    AtLeast,
    /// The same.
    Equal,
    /// Not the same.
    Unequal,
}

/// The signs, longest first where one begins with another.
const SIGNS: [(&str, Comparison); 8] = [
    ("===", Comparison::Equal),
    ("!==", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

/// What a value must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// How it compares.
    pub comparison: Comparison,
    /// What with.
    pub value: f64,
}

impl Bound {
    /// Whether a value holds.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.value,
            Comparison::AtMost => value <= self.value,
            Comparison::Above => value > self.value,
            Comparison::AtLeast => value >= self.value,
            Comparison::Equal => value == self.value,
            Comparison::Unequal => value != self.value,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::Below => "<",
            Comparison::AtMost => "≤",
            Comparison::Above => ">",
            Comparison::AtLeast => "≥",
            Comparison::Equal => "=",
            Comparison::Unequal => "≠",
        };
        write!(f, "{sign} {}", readable(self.value))
    }
}

/// Reads an expression such as `p(95)<500`, `avg <= 1.5` or `rate<0.01`.
pub(super) fn expression(text: &str) -> Result<(Statistic, Bound), String> {
    let problem = |what: &str| {
        format!(
            "{text:?} is not an expression: {what}; write it like \"p(95)<500\" or \"rate<0.01\""
        )
    };
    let (at, sign, comparison) = SIGNS
        .iter()
        .filter_map(|(sign, comparison)| Some((text.find(sign)?, sign, *comparison)))
        .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()))
        .ok_or_else(|| problem("it has none of < <= > >= == !="))?;
    let (name, number) = (text[..at].trim(), text[at + sign.len()..].trim());
    let value: f64 = number
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| problem(&format!("{number:?} is not a number")))?;
    let statistic = statistic(name).ok_or_else(|| {
        problem(&format!(
            "{name:?} is none of avg, min, max, med, p(N), rate, count"
        ))
    })?;
    Ok((statistic, Bound { comparison, value }))
}

fn statistic(name: &str) -> Option<Statistic> {
    Some(match name {
        "avg" => Statistic::Mean,
        "min" => Statistic::Min,
        "max" => Statistic::Max,
        "med" => Statistic::Quantile(0.5),
        "rate" => Statistic::Rate,
        "count" => Statistic::Count,
        _ => {
            let percent = name.strip_prefix("p(")?.strip_suffix(')')?;
            let percent: f64 = percent.trim().parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Statistic::Quantile(percent / 100.0))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_k6_are_read_as_they_are() {
        for (text, statistic, comparison, value) in [
            (
                "p(95)<500",
                Statistic::Quantile(0.95),
                Comparison::Below,
                500.0,
            ),
            (
                "p(99.9) <= 1.5e3",
                Statistic::Quantile(0.999),
                Comparison::AtMost,
                1_500.0,
            ),
            ("avg<200", Statistic::Mean, Comparison::Below, 200.0),
            ("med>=1", Statistic::Quantile(0.5), Comparison::AtLeast, 1.0),
            ("rate<0.01", Statistic::Rate, Comparison::Below, 0.01),
            ("count===0", Statistic::Count, Comparison::Equal, 0.0),
            ("max != 3", Statistic::Max, Comparison::Unequal, 3.0),
        ] {
            let (found, bound) = expression(text).expect(text);
            let name = |s: Statistic| s.name();
            assert_eq!(name(found), name(statistic), "{text}");
            assert_eq!(
                (bound.comparison, bound.value),
                (comparison, value),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_says_why() {
        for (text, says) in [
            ("p(95)", "none of <"),
            ("p95<500", "p(N)"),
            ("p(101)<5", "p(N)"),
            ("avg<fast", "\"fast\" is not a number"),
            ("avg<NaN", "not a number"),
        ] {
            let error = expression(text).expect_err(text);
            assert!(error.contains(says) && error.contains(text), "{error}");
        }
    }
}
