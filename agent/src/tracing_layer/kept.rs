//! The values of fields, texts one after another in one piece of memory.

use serde_json::{Map, Value};

/// Fields that are kept; further ones are not.
const MAX_FIELDS: usize = 24;
/// Bytes that the fields of most requests fit into.
const USUAL_TEXT: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Kept {
    text: String,
    fields: Vec<(&'static str, Piece)>,
}

/// A value; texts are elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece {
    Text(Slice),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// Where in the text a value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    from: u32,
    to: u32,
}

impl Kept {
    /// With room for the fields of most requests.
    pub(crate) fn roomy() -> Self {
        Self {
            fields: Vec::with_capacity(MAX_FIELDS / 2),
            ..Self::for_text()
        }
    }

    /// With room for texts, and no field under a name.
    pub(crate) fn for_text() -> Self {
        Self {
            text: String::with_capacity(USUAL_TEXT),
            fields: Vec::new(),
        }
    }

    /// Runs `f`, which appends to the text, and answers where that stands.
    pub(crate) fn write(&mut self, f: impl FnOnce(&mut String)) -> Slice {
        let from = self.text.len();
        f(&mut self.text);
        self.slice(from, self.text.len())
    }

    /// What stands at `slice`.
    pub(crate) fn at(&self, slice: Slice) -> &str {
        let range = slice.from as usize..slice.to as usize;
        self.text.get(range).unwrap_or("")
    }

    /// The part of `slice` that `part` is, which was cut out of it.
    pub(crate) fn cut(&self, slice: Slice, part: impl FnOnce(&str) -> &str) -> Slice {
        let whole = self.at(slice);
        let part = part(whole);
        let from = slice.from as usize + (part.as_ptr().addr() - whole.as_ptr().addr());
        self.slice(from, from + part.len())
    }

    /// Enters a value under a name, in place of an earlier one.
    pub(crate) fn put(&mut self, name: &'static str, value: Piece) {
        let room = self.fields.len() < MAX_FIELDS;
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None if room => self.fields.push((name, value)),
            None => {}
        }
    }

    /// Takes the values of another in.
    pub(crate) fn extend(&mut self, other: &Self) {
        for &(name, value) in &other.fields {
            let value = match value {
                Piece::Text(slice) => {
                    Piece::Text(self.write(|text| text.push_str(other.at(slice))))
                }
                other => other,
            };
            self.put(name, value);
        }
    }

    /// The values by name, for an event.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let value = |piece: &Piece| match *piece {
            Piece::Text(slice) => self.at(slice).into(),
            Piece::Unsigned(value) => value.into(),
            Piece::Signed(value) => value.into(),
            Piece::Float(value) => value.into(),
            Piece::Bool(value) => value.into(),
        };
        let entry = |(name, piece): &(&'static str, Piece)| ((*name).to_owned(), value(piece));
        self.fields.iter().map(entry).collect()
    }

    fn slice(&self, from: usize, to: usize) -> Slice {
        let end = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Slice {
            from: end(from),
            to: end(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_value_takes_the_place_of_an_earlier_one() {
        let mut kept = Kept::default();
        let route = kept.write(|text| text.push_str("\"/orders\""));
        let route = kept.cut(route, |text| text.trim_matches('"'));
        kept.put("http.route", Piece::Text(route));
        kept.put("status", Piece::Unsigned(200));
        let mut later = Kept::roomy();
        let reason = later.write(|text| text.push_str("late"));
        later.put("reason", Piece::Text(reason));
        later.put("status", Piece::Signed(-1));
        kept.extend(&later);
        let json = Value::Object(kept.to_json());
        let expected = json!({"http.route": "/orders", "status": -1, "reason": "late"});
        assert_eq!(json, expected);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let names: Vec<&'static str> = (0..100).map(|n| &*format!("f{n}").leak()).collect();
        let mut kept = Kept::default();
        for name in names {
            kept.put(name, Piece::Bool(true));
        }
        assert_eq!(kept.to_json().len(), MAX_FIELDS);
    }
}
