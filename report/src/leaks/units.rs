//! The unit of a column of memory: what its name says, or what its numbers can
//! only be.

use super::candidates::Unit;

/// Bytes in a page, as the kernels of the common machines have them.
const PAGE: u64 = 4096;

/// The unit that one word of a name says.
fn of_word(word: &str) -> Option<u64> {
    Some(match word {
        "byte" | "bytes" => 1,
        "kb" | "kib" | "kbyte" | "kbytes" | "kilobyte" | "kilobytes" | "kibibytes" => 1 << 10,
        "mb" | "mib" | "mbyte" | "mbytes" | "meg" | "megs" | "megabyte" | "megabytes"
        | "mebibytes" => 1 << 20,
        "gb" | "gib" | "gbyte" | "gbytes" | "gigabyte" | "gigabytes" | "gibibytes" => 1 << 30,
        "tb" | "tib" | "terabytes" | "tebibytes" => 1 << 40,
        _ => return None,
    })
}

/// The same of a word that is a unit only behind a word for memory.
fn of_letter(word: &str) -> Option<u64> {
    Some(match word {
        "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "page" | "pages" => PAGE,
        _ => return None,
    })
}

/// The bytes that one of a column's numbers is by its name, and which of its
/// words says so.
pub(super) fn of_words(words: &[String], is_memory: bool) -> Option<(u64, usize)> {
    let named = words
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, word)| Some((of_word(word)?, index)));
    let letter = || {
        let last = words.len().checked_sub(1).filter(|last| *last > 0)?;
        Some((of_letter(&words[last])?, last))
    };
    named.or_else(|| is_memory.then(letter).flatten())
}

/// The unit that `--judge COL:UNIT` names; `None` for a word that is none.
pub(super) fn of_option(unit: &str) -> Option<Unit> {
    let word = unit.trim().to_ascii_lowercase();
    let bytes = of_word(&word).or_else(|| of_letter(&word));
    match word.as_str() {
        "count" | "counts" | "things" | "percent" | "%" | "" => Some(Unit::Count),
        _ => bytes.map(|bytes| Unit::Memory { bytes }),
    }
}

/// The least and the most memory that a process of today has, in bytes.
const MIN_RESIDENT: f64 = (1 << 20) as f64;
const MIN_HEAP: f64 = (1 << 19) as f64;
const MOST: f64 = (1_u64 << 40) as f64;
/// What a process has as a rule, by which the likeliest unit is chosen.
const USUAL: f64 = (256 << 20) as f64;
/// So many different values that are all multiples are so on purpose.
const DISTINCT: usize = 8;

/// The units that these numbers of memory can be in, the likeliest first; none
/// if there is no number but zero.
///
/// What a process holds lies between a megabyte and a terabyte; the kernel counts
/// resident memory in pages, so a column of bytes has multiples of 4,096 and one
/// of kilobytes multiples of 4; fractions are of megabytes or more.
pub(super) fn plausible(values: &[f64], is_resident: bool) -> Vec<Unit> {
    let mut seen: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite() && *value > 0.0)
        .collect();
    if seen.is_empty() {
        return Vec::new();
    }
    seen.sort_by(f64::total_cmp);
    let middle = seen[seen.len() / 2];
    let multiples = |of: f64| seen.iter().all(|value| value % of == 0.0);
    let whole = multiples(1.0);
    let (pages, fours) = (multiples(PAGE as f64), multiples(4.0));
    seen.dedup();
    let on_purpose = seen.len() >= DISTINCT;
    let least = if is_resident { MIN_RESIDENT } else { MIN_HEAP };
    let mut units: Vec<u64> = [1, 1 << 10, 1 << 20, 1 << 30]
        .into_iter()
        .filter(|&unit| {
            let bytes = middle * unit as f64;
            let usual_fraction = match unit {
                1 => whole,
                0x400 => whole || middle > PAGE as f64,
                // Whole gigabytes of a large machine, or fractions.
                0x4000_0000 => middle < 512.0,
                _ => true,
            };
            (least..=MOST).contains(&bytes) && usual_fraction
        })
        .collect();
    let has = |unit: u64, units: &[u64]| units.contains(&unit);
    if pages && (on_purpose || seen.len() < 3) && has(1, &units) {
        units = vec![1];
    } else if is_resident && on_purpose && !pages && fours && has(1 << 10, &units) {
        units = vec![1 << 10];
    }
    let far = |unit: &u64| (middle * *unit as f64 / USUAL).ln().abs();
    units.sort_by(|a, b| far(a).total_cmp(&far(b)));
    units
        .into_iter()
        .map(|bytes| Unit::Memory { bytes })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn names_carry_units_as_scripts_spell_them() {
        for (name, bytes) in [
            ("rss_kb", Some(1 << 10)),
            ("RSS (KB)", Some(1 << 10)),
            ("rssKB", Some(1 << 10)),
            ("mem.kb", Some(1 << 10)),
            ("rss[KiB]", Some(1 << 10)),
            ("Real (MB)", Some(1 << 20)),
            ("mem_gb", Some(1 << 30)),
            ("mem_m", Some(1 << 20)),
            ("rss_pages", Some(4096)),
            ("resident_memory_bytes", Some(1)),
            ("rss_kb_avg", Some(1 << 10)),
            ("VmRSS", None),
            ("heapUsed", None),
            ("Working Set", None),
        ] {
            let found = of_words(&words(name), true).map(|(bytes, _)| bytes);
            assert_eq!(found, bytes, "{name}");
        }
        assert_eq!(of_words(&words("pages"), false), None);
        assert_eq!(of_option("KiB"), Some(Unit::Memory { bytes: 1 << 10 }));
        assert_eq!(of_option("count"), Some(Unit::Count));
        assert_eq!(of_option("bogus"), None);
    }

    #[test]
    fn numbers_say_which_units_they_can_be_in() {
        let names = |values: &[f64], resident| -> Vec<&str> {
            plausible(values, resident)
                .into_iter()
                .map(Unit::of_cells)
                .collect()
        };
        let ramp = |from: f64, step: f64| -> Vec<f64> {
            (0..40).map(|n| from + step * f64::from(n)).collect()
        };
        assert_eq!(names(&ramp(104_857_600.0, 4096.0), true), ["bytes"]);
        assert_eq!(names(&ramp(51_428.0, 4.0), true), ["KB"]);
        // Odd numbers of resident memory: kilobytes, but megabytes are possible.
        assert_eq!(names(&ramp(51_431.0, 7.0), true), ["KB", "MB"]);
        assert_eq!(names(&ramp(100.25, 0.5), true), ["MB", "GB"]);
        assert_eq!(names(&ramp(34_567_891.0, 1_001.0), false), ["bytes", "KB"]);
        assert!(names(&[0.0, f64::NAN], true).is_empty());
    }
}
