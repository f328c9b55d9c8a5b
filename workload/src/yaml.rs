//! YAML as a tree whose nodes know their lines: every document of a file, with its anchors put in place.
//!
//! For files that people keep beside a cluster: what asks a gate, and what says how to reach an API server.
//! Promises limits on depth and on the number of nodes, whatever anchors make of a small file, and that a mapping with
//! the same key twice is refused, because readers differ in which they take. Never reads tags: what is quoted is text.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::Value as Json;

/// The most nodes of one file.
const MAX_NODES: usize = 100_000;

/// The deepest nesting.
const MAX_DEPTH: usize = 100;

/// Why a file is no YAML that can be looked at.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The parser's own word.
    #[error("it is no YAML: {0}; a template has to be rendered first")]
    Syntax(#[from] saphyr_parser::ScanError),
    /// A key twice in one mapping.
    #[error("line {line}: `{key}` is there twice, and readers differ in which they take")]
    Twice {
        /// The second one's line.
        line: usize,
        /// The key.
        key: String,
    },
    /// Too much.
    #[error("it has more than {MAX_NODES} nodes, or is nested deeper than {MAX_DEPTH}")]
    TooLarge,
}

/// A node with its line, from 1.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub line: usize,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Text { text: String, is_plain: bool },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value of a key, along a path of them.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| {
            node.entries().find(|(own, _value)| own.text() == Some(*key)).map(|(_key, value)| value)
        })
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of a key's value.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.at(&[key])?.text()
    }

    /// Whether it is a true of YAML 1.2, or of the YAML 1.1 that many readers still speak.
    pub fn is_true(&self) -> bool {
        let Value::Text { text, is_plain: true } = &self.value else { return false };
        matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
    }

    /// The number that it is.
    pub fn number(&self) -> Option<i64> {
        self.text()?.trim().parse().ok()
    }

    /// What it lists; a single value lists itself.
    pub fn list(&self) -> Vec<&Self> {
        match &self.value {
            Value::List(nodes) => nodes.iter().collect(),
            Value::Text { .. } | Value::Map(_) => vec![self],
        }
    }

    /// What a key lists; nothing where it is not there.
    pub fn list_at(&self, path: &[&str]) -> Vec<&Self> {
        self.at(path).map(Self::list).unwrap_or_default()
    }

    /// Its keys with their values, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Self, &Self)> {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Text { .. } | Value::List(_) => &[],
        };
        entries.iter().map(|(key, value)| (key, value))
    }

    /// Whether it is a mapping.
    pub const fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Every text below it, with its own.
    pub fn texts(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            match &node.value {
                Value::Text { .. } => found.push(node),
                Value::List(nodes) => open.extend(nodes.iter().rev()),
                Value::Map(entries) => open.extend(entries.iter().rev().map(|(_key, value)| value)),
            }
        }
        found
    }
}

impl From<&Node> for Json {
    /// As JSON, for what is read like an object of a cluster: an empty value, `null` and `~` are null, `true` and `false` are
    /// booleans, and everything else is text, numbers too. A key that is no text is left out.
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Text { text, is_plain: true } => match text.as_str() {
                "" | "null" | "~" => Self::Null,
                "true" => Self::Bool(true),
                "false" => Self::Bool(false),
                _ => Self::String(text.clone()),
            },
            Value::Text { text, .. } => Self::String(text.clone()),
            Value::List(nodes) => nodes.iter().map(Self::from).collect(),
            Value::Map(entries) => {
                let entry = |(key, value): &(Node, Node)| Some((key.text()?.to_owned(), Self::from(value)));
                Self::Object(entries.iter().filter_map(entry).collect())
            }
        }
    }
}

/// The objects of a document: itself, or those of a Kubernetes `List`.
pub fn items(document: &Node) -> Vec<&Node> {
    if document.text_at("kind") == Some("List") { document.list_at(&["items"]) } else { vec![document] }
}

/// Reads every document of a file.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut documents = Vec::new();
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        if let Some(document) = builder.take(event, span.start.line())? {
            documents.push(document);
        }
    }
    Ok(documents)
}

/// A collection whose end has not come.
struct Open {
    node: Node,
    anchor: usize,
    /// Of a mapping: the key whose value is next.
    key: Option<Node>,
    /// Of a mapping: what merge keys bring, for where it says nothing itself.
    merged: Vec<(Node, Node)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Node>, YamlError> {
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _tag) => {
                (Value::Text { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }, anchor)
            }
            Event::SequenceStart(anchor, ..) => {
                return self.begin(Node { line, value: Value::List(Vec::new()) }, anchor);
            }
            Event::MappingStart(anchor, ..) => return self.begin(Node { line, value: Value::Map(Vec::new()) }, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { mut node, anchor, merged, .. }) = self.open.pop() else { return Ok(None) };
                if let Value::Map(entries) = &mut node.value {
                    for (key, value) in merged {
                        if !entries.iter().any(|(own, _value)| own.text() == key.text()) {
                            entries.push((key, value));
                        }
                    }
                }
                return self.put(node, anchor);
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else { return Ok(None) };
                self.count(size)?;
                return self.put(node, 0);
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                return Ok(None);
            }
            _ => return Ok(None),
        };
        self.count(1)?;
        self.put(Node { line, value }, anchor)
    }

    fn count(&mut self, nodes: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES { Err(YamlError::TooLarge) } else { Ok(()) }
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, YamlError> {
        self.count(1)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError::TooLarge);
        }
        self.open.push(Open { node, anchor, key: None, merged: Vec::new() });
        Ok(None)
    }

    /// Puts a whole node where it belongs; gives it back where it is the document.
    fn put(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, YamlError> {
        if anchor > 0 {
            let size = node.texts().len().max(1);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        match &mut open.node.value {
            Value::List(nodes) => nodes.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some(node),
                Some(key) if key.text() == Some("<<") => merge(&mut open.merged, node),
                Some(key) => insert(entries, key, node)?,
            },
            Value::Text { .. } => {}
        }
        Ok(None)
    }
}

fn insert(entries: &mut Vec<(Node, Node)>, key: Node, value: Node) -> Result<(), YamlError> {
    if let Some(text) = key.text()
        && entries.iter().any(|(own, _value)| own.text() == Some(text))
    {
        return Err(YamlError::Twice { line: key.line, key: text.chars().take(80).collect() });
    }
    entries.push((key, value));
    Ok(())
}

/// What a merge key brings; of several mappings, the first counts.
fn merge(merged: &mut Vec<(Node, Node)>, node: Node) {
    match node.value {
        Value::Map(others) => merged.extend(others),
        Value::List(nodes) => {
            for node in nodes {
                merge(merged, node);
            }
        }
        Value::Text { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_line_and_every_document_is_read() {
        let documents = parse("a: 1\nb:\n  - x\n  - {c: yes, d: 'yes'}\n---\n\ne: |\n  one\n  two\n").unwrap();
        let [first, second] = documents.as_slice() else { panic!("{documents:?}") };
        let list = first.list_at(&["b"]);
        assert_eq!((list[0].line, list[1].line), (3, 4));
        assert!(list[1].at(&["c"]).unwrap().is_true() && !list[1].at(&["d"]).unwrap().is_true());
        assert_eq!((first.at(&["a"]).unwrap().number(), second.text_at("e")), (Some(1), Some("one\ntwo\n")));
        assert_eq!(second.at(&["e"]).unwrap().line, 8, "a block of text begins at its first line");
    }

    #[test]
    fn a_document_is_read_as_json_by_the_words_of_yaml_alone() {
        let documents = parse("a: {b: , c: null, d: 'null', e: true, f: yes, g: 1}\nh: [~, x]\n").unwrap();
        let expected = serde_json::json!(
            {"a": {"b": null, "c": null, "d": "null", "e": true, "f": "yes", "g": "1"}, "h": [null, "x"]}
        );
        assert_eq!(Json::from(&documents[0]), expected);
    }

    #[test]
    fn anchors_are_put_in_place_and_a_mappings_own_word_counts() {
        let documents = parse("base: &base {when: never, script: x}\njob:\n  <<: *base\n  when: always\n").unwrap();
        let job = documents[0].at(&["job"]).unwrap();
        assert_eq!((job.text_at("when"), job.text_at("script")), (Some("always"), Some("x")));
    }

    #[test]
    fn what_readers_take_differently_and_what_grows_without_end_is_refused() {
        assert!(matches!(parse("a: 1\na: 2\n"), Err(YamlError::Twice { line: 2, .. })));
        assert!(matches!(parse("a: [1\n"), Err(YamlError::Syntax(_))));
        assert!(matches!(parse(&"[".repeat(200)), Err(YamlError::TooLarge)));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{below}]\n");
        }
        assert!(matches!(parse(&bomb), Err(YamlError::TooLarge)));
    }
}
