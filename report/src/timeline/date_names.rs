//! The words of dates: months, days of the week and time zones.

/// A month by its name, or by the beginning of it, in English, German, French,
/// Spanish, Italian, Portuguese and Dutch.
pub(super) fn month(word: &str) -> Option<u8> {
    const BEGINNINGS: [(&str, u8); 34] = [
        ("jan", 1),
        ("ene", 1),
        ("gen", 1),
        ("feb", 2),
        ("fev", 2),
        ("fév", 2),
        ("mar", 3),
        ("mär", 3),
        ("mrz", 3),
        ("maa", 3),
        ("mrt", 3),
        ("apr", 4),
        ("avr", 4),
        ("abr", 4),
        ("may", 5),
        ("mai", 5),
        ("mei", 5),
        ("mag", 5),
        ("jun", 6),
        ("juin", 6),
        ("giu", 6),
        ("jul", 7),
        ("juil", 7),
        ("lug", 7),
        ("aug", 8),
        ("aou", 8),
        ("aoû", 8),
        ("ago", 8),
        ("sep", 9),
        ("set", 9),
        ("oct", 10),
        ("okt", 10),
        ("ott", 10),
        ("out", 10),
    ];
    const ENDINGS: [(&str, u8); 5] = [
        ("nov", 11),
        ("dec", 12),
        ("dez", 12),
        ("déc", 12),
        ("dic", 12),
    ];
    if word.chars().count() > 10 {
        return None;
    }
    BEGINNINGS
        .iter()
        .chain(&ENDINGS)
        .find(|(begin, _)| word.starts_with(begin))
        .map(|(_, month)| *month)
}

pub(super) fn weekday(word: &str) -> bool {
    const DAYS: [&str; 26] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so",
        "lun", "mer", "jeu", "ven", "sam", "dim", "mié", "jue", "vie", "sáb", "dom", "gio",
    ];
    const LONG: [&str; 12] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "tues",
        "thur",
        "thurs",
        "mardi",
        "mar",
    ];
    DAYS.contains(&word)
        || LONG.contains(&word)
        || word.ends_with("tag")
        || word.ends_with("woch")
        || word.ends_with("di")
}

/// Hours east of Greenwich of the zones that clocks go back from and to. Of a
/// zone that does not change the hours do not matter.
pub(super) fn zone(word: &str) -> Option<f64> {
    Some(match word {
        "wet" => 0.0,
        "bst" | "west" | "cet" | "met" | "mez" => 1.0,
        "cest" | "mest" | "eet" | "mesz" => 2.0,
        "eest" | "msk" => 3.0,
        "edt" => -4.0,
        "est" | "cdt" => -5.0,
        "cst" | "mdt" => -6.0,
        "mst" | "pdt" => -7.0,
        "pst" | "akdt" => -8.0,
        "akst" => -9.0,
        "hst" => -10.0,
        "ist" => 5.5,
        "jst" | "kst" => 9.0,
        "aest" => 10.0,
        "aedt" => 11.0,
        "nzst" => 12.0,
        "nzdt" => 13.0,
        _ => return None,
    })
}
