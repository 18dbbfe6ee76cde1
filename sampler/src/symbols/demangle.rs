//! A linker's name made one that people read.
//!
//! Names come from files that anybody may have written: how long one may be,
//! how deeply nested and how much may become of it is bounded, and a name that
//! is over stays as it is.

use std::fmt::Write;

use cpp_demangle::{BorrowedSymbol, DemangleOptions, ParseOptions};

/// The longest name that is taken apart. Templates make long ones, but those
/// beyond this say nothing to a reader.
const MAX_MANGLED: usize = 8 * 1024;
/// The longest that one may become: a few bytes can name a part of themselves
/// again and again.
const MAX_READABLE: usize = 16 * 1024;
/// How deeply a C++ name may be nested; the depth is on the stack of the thread
/// that asks.
const MAX_DEPTH: u32 = 64;

/// A symbol's name as its source spells it, without the hash.
pub(super) fn demangled(name: &str) -> String {
    // A linker may append a version (`memcpy@@GLIBC_2.14`).
    let plain = name.split("@@").next().unwrap_or(name);
    if plain.len() > MAX_MANGLED {
        return plain.to_owned();
    }
    rust(plain)
        .or_else(|| cpp(plain))
        .unwrap_or_else(|| plain.to_owned())
}

/// The name of a Rust function. Before the mangling of its own, Rust used that
/// of C++ with a hash as the last part, so Rust is asked first.
fn rust(name: &str) -> Option<String> {
    let name = rustc_demangle::try_demangle(name).ok()?;
    let mut readable = Bounded(String::new());
    write!(readable, "{name:#}").ok()?;
    Some(readable.0)
}

/// The name of a C++ function.
fn cpp(name: &str) -> Option<String> {
    // Compilers append what a part was made for (`.cold`, `.isra.0`).
    let (mangled, suffix) = match name.find('.') {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    // Without the prefix a plain C name may be a type's: `i` is `int`.
    if !mangled.starts_with("_Z") && !mangled.starts_with("___Z") {
        return None;
    }
    let parsing = ParseOptions::default().recursion_limit(MAX_DEPTH);
    let options = DemangleOptions::default().recursion_limit(MAX_DEPTH);
    let (symbol, rest) =
        BorrowedSymbol::with_tail_and_options(mangled.as_bytes(), &parsing).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut readable = Bounded(String::new());
    symbol.structured_demangle(&mut readable, &options).ok()?;
    if !suffix.is_empty() {
        write!(readable, " [{suffix}]").ok()?;
    }
    Some(readable.0)
}

/// Text that refuses to become too long.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > MAX_READABLE {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_is_read_by_its_own_rules() {
        for (linkers, ours) in [
            ("_ZN4shop4cart3add17h0123456789abcdefE", "shop::cart::add"),
            ("_RNvNtCs1234_4shop4cart3add", "shop::cart::add"),
            (
                "_ZN4shop4Cart3addEiRKSs",
                "shop::Cart::add(int, std::string const&)",
            ),
            (
                "_ZNSt6vectorIiSaIiEE9push_backEOi",
                "std::vector<int, std::allocator<int> >::push_back(int&&)",
            ),
            ("_ZN4shop4Cart3addEi.cold", "shop::Cart::add(int) [.cold]"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("main", "main"),
            ("i", "i"),
            ("_Z", "_Z"),
            ("_Zodd\u{fffd}", "_Zodd\u{fffd}"),
        ] {
            assert_eq!(demangled(linkers), ours, "{linkers}");
        }
    }

    /// Names that grow in length, in depth, or in what they say of themselves.
    fn hostile() -> Vec<String> {
        // Each argument is a pair of the one before: 2^n names.
        let mut doubling = "_Z1fI1AE".to_owned() + "v";
        let mut pair = String::from("St4pairI1AS_E");
        for substitution in 0..30 {
            let digit = char::from_digit(substitution, 36).unwrap_or('z');
            pair.push_str(&format!("St4pairIS{0}_S{0}_E", digit.to_ascii_uppercase()));
        }
        doubling.push_str(&pair);
        vec![
            doubling,
            format!("_Z1f{pair}"),
            format!("_Z1f{}i", "P".repeat(MAX_MANGLED - 8)),
            format!("_Z1f{}i", "P".repeat(60)),
            format!("_Z1f{}v{}", "F".repeat(4_000), "E".repeat(4_000)),
            format!("_Z1fI{}E", "J".repeat(4_000)),
            format!("_ZN{}3fooEv", "1a".repeat(4_000)),
            format!("_ZN{}E", "1a".repeat(1 << 20)),
            format!("_R{}", "INvC1a1b".repeat(900)),
            format!("_RNvYR{}1a", "R".repeat(8_000)),
            format!("_Z999999999999999999999{}", "x".repeat(64)),
        ]
    }

    #[test]
    fn no_name_takes_the_stack_the_memory_or_the_time() {
        // Half of what a thread has; unoptimised, a level takes 10 KB.
        let thread = std::thread::Builder::new().stack_size(1024 * 1024);
        let checked = thread.spawn(|| {
            for name in hostile() {
                let readable = demangled(&name);
                let limit = MAX_READABLE.max(name.len());
                assert!(readable.len() <= limit, "{} bytes", readable.len());
            }
        });
        checked
            .expect("a thread can be started")
            .join()
            .expect("no name is too much");
    }

    #[test]
    fn damaged_names_are_read_or_left_alone() {
        let names = [
            "_ZNSt6vectorIiSaIiEE9push_backEOi",
            "_ZN5boost6spirit2qi6detailIL_Z1gvEJDpT_DTcl1fspfp_EEEEv",
            "_RINvNtC3std3mem8align_ofjdE",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        const ALPHABET: &[u8] = b"_ZNSIELTDJKcvpRPO0129abfijst";
        for round in 0..20_000 {
            let mut name = names[round % names.len()].as_bytes().to_vec();
            for _ in 0..random() % 4 + 1 {
                let at = random() % name.len();
                name[at] = ALPHABET[random() % ALPHABET.len()];
            }
            let name = String::from_utf8(name).expect("ASCII");
            assert!(demangled(&name).len() <= MAX_READABLE);
        }
    }
}
