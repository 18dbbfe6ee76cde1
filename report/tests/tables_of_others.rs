//! A random truth, written as each locale and each script writes it, and read
//! back: the hours and the numbers are those of the truth.

#![allow(clippy::unwrap_used)]

mod truth;

use std::fmt::Write as _;

use soakscope_report::CellUnit;
use truth::{Draw, Truth, date, grouped, parse};

const DATES: [&str; 22] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%a %b %e %H:%M:%S UTC %Y",
    "%b %d %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S +0000",
    "%d/%b/%Y:%H:%M:%S +0000",
    "%H:%M:%S",
    "%I:%M:%S %p",
    "%Y-%m-%d %H:%M:%S,000",
    "%s",
    "%s000",
    "%s000000",
];

#[test]
fn any_locale_any_date_any_unit() {
    let mut draw = Draw(12);
    const MIB: f64 = 1_048_576.0;
    for round in 0..400 {
        let truth = Truth::draw(&mut draw);
        let format = *draw.of(&DATES);
        let name = *draw.of(&["time", "timestamp", "date"]);
        let delimiter = *draw.of(&[",", ";", "\t"]);
        let comma = delimiter == ";" && draw.below(2) == 0;
        let end = *draw.of(&["\n", "\r\n", "\r"]);
        let quote = |cell: String| {
            if cell.contains(delimiter) {
                format!("\"{cell}\"")
            } else {
                cell
            }
        };
        let local = |cell: String| if comma { cell.replace('.', ",") } else { cell };
        let style = draw.below(9);
        let (header, unit) = match style {
            0 | 1 => ("rss_mb", MIB),
            2 => ("rss_bytes", 1.0),
            3 | 4 => ("RSS (KB)", 1024.0),
            _ => ("mem", 1.0),
        };
        let cell = |bytes: f64| match style {
            0 => local(format!("{:.3}", bytes / MIB)),
            1 => local(format!("{:.1}", bytes / MIB)),
            2 => grouped(bytes, if comma { "." } else { "," }),
            3 => format!("{:.0}", bytes / 1024.0),
            4 => grouped(bytes / 1024.0, if comma { "'" } else { " " }),
            5 => local(format!("{:.2}MiB / 15.5GiB", bytes / MIB)),
            6 => local(format!("{:.2} MB", bytes / MIB)),
            7 => format!("{:.0} kB", bytes / 1024.0),
            _ => local(format!("{:.2}%, {:.2}M", 1.0, bytes / MIB)).split_off(7),
        };
        let bom = if draw.below(4) == 0 { "\u{feff}" } else { "" };
        let mut text = format!("{bom}{name}{delimiter}{header}{delimiter}cpu{end}");
        for (second, bytes, cpu) in truth.rows() {
            let time = quote(date(second, format));
            let (memory, cpu) = (quote(cell(bytes)), quote(local(format!("{cpu:.2}"))));
            write!(text, "{time}{delimiter}{memory}{delimiter}{cpu}{end}").unwrap();
        }
        let what = format!("round {round}: {format:?} {style} {delimiter:?} comma {comma}");
        let timeline = parse(&what, &text);
        truth.check(&what, &timeline, header, unit, 0.01);
        let expected = (style > 4).then_some(CellUnit::Bytes);
        assert_eq!(timeline.facts(header).unit, expected, "{what}");
    }
}

#[test]
fn elapsed_time_in_any_spelling() {
    let mut draw = Draw(3);
    for round in 0..60 {
        let truth = Truth::draw(&mut draw);
        let kind = round % 6;
        let mut text = [
            "elapsed_min;rss_mb\n",
            "elapsed;rss_mb\n",
            "Elapsed (s);rss_mb\n",
            "elapsed_h;rss_mb\n",
            "Laufzeit (s);rss_mb\n",
            "uptime;rss_mb\n",
        ][kind]
            .to_owned();
        for (second, bytes, _) in truth.rows() {
            let s = second - truth.seconds[0];
            let time = match kind {
                0 => format!("{:.6}", s as f64 / 60.0).replace('.', ","),
                1 | 5 => format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
                2 => format!("{s}"),
                3 => format!("{:.7}", s as f64 / 3600.0),
                _ => format!("{s},0"),
            };
            let rss = format!("{:.2}", bytes / 1_048_576.0).replace('.', ",");
            writeln!(text, "{time};{rss}").unwrap();
        }
        let what = format!("round {round}: kind {kind}");
        truth.check(&what, &parse(&what, &text), "rss_mb", 1_048_576.0, 0.01);
    }
}
