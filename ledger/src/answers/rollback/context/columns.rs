//! Columns: what data has, and what a transform gives, as far as they are declared.
//!
//! A transform's schema is in its tool's own language; `properties` of JSON Schema, and `fields` with names as Arrow, Avro
//! and `BigQuery` write them, are understood. Promises to tell no change where a side declares nothing that can be read.

use std::{collections::BTreeMap, rc::Rc};

use lineal_schemas::vocabulary::{Payload, dataset::DatasetSnapshotted, values::JsonObject};
use serde_json::Value;

use super::{Identity, Reader, snapshot};

/// Columns by name, with their types where these are told.
pub(super) type Columns = BTreeMap<String, Option<String>>;

/// How prose tells a column that is gone.
const DROPPED: &str = "dropped";

/// The columns of a snapshot.
pub(super) fn of_snapshot(snapshot: &DatasetSnapshotted) -> Option<Columns> {
    let fields = &snapshot.schema.as_ref()?.fields;
    Some(fields.iter().map(|field| (field.name.to_string(), field.r#type.as_ref().map(ToString::to_string))).collect())
}

/// What changed, a line each.
pub(super) fn changes(before: &Columns, after: &Columns) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, was) in before {
        match (was, after.get(name)) {
            (_, None) => lines.push(format!("column {name} {DROPPED}")),
            (Some(was), Some(Some(is))) if was != is => lines.push(format!("column {name}: {was} -> {is}")),
            _ => {}
        }
    }
    lines.extend(after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("column {name} added")));
    lines
}

/// Whether a model that expects what was there before misses it: a column more is no harm.
pub(super) fn breaks(change: &str) -> bool {
    !change.ends_with(" added")
}

/// What two transforms give, where both say it.
pub(super) fn of_transforms(before: Option<&Rc<Identity>>, after: Option<&Rc<Identity>>, lines: &mut Vec<String>) {
    let columns = |identity: Option<&Rc<Identity>>| {
        let said = identity?.said.iter().rev();
        let mut schemas = said.filter_map(|told| match &told.payload {
            Payload::TransformPublished(published) => published.output_schema.as_ref().and_then(of_schema),
            _ => None,
        });
        schemas.next()
    };
    if let (Some(before), Some(after)) = (columns(before), columns(after)) {
        lines.extend(changes(&before, &after));
    }
}

/// The columns of two snapshots, where both declare them.
pub(super) fn of_data(
    reader: &Reader<'_>,
    before: Option<&Rc<Identity>>,
    after: Option<&Rc<Identity>>,
    lines: &mut Vec<String>,
) {
    let columns = |identity: Option<&Rc<Identity>>| {
        let told = identity.and_then(|identity| snapshot(reader, identity))?;
        match &told.payload {
            Payload::DatasetSnapshotted(snapshot) => of_snapshot(snapshot),
            _ => None,
        }
    };
    if let (Some(before), Some(after)) = (columns(before), columns(after)) {
        lines.extend(changes(&before, &after));
    }
}

fn of_schema(schema: &JsonObject) -> Option<Columns> {
    let schema: Value = serde_json::from_str(schema.as_str()).ok()?;
    let kind =
        |field: &Value| field.get("type").map(|kind| kind.as_str().map_or_else(|| kind.to_string(), str::to_owned));
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        return Some(properties.iter().map(|(name, field)| (name.clone(), kind(field))).collect());
    }
    let fields = schema.get("fields").and_then(Value::as_array)?;
    fields.iter().map(|field| Some((field.get("name")?.as_str()?.to_owned(), kind(field)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(schema: &str) -> Option<Columns> {
        of_schema(&serde_json::from_str(schema).unwrap())
    }

    #[test]
    fn columns_are_read_as_the_common_schema_languages_write_them() {
        let json_schema = columns(r#"{"properties":{"amount":{"type":"number"},"country":{}}}"#).unwrap();
        let arrow = columns(r#"{"fields":[{"name":"amount","type":"number"},{"name":"country"}]}"#).unwrap();
        assert_eq!(json_schema, arrow);
        assert_eq!(columns(r#"{"fields":["amount"]}"#), None, "what cannot be read is not read in part");
        assert_eq!(columns(r#"{"dtypes":{}}"#), None);
    }

    #[test]
    fn a_dropped_column_and_another_type_break_and_an_added_one_does_not() {
        let before = columns(r#"{"fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#).unwrap();
        let after = columns(r#"{"fields":[{"name":"b","type":"float"},{"name":"c"}]}"#).unwrap();
        let lines = changes(&before, &after);
        assert_eq!(lines, ["column a dropped", "column b: int -> float", "column c added"]);
        assert_eq!(lines.iter().map(|line| breaks(line)).collect::<Vec<_>>(), [true, true, false]);
    }
}
