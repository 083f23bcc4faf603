//! The free settings of an agent: text as it stands, everything else as JSON.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::Value as Toml;

/// The most settings.
const SETTINGS_MAX: usize = 64;
/// The most bytes of names and values in all.
const SETTINGS_BYTES_MAX: usize = 16 << 10;

/// More settings than an agent can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are {actual} {unit} of settings: use at most {max}")]
pub struct BadSettings {
    /// Entries, or bytes of names and values.
    pub unit: &'static str,
    /// How many.
    pub actual: usize,
    /// How many there may be.
    pub max: usize,
}

/// Whether an agent can have these settings: at most 64, and 16 KiB of names and values in all.
pub fn check_settings(settings: &BTreeMap<String, String>) -> Result<(), BadSettings> {
    let bytes: usize = settings.iter().map(|(name, value)| name.len() + value.len()).sum();
    let check = |unit, actual, max| if actual <= max { Ok(()) } else { Err(BadSettings { unit, actual, max }) };
    check("entries", settings.len(), SETTINGS_MAX)?;
    check("bytes", bytes, SETTINGS_BYTES_MAX)
}

/// The settings as an agent will read them, or the name of the key that is off and why.
pub(super) fn settings(table: toml::Table) -> Result<BTreeMap<String, String>, (String, String)> {
    let whole = |problem| ("config".to_owned(), problem);
    if table.len() > SETTINGS_MAX {
        return Err(whole(format!("has {} settings: use at most {SETTINGS_MAX}", table.len())));
    }
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        let text = text(value).ok_or_else(|| {
            (format!("config.{name}"), "JSON has no such number: use a finite one, or text".to_owned())
        })?;
        settings.insert(name, text);
    }
    check_settings(&settings).map_err(|BadSettings { unit, actual, max }| {
        whole(format!("holds {actual} {unit} of names and values: use at most {max}"))
    })?;
    Ok(settings)
}

fn text(value: Toml) -> Option<String> {
    match value {
        Toml::String(text) => Some(text),
        other => json(other).map(|json| json.to_string()),
    }
}

/// The TOML parser bounds the nesting. Dates become text, as JSON has none.
fn json(value: Toml) -> Option<Json> {
    Some(match value {
        Toml::String(text) => Json::String(text),
        Toml::Integer(number) => number.into(),
        Toml::Float(number) => Json::Number(serde_json::Number::from_f64(number)?),
        Toml::Boolean(truth) => Json::Bool(truth),
        Toml::Datetime(date) => Json::String(date.to_string()),
        Toml::Array(items) => Json::Array(items.into_iter().map(json).collect::<Option<_>>()?),
        Toml::Table(table) => {
            Json::Object(table.into_iter().map(|(name, value)| Some((name, json(value)?))).collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, (String, String)> {
        settings(text.parse().unwrap())
    }

    #[test]
    fn text_stands_as_it_is_and_everything_else_is_json() {
        let settings =
            read("a = 'x \"y\"'\nb = 3\nc = true\nd = [1, 'two', 2.5]\ne = { f = 'g' }\nh = 2026-11-01\n").unwrap();
        let expected = [
            ("a", "x \"y\""),
            ("b", "3"),
            ("c", "true"),
            ("d", "[1,\"two\",2.5]"),
            ("e", "{\"f\":\"g\"}"),
            ("h", "\"2026-11-01\""),
        ];
        assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_number_that_json_lacks_is_refused_by_its_key() {
        assert_eq!(read("a = 1\nb = [nan]\n").unwrap_err().0, "config.b");
        assert_eq!(read("b = -inf\n").unwrap_err().0, "config.b");
    }

    #[test]
    fn settings_have_a_number_and_a_size() {
        let many = |count: usize| (0..count).map(|n| format!("k{n} = 1\n")).collect::<Vec<_>>().concat();
        assert!(read(&many(SETTINGS_MAX)).is_ok());
        assert_eq!(read(&many(SETTINGS_MAX + 1)).unwrap_err().0, "config");
        let long = |bytes: usize| format!("k = '{}'\n", "x".repeat(bytes - 1));
        assert!(read(&long(SETTINGS_BYTES_MAX)).is_ok());
        assert_eq!(read(&long(SETTINGS_BYTES_MAX + 1)).unwrap_err().0, "config");
    }
}
