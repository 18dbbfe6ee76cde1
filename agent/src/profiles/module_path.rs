//! The module that a source file holds, derived from the file's path.
//!
//! Line tables name an inlined function without its path (`poll`), which says
//! little in a flame graph. Where the file is, says the rest: crates from a
//! registry are in `<name>-<version>/src/…`, Rust's own in `library/<name>/src/…`.

/// `hyper::proto::h1::dispatch` for `…/hyper-1.7.0/src/proto/h1/dispatch.rs`;
/// `None` where the path does not say.
pub(crate) fn module_of(file: &str) -> Option<String> {
    let path = file.replace('\\', "/");
    let (before, inside) = path
        .rsplit_once("/src/")
        .or_else(|| path.strip_prefix("src/").map(|inside| ("", inside)))?;
    let package = before.rsplit('/').next().unwrap_or("");
    let name = match package.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => name,
        _ => package,
    };
    let inside = inside.strip_suffix(".rs")?;
    let modules = inside
        .split('/')
        .filter(|part| !matches!(*part, "lib" | "main" | "mod"));
    let parts: Vec<String> = std::iter::once(name)
        .chain(modules)
        .filter(|part| !part.is_empty())
        .map(|part| part.replace('-', "_"))
        .collect();
    (!parts.is_empty()).then(|| parts.join("::"))
}

/// A function's name with its module, where it came without one.
pub(crate) fn with_module(name: String, file: Option<&str>) -> String {
    let path = name.split('<').next().unwrap_or("");
    if path.contains("::") || name.starts_with('<') {
        return name;
    }
    match file.and_then(module_of) {
        Some(module) => format!("{module}::{name}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_tell_their_module() {
        for (file, module) in [
            (
                "/r/registry/src/index/hyper-util-0.1.9/src/client/mod.rs",
                Some("hyper_util::client"),
            ),
            (
                "/rustc/0a1b/library/core/src/slice/sort.rs",
                Some("core::slice::sort"),
            ),
            (
                "examples/src/service/report.rs",
                Some("examples::service::report"),
            ),
            ("src/main.rs", None),
            ("src/store.rs", Some("store")),
            ("sqlite3/sqlite3.c", None),
        ] {
            assert_eq!(module_of(file).as_deref(), module, "{file}");
        }
    }

    #[test]
    fn only_bare_names_are_lengthened() {
        let file = Some("/x/axum-0.8.9/src/routing/route.rs");
        let named = |name: &str| with_module(name.to_owned(), file);
        assert_eq!(
            named("poll<Box<a::B>>"),
            "axum::routing::route::poll<Box<a::B>>"
        );
        assert_eq!(named("tokio::park"), "tokio::park");
        assert_eq!(named("<a::B as c::D>::e"), "<a::B as c::D>::e");
    }
}
