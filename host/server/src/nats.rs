//! `nats init DIR`: what a NATS server needs to know tenants as accounts.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use host_bus::accounts::{Made, ServerAddress, init};
use host_fleet::SystemClock;
use host_model::Clock as _;

use crate::args::{NatsArgs, NatsVerb};

/// Does what was asked.
pub(crate) fn run(args: NatsArgs) -> anyhow::Result<()> {
    let NatsVerb::Init { dir, url } = args.verb;
    set_up(&dir, &url)
}

fn set_up(dir: &Path, url: &ServerAddress) -> anyhow::Result<()> {
    let made = init(dir, url, SystemClock::new().now()).context("cannot set up accounts")?;
    let said = match &made {
        Made::New(config) => format!(
            "wrote {config}\nkeep {operator} where no host is\nnext: nats-server -c {config}\n      bailiwick host --bus {url} --nats-accounts {dir}\n",
            config = config.display(),
            operator = config.with_file_name("operator.nk").display(),
            dir = dir.display(),
        ),
        Made::Already(config) => format!("{} is set up already; nothing was changed\n", config.display()),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(said.as_bytes())?;
    Ok(out.flush()?)
}
