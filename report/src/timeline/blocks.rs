//! Tables as tools print them for people: columns by white space, headers that
//! come again, a time before each row, before each table, or in its banner.
//!
//! A moment's rows (of several processes, of several tables) become one row. A
//! process is known by its name, so that one that was restarted stays one
//! series with another `PID` beside it.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::header::no_header;
use super::tool_tables::{Head, is_time, plain};
use crate::error::Error;
use crate::limits::COLUMNS;
use crate::records::OwnedRow;

/// The longest line that is looked at.
const LINE_BYTES: u64 = 1 << 16;

/// Headers of different tables in one file.
const MAX_HEADS: usize = 64;

/// Columns that say which thing a row is of, the better ones first.
const KEYS: [&str; 13] = [
    "NAME",
    "COMMAND",
    "Command",
    "CMD",
    "command",
    "cmd",
    "POD",
    "CONTAINER",
    "CONTAINER ID",
    "IFACE",
    "DEV",
    "INTERFACE",
    "Device",
];

/// Columns of words.
const WORDS: [&str; 11] = [
    "USER", "UID", "TTY", "STAT", "S", "START", "TIME", "TIME+", "LSTART", "UTC", "NI",
];

/// Reads such tables as rows.
pub(super) struct Blocks<R> {
    input: R,
    heads: Vec<Head>,
    current: Option<usize>,
    candidate: Option<Head>,
    /// The last header that was seen, whether or not a row fits it.
    seen: Option<Head>,
    /// The time of the table, where its rows have none.
    time: Option<String>,
    /// Whether that is of a new table.
    anew: bool,
    names: Vec<String>,
    places: HashMap<(String, usize), usize>,
    things: Vec<Thing>,
    /// The row of the present moment; its first cell is the time.
    pending: Vec<String>,
    ready: Option<OwnedRow>,
    /// Lines with numbers that no header fits, or that have no time.
    strays: usize,
    untimed: usize,
    /// Lines of tables after the first, where only one can be read.
    others: usize,
    bytes: u64,
    cut: bool,
}

/// What the rows of a table are of.
struct Thing {
    name: String,
    pid: String,
    /// Whether the present row has it.
    here: bool,
}

impl<R: BufRead> Blocks<R> {
    pub(super) fn new(input: R) -> Blocks<R> {
        Blocks {
            input,
            heads: Vec::new(),
            current: None,
            candidate: None,
            seen: None,
            time: None,
            anew: false,
            names: vec!["time".to_owned()],
            places: HashMap::new(),
            things: Vec::new(),
            pending: Vec::new(),
            ready: None,
            strays: 0,
            untimed: 0,
            others: 0,
            bytes: 0,
            cut: false,
        }
    }

    /// The columns so far.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the last line was cut off; it is left out.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Rows that could not be used.
    pub(super) fn unused(&self) -> usize {
        self.strays + self.untimed
    }

    /// Rows of other tables in the file, which were not read.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    /// The columns' names in the end: with the thing, where there are several.
    pub(super) fn final_names(&self) -> Vec<String> {
        let mut names = self.names.clone();
        for ((name, thing), place) in &self.places {
            if self.things.len() < 2 {
                names[*place].clone_from(name);
                continue;
            }
            let thing = &self.things[*thing];
            let twice = self
                .things
                .iter()
                .filter(|other| other.name == thing.name)
                .count()
                > 1;
            names[*place] = if twice {
                format!("{name} [{} {}]", thing.name, thing.pid)
            } else {
                format!("{name} [{}]", thing.name)
            };
        }
        super::header::unique(names.into_iter())
    }

    /// The next moment's row; `None` at the end.
    pub(super) fn next(&mut self) -> Option<OwnedRow> {
        let mut line = Vec::new();
        loop {
            if let Some(row) = self.ready.take() {
                return Some(row);
            }
            line.clear();
            let read = self
                .input
                .by_ref()
                .take(LINE_BYTES)
                .read_until(b'\n', &mut line)
                .unwrap_or(0);
            self.bytes += read as u64;
            if read == 0 {
                return self.flush();
            }
            if !line.ends_with(b"\n") {
                self.cut = true;
                continue;
            }
            // What a pager or a terminal was asked for ends before the text.
            for piece in line.split(|b| *b == b'\r') {
                let text = String::from_utf8_lossy(piece);
                self.line(&plain(&text));
            }
        }
    }

    /// Why there was no row at all.
    pub(super) fn nothing(&self) -> Error {
        let Some(head) = self.heads.first().or(self.seen.as_ref()) else {
            return no_header(
                "numbers where the columns' names should be; \
                 add a header such as elapsed_min,rss_mb",
            );
        };
        if self.untimed == 0 {
            return no_header(
                "no row has as many cells as the header has names; write it as CSV, with a time \
                 such as elapsed_s or timestamp in the first column",
            );
        }
        head.untimed()
    }

    fn line(&mut self, line: &str) {
        let text = line.trim();
        if text.is_empty() || text.starts_with("Average:") || text.contains("RESTART") {
            return;
        }
        // The banner of sysstat, and the first line of vmstat.
        if text.starts_with("Linux ") && text.contains('(')
            || text.contains("---") && !text.contains(|c: char| c.is_ascii_digit())
        {
            return;
        }
        if let Some(top) = text.strip_prefix("top - ") {
            self.moment(top.split_whitespace().next().unwrap_or_default());
            self.current = None;
            return;
        }
        let bare = text.trim_start_matches(['#', ' ']);
        if is_time(bare) {
            self.moment(bare);
            return;
        }
        if text.starts_with("##") {
            return;
        }
        if let Some(head) = Head::of(text) {
            let known = self.heads.iter().position(|known| *known == head);
            if known.is_some() {
                self.current = known;
            } else {
                self.seen = Some(head.clone());
                self.candidate = Some(head);
            }
            return;
        }
        self.row(text);
    }

    /// A time that holds for the rows after it.
    fn moment(&mut self, time: &str) {
        self.time = Some(time.to_owned());
        self.anew = true;
    }

    fn row(&mut self, line: &str) {
        let candidate = self.candidate.take();
        if let Some(head) = candidate
            && self.heads.len() < MAX_HEADS
            && head.row(line).is_some()
        {
            self.current = Some(self.heads.len());
            self.heads.push(head);
        }
        let Some(index) = self.current else {
            // Of what `top` writes above its table.
            self.strays += usize::from(self.heads.is_empty() && self.time.is_none());
            return;
        };
        let head = &self.heads[index];
        let Some(fallen) = head.row(line) else {
            self.strays += 1;
            return;
        };
        let own = fallen.time.map(str::to_owned);
        if let Some(name) = &head.time {
            self.names[0].clone_from(name);
        }
        let cells: Vec<(String, String)> = fallen
            .cells
            .into_iter()
            .map(|(name, cell)| (name, cell.to_owned()))
            .collect();
        let Some(time) = own.clone().or_else(|| self.time.clone()) else {
            self.untimed += 1;
            return;
        };
        self.take(index, &time, own.is_none(), &cells);
    }

    /// Puts a row's cells beside those of the same moment.
    fn take(&mut self, head: usize, time: &str, of_table: bool, cells: &[(String, String)]) {
        let find = |names: &[&'static str]| {
            names.iter().find_map(|key| {
                let cell = cells.iter().find(|(name, _)| name == key)?;
                Some((*key, cell.1.as_str()))
            })
        };
        let pid = find(&["PID", "pid"]).map_or("", |(_, pid)| pid);
        let key = find(&KEYS).or_else(|| match cells.first() {
            // `sar -u` has a row for each core.
            Some((name, cell)) if name == "CPU" && pid.is_empty() => Some(("CPU", cell.as_str())),
            _ => None,
        });
        if key.is_none() && pid.is_empty() && head > 0 {
            // The tables of `sar` follow each other, each over the whole time.
            self.others += 1;
            return;
        }
        if self.pending.first().is_none_or(|now| now != time) || of_table && self.anew {
            self.turn(time);
        }
        self.anew = false;
        let name = key.map_or("", |(_, name)| name);
        let Some(mut thing) = self.thing(name, pid) else {
            self.strays += 1;
            return;
        };
        // A second row of the same thing is of another moment, though the clock
        // shows the same second.
        let filled = |blocks: &Self, thing: usize| {
            cells
                .iter()
                .filter(|(name, _)| name != "PID")
                .any(|(name, _)| {
                    blocks
                        .places
                        .get(&(name.clone(), thing))
                        .and_then(|place| blocks.pending.get(*place))
                        .is_some_and(|cell| !cell.is_empty())
                })
        };
        if filled(self, thing) {
            self.turn(time);
            thing = self.thing(name, pid).unwrap_or(thing);
        }
        self.things[thing].here = true;
        for (column, cell) in cells {
            if key.is_some_and(|(key, _)| key == column)
                || WORDS.contains(&column.as_str())
                || KEYS.contains(&column.as_str())
            {
                continue;
            }
            let next = self.names.len();
            let place = match self.places.get(&(column.clone(), thing)) {
                Some(place) => *place,
                None if next < COLUMNS.most as usize => {
                    self.places.insert((column.clone(), thing), next);
                    self.names.push(format!("{column} #{thing}"));
                    next
                }
                None => continue,
            };
            if self.pending.len() <= place {
                self.pending.resize(place + 1, String::new());
            }
            self.pending[place].clone_from(cell);
        }
    }

    /// Ends the moment before and begins another.
    fn turn(&mut self, time: &str) {
        self.ready = self.flush();
        self.pending.push(time.to_owned());
    }

    fn flush(&mut self) -> Option<OwnedRow> {
        for thing in &mut self.things {
            thing.here = false;
        }
        let row = std::mem::take(&mut self.pending);
        (!row.is_empty()).then(|| OwnedRow::of(row.iter().map(String::as_str)))
    }

    /// What a row is of: the same process, or one of its name that took its
    /// place.
    fn thing(&mut self, name: &str, pid: &str) -> Option<usize> {
        let same = |thing: &Thing| thing.name == name && thing.pid == pid;
        if let Some(index) = self.things.iter().position(same) {
            return Some(index);
        }
        let gone = |thing: &Thing| thing.name == name && !thing.here;
        if let Some(index) = self.things.iter().position(gone) {
            pid.clone_into(&mut self.things[index].pid);
            return Some(index);
        }
        if self.things.len() >= COLUMNS.most as usize {
            return None;
        }
        self.things.push(Thing {
            name: name.to_owned(),
            pid: pid.to_owned(),
            here: false,
        });
        Some(self.things.len() - 1)
    }
}
