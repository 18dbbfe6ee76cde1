//! Modules that use each other in a circle can only be read all at once, so
//! that there are none but those named here. A circle that is mended is to be
//! struck off the list.

use std::fs;
use std::path::Path;

use soakscope_tests::imports::{Circle, Imports};
use soakscope_tests::scratch;

/// Crate, parent module, and the children that form a circle.
type Allowed = (&'static str, &'static str, &'static [&'static str]);

const ALLOWED: &[Allowed] = &[
    // A builder starts an agent, and an agent has a builder.
    ("agent", "", &["agent", "builder"]),
    (
        "report",
        "timeline",
        &[
            "filling",
            "finish",
            "header",
            "long_tables",
            "numbers",
            "scales",
            "time_columns",
        ],
    ),
];

#[test]
fn there_is_no_circle_but_those_that_are_known() {
    let mut wrong = String::new();
    for name in ["agent", "report", "sampler"] {
        let imports = of_crate(name);
        let found = imports.circles();
        let allowed: Vec<Circle> = ALLOWED
            .iter()
            .filter(|(of, ..)| *of == name)
            .map(|(_, parent, members)| circle(parent, members))
            .collect();
        for circle in found.iter().filter(|circle| !allowed.contains(circle)) {
            let (parent, members) = (&circle.parent, &circle.members);
            wrong += &format!("a new circle: (\"{name}\", {parent:?}, &{members:?}), by\n");
            wrong += &imports.explain(circle);
        }
        for circle in allowed.iter().filter(|circle| !found.contains(circle)) {
            let (parent, members) = (&circle.parent, &circle.members);
            wrong += &format!("no more, strike it off: (\"{name}\", {parent:?}, &{members:?})\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A floor does not know those above it, whatever is between them.
#[test]
fn lower_floors_do_without_the_higher() {
    for (name, floors) in [
        ("sampler", &["platform", "unwind", "heap"][..]),
        ("sampler", &["platform", "threads", "unwind", "cpu"]),
        ("report", &["verdict", "leaks", "judging", "seal"]),
        ("report", &["verdict", "budgets", "judging", "summary"]),
    ] {
        let imports = of_crate(name);
        for (at, lower) in floors.iter().enumerate() {
            for higher in &floors[at + 1..] {
                assert!(!imports.reaches(lower, higher), "{name}: {lower}, {higher}");
                assert!(imports.reaches(higher, lower), "{name}: {higher}, {lower}");
            }
        }
    }
    // The allocator needs no CPU engine, nor the engine the allocator.
    let sampler = of_crate("sampler");
    assert!(!sampler.reaches("heap", "cpu") && !sampler.reaches("cpu", "heap"));
}

fn of_crate(name: &str) -> Imports {
    Imports::of_crate(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{name}/src/lib.rs")))
}

fn circle(parent: &str, members: &[&str]) -> Circle {
    Circle {
        parent: parent.to_owned(),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
    }
}

/// The circles of a crate of these files.
fn circles(files: &[(&str, &str)]) -> Vec<Circle> {
    let below = scratch();
    for (file, text) in files {
        let path = below.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    Imports::of_crate(&below.path().join("lib.rs")).circles()
}

#[test]
fn paths_are_followed_wherever_they_stand() {
    let found = circles(&[
        (
            "lib.rs",
            "mod a;\nmod b;\nmod c;\nmod d;\npub use b::{B as Renamed, inner};\n",
        ),
        (
            "a.rs",
            "use crate::{Renamed, d::D};\nstruct A<'a>(&'a Renamed, D);\n",
        ),
        (
            "b/mod.rs",
            "pub mod inner;\npub struct B;\nconst C: char = '\"';\n",
        ),
        (
            "b/inner.rs",
            "fn f() { let _ = super::super::c::of(\"}\"); }\n",
        ),
        (
            "c.rs",
            "pub fn of(_: &str) -> u8 {\n    crate::a::<u8>::new(b'\\'')\n}\n",
        ),
        ("d.rs", "pub struct D;\n"),
    ]);
    assert_eq!(found, [circle("", &["a", "b", "c"])]);
}

#[test]
fn children_of_a_module_are_looked_at_too_and_a_parent_is_no_circle() {
    let found = circles(&[
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod x;\nmod y;\npub struct Shared(x::X);\n"),
        (
            "a/x.rs",
            "use super::{Shared, y::Y};\npub struct X(Y, Shared);\n",
        ),
        ("a/y.rs", "use super::x;\npub struct Y(x::X);\n"),
    ]);
    assert_eq!(found, [circle("a", &["x", "y"])]);
}

#[test]
fn tests_comments_and_texts_use_nothing() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod missing;\n"),
        ("a.rs", "use crate::b::B;\n"),
        (
            "b.rs",
            "//! [`A`](crate::a::A)\n/* crate::a /* nested */ crate::a */\n\
                 pub(in crate::b) const TEXT: &str = r#\"crate::a::A\"#;\n\
                 #[cfg(test)]\n#[allow(unused)]\nmod tests {\n    use crate::a::A;\n}\n\
                 struct B { #[cfg(test)] work: crate::a::Work, kept: u8 }\n",
        ),
    ]);
    assert_eq!(found, []);
}
