//! The faults: what is done to whom, and how it ends up running again.

use std::time::Duration;

use serde_json::Value;
use tests_kit::Proxy;
use tokio::time::sleep;

use super::plan::{CUTS, Fault, LASTS_MILLIS, LATENCY, LOST_PER_1000};
use super::{Done, Run};
use crate::plan::{STOP_TIME_MAX, TENANTS};

/// The stream of a tenant's messages.
const STREAM: &str = "tenant-";

impl Run {
    pub(super) async fn strike(&mut self, fault: Fault) -> Done {
        let (before, lasts) =
            (self.some_load(), Duration::from_millis(self.chance.within(LASTS_MILLIS.0, LASTS_MILLIS.1)));
        let at = self.chance.below(self.sites.len());
        match fault {
            Fault::KillHost => self.kill_hosts(&[at], before, lasts).await,
            Fault::KillBothHosts => self.kill_hosts(&[0, 1], before, lasts).await,
            Fault::TerminateHost => self.terminate_host(at, before, lasts).await,
            Fault::KillServer | Fault::StopServer => self.end_server(fault, before, lasts).await,
            Fault::PauseServer => self.pause_server(before, lasts).await,
            Fault::LoseStream => self.lose_stream(before, lasts).await,
            Fault::Cut => self.cut(before, lasts).await,
            Fault::Stall => self.on_ways(&[at], before, lasts, Proxy::stall).await,
            Fault::Slow => self.on_ways(&[0, 1], before, lasts, make_slow).await,
        }
    }

    /// Those that are left go on for a while without the dead ones.
    async fn kill_hosts(&mut self, which: &[usize], before: Duration, lasts: Duration) -> Done {
        self.under_load(async || {
            sleep(before).await;
            for at in which {
                self.sites[*at].host.strike();
            }
            sleep(lasts).await;
        })
        .await;
        let ready = self.start_again(which).await;
        done(
            format!("{which:?} killed after {} ms of load, away for {} ms", before.as_millis(), lasts.as_millis()),
            ready,
        )
    }

    async fn terminate_host(&mut self, at: usize, before: Duration, lasts: Duration) -> Done {
        self.under_load(async || {
            sleep(before).await;
            self.sites[at].host.tell_to_stop();
            sleep(lasts).await;
        })
        .await;
        let ended = self.sites[at].host.ended();
        if ended.code != Some(0) || ended.took > STOP_TIME_MAX {
            self.complain(format!("host {at}, told to stop, ended with {:?} after {:?}", ended.code, ended.took));
        }
        let ready = self.start_again(&[at]).await;
        done(format!("{at} stopped, away for {} ms", lasts.as_millis()), ready)
    }

    async fn end_server(&mut self, fault: Fault, before: Duration, lasts: Duration) -> Done {
        self.under_load(async || {
            sleep(before).await;
            if fault == Fault::KillServer {
                self.server.borrow_mut().kill();
            } else {
                self.server.borrow_mut().stop();
            }
            sleep(lasts).await;
            self.server.borrow_mut().start_again();
            sleep(before).await;
        })
        .await;
        done(format!("ended after {} ms of load, away for {} ms", before.as_millis(), lasts.as_millis()), None)
    }

    async fn pause_server(&mut self, before: Duration, lasts: Duration) -> Done {
        self.under_load(async || {
            sleep(before).await;
            self.server.borrow().pause();
            sleep(lasts).await;
            self.server.borrow().resume();
            sleep(before).await;
        })
        .await;
        done(format!("stood still for {} ms", lasts.as_millis()), None)
    }

    async fn lose_stream(&mut self, before: Duration, lasts: Duration) -> Done {
        let tenant = format!("tenant-{}", self.chance.below(TENANTS));
        let (options, url) = (self.server.borrow().options(), self.server.borrow().url().to_owned());
        let client = options.connect(url).await.expect("the server lets its own users in");
        let mut answer = Value::Null;
        self.under_load(async || {
            sleep(before).await;
            let asked = client.request(format!("$JS.API.STREAM.DELETE.{STREAM}{tenant}"), "".into()).await;
            answer = asked.ok().and_then(|said| serde_json::from_slice(&said.payload).ok()).unwrap_or_default();
            sleep(lasts).await;
        })
        .await;
        if answer["success"] != true {
            self.complain(format!("the stream of {tenant} could not be deleted: {answer}"));
        }
        done(format!("the stream of {tenant} deleted after {} ms of load", before.as_millis()), None)
    }

    async fn cut(&mut self, before: Duration, lasts: Duration) -> Done {
        self.under_load(async || {
            for _ in 0..CUTS {
                sleep(before).await;
                self.sites.iter().for_each(|site| site.way.cut());
            }
            self.sites.iter().for_each(|site| site.way.refuse());
            sleep(lasts).await;
            self.sites.iter().for_each(|site| site.way.restore());
        })
        .await;
        done(format!("cut {CUTS} times, and refused for {} ms", lasts.as_millis()), None)
    }

    /// Something with the ways of some hosts, for a while.
    async fn on_ways(&mut self, which: &[usize], before: Duration, lasts: Duration, act: fn(&Proxy)) -> Done {
        self.under_load(async || {
            sleep(before).await;
            for at in which {
                act(&self.sites[*at].way);
            }
            sleep(lasts).await;
            for at in which {
                self.sites[*at].way.restore();
            }
        })
        .await;
        done(format!("the ways of {which:?} for {} ms", lasts.as_millis()), None)
    }

    /// The longest that any of them took until it was ready.
    async fn start_again(&mut self, which: &[usize]) -> Option<Duration> {
        let mut slowest = None;
        for at in which {
            slowest = slowest.max(Some(self.sites[*at].start_again().await));
        }
        slowest
    }
}

fn done(what: String, ready: Option<Duration>) -> Done {
    Done { what, ready }
}

fn make_slow(way: &Proxy) {
    way.slow(LATENCY);
    way.lossy(LOST_PER_1000);
}
