//! The pods of a cluster as they were last told, each already read: far smaller than the objects.

use std::collections::BTreeMap;

use lineal_workload::{
    change::{Change, key},
    look::Look,
    naming::Naming,
    running::Instance,
};
use serde_json::Value;

/// What was read of a pod.
type Read = Option<Result<Instance, String>>;

/// The pods, and the version that they are of.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pods: BTreeMap<String, Read>,
    /// Pods that have no name to know them by: none of them can be watched, so all that is seen is a part.
    nameless: Vec<Read>,
    version: Option<String>,
}

impl Cache {
    /// Takes a new list in place of everything.
    pub(super) fn replace(&mut self, pods: &[Value], version: Option<String>, naming: &Naming) {
        *self = Self { version, ..Self::default() };
        for pod in pods {
            self.put(pod, naming);
        }
    }

    /// Whether something else is known by it than before.
    fn put(&mut self, pod: &Value, naming: &Naming) -> bool {
        let read = Look::read(pod, naming);
        let Some(key) = key(pod) else {
            self.nameless.push(read);
            return true;
        };
        let is_new = self.pods.get(&key) != Some(&read);
        self.pods.insert(key, read);
        is_new
    }

    /// Takes a change in. Whether it changes anything that is looked at: most of what a kubelet tells does not.
    pub(super) fn take(&mut self, change: Change, version: Option<String>, naming: &Naming) -> bool {
        self.version = version.or_else(|| self.version.take());
        match change {
            Change::There(pod) => self.put(&pod, naming),
            Change::Gone(key) => self.pods.remove(&key).is_some(),
            Change::Bookmark | Change::Expired => false,
        }
    }

    /// From where a watch goes on; nothing where a list has to be made first.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whatever is known may be old: the next step is a list.
    pub(super) fn forget_version(&mut self) {
        self.version = None;
    }

    /// All of it, as a look.
    pub(super) fn look(&self) -> Look {
        let mut look = Look { whole: true, ..Look::default() };
        for read in self.pods.values().chain(&self.nameless) {
            look.add(read.clone());
        }
        look
    }
}
