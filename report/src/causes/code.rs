//! The function that an allocation is charged to: the innermost one of the
//! service or a library it uses, not of the standard library.
//!
//! `Vec::push` allocates in `alloc::raw_vec::finish_grow`, which says nothing;
//! its caller's caller does.

use crate::frame_name::readable_name;
use crate::profile::{Location, Profile, frame_names};

/// Crates and functions that allocate on behalf of their callers.
const PASSED_OVER: [&str; 14] = [
    "alloc::",
    "core::",
    "std::",
    "hashbrown::",
    "soakscope_sampler::",
    "__rust_",
    "__rustc::",
    "__rg_",
    "bytes::",
    "smallvec::",
    "indexmap::",
    "malloc",
    "calloc",
    "realloc",
];

/// The names of a stack, innermost first.
pub(super) fn names(profile: &Profile, locations: &[u32]) -> Vec<String> {
    locations
        .iter()
        .filter_map(|location| profile.locations.get(*location as usize))
        .flat_map(|location: &Location| frame_names(profile, location))
        .collect()
}

/// The function that a stack is charged to.
pub(super) fn of(names: &[String]) -> String {
    names
        .iter()
        .find(|name| is_own(name))
        .or_else(|| names.first())
        .map_or_else(|| "<no stack>".to_owned(), |name| readable_name(name))
}

fn is_own(name: &str) -> bool {
    !PASSED_OVER.iter().any(|prefix| name.starts_with(prefix)) && !is_of_no_crate(name)
}

/// Whether a name begins with a type that no crate has: `u8::from_elem` is
/// what is left of `<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem`,
/// and so are `T::to_vec` and `[A]::to_vec`.
fn is_of_no_crate(name: &str) -> bool {
    const TYPES: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64",
    ];
    let Some((first, _)) = name.split_once("::") else {
        return false;
    };
    let parameter = first.len() <= 2 && first.starts_with(|c: char| c.is_ascii_uppercase());
    let path = first.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    parameter || !path || TYPES.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_of_a_collection_is_charged_to_who_pushed() {
        let stack = [
            "alloc::raw_vec::RawVecInner<_>::finish_grow",
            "alloc::vec::Vec<T>::push",
            "hashbrown::raw::RawTable<T>::reserve_rehash",
            "u8::from_elem",
            "T::to_vec",
            "[T]::concat",
            "shop::journal::remember",
            "shop::main",
            "std::rt::lang_start",
        ];
        assert_eq!(of(&stack.map(str::to_owned)), "shop::journal::remember");
        assert_eq!(
            of(&stack[..1]
                .iter()
                .map(|s| (*s).to_owned())
                .collect::<Vec<_>>()),
            stack[0]
        );
        assert_eq!(of(&[]), "<no stack>");
    }
}
