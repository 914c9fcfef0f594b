//! Plots as inline SVG: stepped lines over columns, each column with a tooltip for its figures.
//!
//! The drawing is stretched to the available space; axes are separate text of a fixed size. A measurement over an
//! interval is drawn as a step over that interval. An interval without measurements is a gap, never a line.

use std::fmt::Write as _;

use serde::Serialize;

mod scale;

pub(super) use scale::{Scale, Tick, moment, nines, since};

pub(super) use crate::render::millis;

/// Width and height of the drawing, before it is stretched.
const SIZE: (f64, f64) = (1_000.0, 300.0);

/// Plot in the form for the template.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    title: &'static str,
    /// Measured quantity and its unit.
    unit: String,
    /// Quantity of the horizontal axis.
    across: String,
    /// Summary in one sentence, for screen readers.
    description: String,
    lines: Vec<SeriesPath>,
    grid: String,
    ys: Vec<Tick>,
    xs: Vec<Tick>,
    columns: Vec<ColumnMarkup>,
}

/// Column of all lines: its range, and its tooltip.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub from: f64,
    pub to: f64,
    pub tip: String,
}

/// Line with an optional value per column.
#[derive(Debug)]
pub(super) struct Series {
    /// Class in the style sheet, for color and stroke.
    pub class: &'static str,
    pub name: &'static str,
    pub values: Vec<Option<f64>>,
}

/// Labels of a plot.
#[derive(Debug)]
pub(super) struct PlotLabels {
    pub title: &'static str,
    pub unit: String,
    pub across: String,
    pub description: String,
}

/// Line as an SVG path.
#[derive(Debug, Serialize)]
struct SeriesPath {
    class: &'static str,
    name: &'static str,
    path: String,
}

/// Column in the form for the template.
#[derive(Debug, Serialize)]
struct ColumnMarkup {
    /// Percentage of the width; empty for the most common width.
    wide: String,
    tip: String,
}

impl Plot {
    /// Returns a plot of lines over columns, on scales that contain them.
    pub(super) fn of(words: PlotLabels, (x, y): (&Scale, &Scale), columns: &[Column], lines: Vec<Series>) -> Self {
        let PlotLabels { title, unit, across, description } = words;
        let drawn =
            |line: Series| SeriesPath { class: line.class, name: line.name, path: steps(columns, &line.values, x, y) };
        let usual = columns.first().map_or(1.0, |first| first.to - first.from);
        let shown = |column: &Column| {
            let wide = (column.to - column.from) / usual;
            let wide = if (wide - 1.0).abs() < 1e-3 { String::new() } else { format!("{wide:.3}") };
            ColumnMarkup { wide, tip: column.tip.clone() }
        };
        Self {
            title,
            unit,
            across,
            description,
            lines: lines.into_iter().map(drawn).collect(),
            grid: grid(y),
            ys: y.ticks(),
            xs: x.ticks(),
            columns: columns.iter().map(shown).collect(),
        }
    }
}

/// Returns the path of a stepped line; equal neighbors are one step.
fn steps(columns: &[Column], values: &[Option<f64>], x: &Scale, y: &Scale) -> String {
    let (wide, high) = SIZE;
    let mut path = String::new();
    let mut under_way: Option<i64> = None;
    for (at, (column, value)) in columns.iter().zip(values).enumerate() {
        let Some(value) = value else {
            under_way = None;
            continue;
        };
        let from = short(x.place(column.from) * wide);
        #[allow(clippy::cast_possible_truncation, reason = "tenths of a drawing's height")]
        let level = ((1.0 - y.place(*value)) * high * 10.0).round() as i64;
        let height = short(level as f64 / 10.0);
        let _ = match under_way {
            None => write!(path, "M{from} {height}"),
            Some(before) if before == level => Ok(()),
            Some(_) => write!(path, "H{from}V{height}"),
        };
        under_way = Some(level);
        if values.get(at + 1).is_none_or(Option::is_none) || at + 1 == columns.len() {
            let _ = write!(path, "H{}", short(x.place(column.to) * wide));
        }
    }
    path
}

fn grid(y: &Scale) -> String {
    let (wide, high) = SIZE;
    y.ticks().iter().map(|tick| format!("M0 {}H{wide}", short((1.0 - tick.place) * high))).collect()
}

/// Returns a length with only the visible digits.
fn short(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(n: u32) -> Vec<Column> {
        (0..n).map(|at| Column { from: at.into(), to: f64::from(at) + 1.0, tip: String::new() }).collect()
    }

    #[test]
    fn a_line_is_steps_with_gaps_and_equal_neighbours_are_one() {
        let (x, y) = (Scale::seconds(4.0), Scale::from_zero(10.0));
        let path = |values: &[Option<f64>]| steps(&columns(4), values, &x, &y);
        assert_eq!(path(&[Some(0.0), Some(10.0), Some(10.0), Some(0.0)]), "M0 300H250V0H750V300H1000");
        assert_eq!(path(&[Some(10.0), None, None, Some(5.0)]), "M0 0H250M750 150H1000");
        assert_eq!(path(&[None; 4]), "");
        assert_eq!(steps(&[], &[], &x, &y), "");
    }
}
