//! What `kubectl get pods -o json` prints: a list of pods, or objects one after the other.
//!
//! Promises that only a list that is whole is taken for all there is: a single object, and a page of a list that goes on,
//! say nothing of what they do not hold.

use serde_json::Value;

use crate::object::{kind_of, text};

/// The most documents that are read; more are no output of `kubectl`.
const MAX_DOCUMENTS: usize = 100_000;

/// Pods that were printed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pods {
    /// The pods.
    pub items: Vec<Value>,
    /// The `InferenceService`s among them, which say how traffic is split.
    pub services: Vec<Value>,
    /// Whether these are all that were there.
    pub whole: bool,
}

/// Why a text is no list of pods.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// It is no JSON, or ends within it.
    #[error("document {number} is not JSON: {source}")]
    NotJson {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is nothing that Kubernetes prints.
    #[error("document {number} is {found}, expected an object of Kubernetes")]
    NotAnObject {
        /// Which, from 1.
        number: usize,
        /// What it is.
        found: &'static str,
    },
    /// It has no `kind`, or a list without items.
    #[error("document {number}: {problem}")]
    Malformed {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It holds other things than pods, and no pod: that nothing runs does not follow from it.
    #[error("document {number} holds no pod but {found}; `kubectl get pods --all-namespaces -o json` prints pods")]
    NoPods {
        /// Which, from 1.
        number: usize,
        /// A kind that it holds.
        found: String,
    },
    /// Nothing at all.
    #[error("nothing to read; `kubectl get pods --all-namespaces -o json` prints the pods")]
    Empty,
    /// More than this many documents.
    #[error("more than {MAX_DOCUMENTS} documents")]
    TooMany,
}

impl ListingError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not-json",
            Self::NotAnObject { .. } => "not-an-object",
            Self::Malformed { .. } => "malformed-list",
            Self::NoPods { .. } => "no-pods",
            Self::Empty => "empty-input",
            Self::TooMany => "too-many-documents",
        }
    }
}

/// Reads what was printed: a look for each list, in their order, and one that is not whole of all single objects.
pub fn read(text: &[u8]) -> Result<Vec<Pods>, ListingError> {
    let (mut looks, mut single) = (Vec::new(), Vec::new());
    let documents = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    for (number, document) in (1_usize..).zip(documents) {
        let document = document.map_err(|source| ListingError::NotJson { number, source })?;
        if number > MAX_DOCUMENTS {
            return Err(ListingError::TooMany);
        }
        if !document.is_object() {
            return Err(ListingError::NotAnObject { number, found: kind_of(&document) });
        }
        match kind(&document, number)?.as_str() {
            "Pod" => single.push(document),
            kind if kind.ends_with("List") => looks.push(of_list(document, number)?),
            other => return Err(ListingError::NoPods { number, found: format!("a {other}") }),
        }
    }
    if !single.is_empty() {
        looks.push(Pods { items: single, services: Vec::new(), whole: false });
    }
    if looks.is_empty() { Err(ListingError::Empty) } else { Ok(looks) }
}

fn kind(document: &Value, number: usize) -> Result<String, ListingError> {
    let kind = text(document, &["kind"]).map_err(|error| malformed(number, error.to_string()))?;
    Ok(kind.ok_or_else(|| malformed(number, "no `kind`".to_owned()))?.to_owned())
}

const fn malformed(number: usize, problem: String) -> ListingError {
    ListingError::Malformed { number, problem }
}

/// The pods of a list. The items of a `PodList` need not say that they are pods; `InferenceService`s may stand among them.
fn of_list(document: Value, number: usize) -> Result<Pods, ListingError> {
    let page = page(document, number)?;
    // Of a list of services alone it does not follow that nothing runs.
    if page.items.is_empty() && !page.services.is_empty() {
        return Err(ListingError::NoPods { number, found: "InferenceService".to_owned() });
    }
    Ok(Pods { items: page.items, services: page.services, whole: page.next.is_none() })
}

/// A page of a list of pods, as the API server answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The pods.
    pub items: Vec<Value>,
    /// The `InferenceService`s among them.
    pub services: Vec<Value>,
    /// The version of all that there is, from which a watch goes on.
    pub version: Option<String>,
    /// With what the next page is asked for; nothing where this is the last.
    pub next: Option<String>,
}

/// Reads a page of pods, of `InferenceService`s, or of both. `number` is which document it is, for the error.
pub fn page(mut document: Value, number: usize) -> Result<Page, ListingError> {
    let member = |path: &[&str]| text(&document, path).map_err(|error| malformed(number, error.to_string()));
    let kind = member(&["kind"])?;
    let (is_pod_list, is_service_list) = (kind == Some("PodList"), kind == Some("InferenceServiceList"));
    let version = member(&["metadata", "resourceVersion"])?.map(str::to_owned);
    let next = member(&["metadata", "continue"])?.map(str::to_owned);
    let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) else {
        return Err(malformed(number, "a list without `items`".to_owned()));
    };
    let (count, mut pods, mut services, mut other) = (items.len(), Vec::new(), Vec::new(), None);
    for item in items {
        match item.get("kind").and_then(Value::as_str) {
            Some("Pod") => pods.push(item),
            None if is_pod_list => pods.push(item),
            Some("InferenceService") => services.push(item),
            None if is_service_list => services.push(item),
            kind => other = other.or_else(|| Some(kind.unwrap_or("something without a kind").to_owned())),
        }
    }
    match other {
        Some(found) if pods.is_empty() && count > 0 => Err(ListingError::NoPods { number, found }),
        _ => Ok(Page { items: pods, services, version, next }),
    }
}
