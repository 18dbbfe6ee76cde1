//! Some rows of a timeline as one of its own.

use super::{Column, TextColumn, Timeline};

impl Timeline {
    /// These rows, in ascending order, with the time counted from the first of
    /// them. Of the columns of words only the phases are kept.
    pub(crate) fn part(&self, rows: &[u32]) -> Timeline {
        let first = rows.first().map_or(0.0, |row| self.hours[*row as usize]);
        let columns = self
            .names
            .iter()
            .zip(&self.columns)
            .map(|(name, column)| match column {
                Column::Numbers(values) => {
                    let mut values = values.reader();
                    Column::Numbers(rows.iter().map(|row| values.get(*row as usize)).collect())
                }
                Column::Text(words) if name == "phase" => {
                    let mut part = TextColumn::with_capacity(rows.len());
                    for row in rows {
                        part.push(words.get(*row as usize).unwrap_or_default());
                    }
                    Column::Text(part)
                }
                Column::Text(_) => {
                    let mut part = TextColumn::with_capacity(rows.len());
                    rows.iter().for_each(|_| part.push(""));
                    Column::Text(part)
                }
            })
            .collect();
        Timeline {
            names: self.names.clone(),
            columns,
            hours: rows
                .iter()
                .map(|row| self.hours[*row as usize] - first)
                .collect(),
            runs: std::iter::once(0..rows.len()).collect(),
            time: self.time.clone(),
            ..Timeline::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_own_time_and_phases() {
        let csv = "elapsed_h,rss_mb,phase,note\n0,1,a,x\n1,2,a,x\n2,3,b,y\n3,4,b,y\n";
        let whole = Timeline::parse(csv.as_bytes()).expect("a timeline");
        let part = whole.part(&[1, 2, 3]);
        assert_eq!(part.elapsed_hours(), [0.0, 1.0, 2.0]);
        assert_eq!(part.series("rss_mb"), Some(vec![2.0, 3.0, 4.0]));
        let phases: Vec<String> = part.phases().into_iter().map(|phase| phase.name).collect();
        assert_eq!(phases, ["a", "b"]);
        assert!(whole.part(&[]).is_empty());
    }
}
