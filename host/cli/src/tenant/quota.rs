//! `tenant quota show` and `tenant quota set`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use host_model::TenantId;
use host_wire::{Quota, QuotaLine, SetQuota};

use super::PATH;
use crate::connect::Connection;
use crate::error::CliError;
use crate::print;

/// The largest file of quotas that is read, in bytes.
const FILE_LEN_MAX: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(crate) enum QuotaVerb {
    /// Show what a tenant may use, and what it uses
    #[command(after_help = "Example:\n  bailiwick tenant quota show acme")]
    Show {
        /// Which tenant
        id: TenantId,
    },
    /// Set limits of a tenant; the others stay as they are
    #[command(
        after_help = "Examples:\n  bailiwick tenant quota set acme memory=1GiB messages-per-second=500\n  bailiwick tenant quota set acme memory=default\n  bailiwick tenant quota set acme --file quota.toml"
    )]
    Set {
        /// Which tenant
        id: TenantId,
        /// NAME=VALUE: a number, bytes with KiB, MiB, GiB or TiB, or 'default' for the host's default
        #[arg(value_name = "NAME=VALUE", required_unless_present = "file", value_parser = parse_setting)]
        settings: Vec<Setting>,
        /// TOML or JSON with all that is to be set, in place of everything that was
        #[arg(long, value_name = "FILE", conflicts_with = "settings")]
        file: Option<PathBuf>,
    },
}

/// A limit, and what to set it to; none is the host's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    name: String,
    value: Option<u64>,
}

pub(super) async fn run(connection: &Connection, verb: QuotaVerb) -> Result<(), CliError> {
    match verb {
        QuotaVerb::Show { id } => show(connection, &id).await,
        QuotaVerb::Set { id, file: Some(file), .. } => replace(connection, &id, read(&file)?).await,
        QuotaVerb::Set { id, settings, .. } => {
            let quota: Quota = connection.client()?.get(&path(&id), &[]).await?;
            replace(connection, &id, merged(&quota, settings)).await
        }
    }
}

async fn show(connection: &Connection, id: &TenantId) -> Result<(), CliError> {
    let quota: Quota = connection.client()?.get(&path(id), &[]).await?;
    connection.output.document(&quota, |quota| table(&quota.limits))
}

async fn replace(connection: &Connection, id: &TenantId, limits: BTreeMap<String, u64>) -> Result<(), CliError> {
    let quota: Quota = connection.client()?.replace(&path(id), &SetQuota { limits }).await?;
    connection.output.document(&quota, |quota| table(&quota.limits))
}

fn path(id: &TenantId) -> String {
    format!("{PATH}/{id}/quota")
}

/// Limits one under the other. A limit that follows the host's default says so.
pub(super) fn table(lines: &[QuotaLine]) -> String {
    print::table(["LIMIT", "VALUE", "IN USE", "STATE", "RESETS", "SET BY"], lines.iter().map(row))
}

fn row(line: &QuotaLine) -> [String; 6] {
    let amount = |amount: u64| if line.bytes { in_bytes(amount) } else { amount.to_string() };
    let none = || "-".to_owned();
    [
        line.name.clone(),
        amount(line.limit),
        line.in_use.map_or_else(none, amount),
        line.state.to_string(),
        line.resets_at.clone().unwrap_or_else(none),
        if line.set { "operator" } else { "default" }.to_owned(),
    ]
}

/// What was set before, with the new settings over it.
fn merged(quota: &Quota, settings: Vec<Setting>) -> BTreeMap<String, u64> {
    let set = quota.limits.iter().filter(|line| line.set);
    let mut limits: BTreeMap<_, _> = set.map(|line| (line.name.clone(), line.limit)).collect();
    for Setting { name, value } in settings {
        match value {
            Some(value) => drop(limits.insert(name, value)),
            None => drop(limits.remove(&name)),
        }
    }
    limits
}

fn parse_setting(raw: &str) -> Result<Setting, String> {
    let (name, value) = raw.split_once('=').ok_or("use NAME=VALUE, as in memory=1GiB")?;
    let value = if value == "default" { None } else { Some(parse_amount(value)?) };
    Ok(Setting { name: name.to_owned(), value })
}

/// A number, or bytes with a binary unit (IEC 80000-13).
fn parse_amount(raw: &str) -> Result<u64, String> {
    let digits_len = raw.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = raw.split_at(digits_len);
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(format!("'{raw}' is not a number: use digits, and KiB, MiB, GiB or TiB for bytes")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{raw}' is not a number from 0 to {}", u64::MAX))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("'{raw}' is more than {} bytes", u64::MAX))
}

/// In the largest unit that leaves a whole number.
fn in_bytes(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |shift: u32| bytes != 0 && bytes.trailing_zeros() >= shift;
    let unit = units.into_iter().find(|(shift, _)| fits(*shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn read(file: &Path) -> Result<BTreeMap<String, u64>, CliError> {
    let unreadable = |cause| CliError::File { path: file.to_owned(), cause };
    let len = fs::metadata(file).map_err(unreadable)?.len();
    if len > FILE_LEN_MAX {
        return Err(CliError::Usage(format!("{} has {len} bytes: at most {FILE_LEN_MAX} are read", file.display())));
    }
    let text = fs::read_to_string(file).map_err(unreadable)?;
    parse_file(&text).map_err(|problem| CliError::Usage(format!("{}: {problem}", file.display())))
}

/// JSON where it begins like JSON, TOML otherwise: names and values as on the command line.
fn parse_file(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let one_line = |problem: String| problem.lines().collect::<Vec<_>>().join(" ");
    let values: BTreeMap<String, toml::Value> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|problem| one_line(problem.to_string()))?
    } else {
        toml::from_str(text).map_err(|problem| one_line(problem.message().to_owned()))?
    };
    let amount = |(name, value)| match value {
        toml::Value::Integer(number) => {
            let number = u64::try_from(number).map_err(|_| format!("{name} is {number}: use a number from 0 on"))?;
            Ok((name, number))
        }
        toml::Value::String(text) => Ok((name, parse_amount(&text)?)),
        _ => Err(format!("{name} is neither a number nor a text like \"1GiB\"")),
    };
    values.into_iter().map(amount).collect()
}

#[cfg(test)]
mod tests {
    use host_wire::QuotaState;

    use super::*;

    fn line(name: &str, limit: u64, set: bool) -> QuotaLine {
        let (in_use, state, resets_at) = (Some(limit / 2), QuotaState::Ok, None);
        QuotaLine { name: name.to_owned(), limit, bytes: name == "memory", set, in_use, state, resets_at }
    }

    #[test]
    fn an_amount_is_digits_with_a_binary_unit() {
        let check = |raw, expected: Option<u64>| assert_eq!(parse_amount(raw).ok(), expected, "{raw}");
        check("0", Some(0));
        check("500", Some(500));
        check("1KiB", Some(1_024));
        check("1GiB", Some(1 << 30));
        check("16777215TiB", Some(16_777_215 << 40));
        check("16777216TiB", None);
        for bad in ["", "GiB", "1GB", "1.5GiB", "-1", "1 GiB", "1gib", "18446744073709551616"] {
            check(bad, None);
        }
    }

    #[test]
    fn bytes_are_shown_in_the_largest_whole_unit() {
        let check = |bytes, shown: &str| assert_eq!(in_bytes(bytes), shown);
        check(0, "0");
        check(1_000, "1000");
        check(1 << 30, "1GiB");
        check(3 << 29, "1536MiB");
        check((1 << 30) + 1, "1073741825");
    }

    #[test]
    fn what_was_set_stays_unless_it_is_named() {
        let limits = vec![line("memory", 1, true), line("weight", 2, true), line("state", 3, false)];
        let quota = Quota { tenant_id: "acme".into(), limits };
        let settings = ["memory=5", "weight=default", "requests=7"].map(|raw| parse_setting(raw).unwrap()).to_vec();
        assert_eq!(merged(&quota, settings), BTreeMap::from([("memory".into(), 5), ("requests".into(), 7)]));
    }

    #[test]
    fn a_file_says_the_same_in_toml_and_in_json() {
        let expected = BTreeMap::from([("memory".to_owned(), 1 << 30), ("weight".to_owned(), 7)]);
        assert_eq!(parse_file("memory = \"1GiB\"\nweight = 7\n"), Ok(expected.clone()));
        assert_eq!(parse_file("{\"memory\": \"1GiB\", \"weight\": 7}"), Ok(expected));
        for bad in ["weight = -1", "weight = true", "weight", "{\"weight\": 1.5}", "memory = \"1GB\""] {
            assert!(parse_file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_table_tells_what_was_set_and_what_is_the_default() {
        let text = table(&[line("memory", 1 << 30, true), line("weight", 100, false)]);
        assert!(text.contains("memory  1GiB   512MiB  ok     -       operator"), "{text}");
        assert!(text.contains("weight  100    50      ok     -       default"), "{text}");
    }
}
