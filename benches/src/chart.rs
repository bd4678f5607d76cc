//! A bar chart of what was measured, as SVG.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::Figures;
use crate::idle::IDLE;
use crate::loopback::ECHO;
use crate::memory::READS_OF_16_KIB;
use crate::table::format_figure;

/// One column of a table, a bar for each row.
struct Panel {
    title: &'static str,
    table: &'static str,
    column: &'static str,
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "Nanoseconds a line of 8 bytes, in memory; less is better",
        table: READS_OF_16_KIB,
        column: "8",
    },
    Panel {
        title: "Nanoseconds a line of 80 bytes, in memory; less is better",
        table: READS_OF_16_KIB,
        column: "80",
    },
    Panel {
        title: "Thousand lines a second, echo on TCP, 64 connections with 64 lines in flight; more is better",
        table: ECHO,
        column: "64x64",
    },
    Panel {
        title: "Bytes of memory for each idle connection; less is better",
        table: IDLE,
        column: "bytes",
    },
];

const WIDTH: u32 = 800;
const BAR: u32 = 22;
const TITLE: u32 = 40;
const MARGIN: u32 = 14;
/// For the names of rows, left of the bars.
const NAMES: u32 = 290;
/// For the figures, right of the longest bar.
const VALUES: u32 = 70;

/// The chart has a background of its own, so that it is read on dark pages too.
const BACKGROUND: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(40, 44, 52);
const OURS: RGBColor = RGBColor(208, 84, 32);
const PEERS: RGBColor = RGBColor(150, 162, 178);

/// What the whole is called.
const NAME: &str =
    "plimsoll beside its peers: time for each line, lines a second, memory of an idle connection";

/// Draws the panels whose figures there are.
pub fn draw(figures: &Figures) -> Result<String, Box<dyn Error>> {
    let panels: Vec<(&str, Vec<(String, f64)>)> = PANELS
        .iter()
        .map(|panel| (panel.title, figures.column(panel.table, panel.column)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let height = |bars: &[_]| TITLE + BAR * bars.len() as u32;
    let total = panels.iter().map(|(_, bars)| height(bars)).sum::<u32>() + 2 * MARGIN;

    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, total)).into_drawing_area();
    area.fill(&BACKGROUND)?;
    let mut rest = area.margin(MARGIN, MARGIN, MARGIN, MARGIN);
    for (title, bars) in &panels {
        let (panel, below) = rest.split_vertically(height(bars));
        draw_panel(&panel, title, bars)?;
        rest = below;
    }
    area.present()?;
    drop((rest, area));
    // For whoever has the chart read out.
    Ok(svg.replacen(">\n", &format!(">\n<title>{}</title>\n", NAME), 1))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel(area: &Area, title: &str, bars: &[(String, f64)]) -> Result<(), Box<dyn Error>> {
    let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let left = text(16).pos(Pos::new(HPos::Left, VPos::Center));
    let right = text(16).pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(title, (0, 14), text(18)))?;

    let longest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let scale = f64::from(WIDTH - 2 * MARGIN - NAMES - VALUES) / longest;
    for (place, (name, value)) in bars.iter().enumerate() {
        let top = (TITLE + BAR * place as u32) as i32;
        let middle = top + BAR as i32 / 2;
        let begin = NAMES as i32;
        let end = begin + ((value * scale) as i32).max(1);
        let colour = if name.starts_with("plimsoll") {
            OURS
        } else {
            PEERS
        };
        area.draw(&Text::new(
            name.as_str(),
            (begin - 8, middle),
            right.clone(),
        ))?;
        area.draw(&Rectangle::new(
            [(begin, top + 3), (end, top + BAR as i32 - 3)],
            colour.filled(),
        ))?;
        area.draw(&Text::new(
            format_figure(*value),
            (end + 6, middle),
            left.clone(),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_bar_for_each_row_and_no_panel_without_figures() {
        let mut figures = Figures::default();
        figures.add(READS_OF_16_KIB, "plimsoll, borrowed", "80", 20.0);
        figures.add(READS_OF_16_KIB, "Framed<LinesCodec>", "80", 40.0);
        let svg = draw(&figures).unwrap();
        assert!(svg.contains("a line of 80 bytes"));
        assert!(!svg.contains("a line of 8 bytes"));
        assert!(svg.contains("Framed&lt;LinesCodec&gt;"));
        assert_eq!(svg.matches("<rect ").count(), 1 + 2, "{svg}");
        let colour =
            |colour: RGBColor| format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
        assert_eq!(svg.matches(&colour(OURS)).count(), 1);
        assert_eq!(svg.matches(&colour(PEERS)).count(), 1);
    }
}
