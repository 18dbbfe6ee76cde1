//! Names of functions, made short enough to read in a flame graph.
//!
//! Only Rust's demangled names are shortened: those of other languages come back
//! as they are, as `f(char[10])` and `f(char[20])` are two functions. Two names
//! of Rust's become one only where they differ in what goes:
//!
//! * the hash at the end, `::h` and sixteen hexadecimal digits, and the
//!   disambiguator of a crate, `alloc[1a2b]::`;
//! * the trait that a method came from, and the module of an impl whose type has
//!   a path of its own, or the name of the module;
//! * the paths of generic arguments, and all of them where they are too long to
//!   say anything;
//! * towers of closures, and how a closure or an async block is spelled.
//!
//! What stays: the path, so that a name can still be found in the source, and
//! the numbers of closures and impls.

use crate::limits::{NAME_BYTES, NAME_DEPTH, cut};

/// Generic arguments longer than this are shown as `…`.
const MAX_ARGUMENTS: usize = 32;

/// The name of a function for people: shortened if it is Rust's by its symbol,
/// its source file or its spelling, and as it is if not.
///
/// ```
/// use soakscope_report::readable_frame;
/// assert_eq!(readable_frame("f(char[10])", "_Z1fPc", "f.cc"), "f(char[10])");
/// assert_eq!(readable_frame("<a::B as c::D>::e", "", ""), "a::B::e");
/// assert_eq!(readable_frame("a::f<b::C>", "", "src/a.rs"), "a::f<C>");
/// ```
#[must_use]
pub fn readable_frame(name: &str, symbol: &str, file: &str) -> String {
    // A name from outside may have any length.
    let name = &*cut(name, NAME_BYTES);
    if file.ends_with(".rs") || is_symbol(symbol) || is_spelled(name) {
        readable_name(name)
    } else {
        name.to_owned()
    }
}

/// Whether a symbol is mangled as Rust does it, now or formerly.
fn is_symbol(symbol: &str) -> bool {
    let legacy = || {
        let (path, hash) = symbol.rsplit_once("17h")?;
        let hash = hash.get(..17)?.strip_suffix('E')?;
        Some(path.starts_with("_ZN") && is_hexadecimal(hash))
    };
    let v0 = symbol.strip_prefix("_R");
    v0.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        || legacy().unwrap_or(false)
}

/// Whether a name is spelled as no other language does it.
fn is_spelled(name: &str) -> bool {
    let impls = name.starts_with('<') || name.contains("::<");
    drop_hash(name).len() < name.len()
        || ["{{closure}}", "{closure#", "{impl#", "{async_"]
            .iter()
            .any(|mark| name.contains(mark))
        || (impls && (name.contains(" as ") || name.contains("<impl ")) && name.contains(">::"))
        || drop_disambiguators(name).len() < name.len()
}

fn is_hexadecimal(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    !text.is_empty() && text.bytes().all(digit)
}

/// Shortens a demangled Rust name for people.
///
/// ```
/// use soakscope_report::readable_name;
/// let demangled = "<shop::Cart as core::fmt::Display>::fmt::h0123456789abcdef";
/// assert_eq!(readable_name(demangled), "shop::Cart::fmt");
/// assert_eq!(readable_name("shop::main::{{closure}}::{{closure}}"), "shop::main::{closure}");
/// ```
#[must_use]
pub fn readable_name(demangled: &str) -> String {
    readable_within(demangled, NAME_DEPTH)
}

/// [`readable_name`] of what is so many brackets deep at most. A name from
/// outside may have a bracket for every byte.
fn readable_within(demangled: &str, depth: usize) -> String {
    let demangled = &*cut(demangled, NAME_BYTES);
    let Some(depth) = depth.checked_sub(1) else {
        return "…".to_owned();
    };
    let name = drop_disambiguators(drop_hash(demangled.trim()));
    let mut short: Vec<String> = Vec::new();
    for part in split_path(&name) {
        match Segment::of(part, depth) {
            Segment::Name(name) if name.is_empty() => {}
            // A tower of closures is one closure.
            Segment::Name(name) if is_closure(&name) && short.last() == Some(&name) => {}
            Segment::Name(name) => short.push(name),
            // A type that has a path of its own stands for the module its
            // impl is in; `u64` or `str` does not.
            Segment::Subject(subject) if subject.contains("::") => short = vec![subject],
            Segment::Subject(subject) if short.last() == Some(&subject) => {}
            Segment::Subject(subject) => short.push(subject),
            Segment::Arguments(inside) => match short.last_mut() {
                Some(last) => last.push_str(&arguments(inside, depth)),
                // `<a::B>::f`, an impl of the type's own.
                None => short.push(readable_within(inside, depth)),
            },
        }
    }
    if short.is_empty() {
        return demangled.to_owned();
    }
    short.join("::")
}

/// Legacy mangling ends in `::h` and sixteen hexadecimal digits.
pub(crate) fn drop_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && is_hexadecimal(hash) => path,
        _ => name,
    }
}

/// `alloc[1a2b3c]::vec` is `alloc::vec`: only a crate, which is where a path
/// begins, has one, of sixteen digits at most. An array's length is none.
fn drop_disambiguators(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(open) = rest.find('[') {
        let (before, bracket) = rest.split_at(open);
        kept.push_str(before);
        let inside = bracket[1..].split(']').next().unwrap_or_default();
        let after = bracket.get(inside.len() + 2..).unwrap_or_default();
        let is_crate = after.starts_with("::") && ends_in_crate(&kept);
        if is_crate && inside.len() <= 16 && is_hexadecimal(inside) {
            rest = after;
        } else {
            kept.push('[');
            rest = &bracket[1..];
        }
    }
    kept.push_str(rest);
    kept
}

/// Whether text ends in the first identifier of a path.
fn ends_in_crate(text: &str) -> bool {
    let path = text.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    path.len() < text.len() && !path.ends_with("::")
}

/// Splits a path at `::`, but not within brackets.
fn split_path(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0i32, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            // The arrow of `fn() -> T` closes nothing.
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth -= 1,
            b':' if depth <= 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.push(&name[start..at]);
                at += 2;
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&name[start..]);
    parts
}

/// One part of a path, between two `::`.
enum Segment<'a> {
    /// A module, a type, a function or a closure.
    Name(String),
    /// The type that an impl block is about.
    Subject(String),
    /// Generic arguments of what came before.
    Arguments(&'a str),
}

impl<'a> Segment<'a> {
    fn of(part: &'a str, depth: usize) -> Segment<'a> {
        if part.starts_with('{') && part.ends_with('}') {
            return Segment::Name(brace(part));
        }
        if let Some(inside) = part.strip_prefix('<').and_then(|s| s.strip_suffix('>')) {
            if let Some(body) = inside.strip_prefix("impl ") {
                let subject = at_top_level(body, " for ").map_or(body, |(_, subject)| subject);
                return Segment::Subject(readable_within(subject, depth));
            }
            if let Some((subject, _)) = at_top_level(inside, " as ") {
                return Segment::Subject(readable_within(subject, depth));
            }
            return Segment::Arguments(inside);
        }
        match part.find('<') {
            Some(open) if open > 0 && part.ends_with('>') => {
                let inside = &part[open + 1..part.len() - 1];
                Segment::Name(format!("{}{}", &part[..open], arguments(inside, depth)))
            }
            _ => Segment::Name(part.to_owned()),
        }
    }
}

/// `<alloc::string::String>` is `<String>`, and what is long is `<…>`.
fn arguments(inside: &str, depth: usize) -> String {
    let short: Vec<String> = split_arguments(inside)
        .into_iter()
        .filter(|argument| !argument.trim().is_empty())
        .map(|argument| without_paths(&readable_within(argument, depth)))
        .collect();
    let short = short.join(", ");
    if short.is_empty() {
        String::new()
    } else if short.chars().count() > MAX_ARGUMENTS {
        "<…>".to_owned()
    } else {
        format!("<{short}>")
    }
}

/// A type with its paths' last names only: `&[alloc::string::String; 4]` is
/// `&[String; 4]`.
fn without_paths(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut parts = text.split("::").peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            kept.push_str(part);
            break;
        }
        let before = part.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
        kept.push_str(before);
        if before.len() == part.len() {
            // `[T]::Item` has no path to lose.
            kept.push_str("::");
        }
    }
    kept
}

fn split_arguments(inside: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = inside;
    while let Some((argument, after)) = at_top_level(rest, ",") {
        parts.push(argument);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Splits at the first `separator` that is within no bracket.
fn at_top_level<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let bytes = text.as_bytes();
    let mut depth = 0i32;
    for at in 0..bytes.len() {
        match bytes[at] {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && bytes[at..].starts_with(separator.as_bytes()) {
            return Some((&text[..at], &text[at + separator.len()..]));
        }
    }
    None
}

/// `{{closure}}` and `{closure#0}` in one spelling, and `{async_fn_env#0}` and
/// its like. Which one of several it is stays.
fn brace(segment: &str) -> String {
    let word = segment.trim_matches(['{', '}']);
    let (kind, number) = word.split_once('#').unwrap_or((word, "0"));
    let short = if kind.starts_with("async") {
        "async"
    } else if kind.starts_with("closure") {
        "closure"
    } else {
        return format!("{{{word}}}");
    };
    match number {
        "0" => format!("{{{short}}}"),
        _ => format!("{{{short}#{number}}}"),
    }
}

fn is_closure(segment: &str) -> bool {
    segment.starts_with("{closure") || segment.starts_with("{async")
}

#[cfg(test)]
mod tests {
    use super::readable_name;

    #[test]
    fn hashes_and_disambiguators_go() {
        assert_eq!(readable_name("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(
            readable_name("alloc[1a2b3c]::vec::push"),
            "alloc::vec::push"
        );
        assert_eq!(readable_name("a::hello"), "a::hello");
    }

    #[test]
    fn methods_belong_to_their_type() {
        let long = "<alloc::vec::Vec<T,A> as core::iter::traits::collect::Extend<T>>::extend";
        assert_eq!(readable_name(long), "alloc::vec::Vec<T, A>::extend");
        let named = "core::fmt::num::imp::<impl core::fmt::Display for u64>::fmt";
        assert_eq!(readable_name(named), "core::fmt::num::imp::u64::fmt");
        assert_eq!(
            readable_name("core::str::<impl str>::parse"),
            "core::str::parse"
        );
        assert_eq!(
            readable_name("<alloc[1a2b]::raw_vec::RawVecInner<_>>::finish_grow"),
            "alloc::raw_vec::RawVecInner<_>::finish_grow"
        );
    }

    #[test]
    fn generic_arguments_are_short_or_gone() {
        assert_eq!(
            readable_name("std::sync::Mutex<alloc::string::String>::lock"),
            "std::sync::Mutex<String>::lock"
        );
        assert_eq!(
            readable_name("core::mem::drop::<a::B>"),
            "core::mem::drop<B>"
        );
        assert_eq!(
            readable_name("a::F<b::AVeryLongName<c::AnotherLongName>,d::AThirdLongName>::g"),
            "a::F<…>::g"
        );
    }

    #[test]
    fn closures_read_alike() {
        assert_eq!(readable_name("a::{{closure}}::{{closure}}"), "a::{closure}");
        assert_eq!(readable_name("a::{closure#0}::{closure#0}"), "a::{closure}");
        assert_eq!(readable_name("a::f::{async_fn_env#0}"), "a::f::{async}");
        for name in [
            "a::{closure}::{closure#1}",
            "a::{impl#3}::b",
            "a::{shim:vtable#0}",
        ] {
            assert_eq!(readable_name(name), name);
        }
        assert_eq!(
            readable_name("core::ops::function::FnOnce::call_once{{vtable.shim}}"),
            "core::ops::function::FnOnce::call_once{{vtable.shim}}"
        );
    }

    #[test]
    fn brackets_without_end_cost_no_stack_and_little_time() {
        for open in ["a<", "<", "(", "a[", "{", "<impl ", "<a as ", "a<b,"] {
            let name = open.repeat(500_000);
            assert!(!readable_name(&name).is_empty(), "{open}");
            let closed = format!("{}{}", open.repeat(2_000), ">".repeat(2_000));
            assert!(!readable_name(&closed).is_empty(), "{open}");
        }
    }

    #[test]
    fn other_names_come_back() {
        for name in [
            "malloc",
            "__libc_start_main",
            "",
            "std::ostream::operator<<(int)",
            "[vdso]+0x1",
            "[kernel]",
        ] {
            assert_eq!(readable_name(name), name);
        }
    }
}
