//! Plots as inline SVG: stepped lines over columns, each column with its figures for whoever points at it.
//!
//! The drawing is stretched to the room there is; axes are text beside it and keep their size. What is measured over a stretch is drawn
//! as a step over that stretch, and where nothing was measured there is a gap: no line tells what was not seen.

use std::fmt::Write as _;

use serde::Serialize;

mod scale;

pub(super) use scale::{Scale, Tick, millis, moment, nines, since};

/// Width and height of the drawing, before it is stretched.
const SIZE: (f64, f64) = (1_000.0, 300.0);

/// A plot, ready to be laid out.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    title: &'static str,
    /// What is measured, and in what.
    unit: String,
    /// What the horizontal axis is.
    across: String,
    /// The whole in a sentence, for who cannot see it.
    told: String,
    lines: Vec<SeriesPath>,
    grid: String,
    ys: Vec<Tick>,
    xs: Vec<Tick>,
    columns: Vec<ColumnMarkup>,
}

/// A column of all lines: from where to where, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub from: f64,
    pub to: f64,
    pub tip: String,
}

/// A line: a value a column, if there is one.
#[derive(Debug)]
pub(super) struct Series {
    /// Its colour and stroke in the style sheet.
    pub class: &'static str,
    pub name: &'static str,
    pub values: Vec<Option<f64>>,
}

/// The words of a plot.
#[derive(Debug)]
pub(super) struct PlotLabels {
    pub title: &'static str,
    pub unit: String,
    pub across: String,
    pub told: String,
}

/// A line as a path.
#[derive(Debug, Serialize)]
struct SeriesPath {
    class: &'static str,
    name: &'static str,
    path: String,
}

/// A column as it is laid out.
#[derive(Debug, Serialize)]
struct ColumnMarkup {
    /// Its share of the width; empty if it is as wide as most.
    wide: String,
    tip: String,
}

impl Plot {
    /// Lines over columns, on scales that hold them.
    pub(super) fn of(words: PlotLabels, (x, y): (&Scale, &Scale), columns: &[Column], lines: Vec<Series>) -> Self {
        let PlotLabels { title, unit, across, told } = words;
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
            told,
            lines: lines.into_iter().map(drawn).collect(),
            grid: grid(y),
            ys: y.ticks(),
            xs: x.ticks(),
            columns: columns.iter().map(shown).collect(),
        }
    }
}

/// The path of a stepped line; equal neighbours are one step.
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

/// A length with no more digits than can be seen.
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
        let (x, y) = (Scale::seconds(4.0), Scale::from_nought(10.0));
        let path = |values: &[Option<f64>]| steps(&columns(4), values, &x, &y);
        assert_eq!(path(&[Some(0.0), Some(10.0), Some(10.0), Some(0.0)]), "M0 300H250V0H750V300H1000");
        assert_eq!(path(&[Some(10.0), None, None, Some(5.0)]), "M0 0H250M750 150H1000");
        assert_eq!(path(&[None; 4]), "");
        assert_eq!(steps(&[], &[], &x, &y), "");
    }
}
