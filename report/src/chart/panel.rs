//! One panel: a heading with its legend, a grid, and the lines of its series.

use super::axis::{TimeAxis, ValueAxis};
use super::trace;
use crate::number::readable;
use crate::svg::escape;
use crate::timeline::Timeline;

/// Okabe and Ito's colours, which the colour-blind can distinguish.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/// Series drawn over each other.
#[derive(Debug)]
pub(super) struct Panel {
    title: String,
    unit: String,
    columns: Vec<String>,
    height: f64,
}

impl Panel {
    pub(super) fn large(title: &str, unit: &str, columns: Vec<String>) -> Panel {
        Panel {
            title: title.to_owned(),
            unit: unit.to_owned(),
            columns,
            height: 140.0,
        }
    }

    pub(super) fn small(title: &str, columns: Vec<String>) -> Panel {
        Panel {
            height: 80.0,
            ..Panel::large(title, "", columns)
        }
    }

    /// Of the plot alone, without the heading above it.
    pub(super) fn height(&self) -> f64 {
        self.height
    }

    pub(super) fn draw(&self, timeline: &Timeline, axis: &TimeAxis, top: f64) -> String {
        let bottom = top + self.height;
        let series: Vec<(&String, Vec<f64>)> = self
            .columns
            .iter()
            .filter_map(|name| Some((name, timeline.readings(name)?)))
            .collect();
        let values = || {
            series
                .iter()
                .flat_map(|(_, v)| v.iter().copied())
                .filter(|v| v.is_finite())
        };
        let scale = ValueAxis::new(
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
            top,
            bottom,
        );
        let mut svg = self.grid(axis, &scale, top, bottom);
        for ((_, values), colour) in series.iter().zip(COLOURS) {
            let stretches = trace::stretches(
                timeline.elapsed_hours(),
                values,
                |hours| axis.x(hours),
                |value| scale.y(value),
            );
            svg.push_str(&format!(
                "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n",
                trace::path(&stretches)
            ));
        }
        svg.push_str(&self.heading(&series, axis, top));
        svg
    }

    fn grid(&self, axis: &TimeAxis, scale: &ValueAxis, top: f64, bottom: f64) -> String {
        let (left, right) = (axis.left(), axis.right());
        let mut svg = String::new();
        for x in axis.grid() {
            svg.push_str(&format!(
                "<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"#000\" stroke-opacity=\"0.06\"/>\n"
            ));
        }
        for (y, label) in scale.ticks() {
            svg.push_str(&format!(
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#000\" stroke-opacity=\"0.12\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{label}</text>\n",
                left - 8.0,
                y + 4.0
            ));
        }
        svg
    }

    /// Title and unit at the left; at the right each series with its last value.
    fn heading(&self, series: &[(&String, Vec<f64>)], axis: &TimeAxis, top: f64) -> String {
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(
                "<tspan fill=\"#666\" font-weight=\"400\">, {}</tspan>",
                escape(&self.unit)
            )
        };
        let y = top - 8.0;
        let mut svg = format!(
            "<text x=\"{}\" y=\"{y:.1}\" fill=\"#222\" font-weight=\"600\">{}{unit}</text>\n",
            axis.left(),
            escape(&self.title)
        );
        // The line's colour is a dash within the text, so that nothing has to
        // know how wide the text will be.
        let legend: Vec<String> = series
            .iter()
            .zip(COLOURS)
            .enumerate()
            .map(|(index, ((name, values), colour))| {
                let last = values.iter().rev().find(|v| v.is_finite());
                let last = last.map_or(String::new(), |last| readable(*last));
                let gap = if index > 0 { " dx=\"14\"" } else { "" };
                format!(
                    "<tspan{gap} fill=\"{colour}\" font-weight=\"700\">\u{2501}\u{2501}</tspan>\
                     <tspan dx=\"5\">{}</tspan> <tspan font-weight=\"600\">{last}</tspan>",
                    escape(name)
                )
            })
            .collect();
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"#333\" \
             stroke=\"#fafbfc\" stroke-width=\"4\" paint-order=\"stroke\">{}</text>\n",
            axis.right(),
            legend.concat()
        ));
        svg
    }
}
