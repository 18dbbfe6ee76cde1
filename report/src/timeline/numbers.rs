//! A column of numbers while it fills, and what its cells mean when all are
//! there.
//!
//! Most columns are plain numbers and cost their values and nothing else. Of
//! the others it is kept in which rows the cells changed their form; the marks
//! and units are decided at the end, by all cells of the column, then by those
//! of the file. What stays open and would change the scale is unreadable.

use std::ops::Range;

use super::cells::{self, Mark};
use super::facts::{self, CellUnit, ColumnFacts};
use super::filling::{float, text};
use super::packed::Packed;
use super::scales;
use super::units::{Hint, bytes_of_name};

/// Changes of form that are kept of one column. A column that changes more
/// often is of no one form.
const MAX_CHANGES: usize = 100_000;

/// How cells were written, as far as it is open what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) open: Open,
    pub(super) unit: Option<CellUnit>,
}

/// What is open about the mark of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Nothing,
    /// `1.234` may be a thousand and more.
    Point,
    /// `1,234` may be a thousand and more.
    Comma,
}

/// What cells have shown of the locale that wrote them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Locale {
    /// Some have a decimal point, or commas between groups.
    pub(super) point: bool,
    /// Some have a decimal comma, or points between groups.
    pub(super) comma: bool,
}

impl Locale {
    pub(super) fn with(self, other: Locale) -> Locale {
        Locale {
            point: self.point || other.point,
            comma: self.comma || other.comma,
        }
    }
}

/// What the file as a whole says about numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Customs {
    pub(super) locale: Locale,
    pub(super) delimiter: u8,
}

#[derive(Debug, Clone)]
pub(super) struct Numbers {
    hint: Hint,
    pub(super) values: Packed,
    /// From which row on cells have which form.
    pub(super) forms: Vec<(u32, Form)>,
    form: Form,
    pub(super) locale: Locale,
    facts: ColumnFacts,
}

const PLAIN: Form = Form {
    open: Open::Nothing,
    unit: None,
};

impl Numbers {
    pub(super) fn new(name: &str) -> Numbers {
        Numbers {
            hint: Hint::of(name),
            values: Packed::default(),
            forms: Vec::new(),
            form: PLAIN,
            locale: Locale::default(),
            facts: ColumnFacts::default(),
        }
    }

    /// Takes a cell in. `false` if it should be a number and is none.
    pub(super) fn push(&mut self, cell: &[u8]) -> bool {
        if let Some(value) = float(cell) {
            self.facts.cells += 1;
            let form = if self.locale.point {
                PLAIN
            } else {
                self.form_of(cells::mark_of(cell), None)
            };
            return self.keep(value, form);
        }
        let Some(cell) = some_text(cell) else {
            self.values.push(f64::NAN);
            return true;
        };
        self.facts.cells += 1;
        match cells::read(&cell, self.hint) {
            Some(reading) => {
                let form = self.form_of(reading.mark, reading.unit);
                self.keep(reading.value, form)
            }
            None => self.refuse(cell.as_bytes()),
        }
    }

    fn keep(&mut self, value: f64, form: Form) -> bool {
        if form != self.form || self.forms.is_empty() {
            if self.forms.len() == MAX_CHANGES {
                return self.refuse(b"");
            }
            self.forms.push((self.values.len() as u32, form));
            self.form = form;
        }
        self.facts.readings += 1;
        self.values.push(value);
        true
    }

    fn refuse(&mut self, cell: &[u8]) -> bool {
        self.facts.unreadable += 1;
        self.facts
            .example
            .get_or_insert_with(|| facts::example(cell));
        self.values.push(f64::NAN);
        false
    }

    /// What is open about a cell, and what it shows of the others.
    fn form_of(&mut self, mark: Mark, unit: Option<CellUnit>) -> Form {
        let open = match mark {
            Mark::None => Open::Nothing,
            Mark::Point | Mark::CommaGroups => {
                self.locale.point = true;
                Open::Nothing
            }
            Mark::Comma | Mark::PointGroups => {
                self.locale.comma = true;
                Open::Nothing
            }
            Mark::PointOrGroup => Open::Point,
            Mark::CommaOrGroup => Open::Comma,
        };
        Form { open, unit }
    }

    /// Whether a cell had a comma, or a mark that is open.
    pub(super) fn has_marks(&self) -> bool {
        self.locale.comma
            || self
                .forms
                .iter()
                .any(|(_, form)| form.open != Open::Nothing)
    }

    /// Appends missing readings, for rows before the column was there.
    pub(super) fn skip(&mut self, rows: usize) {
        (0..rows).for_each(|_| self.values.push(f64::NAN));
    }

    /// Lets every second row go.
    pub(super) fn thin(&mut self) {
        self.values = self.values.iter().step_by(2).collect();
        let mut thinned: Vec<(u32, Form)> = Vec::with_capacity(self.forms.len());
        for &(row, form) in &self.forms {
            let row = row.div_ceil(2);
            match thinned.last_mut() {
                Some(last) if last.0 == row => last.1 = form,
                _ => thinned.push((row, form)),
            }
        }
        self.forms = thinned;
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
    }

    pub(super) fn clear_last(&mut self) {
        if let Some(last) = self.values.len().checked_sub(1) {
            let read = usize::from(self.values.reader().get(last).is_finite());
            self.facts.readings -= read;
            self.facts.cells -= read;
            self.values.truncate(last);
            self.values.push(f64::NAN);
        }
    }

    /// The rows of each form, in order.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (Range<usize>, Form)> {
        let end = self.values.len();
        self.forms
            .iter()
            .enumerate()
            .map(move |(index, (row, form))| {
                let next = self
                    .forms
                    .get(index + 1)
                    .map_or(end, |next| next.0 as usize);
                ((*row as usize).min(end)..next.min(end), *form)
            })
    }

    /// Decides what the cells mean, and says what was decided.
    pub(super) fn resolve(&mut self, name: &str, customs: Customs) -> Vec<String> {
        let mut notes = Vec::new();
        for open in [Open::Point, Open::Comma] {
            if self.forms.iter().any(|(_, form)| form.open == open) {
                notes.extend(self.decide(open, name, customs));
            }
        }
        let units = self.forms.iter().map(|(_, form)| form.unit);
        let first = units.clone().next().flatten();
        if units.clone().all(|unit| unit == first) {
            self.facts.unit = first;
        } else {
            let (unit, note) = scales::unite(self, name);
            self.facts.unit = unit;
            notes.push(note);
        }
        self.forms = Vec::new();
        notes
    }

    /// Decides what one mark means where it is open.
    fn decide(&mut self, open: Open, name: &str, customs: Customs) -> Option<String> {
        let own = self.locale;
        let all = customs.locale;
        let decimal = |locale: Locale| match open {
            Open::Point => locale.point,
            _ => locale.comma,
        };
        let groups = |locale: Locale| match open {
            Open::Point => locale.comma,
            _ => locale.point,
        };
        let mark = if open == Open::Point {
            "point"
        } else {
            "comma"
        };
        // Numbers below and above a thousand, of which only those above have
        // the mark, have it for their thousands.
        let plain = self.largest_plain();
        let (groups, why) = if decimal(own) != groups(own) {
            // Other cells of the column decide; nothing is left to say.
            (Some(groups(own)), None)
        } else if decimal(own) {
            (None, Some("its cells have both marks"))
        } else if open == Open::Comma && plain.is_some_and(|plain| plain < 1000.0) {
            (Some(true), Some("only its numbers from 1,000 on have it"))
        } else if decimal(all) != groups(all) {
            let point = open == Open::Point && !groups(all);
            (
                Some(groups(all)),
                (!point).then_some("as in the file's other columns"),
            )
        } else if decimal(all) {
            (None, Some("the file has both marks"))
        } else {
            self.undecided(open, name, customs.delimiter)
        };
        match groups {
            Some(true) => self.each(open, |value| value * 1000.0),
            Some(false) => {}
            None => self.void(|form| form.open == open),
        }
        let meaning = match groups {
            Some(true) => "a mark of thousands",
            Some(false) => "a decimal mark",
            None => "a decimal mark or one of thousands, so these cells are not read",
        };
        let name = facts::example(name.as_bytes());
        Some(format!(
            "timeline: the {mark} in {name:?} is {meaning}: {}",
            why?
        ))
    }

    /// What a mark means where no cell of the file decides: what stands between
    /// the cells does, and whether the column is of whole numbers.
    fn undecided(
        &self,
        open: Open,
        name: &str,
        delimiter: u8,
    ) -> (Option<bool>, Option<&'static str>) {
        const OPEN: (Option<bool>, Option<&str>) = (None, Some("nothing in the file decides"));
        // Nobody writes a thousandth of a kilobyte, nor has 100,000 MB.
        let whole = bytes_of_name(name).map(|bytes| bytes <= 1024.0);
        match (open, delimiter, whole) {
            (Open::Comma, b';', None | Some(false)) => {
                (Some(false), Some("as semicolons separate the cells"))
            }
            (Open::Comma, b',', None | Some(true)) => {
                (Some(true), Some("as commas separate the cells, too"))
            }
            (Open::Comma, b';' | b',', _) | (Open::Point, b';', None) => OPEN,
            (Open::Point, b';', Some(whole)) | (Open::Comma, _, Some(whole)) => {
                (Some(whole), Some("as fits the unit in its name"))
            }
            // No process has a hundred kilobytes.
            (Open::Point, b',', Some(true)) if self.hint == Hint::Memory => OPEN,
            (Open::Point, _, Some(true)) if self.hint == Hint::Memory => {
                (Some(true), Some("as fits the unit in its name"))
            }
            (Open::Point, ..) => (Some(false), None),
            _ => OPEN,
        }
    }

    /// The largest number without a mark that is open, and without decimals.
    fn largest_plain(&self) -> Option<f64> {
        let mut values = self.values.reader();
        self.stretches()
            .filter(|(_, form)| form.open == Open::Nothing)
            .flat_map(|(rows, _)| rows)
            .map(|row| values.get(row))
            .filter(|value| value.is_finite() && value.fract() == 0.0)
            .map(f64::abs)
            .reduce(f64::max)
    }

    fn each(&mut self, open: Open, change: impl Fn(f64) -> f64) {
        for plain in [true, false] {
            let such = |form: Form| form.open == open && form.unit.is_none() == plain;
            let rows = self.rows_of(such);
            self.values.edit(&rows, |value| {
                *value = change(*value);
                // 1.234 times a thousand is 1234, whatever floats make of it.
                if plain {
                    *value = value.round();
                }
            });
        }
    }

    /// The rows of such forms, in order.
    pub(super) fn rows_of(&self, such: impl Fn(Form) -> bool) -> Vec<Range<usize>> {
        let stretches = self.stretches().filter(|(_, form)| such(*form));
        stretches.map(|(rows, _)| rows).collect()
    }

    /// Makes cells of such a form unreadable.
    pub(super) fn void(&mut self, such: impl Fn(Form) -> bool) {
        let rows = self.rows_of(such);
        let facts = &mut self.facts;
        self.values.edit(&rows, |value| {
            if value.is_finite() {
                facts.example.get_or_insert_with(|| value.to_string());
                facts.readings = facts.readings.saturating_sub(1);
                facts.unreadable += 1;
                *value = f64::NAN;
            }
        });
    }

    pub(super) fn finish(mut self) -> (Packed, ColumnFacts) {
        self.values.shrink();
        (self.values, self.facts)
    }
}

/// The words of a cell, in UTF-8 or, as of old spreadsheets, Latin-1 spaces.
fn some_text(cell: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let lossy = String::from_utf8_lossy(cell);
    text(lossy.as_bytes())?;
    Some(match lossy {
        std::borrow::Cow::Borrowed(cell) => cell.into(),
        // A space of Latin-1 between groups of digits.
        std::borrow::Cow::Owned(cell) => cell.replace('\u{fffd}', "\u{a0}").into(),
    })
}
