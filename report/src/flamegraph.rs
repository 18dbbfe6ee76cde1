//! Flame graphs of profiles, as self-contained interactive SVG.
//!
//! Drawing is inferno's; what is ours is which names, units and titles it gets.

use std::borrow::Cow;

use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{self, Direction, Options, TextTruncateDirection};

use crate::error::Error;
use crate::frame_titles::{Samples, with_intervals};
use crate::names::printable;
use crate::number::{WITHIN_95, number};
use crate::profile::{Cost, Profile, StackTree, ValueType};
use crate::svg::escape;
use crate::trust::Trust;

/// How a flame graph is drawn.
#[derive(Debug, Clone, Default)]
pub struct FlameOptions {
    /// The heading; "Flame graph" if empty.
    pub title: String,
    /// A line below the heading, such as phase and duration; none if empty.
    pub subtitle: String,
    /// Which of the sample types gives the width; the profile's last if `None`.
    pub value_index: Option<usize>,
    /// Roots at the top and leaves below.
    pub inverted: bool,
    /// Stacks from the leaf up, so that what is expensive wherever it is
    /// called from comes together.
    pub reversed: bool,
    /// The unit that frames are given in, overriding the profile's own.
    pub unit: Option<String>,
    /// In a difference, scale the first profile to the total of the second, so
    /// that a longer or busier stretch is not all growth.
    pub normalize: bool,
}

/// Draws a profile. One without samples gives a picture that says so.
///
/// # Errors
///
/// [`Error::Render`] if the drawing fails.
pub fn flamegraph(profile: &Profile, options: &FlameOptions) -> Result<Vec<u8>, Error> {
    of_profile(Cow::Borrowed(profile), options)
}

/// [`flamegraph`] of a profile that nothing else needs: it is let go of before
/// the drawing takes its memory.
pub(crate) fn of_profile(
    profile: Cow<'_, Profile>,
    options: &FlameOptions,
) -> Result<Vec<u8>, Error> {
    let index = value_index(&profile, options);
    let scale = Scale::of(profile.sample_types.get(index), options);
    let heading = Heading::of(options, index, &[&profile]);
    let mut tree = StackTree::default();
    tree.add(&profile, index, 1);
    drop(profile);
    let (scale, shrink) = scale.within(tree.values().map(|[_, value]| value));
    let shown = |[_, value]: [i64; 2]| match value {
        ..=0 => [0, 0],
        _ => [0, shrink.of(value)],
    };
    let lines = tree.lines(shown, options.least_share());
    let lines = lines.into_iter().map(|(mut stack, [_, value], _)| {
        stack.push_str(&format!(" {value}"));
        stack
    });
    draw(lines.collect(), &heading, options, &scale)
}

/// Draws what changed between two profiles: widths are of `after`, red is
/// growth and blue is shrinking.
///
/// # Errors
///
/// [`Error::Mismatch`] if the profiles' sample types differ, [`Error::Render`]
/// if the drawing fails.
pub fn flamegraph_diff(
    before: &Profile,
    after: &Profile,
    options: &FlameOptions,
) -> Result<Vec<u8>, Error> {
    of_difference(Cow::Borrowed(before), Cow::Borrowed(after), options)
}

/// [`flamegraph_diff`] of profiles that nothing else needs.
pub(crate) fn of_difference(
    before: Cow<'_, Profile>,
    after: Cow<'_, Profile>,
    options: &FlameOptions,
) -> Result<Vec<u8>, Error> {
    if before.sample_types != after.sample_types && !before.samples.is_empty() {
        return Err(Error::Mismatch(
            "a difference needs two profiles of the same sample types".to_owned(),
        ));
    }
    let index = value_index(&after, options);
    let mut scale = Scale::of(after.sample_types.get(index), options);
    let heading = Heading::of(options, index, &[&before, &after]);
    // The drawing's percentages of a difference ignore its factor, so values
    // are brought to their unit here; what rounds to nothing is still there.
    let unit = std::mem::replace(&mut scale.factor, 1.0);
    let factor = match (before.total(index), after.total(index)) {
        (old, new) if options.normalize && old > 0 && new > 0 => new as f64 / old as f64,
        _ => 1.0,
    };
    let mut tree = StackTree::default();
    tree.add(&before, index, 0);
    drop(before);
    tree.add(&after, index, 1);
    drop(after);
    // What is larger than the drawing can add up is shown as so much.
    let most = LARGEST_SUM / ((2 * tree.len()).max(1) as f64);
    let shown = |value: i64, factor: f64| match value {
        ..=0 => 0,
        _ => (value as f64 * factor * unit)
            .round()
            .clamp(1.0, most.max(1.0)) as i64,
    };
    let is_empty = tree.values().all(|[_, after]| after <= 0);
    let shown = |[before, after]: [i64; 2]| [shown(before, factor), shown(after, 1.0)];
    let lines = tree.lines(shown, options.least_share());
    let lines = lines
        .into_iter()
        .map(|(mut stack, [before, after], is_stack)| {
            // What is gone has no width, but its callers must still turn blue; what
            // is too narrow has no colour.
            let before = if is_stack { before } else { after };
            stack.push_str(&format!(" {before} {after}"));
            stack
        });
    let lines = match is_empty {
        true => Vec::new(),
        false => lines.collect(),
    };
    draw(lines, &heading, options, &scale)
}

/// A subtitle with what the profile can be trusted for: the clock that took
/// it, the share of the CPU time used that it accounts for, and whether that is
/// where it was spent.
#[must_use]
pub fn flame_subtitle(what: String, trust: Option<&Trust>) -> String {
    let parts = trust.map(Trust::subtitle).unwrap_or_default();
    let parts: Vec<String> = std::iter::once(what).chain(parts).collect();
    parts.join("; ")
}

/// Percent of the width, half a pixel: what is narrower only makes the file large.
const MIN_WIDTH: f64 = 0.05;

impl FlameOptions {
    /// The share below which no frame is drawn, with a margin. Drawn from the
    /// leaf up, any frame may be a part of a wide one.
    fn least_share(&self) -> f64 {
        if self.reversed {
            0.0
        } else {
            0.8 * MIN_WIDTH / 100.0
        }
    }
}

/// Samples from which on a graph is one: of fewer a tenth may as well be a
/// twentieth or a fifth.
const FEW: u64 = 100;

/// What stands above the frames. The number of samples is the profile's own, so
/// that no graph is drawn without it.
struct Heading {
    title: String,
    subtitle: String,
    /// How sure the frames' shares are; `None` where samples are not counted.
    samples: Option<Samples>,
}

impl Heading {
    fn of(options: &FlameOptions, index: usize, profiles: &[&Profile]) -> Heading {
        let title = if options.title.is_empty() {
            "Flame graph"
        } else {
            &options.title
        };
        let mut heading = Heading {
            title: title.to_owned(),
            subtitle: options.subtitle.clone(),
            samples: None,
        };
        // Where samples themselves are drawn, the widths say how many.
        let drawn = |profile: &&Profile| profile.value_index("samples") != Some(index);
        let profiles = profiles.iter().filter(|profile| drawn(profile));
        let counts: Vec<u64> = profiles.clone().filter_map(|p| p.sample_count()).collect();
        let Some(least) = counts.iter().min().copied() else {
            return heading;
        };
        let plural = if counts == [1] { "" } else { "s" };
        let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
        let counts = counts.join(" against ");
        heading.title = match least {
            0 => format!("{title}, {counts} sample{plural}"),
            1..FEW => {
                // Of a share of a half, where it is widest.
                let points = 100.0 * WITHIN_95 * 0.5 / (least as f64).sqrt();
                format!("{title}, only {counts} sample{plural}: shares within ±{points:.0} points")
            }
            _ => format!("{title}, {counts} samples"),
        };
        let mut sure = profiles
            .rev()
            .map(|p| Cost::whole(p, index).equal_samples());
        heading.samples = sure.next().flatten().map(|after| Samples {
            after,
            // Only shares can be compared: what grew for being longer is sure to.
            before: sure.next().flatten().filter(|_| options.normalize),
        });
        heading
    }
}

fn value_index(profile: &Profile, options: &FlameOptions) -> usize {
    options
        .value_index
        .unwrap_or_else(|| profile.default_value_index())
}

/// The unit frames are given in. Drawing rounds to whole numbers, so the unit
/// is one that leaves some digits.
struct Scale {
    unit: String,
    factor: f64,
}

/// The largest sum that the drawing counts exactly.
const LARGEST_SUM: f64 = (1_u64 << 53) as f64;

/// What values are divided by so that their sum can be drawn.
struct Shrink(f64);

impl Shrink {
    fn of(&self, value: i64) -> i64 {
        if self.0 <= 1.0 {
            value
        } else {
            (value as f64 / self.0).max(1.0) as i64
        }
    }
}

impl Scale {
    /// The scale of values whose sum may be larger than can be drawn.
    fn within(mut self, values: impl Iterator<Item = i64>) -> (Scale, Shrink) {
        let sum: f64 = values.filter(|value| *value > 0).map(|v| v as f64).sum();
        let shrink = (sum / LARGEST_SUM).max(1.0);
        self.factor *= shrink;
        (self, Shrink(shrink))
    }

    fn of(value_type: Option<&ValueType>, options: &FlameOptions) -> Scale {
        let own = match value_type.map(|t| (t.unit.as_str(), t.kind.as_str())) {
            Some(("nanoseconds", _)) => ("ms", 1e-6),
            Some(("microseconds", _)) => ("ms", 1e-3),
            Some(("bytes", _)) => ("kB", 1.0 / 1024.0),
            Some(("count", kind)) => (kind, 1.0),
            Some((unit, _)) => (unit, 1.0),
            None => ("samples", 1.0),
        };
        Scale {
            unit: options.unit.clone().unwrap_or_else(|| own.0.to_owned()),
            factor: own.1,
        }
    }
}

fn draw(
    lines: Vec<String>,
    heading: &Heading,
    options: &FlameOptions,
    scale: &Scale,
) -> Result<Vec<u8>, Error> {
    if lines.is_empty() {
        return Ok(nothing(&heading.title, &heading.subtitle).into_bytes());
    }
    let mut drawing = Options::default();
    drawing.title = printable(&heading.title).into_owned();
    let subtitle = printable(&heading.subtitle).into_owned();
    drawing.subtitle = (!subtitle.is_empty()).then_some(subtitle);
    drawing.count_name = printable(&scale.unit).into_owned();
    drawing.factor = scale.factor;
    drawing.colors = Palette::Multi(MultiPalette::Rust);
    // A plain ground: the palette's own gradient competes with the frames.
    drawing.bgcolors = "#f8f8f8".parse().ok();
    // The same function has the same colour in every graph of a run.
    drawing.deterministic = true;
    drawing.min_width = MIN_WIDTH;
    drawing.text_truncate_direction = TextTruncateDirection::Left;
    drawing.direction = if options.inverted {
        Direction::Inverted
    } else {
        Direction::Straight
    };
    drawing.reverse_stack_order = options.reversed;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut drawing, lines.iter().map(String::as_str), &mut svg)
        .map_err(|error| Error::Render(error.to_string()))?;
    drop(lines);
    Ok(match heading.samples {
        Some(samples) => with_intervals(&String::from_utf8_lossy(&svg), samples).into_bytes(),
        None => svg,
    })
}

/// The picture of an empty profile.
fn nothing(title: &str, subtitle: &str) -> String {
    let width = number(1200.0, 0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 120\" \
         width=\"{width}\" height=\"120\" font-family=\"sans-serif\" text-anchor=\"middle\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#f8f8f8\"/>\n\
         <text x=\"50%\" y=\"34\" font-size=\"17\">{}</text>\n\
         <text x=\"50%\" y=\"58\" font-size=\"12\" fill=\"#666\">{}</text>\n\
         <text x=\"50%\" y=\"88\" font-size=\"14\">no samples: nothing ran on the CPU here, \
         or no profile was taken</text>\n</svg>\n",
        escape(title),
        escape(subtitle),
    )
}
