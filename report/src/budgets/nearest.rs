//! The known name that is nearest to one that is not known.

use crate::limits::COMPARED_NAME_BYTES;

/// The nearest, by the number of letters to change; `None` if none is near.
pub(super) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let far = wrong.chars().count().max(3) / 2 + 1;
    // The time it takes is the product of two lengths.
    let short = |name: &str| name.len() <= COMPARED_NAME_BYTES;
    known
        .into_iter()
        .filter(|name| short(wrong) && short(name))
        .map(|name| {
            // A unit left out is the likeliest slip.
            let begins = name.starts_with(wrong) || wrong.starts_with(name);
            (usize::from(!begins) * distance(wrong, name), name)
        })
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance, with two neighbours swapped as one change.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["rss_mb", "rps", "open_fds", "p99_ms"];
        for (wrong, meant) in [
            ("rss", Some("rss_mb")),
            ("rsm_sb", Some("rss_mb")),
            ("openfds", Some("open_fds")),
            ("p99ms", Some("p99_ms")),
            ("temperature", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
