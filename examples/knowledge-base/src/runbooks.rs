//! The runbooks, built into the component: an agent has no files.

/// One runbook as it was written: a title line, then the text.
#[derive(Clone, Copy)]
pub(crate) struct Runbook {
    /// The file's name without its ending.
    pub(crate) id: &'static str,
    /// Markdown.
    pub(crate) text: &'static str,
}

impl Runbook {
    /// The first line, without its mark.
    pub(crate) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// All that follows the title.
    pub(crate) fn body(&self) -> &'static str {
        self.text.split_once('\n').map_or("", |(_, body)| body)
    }
}

/// Every file of `examples/runbooks`, by name.
pub(crate) fn all() -> &'static [Runbook] {
    macro_rules! runbooks {
        ($($id:literal),* $(,)?) => {
            &[$(Runbook { id: $id, text: include_str!(concat!("../../runbooks/", $id, ".md")) }),*]
        };
    }
    runbooks![
        "backup-failure",
        "clock-skew",
        "database-connections",
        "disk-full",
        "dns-failure",
        "failed-logins",
        "latency-after-deploy",
        "load-balancer-5xx",
        "memory-leak",
        "queue-backlog",
        "replication-lag",
        "tls-certificate",
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../runbooks");
        let mut ids: Vec<_> = fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").path().file_stem().expect("named").to_string_lossy().into_owned())
            .collect();
        ids.sort();
        assert_eq!(ids, all().iter().map(|runbook| runbook.id).collect::<Vec<_>>());
    }

    #[test]
    fn every_runbook_has_a_title_and_a_body() {
        for runbook in all() {
            assert!(runbook.text.starts_with("# "), "{}", runbook.id);
            assert!(!runbook.title().is_empty() && runbook.body().len() > 500, "{}", runbook.id);
        }
    }
}
