//! What goes to standard output and standard error, and in which format.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::error::CliError;
use crate::json::laid_out;
use crate::text::{inert, inert_json, inert_lines};

/// How to print data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One document; in streams one object a line
    Json,
    /// One document; in streams one after another
    Yaml,
}

/// The format flag of every verb that prints data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// How to print data
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT", default_value = "table", global = true)]
    pub(crate) format: Format,
}

impl Output {
    /// Prints one result. `table` is what people read; whatever it holds, it is made inert.
    pub(crate) fn document<T: Serialize>(self, data: &T, table: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        match self.format {
            Format::Table => write(&with_line_end(inert_lines(&table(data)))),
            Format::Json => write(&with_line_end(laid_out(&json(data)?))),
            Format::Yaml => write(&yaml(data)?),
        }
    }

    /// Prints one item of a stream.
    pub(crate) fn item<T: Serialize>(self, data: &T, line: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        match self.format {
            Format::Table => write(&with_line_end(inert(&line(data)))),
            Format::Json => write(&with_line_end(inert_json(&json(data)?))),
            Format::Yaml => write(&format!("---\n{}", yaml(data)?)),
        }
    }
}

/// Prints text as it is: for scripts of our own making.
pub(crate) fn write(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Says something on standard error, on one line. Nobody to read it is no reason to fail.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", inert(text));
}

/// A table without borders. Cells are inert, and never wrapped: one row is one line.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| inert(&cell))));
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Names and values under one another.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}", inert(value)).trim_end().to_owned();
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn json<T: Serialize>(data: &T) -> Result<String, io::Error> {
    Ok(serde_json::to_string(data)?)
}

fn yaml<T: Serialize>(data: &T) -> Result<String, io::Error> {
    let value = serde_json::to_value(data)?;
    serde_yaml_ng::to_string(&inert_value(value)).map_err(io::Error::other)
}

/// YAML's own escapes differ between readers, so what a terminal could act on is spelled out.
fn inert_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(inert_lines(&text)),
        Value::Array(items) => items.into_iter().map(inert_value).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (inert(&name), inert_value(value))).collect(),
        plain => plain,
    }
}

/// No text is no line.
fn with_line_end(mut text: String) -> String {
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_borders_and_one_line_a_row() {
        let text = table(
            ["ID", "NAME"],
            [["acme".to_owned(), "Acme\nInc \u{1b}[31m".to_owned()], ["b".to_owned(), String::new()]],
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines, ["ID    NAME", "acme  Acme\\nInc \\u{1b}[31m", "b"]);
    }

    #[test]
    fn facts_stand_under_one_another() {
        assert_eq!(facts(&[("id", "echo".into()), ("state", "ready\n".into())]), "id     echo\nstate  ready\\n");
    }

    #[test]
    fn json_and_yaml_hold_the_data_and_nothing_that_acts() {
        let data = serde_json::json!({ "b": 1, "a": "x\u{9b}y" });
        assert_eq!(laid_out(&json(&data).unwrap()), "{\n  \"a\": \"x\\u009by\",\n  \"b\": 1\n}");
        assert_eq!(yaml(&data).unwrap(), "a: x\\u{9b}y\nb: 1\n");
    }
}
