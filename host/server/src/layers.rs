//! Where the configuration comes from: defaults, under a file, under its overlay for an environment, under `BAILIWICK_*`, under
//! flags.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, bail};

use crate::args::HostArgs;
use crate::config::Config;

/// The file that is read where none is named and this one exists.
const FILE: &str = "bailiwick-host.toml";
/// What an environment variable of the configuration begins with.
const PREFIX: &str = "BAILIWICK_";
/// Names the overlay: `bailiwick-host.{env}.toml`.
const OVERLAY: &str = "BAILIWICK_ENV";
/// Variables of the client, which are no configuration of the host.
const CLIENT: [&str; 3] = ["BAILIWICK_URL", "BAILIWICK_TOKEN", "BAILIWICK_TENANT"];

/// The configuration as it is now. Read again on SIGHUP.
pub(crate) fn load(args: &HostArgs) -> anyhow::Result<Config> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the host's configuration is read")]
    let variables =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    merged(args, variables.collect())
}

fn merged(args: &HostArgs, variables: Vec<(String, String)>) -> anyhow::Result<Config> {
    let overlay = variables.iter().find(|(name, _)| name == OVERLAY).map(|(_, value)| value.clone());
    let mut table = toml::Table::new();
    if let Some(path) = file(args) {
        lay(&mut table, read(&path)?);
        if let Some(overlay) = overlay {
            lay(&mut table, read(&path.with_extension(format!("{overlay}.toml")))?);
        }
    }
    for (name, value) in variables {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if name != OVERLAY && !CLIENT.contains(&name.as_str()) {
            set(&mut table, &key.to_lowercase(), value).with_context(|| format!("environment variable {name}"))?;
        }
    }
    lay(&mut table, flags(args));
    Config::from_table(table).context("configuration")
}

fn file(args: &HostArgs) -> Option<PathBuf> {
    args.config.clone().or_else(|| Path::new(FILE).exists().then(|| FILE.into()))
}

fn read(path: &Path) -> anyhow::Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse::<toml::Table>().map_err(|error| {
        let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().lines().count());
        anyhow::anyhow!("{}, line {}: {}", path.display(), line.max(1), error.message())
    })
}

fn flags(args: &HostArgs) -> toml::Table {
    let text = |value: Option<String>| value.map(toml::Value::String);
    let given = [
        ("data", text(args.data.as_ref().map(|path| path.display().to_string()))),
        ("listen", text(args.listen.map(|address| address.to_string()))),
        ("bus", text(args.bus.clone())),
    ];
    let mut table: toml::Table = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    if let Some(dir) = &args.nats_accounts {
        let nats =
            toml::Table::from_iter([("accounts_dir".to_owned(), toml::Value::String(dir.display().to_string()))]);
        table.insert("nats".to_owned(), toml::Value::Table(nats));
    }
    table
}

/// Lays one table over another: sections are merged, values replaced.
fn lay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(section)), toml::Value::Table(value)) => lay(section, value),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// Sets one key from `SECTION__KEY`. A value that reads as a number or a truth value is one.
fn set(table: &mut toml::Table, path: &str, value: String) -> anyhow::Result<()> {
    let (key, section) = match path.split_once("__") {
        None => (path, table),
        Some((section, key)) => match table.entry(section).or_insert_with(|| toml::Table::new().into()) {
            toml::Value::Table(inner) => (key, inner),
            _ => bail!("'{section}' is not a section"),
        },
    };
    let plain =
        value.parse::<i64>().map(toml::Value::Integer).or_else(|_| value.parse::<bool>().map(toml::Value::Boolean));
    section.insert(key.to_owned(), plain.unwrap_or(toml::Value::String(value)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_layer_lies_over_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bailiwick-host.toml");
        fs::write(&file, "data = '/file'\n[engine]\nshards = 2\ninstances_max = 100\n[tenant]\nrequests_max = 7")
            .unwrap();
        fs::write(dir.path().join("bailiwick-host.prod.toml"), "[engine]\nshards = 3").unwrap();
        let args = HostArgs { config: Some(file), data: Some("/flag".into()), ..HostArgs::default() };
        let set = [
            ("BAILIWICK_ENV", "prod"),
            ("BAILIWICK_TENANT__REQUESTS_MAX", "9"),
            ("BAILIWICK_TOKEN", "x"),
            ("HOME", "/"),
        ];
        let config = merged(&args, variables(&set)).unwrap();
        assert_eq!((config.data, config.engine.shards), ("/flag".into(), 3));
        assert_eq!((config.engine.instances_max, config.tenant.requests_max), (100, 9));
        let args =
            HostArgs { bus: Some("nats://b:4222".into()), nats_accounts: Some("/nats".into()), ..HostArgs::default() };
        let config = merged(&args, variables(&[("BAILIWICK_NATS__CLASS", "replicated")])).unwrap();
        assert_eq!(
            (config.nats.accounts_dir, config.nats.class),
            ("/nats".into(), crate::config::NatsClass::Replicated)
        );
    }

    #[test]
    fn a_bad_layer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("half.toml");
        fs::write(&file, "[engine]\nshards = ").unwrap();
        let problem =
            |args: &HostArgs, set: &[(&str, &str)]| format!("{:#}", merged(args, variables(set)).unwrap_err());
        let from_file = HostArgs { config: Some(file), ..HostArgs::default() };
        assert!(problem(&from_file, &[]).contains("half.toml, line 2"));
        assert!(problem(&HostArgs::default(), &[("BAILIWICK_COLOUR", "red")]).contains("unknown field `colour`"));
    }
}
