//! Two functions are two: names that differ stay apart wherever profiles are
//! shown, unless they differ in what is left out on purpose of Rust's.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use random::Random;
use std::collections::BTreeMap;

use soakscope_report::{ProfileBuilder, TopBy, readable_frame, top};

impl Random {
    fn one<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

const WORDS: [&str; 8] = ["a", "b", "fmt", "h0", "abc", "deadbeef", "x1", "poll"];

/// A name of C++, with what looks like Rust's: brackets, hashes, digits.
fn cpp(random: &mut Random) -> String {
    let kind = |random: &mut Random| {
        let base = random.one(&[
            "int",
            "char",
            "a::B",
            "b::B",
            "std::vector<int, std::allocator<int> >",
            "T",
        ]);
        let length = random.below(30);
        match random.below(5) {
            0 => format!("{base}[{length}]"),
            1 => format!("{base} const&"),
            2 => format!("{base} (&) [{length}]"),
            3 => format!("({base}){length}"),
            _ => base.to_owned(),
        }
    };
    let mut path = random.some(3, |random| random.one(&WORDS).to_owned());
    if random.below(4) == 0 {
        path.insert(0, "(anonymous namespace)".to_owned());
    }
    let last = match random.below(6) {
        0 => format!(
            "operator{}",
            random.one(&[
                "<", "<<", "->", ">", ">>", "()", "[]", "<=>", " new", " char*"
            ])
        ),
        1 => format!("{{lambda(int)#{}}}::operator()", 1 + random.below(3)),
        2 => format!("f[abi:cxx{}]", 11 + random.below(3)),
        3 => format!("~{}", random.one(&WORDS)),
        _ => random.one(&WORDS).to_owned(),
    };
    path.push(last);
    let mut name = path.join("::");
    let templates = random.some(2, kind);
    if !templates.is_empty() {
        name += &format!("<{}>", templates.join(", "));
    }
    if random.below(3) > 0 {
        name += &format!("({})", random.some(2, kind).join(", "));
    }
    name + random.one(&[
        "",
        "",
        " const",
        " [clone .cold]",
        " [clone .isra.0]",
        " [.cold]",
    ])
}

/// A name of Go, Java, Python, JavaScript or C.
fn other(random: &mut Random) -> String {
    let (word, more) = (random.one(&WORDS), random.one(&WORDS));
    let number = random.below(4);
    match random.below(12) {
        0 => format!("main.(*{word}).{more}.func{number}.1"),
        1 => format!("github.com/{word}/{more}.F[go.shape.int_{number}]"),
        2 => format!("main.{word}[...].{more}-fm"),
        3 => format!("{word}.{more}$Inner$${number}.lambda$apply$1"),
        4 => format!("{word}/{more}.<init>({}[I)V", "[".repeat(number)),
        5 => format!("{word}.Cls::<clinit>"),
        6 => format!("<module> ({word}.py:{number})"),
        7 => format!("{more} ({word}.py:{number}0)"),
        8 => format!("Object.<anonymous> {word}.js:{number}:1"),
        9 => format!("{word}@{number}[{more}]"),
        10 => format!("{word}.part.{number}"),
        _ => format!("[{word}.{number}]"),
    }
}

#[test]
fn names_of_other_languages_are_left_alone() {
    let random = &mut Random::new(1);
    let files = ["", "a.cc", "a.go", "A.java", "a.py", "a.js", "a.c"];
    for _ in 0..30_000 {
        let name = if random.below(2) == 0 {
            cpp(random)
        } else {
            other(random)
        };
        let file = random.one(&files);
        for symbol in ["", &name, "_ZN1a1bEPc"] {
            assert_eq!(readable_frame(&name, symbol, file), name, "{symbol} {file}");
        }
    }
}

/// A type of Rust's, as it is demangled, and as it is as an argument.
fn kind(random: &mut Random, depth: usize) -> (String, String) {
    let path = ["core", "alloc", "a", "b"];
    match random.below(if depth == 0 { 3 } else { 7 }) {
        0 => {
            let word = random.one(&["u64", "str", "T", "_"]);
            (word.to_owned(), word.to_owned())
        }
        1 | 2 => {
            let word = random.one(&["B", "C", "String"]);
            (format!("{}::x::{word}", random.one(&path)), word.to_owned())
        }
        3 => {
            let (full, short) = kind(random, 0);
            let sign = random.one(&["&", "&mut ", "*const ", "dyn "]);
            (format!("{sign}{full}"), format!("{sign}{short}"))
        }
        4 => {
            let (full, short) = kind(random, 0);
            let length = random.below(30);
            (
                format!("[{full}; {length}]"),
                format!("[{short}; {length}]"),
            )
        }
        5 => {
            let ((a, short_a), (b, short_b)) = (kind(random, 0), kind(random, 0));
            (
                format!("fn({a}) -> {b}"),
                format!("fn({short_a}) -> {short_b}"),
            )
        }
        _ => {
            let (full, short) = arguments(random, depth - 1);
            (format!("a::x::V{full}"), format!("V{short}"))
        }
    }
}

/// Generic arguments, and what is shown of them.
fn arguments(random: &mut Random, depth: usize) -> (String, String) {
    let all = random.some(2, |random| kind(random, depth));
    if all.is_empty() {
        return (String::new(), String::new());
    }
    let (full, short): (Vec<String>, Vec<String>) = all.into_iter().unzip();
    let short = short.join(", ");
    let short = if short.chars().count() > 32 {
        "…"
    } else {
        &short
    };
    (format!("<{}>", full.join(", ")), format!("<{short}>"))
}

/// A name of Rust's, as it is demangled, and what may be left of it.
fn rust(random: &mut Random) -> (String, String) {
    let crates = ["alloc", "shop", "hyper"];
    let module = random.one(&["x", "y", "z_1"]);
    let (name, shown) = (random.one(&crates), random.one(&WORDS));
    let disambiguator = random.one(&["", "", "[1a2b]", "[3c4d5e6f7a8b9c0d]"]);
    let (mut full, mut short) = match random.below(4) {
        0 => {
            let (arguments, shown_arguments) = arguments(random, 2);
            let subject = format!("{name}{disambiguator}::{module}::Ty{arguments}");
            let of = random.one(&["core::fmt::Debug", "core::fmt::Display", "b::Tr<u8>"]);
            (
                format!("<{subject} as {of}>::{shown}"),
                format!("{name}::{module}::Ty{shown_arguments}::{shown}"),
            )
        }
        1 => (
            format!(
                "{name}{disambiguator}::{module}::<impl core::fmt::Debug for u{module}>::{shown}"
            ),
            format!("{name}::{module}::u{module}::{shown}"),
        ),
        2 => {
            let number = random.below(3);
            (
                format!("{name}{disambiguator}::{module}::{{impl#{number}}}::{shown}"),
                format!("{name}::{module}::{{impl#{number}}}::{shown}"),
            )
        }
        _ => {
            let (arguments, shown_arguments) = arguments(random, 2);
            let turbofish = if arguments.is_empty() { "" } else { "::" };
            (
                format!("{name}{disambiguator}::{module}::{shown}{turbofish}{arguments}"),
                format!("{name}::{module}::{shown}{shown_arguments}"),
            )
        }
    };
    let mut last = None;
    for _ in 0..random.below(4) {
        let number = random.below(3);
        full += &format!("::{{closure#{number}}}");
        if last != Some(number) {
            short += &match number {
                0 => "::{closure}".to_owned(),
                _ => format!("::{{closure#{number}}}"),
            };
        }
        last = Some(number);
    }
    if random.below(2) == 0 {
        full += &format!("::h{:016x}", random.next());
    }
    (full, short)
}

#[test]
fn names_of_rust_lose_what_is_documented_and_nothing_else() {
    let random = &mut Random::new(2);
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..30_000 {
        let (full, wanted) = rust(random);
        let name = readable_frame(&full, "", "src/a.rs");
        assert_eq!(name, wanted, "{full}");
        // What the agent shortened may be shortened again.
        assert_eq!(readable_frame(&name, "", "src/a.rs"), name);
        shown.insert(name, full);
    }
    assert!(shown.len() > 5_000, "{}", shown.len());
}

#[test]
fn rust_is_known_by_its_symbols_and_its_spelling() {
    let long = "g<a::very::long::path::One, a::very::long::path::Two>";
    for (name, symbol, file, wanted) in [
        (long, "_RNvC1a1g", "", "g<One, Two>"),
        (long, "_ZN1a1g17h0123456789abcdefE", "", "g<One, Two>"),
        (
            long,
            "_ZN1a1g17h0123456789abcdefE.llvm.77",
            "",
            "g<One, Two>",
        ),
        (long, "", "a.rs", "g<One, Two>"),
        (long, "_ZN1a1gE", "a.cc", long),
        (long, long, "", long),
        ("a::g::h0123456789abcdef", "", "", "a::g"),
        // One digit too few, one too many, and letters that are none.
        ("a::h0123456789abcde", "", "", "a::h0123456789abcde"),
        ("a::h0123456789abcdef0", "", "", "a::h0123456789abcdef0"),
        ("a::h0123456789ABCDEF", "", "", "a::h0123456789ABCDEF"),
        ("f(char[10])", "f(char[10])", "", "f(char[10])"),
        ("f(char[10])", "_Z1fA10_c", "a.rs", "f(char[10])"),
        ("a[10]::b", "", "a.rs", "a::b"),
        ("a::f[10]::b", "", "a.rs", "a::f[10]::b"),
        (
            "a[0123456789abcdef0]::b",
            "",
            "a.rs",
            "a[0123456789abcdef0]::b",
        ),
    ] {
        assert_eq!(
            readable_frame(name, symbol, file),
            wanted,
            "{name} {symbol} {file}"
        );
    }
}

/// Whole, where short they would be one: what is left out must not add up.
#[test]
fn functions_that_would_read_alike_are_shown_whole() {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let names = [
        "<a::T as core::fmt::Debug>::fmt::h0123456789abcdef",
        "<a::T as core::fmt::Debug>::fmt::hfedcba9876543210",
        "<a::T as core::fmt::Display>::fmt",
        "<a::U as core::fmt::Display>::fmt",
        "alloc[1a2b]::f",
        "alloc[3c4d]::f",
    ];
    for (address, name) in (1..).zip(names) {
        let function = builder.function(name, name, "", 0);
        let at = builder.location(None, address, &[(function, 0)]);
        builder.sample(&[at], &[1, 10], Vec::new());
    }
    assert_eq!(
        builder.build().collapsed(0),
        "<a::T as core::fmt::Debug>::fmt 2\n<a::T as core::fmt::Display>::fmt 1\n\
         a::U::fmt 1\nalloc[1a2b]::f 1\nalloc[3c4d]::f 1\n"
    );
}

/// All the way to what is listed and drawn.
#[test]
fn a_profile_lists_as_many_functions_as_it_has() {
    let random = &mut Random::new(3);
    let mut names: Vec<String> = (0..3_000)
        .map(|number| match number % 2 {
            0 => cpp(random),
            _ => other(random),
        })
        .collect();
    // Too long to be shown whole, and different in the last letter.
    let long = "std::tuple<int, ".repeat(100);
    names.extend(["f", "g"].map(|end| format!("{long}{end}")));
    names.sort();
    names.dedup();
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    for (address, name) in (1..).zip(&names) {
        let function = builder.function(name, name, "", 0);
        let at = builder.location(None, address, &[(function, 0)]);
        builder.sample(&[at], &[1, 10], Vec::new());
    }
    let profile = builder.build();
    for by in [TopBy::Own, TopBy::Cumulative, TopBy::Line] {
        let entries = top(&profile, 1, by);
        assert_eq!(entries.len(), names.len());
        assert!(
            entries
                .iter()
                .all(|entry| (entry.own, entry.cumulative) == (10, 10))
        );
    }
    let collapsed = profile.collapsed(1);
    assert_eq!(collapsed.lines().count(), names.len());
    assert!(
        collapsed.contains("f(char[10])") == names.iter().any(|name| name.contains("f(char[10])"))
    );
}
