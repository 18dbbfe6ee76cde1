//! The text of a flame graph's frames: the share of each with its interval.
//!
//! The drawing writes `name (25 ms, 1.20%)`, and of a difference
//! `name (25 ms, 1.20%; +0.40%)`. How sure that is depends on the samples, of
//! which it knows nothing, so it is put in here.

use crate::number::WITHIN_95;

/// The end of a frame's text. No name has it, as markup in names is escaped.
const END: &str = "%)</title>";

/// How many samples of equal weight would be as sure; those of a difference are
/// of the one before and of the one after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples {
    pub(crate) after: f64,
    pub(crate) before: Option<f64>,
}

/// A drawing whose shares have their 95 % intervals, in points.
pub(crate) fn with_intervals(svg: &str, samples: Samples) -> String {
    let mut text = String::with_capacity(svg.len() + svg.len() / 16);
    let mut rest = svg;
    while let Some(end) = rest.find(END) {
        let (before, after) = rest.split_at(end);
        text.push_str(before);
        text.push('%');
        if let Some(points) = within(before, samples).filter(|points| *points >= 0.005) {
            text.push_str(&format!(" ± {points:.2}"));
        }
        text.push_str(&END[1..]);
        rest = &after[END.len()..];
    }
    text.push_str(rest);
    text
}

/// The interval of the share that this text ends in, or of its change.
fn within(text: &str, samples: Samples) -> Option<f64> {
    let tail = &text[text.rfind(" (")?..];
    let last = &tail[tail.rfind(", ")? + 2..];
    let (share, change) = match last.split_once("%; ") {
        Some((share, change)) => (share, Some(change)),
        None => (last, None),
    };
    let number = |text: &str| text.parse::<f64>().ok().map(|percent| percent / 100.0);
    let share = number(share)?;
    let variance = |share: f64, samples: f64| {
        let share = share.clamp(0.0, 1.0);
        share * (1.0 - share) / samples
    };
    let of_change = match change {
        Some(change) => variance(share - number(change)?, samples.before?),
        None => 0.0,
    };
    let points = 100.0 * WITHIN_95 * (variance(share, samples.after) + of_change).sqrt();
    points.is_finite().then_some(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_get_their_intervals_and_nothing_else_changes() {
        let samples = Samples {
            after: 100.0,
            before: Some(400.0),
        };
        let got = |title: &str| {
            let svg = format!("<svg><g><title>{title}</title><rect/></g></svg>");
            let drawn = with_intervals(&svg, samples);
            assert!(
                drawn.starts_with("<svg><g><title>")
                    && drawn.ends_with("</title><rect/></g></svg>")
            );
            let title = drawn.split("<title>").nth(1).expect("a title");
            title.split("</title>").next().expect("its end").to_owned()
        };
        for (title, wanted) in [
            ("f (25 ms, 20.00%)", "f (25 ms, 20.00% ± 7.84)"),
            ("all (1,000 ms, 100%)", "all (1,000 ms, 100%)"),
            ("f (1,000 ms, 100.00%)", "f (1,000 ms, 100.00%)"),
            // Of a half that was a half: 9.8 and 4.9 points add in squares.
            ("f (5 ms, 50.00%; 0.00%)", "f (5 ms, 50.00%; 0.00% ± 10.96)"),
            (
                "f (5 ms, 20.00%; +20.00%)",
                "f (5 ms, 20.00%; +20.00% ± 7.84)",
            ),
            ("g<T, 5%> (5 ms, 20.00%)", "g<T, 5%> (5 ms, 20.00% ± 7.84)"),
            ("no share", "no share"),
            ("odd%)", "odd%)"),
            ("odd (, %)", "odd (, %)"),
            ("é (x, é%)", "é (x, é%)"),
        ] {
            assert_eq!(got(title), wanted);
        }
        let alone = Samples {
            before: None,
            ..samples
        };
        let change = "<title>f (5 ms, 50.00%; 1.00%)</title>";
        assert_eq!(with_intervals(change, alone), change);
    }
}
