//! The picture: one horizontal bar per row and other server, koltso's figure relative to that server's.
//!
//! Hand-written SVG. Colours are of middle lightness and the background stays clear, so that it reads on light and on dark
//! pages without knowing which it is on.

use std::fmt::Write as _;

pub struct Chart {
    pub subject: String,
    pub others: Vec<String>,
    pub groups: Vec<Group>,
    pub date: String,
}

pub struct Group {
    pub title: &'static str,
    pub bars: Vec<Bars>,
}

/// One row: a bar per other server.
pub struct Bars {
    pub label: String,
    pub ratios: Vec<Option<f64>>,
    pub goal: Option<f64>,
}

const WIDTH: f64 = 820.0;
const LABEL_WIDTH: f64 = 230.0;
const RIGHT_MARGIN: f64 = 80.0;
const BAR_HEIGHT: f64 = 14.0;
const BAR_GAP: f64 = 3.0;
const ROW_GAP: f64 = 7.0;
const HEAD_HEIGHT: f64 = 74.0;
const GROUP_HEIGHT: f64 = 34.0;
/// The scale ends here; longer bars are cut off, their figure is not.
const RATIO_MAX: f64 = 1.25;

const TEXT: &str = "#7d858e";
const LINE: &str = "#7d858e";
const GOAL: &str = "#e0863a";
const BARS: [&str; 4] = ["#3b8ee0", "#35a389", "#a56bd6", "#c95f86"];

/// Draws the chart.
pub fn svg(chart: &Chart) -> String {
    let mut body = String::new();
    let mut y = HEAD_HEIGHT;
    for group in &chart.groups {
        y += GROUP_HEIGHT;
        text(&mut body, 16.0, y - 10.0, "start", "700", group.title);
        for bars in &group.bars {
            y = row(&mut body, y, bars);
        }
    }
    let bottom = y + 6.0;
    let mut out = String::new();
    let height = bottom + 34.0;
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"{TEXT}\">"
    );
    head(&mut out, chart);
    scale(&mut out, bottom);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

fn head(out: &mut String, chart: &Chart) {
    let title = format!("{} relative to", chart.subject);
    let _ = writeln!(out, "<title>{}</title>", escape(&format!("{title} {}", chart.others.join(", "))));
    let _ = writeln!(out, "<text x=\"16\" y=\"28\" font-size=\"17\" font-weight=\"700\">{}</text>", escape(&title));
    let mut x = 16.0;
    for (at, other) in chart.others.iter().enumerate() {
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"44\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>", BARS[at % BARS.len()]);
        text(out, x + 18.0, 55.0, "start", "400", other);
        x += 40.0 + 7.5 * other.chars().count() as f64;
    }
    let _ = writeln!(out, "<rect x=\"{x}\" y=\"43\" width=\"3\" height=\"14\" fill=\"{GOAL}\"/>");
    text(out, x + 10.0, 55.0, "start", "400", "goal");
    text(out, WIDTH - 16.0, 28.0, "end", "400", &chart.date);
    text(out, WIDTH - 16.0, 55.0, "end", "400", "shorter is better, 1 = equal");
}

/// Vertical lines with their ratios below; the one at 1 stands out.
fn scale(out: &mut String, bottom: f64) {
    for quarter in 0..=5 {
        let ratio = f64::from(quarter) / 4.0;
        let strong = quarter == 4;
        let (width, opacity) = if strong { (1.5, 0.9) } else { (1.0, 0.25) };
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEAD_HEIGHT}\" y2=\"{bottom:.1}\" stroke=\"{LINE}\" \
             stroke-width=\"{width}\" stroke-opacity=\"{opacity}\"/>",
            x = x_of(ratio)
        );
        text(out, x_of(ratio), bottom + 18.0, "middle", if strong { "700" } else { "400" }, &format!("{ratio}"));
    }
}

/// Draws one row at `y` and returns where the next begins.
fn row(out: &mut String, y: f64, bars: &Bars) -> f64 {
    let height = bars.ratios.len() as f64 * (BAR_HEIGHT + BAR_GAP) - BAR_GAP;
    text(out, LABEL_WIDTH - 10.0, y + height / 2.0 + 4.5, "end", "400", &bars.label);
    for (at, ratio) in bars.ratios.iter().enumerate() {
        let Some(ratio) = *ratio else { continue };
        let top = y + at as f64 * (BAR_HEIGHT + BAR_GAP);
        let length = (x_of(ratio) - LABEL_WIDTH).max(1.0);
        let _ = writeln!(
            out,
            "<rect x=\"{LABEL_WIDTH}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\" fill=\"{}\"/>",
            BARS[at % BARS.len()]
        );
        // Figures stand in a column of their own, where no bar, line or mark crosses them.
        let more = if ratio > RATIO_MAX { "→ " } else { "" };
        text(out, WIDTH - 16.0, top + BAR_HEIGHT - 2.5, "end", "700", &format!("{more}{ratio:.2}"));
    }
    if let Some(goal) = bars.goal {
        let x = x_of(goal) - 1.5;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"3\" height=\"{:.1}\" fill=\"{GOAL}\"/>",
            y - 2.0,
            height + 4.0
        );
    }
    y + height + ROW_GAP
}

fn x_of(ratio: f64) -> f64 {
    LABEL_WIDTH + ratio.clamp(0.0, RATIO_MAX) / RATIO_MAX * (WIDTH - LABEL_WIDTH - RIGHT_MARGIN)
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, weight: &str, content: &str) {
    let content = escape(content);
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\">{content}</text>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_markup() {
        let bars = vec![Bars { label: "a<b".into(), ratios: vec![Some(9.0), None], goal: Some(0.5) }];
        let chart = Chart {
            subject: "k&k".into(),
            others: vec!["\"x\"".into(), "y".into()],
            groups: vec![Group { title: "t", bars }],
            date: "2000-01-01".into(),
        };
        let svg = svg(&chart);
        assert!(svg.contains("a&lt;b") && svg.contains("k&amp;k") && svg.contains("→ 9.00"));
        assert!(!svg.contains("a<b") && !svg.contains("\"\"x"));
    }
}
