//! What was last said to run in an environment: so that an observer that starts again says only what has changed.
//!
//! Losing it loses nothing: everything is said once more. What is in it is for whoever observes.

use std::path::PathBuf;

use super::{Outbox, OutboxError, directory_name, durable};

impl Outbox {
    /// What was kept about an environment; nothing if nothing was.
    pub fn observed(&self, environment: &str) -> Result<Option<String>, OutboxError> {
        durable::read_text(&self.observed_path(environment))
    }

    /// Keeps it, in place of what was kept before, so that it is there after a crash.
    pub fn keep_observed(&self, environment: &str, text: &str) -> Result<(), OutboxError> {
        let path = self.observed_path(environment);
        path.parent().map_or(Ok(()), durable::create_directory)?;
        durable::write(&path, text.as_bytes())
    }

    /// The file that it is kept in.
    pub fn observed_path(&self, environment: &str) -> PathBuf {
        self.directory.join("observed").join(format!("{}.json", directory_name(environment)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_environment_has_its_own_and_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        assert_eq!(outbox.observed("environment/eu-1/prod").unwrap(), None);
        for text in ["1", "2"] {
            outbox.keep_observed("environment/eu-1/prod", text).unwrap();
        }
        assert_eq!(
            Outbox::open(folder.path()).unwrap().observed("environment/eu-1/prod").unwrap().as_deref(),
            Some("2")
        );
        assert_eq!(outbox.observed("environment/eu/1-prod").unwrap(), None);
    }
}
