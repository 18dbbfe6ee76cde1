//! Stacks as a tree of frames, for drawings: a frame that many stacks share is
//! there once, and what is too narrow to be drawn is never written out.
//!
//! As text, ten thousand stacks of thirty frames take ten megabytes, and the
//! boxes that a drawing makes of them three times that; of those it draws a few
//! hundred.

use std::collections::HashMap;

use hashbrown::HashMap as Places;

use super::stacks::{TOO_MANY, TRUNCATED, heaviest_first, is_truncated};
use super::{FrameTable, Profile};
use crate::limits::{FRAMES, STACK_TEXT_BYTES, TREE_NODES};
use crate::names;

/// Two values of a stack: of the profile before and of the one after, or of
/// one alone in the second place.
pub(crate) type Pair = [i64; 2];

/// The stacks of one profile or two.
#[derive(Default)]
pub(crate) struct StackTree {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    nodes: Vec<Node>,
    /// By parent and name.
    places: Places<(u32, u32), u32>,
}

struct Node {
    parent: u32,
    name: u32,
    /// Of stacks that end here.
    own: Pair,
}

/// The parent of first frames.
const ROOT: u32 = u32::MAX;

impl StackTree {
    /// Adds the stacks of a profile, in one place of the pair.
    pub(crate) fn add(&mut self, profile: &Profile, value_index: usize, place: usize) {
        let frames = FrameTable::of(profile);
        let own: Vec<u32> = frames
            .names()
            .iter()
            .map(|name| self.name(&names::frame(name)))
            .collect();
        let [truncated, too_many, no_stack] =
            [TRUNCATED, TOO_MANY, "<no stack>"].map(|name| self.name(name));
        for (sample, value) in heaviest_first(profile, value_index) {
            let mut node = Some(ROOT);
            if is_truncated(sample) {
                node = self.child(ROOT, truncated);
            }
            let locations = sample.locations.iter().rev();
            let numbers = locations.flat_map(|location| frames.at(*location).iter().rev());
            for number in numbers.take(FRAMES) {
                let name = own.get(*number as usize).copied().unwrap_or(no_stack);
                node = node.and_then(|node| self.child(node, name));
            }
            if node == Some(ROOT) {
                node = self.child(ROOT, no_stack);
            }
            let node = node.or_else(|| self.child(ROOT, too_many));
            if let Some(node) = node.and_then(|node| self.nodes.get_mut(node as usize)) {
                node.own[place] = node.own[place].saturating_add(value);
            }
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The node of a frame below another; `None` where there is no room for it.
    /// There always is for a first frame.
    fn child(&mut self, parent: u32, name: u32) -> Option<u32> {
        if let Some(node) = self.places.get(&(parent, name)) {
            return Some(*node);
        }
        if self.nodes.len() >= TREE_NODES && parent != ROOT {
            return None;
        }
        let node = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            name,
            own: [0; 2],
        });
        self.places.insert((parent, name), node);
        Some(node)
    }

    /// How many stacks there are that weigh anything.
    pub(crate) fn len(&self) -> usize {
        self.values().count()
    }

    /// What each stack weighs.
    pub(crate) fn values(&self) -> impl Iterator<Item = Pair> {
        let own = self.nodes.iter().map(|node| node.own);
        own.filter(|own| *own != [0; 2])
    }

    /// Lines of collapsed stacks, their values as `shown` makes them, and whether
    /// it is a stack of its own; sorted. Of a frame that has less than this share
    /// of all there is one line, with whatever it called.
    pub(crate) fn lines(
        self,
        shown: impl Fn(Pair) -> Pair,
        share: f64,
    ) -> Vec<(String, Pair, bool)> {
        let StackTree { names, nodes, .. } = self;
        let own: Vec<Pair> = nodes.iter().map(|node| shown(node.own)).collect();
        let mut totals = own.clone();
        let mut all = [0; 2];
        // A node comes after its parent.
        for (place, node) in nodes.iter().enumerate().rev() {
            let total = totals[place];
            match totals.get_mut(node.parent as usize) {
                Some(parent) => add(parent, total),
                None => add(&mut all, total),
            }
        }
        let is_wide = |node: u32| {
            node == ROOT
                || totals[node as usize]
                    .iter()
                    .zip(all)
                    .any(|(total, all)| *total > 0 && *total as f64 >= share * all as f64)
        };
        let path = |mut node: u32| {
            let mut path = Vec::new();
            while let Some(of) = nodes.get(node as usize) {
                path.push(names[of.name as usize].as_str());
                node = of.parent;
            }
            path.reverse();
            path.join(";")
        };
        let mut shown: Vec<(u32, Pair, bool)> = Vec::new();
        for (of, node) in nodes.iter().zip(0_u32..) {
            if !is_wide(of.parent) {
                continue;
            }
            let wide = is_wide(node);
            let pair = if wide { &own } else { &totals }[node as usize];
            if pair != [0; 2] {
                shown.push((node, pair, wide));
            }
        }
        // Where there is no room for all, the lightest are put together.
        shown.sort_by_key(|(_, pair, _)| std::cmp::Reverse(pair[0].max(pair[1])));
        let (mut bytes, mut rest) = (0, [0; 2]);
        let mut lines = Vec::with_capacity(shown.len());
        for (node, pair, wide) in shown {
            let line = if bytes < STACK_TEXT_BYTES {
                path(node)
            } else {
                String::new()
            };
            bytes += line.len();
            if bytes <= STACK_TEXT_BYTES && !line.is_empty() {
                lines.push((line, pair, wide));
            } else {
                add(&mut rest, pair);
            }
        }
        if rest != [0; 2] {
            lines.push((TOO_MANY.to_owned(), rest, true));
        }
        lines.sort_unstable();
        lines
    }
}

fn add(sum: &mut Pair, more: Pair) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileBuilder;

    fn tree(stacks: &[(&[&str], i64)]) -> StackTree {
        let mut builder = ProfileBuilder::cpu(0, 0, 1);
        for (frames, value) in stacks {
            let frames = frames.iter().rev().map(|name| {
                let function = builder.function(name, name, "", 0);
                builder.location(None, 64 + u64::from(function), &[(function, 0)])
            });
            let frames: Vec<u32> = frames.collect();
            builder.sample(&frames, &[*value, *value], Vec::new());
        }
        let mut tree = StackTree::default();
        tree.add(&builder.build(), 1, 1);
        tree
    }

    #[test]
    fn what_is_too_narrow_is_one_line_and_nothing_is_lost() {
        let stacks: [(&[&str], i64); 5] = [
            (&["main", "a", "x"], 900),
            (&["main", "b", "y"], 2),
            (&["main", "b", "z", "zz"], 3),
            (&["main"], 95),
            (&[], 100),
        ];
        let of = |share: f64| -> Vec<(String, i64)> {
            let lines = tree(&stacks).lines(|pair| pair, share);
            lines
                .into_iter()
                .map(|(line, pair, _)| (line, pair[1]))
                .collect()
        };
        let named = |lines: &[(&str, i64)]| -> Vec<(String, i64)> {
            lines
                .iter()
                .map(|(line, value)| ((*line).to_owned(), *value))
                .collect()
        };
        assert_eq!(
            of(0.01),
            named(&[
                ("<no stack>", 100),
                ("main", 95),
                ("main;a;x", 900),
                ("main;b", 5)
            ])
        );
        let all = of(0.0);
        assert_eq!(all.len(), 5);
        assert_eq!(all.iter().map(|line| line.1).sum::<i64>(), 1_100);
    }
}
