//! The timeline of a run as one picture: panels under each other with a shared
//! time axis, phases shaded, gaps left as gaps.

mod axis;
mod panel;
mod trace;

use crate::columns::{self, ChartPanel};
use crate::leaks;
use crate::run::Run;
use crate::svg::escape;
use crate::timeline::Timeline;
use axis::TimeAxis;
use panel::Panel;

/// Where the plots lie, in pixels.
const WIDTH: f64 = 1200.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 112.0;
const PANEL_GAP: f64 = 44.0;
const BOTTOM: f64 = 46.0;

/// Series of the service's own that get a panel each; more would make a scroll.
const MAX_TRACKED: usize = 6;

/// Draws the timeline of a run as SVG. One without rows gives a picture that
/// says so.
#[must_use]
pub fn timeline_svg(run: &Run) -> String {
    let timeline = &run.timeline;
    let panels = panels(timeline);
    let axis = TimeAxis::new(timeline, LEFT, WIDTH - RIGHT);
    let height = TOP
        + panels.iter().map(|p| p.height() + PANEL_GAP).sum::<f64>()
        + if panels.is_empty() {
            60.0
        } else {
            BOTTOM - PANEL_GAP + 20.0
        };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"30\" font-size=\"18\" font-weight=\"600\" fill=\"#222\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"49\" fill=\"#666\">{}</text>\n",
        escape(&format!("Timeline of {}", run.info.service)),
        escape(&run.info.service),
        escape(&subtitle(run)),
    );
    if panels.is_empty() {
        svg.push_str(&format!(
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#222\" font-size=\"14\">no readings: \
             the timeline has no rows yet, or none of its columns holds a number</text>\n</svg>\n",
            TOP + 16.0
        ));
        return svg;
    }
    let bottom = height - BOTTOM;
    svg.push_str(&phases(timeline, &axis, bottom));
    let mut top = TOP;
    for panel in &panels {
        svg.push_str(&panel.draw(timeline, &axis, top));
        top += panel.height() + PANEL_GAP;
    }
    svg.push_str(&axis.draw(bottom));
    svg.push_str("</svg>\n");
    svg
}

fn subtitle(run: &Run) -> String {
    let mut parts = vec![run.info.state.in_words().to_owned()];
    parts.extend(Some(run.info.start.clone()).filter(|start| !start.is_empty()));
    parts.extend(run.info.host.name.as_ref().map(|host| format!("on {host}")));
    parts.join(" · ")
}

fn panels(timeline: &Timeline) -> Vec<Panel> {
    let mut panels: Vec<Panel> = ChartPanel::ALL
        .into_iter()
        .filter_map(|panel| {
            let there: Vec<String> = panel
                .columns()
                .filter(|column| timeline.has_readings(column.name))
                .map(|column| column.name.to_owned())
                .collect();
            (!there.is_empty()).then(|| Panel::large(panel.title(), panel.unit(), there))
        })
        .collect();
    // A timeline of the agent's has the service's own series besides; one of
    // another hand may have any.
    let of_agent = columns::of_agent(timeline.columns());
    let is_more = |name: &String| match columns::find(name) {
        Some(column) => !of_agent && column.panel.is_none(),
        None => true,
    };
    panels.extend(
        leaks::judged_columns(timeline)
            .into_iter()
            .filter(is_more)
            .take(MAX_TRACKED)
            .map(|name| Panel::small(&name, vec![name.clone()])),
    );
    panels
}

/// Phases as bands behind all panels, with their names above.
fn phases(timeline: &Timeline, axis: &TimeAxis, bottom: f64) -> String {
    let mut svg = String::new();
    let mut free_from = 0.0;
    for (index, phase) in timeline.phases().iter().enumerate() {
        let (from, to) = (axis.x(phase.start_min / 60.0), axis.x(phase.end_min / 60.0));
        let width = (to - from).max(0.0);
        let shade = if index % 2 == 0 { "#edf2f7" } else { "#fafbfc" };
        svg.push_str(&format!(
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
             fill=\"{shade}\"><title>{}</title></rect>\n\
             <path d=\"M{from:.1} {:.1}V{bottom:.1}\" stroke=\"#9aa7b5\" stroke-dasharray=\"2 3\"/>\n",
            TOP - 26.0,
            bottom - TOP + 26.0,
            escape(&phase.name),
            TOP - 40.0,
        ));
        // A name that does not fit beside its neighbour is left to the tooltip.
        let name_width = phase.name.chars().count() as f64 * 6.6 + 8.0;
        if name_width <= width && from >= free_from {
            free_from = from + name_width;
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#444\" font-size=\"11\" font-weight=\"600\">{}</text>\n",
                from + 4.0,
                TOP - 31.0,
                escape(&phase.name)
            ));
        }
    }
    svg
}
