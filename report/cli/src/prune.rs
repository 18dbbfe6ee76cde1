//! Functions that a profile asks to leave out (`drop_frames`): allocators leave
//! out their own insides so. The same is left out as by `go tool pprof`.

use std::borrow::Cow;

use regex_lite::Regex;
use soakscope_report::Profile;

/// Bytes of names times bytes of expressions that are matched: each byte of a
/// name may be compared with each of an expression.
const STEPS: usize = 2_000_000_000;

/// Bytes of a name that are matched.
const MATCHED_BYTES: usize = 512;

/// Takes out of each stack the functions that [`Profile::drop_frames`] names,
/// with all that they call, but those that [`Profile::keep_frames`] names. What
/// they cost is their caller's. Returns why they are still there, if so: one is
/// no regular expression, or matching takes too long.
pub(crate) fn prune(profile: &mut Profile) -> Option<String> {
    try_prune(profile).err()
}

fn try_prune(profile: &mut Profile) -> Result<(), String> {
    if profile.drop_frames.is_empty() {
        return Ok(());
    }
    let names = profile
        .functions
        .iter()
        .map(|f| f.name.len().min(MATCHED_BYTES));
    let expressions = profile.drop_frames.len() + profile.keep_frames.len();
    if names.sum::<usize>().saturating_mul(expressions) > STEPS {
        return Err("its drop_frames are too long to be left out, so they are shown".to_owned());
    }
    let drop = expression("drop_frames", &profile.drop_frames)?;
    let keep = match profile.keep_frames.as_str() {
        "" => None,
        keep => Some(expression("keep_frames", keep)?),
    };
    let dropped: Vec<bool> = profile
        .functions
        .iter()
        .map(|function| {
            let name = matched(simple(&function.name));
            !name.is_empty()
                && drop.is_match(&name)
                && !keep.as_ref().is_some_and(|keep| keep.is_match(&name))
        })
        .collect();
    let is_dropped = |function: u32| dropped.get(function as usize).copied().unwrap_or(false);
    let places: Vec<Place> = profile
        .locations
        .iter_mut()
        .map(|location| {
            // The outermost that matches, and with it all inside.
            let lines = &mut location.lines;
            match lines.iter().rposition(|line| is_dropped(line.function)) {
                None => Place::Kept,
                Some(last) if last + 1 == lines.len() => Place::Dropped,
                Some(last) => {
                    lines.drain(..=last);
                    Place::LastKept
                }
            }
        })
        .collect();
    for sample in &mut profile.samples {
        // What is dropped at the root is kept: all would be gone.
        let mut seen = false;
        for index in (0..sample.locations.len()).rev() {
            let place = places.get(sample.locations[index] as usize);
            match place.copied().unwrap_or_default() {
                Place::Kept => seen = true,
                Place::Dropped if seen => {
                    sample.locations.drain(..=index);
                    break;
                }
                Place::LastKept if seen => {
                    sample.locations.drain(..index);
                    break;
                }
                Place::Dropped | Place::LastKept => {}
            }
        }
    }
    Ok(())
}

/// What becomes of a location.
#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Kept,
    /// It goes, and all that it calls.
    Dropped,
    /// A function inlined there goes, and all that it calls.
    LastKept,
}

fn expression(what: &str, text: &str) -> Result<Regex, String> {
    Regex::new(&format!("^({text})$")).map_err(|error| {
        format!("its {what} is no regular expression ({error}), so nothing is left out")
    })
}

/// As much of a name as is matched; one that was cut is marked, so that it ends
/// like no whole one.
fn matched(name: &str) -> Cow<'_, str> {
    if name.len() <= MATCHED_BYTES {
        return name.into();
    }
    let end = name.floor_char_boundary(MATCHED_BYTES - '…'.len_utf8());
    format!("{}…", &name[..end]).into()
}

/// A name without its arguments, which the expressions do not have.
fn simple(name: &str) -> &str {
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut from = 0;
    while let Some(open) = name.get(from..).and_then(|rest| rest.find('(')) {
        let open = from + open;
        let rest = &name[open..];
        if rest.starts_with("(anonymous namespace)") {
            from = open + 1;
        } else if rest.starts_with("()") && name[..open].ends_with("operator") {
            from = open + 2;
        } else {
            return &name[..open];
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::simple;

    #[test]
    fn arguments_are_no_part_of_a_name() {
        for (name, wanted) in [
            ("f(int)", "f"),
            (".f", "f"),
            ("(anonymous namespace)::f(int)", "(anonymous namespace)::f"),
            ("a::operator()(int)", "a::operator()"),
            ("f", "f"),
            ("(", ""),
        ] {
            assert_eq!(simple(name), wanted);
        }
    }
}
