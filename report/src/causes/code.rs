//! The function that an allocation is charged to: the innermost one of the
//! service or a library it uses, not of the standard library.
//!
//! `Vec::push` allocates in `alloc::raw_vec::finish_grow`, which says nothing;
//! its caller's caller does.

use crate::limits::FRAMES;
use crate::profile::{FrameTable, Profile};

/// Crates and functions that allocate on behalf of their callers.
const PASSED_OVER: [&str; 24] = [
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
    "dashmap::",
    "slab::",
    "sharded_slab::",
    "arrayvec::",
    "tinyvec::",
    "hashlink::",
    "linked_hash_map::",
    "lru::",
    "bumpalo::",
    "typed_arena::",
    "malloc",
    "calloc",
    "realloc",
];

/// Which code the stacks of a profile are charged to.
pub(super) struct Codes {
    table: FrameTable,
    /// Whether each name is the service's own.
    own: Vec<bool>,
}

impl Codes {
    pub(super) fn of(profile: &Profile) -> Codes {
        let table = FrameTable::of(profile);
        Codes {
            own: table.names().iter().map(|name| is_own(name)).collect(),
            table,
        }
    }

    /// The names of a stack by their numbers, innermost first.
    pub(super) fn frames(&self, locations: &[u32]) -> Vec<u32> {
        let frames = locations
            .iter()
            .flat_map(|location| self.table.at(*location));
        frames.copied().take(FRAMES).collect()
    }

    /// The same as text.
    pub(super) fn names(&self, frames: &[u32]) -> Vec<String> {
        let names = frames.iter().map(|name| self.table.name(*name).to_owned());
        names.collect()
    }

    /// The function that a stack is charged to.
    pub(super) fn code(&self, frames: &[u32]) -> &str {
        let is_own = |frame: &&u32| self.own.get(**frame as usize).is_some_and(|own| *own);
        let frame = frames.iter().find(is_own).or_else(|| frames.first());
        frame.map_or("<no stack>", |frame| self.table.name(*frame))
    }
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
    use crate::profile::ProfileBuilder;

    fn charged(stack: &[&str]) -> String {
        let mut builder = ProfileBuilder::heap(0, 0, 1);
        let locations: Vec<u32> = (1..)
            .zip(stack)
            .map(|(address, name)| {
                let function = builder.function(name, name, "", 0);
                builder.location(None, address, &[(function, 0)])
            })
            .collect();
        let codes = Codes::of(&builder.build());
        codes.code(&codes.frames(&locations)).to_owned()
    }

    #[test]
    fn whatever_the_collection_it_is_who_fills_it() {
        for inner in [
            // A HashMap, as one of std and as a crate's.
            &[
                "hashbrown::raw::alloc::inner::do_alloc",
                "hashbrown::raw::RawTableInner::resize_inner",
                "std::collections::hash::map::HashMap<K,V,S,A>::insert",
            ][..],
            &[
                "dashmap::lock::RawRwLock::x",
                "dashmap::DashMap<K,V,S>::_insert",
            ],
            &["<hashbrown::map::HashMap<K,V,S,A> as core::iter::Extend<(K,V)>>::extend"],
            &["alloc::raw_vec::finish_grow", "alloc::vec::Vec<T,A>::push"],
            &["alloc::collections::vec_deque::VecDeque<T,A>::grow"],
            &[
                "alloc::raw_vec::RawVec<T,A>::grow_one",
                "slab::Slab<T>::insert_at",
            ],
            &["alloc::collections::btree::node::LeafNode<K,V>::new"],
            &[
                "alloc::string::String::push_str",
                "core::fmt::write",
                "alloc::fmt::format",
            ],
            &["bumpalo::Bump::alloc_layout_slow", "T::alloc"],
            &["indexmap::map::core::IndexMapCore<K,V>::push_entry"],
        ] {
            let stack = [inner, &["shop::sessions::remember", "shop::main"]].concat();
            assert_eq!(charged(&stack), "shop::sessions::remember", "{inner:?}");
        }
    }

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
        assert_eq!(charged(&stack), "shop::journal::remember");
        assert_eq!(charged(&stack[..1]), stack[0]);
        assert_eq!(charged(&[]), "<no stack>");
    }
}
