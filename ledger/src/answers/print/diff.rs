//! Differences, as text: a block each, an unchanged one in one line.

use super::{Colour, Style, as_of_line, at_moment, list};
use crate::answers::{
    diff::{
        Block, BlockState, Change, DataBlock, DataChange, Diff, FileChange, Files, MetricsBlock, NumberPair, Sameness,
        Side,
    },
    suite::{Measured, Slice},
};

/// The most lines of one list; `--json` has all of it.
const SHOWN: usize = 12;

/// The answer in one line.
pub(in crate::answers) fn line(diff: &Diff) -> String {
    let named = |state| {
        let blocks = diff.blocks().into_iter().filter(move |(_name, own)| *own == state);
        blocks.map(|(name, _state)| name).collect::<Vec<_>>()
    };
    let (changed, unknown) = (named(BlockState::Changed), named(BlockState::Unknown));
    let first = match (diff.sameness, changed.as_slice(), unknown.is_empty()) {
        (Sameness::Same, [], true) => "the same".to_owned(),
        (Sameness::Other, [], _) if only_shares_differ(diff) => "the shares differ, and none of 5 blocks".to_owned(),
        (_, [], _) => "none of 5 blocks is known to differ".to_owned(),
        (_, changed, _) => format!("{} of 5 blocks changed: {}", changed.len(), changed.join(", ")),
    };
    let unknown = if unknown.is_empty() { String::new() } else { format!("; UNKNOWN: {}", unknown.join(", ")) };
    let limit = if diff.truncated { "; a limit was reached" } else { "" };
    let doubt = doubt(&diff.before).or_else(|| doubt(&diff.after)).unwrap_or_default();
    format!("{}{first}{unknown}{limit}{doubt} ({})", at_moment(&diff.as_of), between(diff))
}

/// That a side may well be something else than what was last seen.
fn doubt(side: &Side) -> Option<String> {
    let seen = side.seen.as_ref()?;
    match (seen.unknown_since, seen.partial) {
        (Some(since), _) => Some(format!("; what runs at {} is UNKNOWN since {since}", side.label)),
        (None, true) => Some(format!("; {} was seen in part", side.label)),
        (None, false) => None,
    }
}

fn only_shares_differ(diff: &Diff) -> bool {
    let parts = |side: &Side| {
        let mut labels: Vec<String> = side.parts.iter().map(|part| part.label.clone()).collect();
        labels.sort();
        labels
    };
    diff.before.seen.is_some() && diff.after.seen.is_some() && parts(&diff.before) == parts(&diff.after)
}

fn between(diff: &Diff) -> String {
    let (before, after) = (models(&diff.before), models(&diff.after));
    match (&diff.before.seen, &diff.after.seen) {
        (Some(_), Some(_)) if diff.before.label == diff.after.label => {
            format!("{}: {before} -> {after}", diff.before.label)
        }
        _ => format!("{before} -> {after}"),
    }
}

/// A side in prose: its models, each with its share where there are several.
fn models(side: &Side) -> String {
    let is_model = |role: Option<&str>| matches!(role, None | Some("model" | "adapter"));
    let any = side.parts.iter().any(|part| is_model(part.role.as_deref()));
    let parts: Vec<String> = side
        .parts
        .iter()
        .filter(|part| !any || is_model(part.role.as_deref()))
        .map(|part| match &part.share {
            Some(share) => format!("{} (share {share})", part.label),
            None => part.label.clone(),
        })
        .collect();
    list(&parts)
}

pub(super) fn text(diff: &Diff, style: Style) -> String {
    let colour = match diff.exit_code() {
        0 => Colour::Green,
        1 => Colour::Red,
        _ => Colour::Yellow,
    };
    let mut out = vec![style.paint(colour, &diff.answer), String::new()];
    out.push(format!("before  {}", side(&diff.before)));
    out.push(format!("after   {}", side(&diff.after)));
    out.push(String::new());
    data(&diff.data, style, &mut out);
    for (name, block) in [("code", &diff.code), ("parameters", &diff.parameters), ("environment", &diff.environment)] {
        head(name, block.state, style, &mut out);
        rows(block, &mut out);
    }
    metrics(&diff.metrics, style, &mut out);
    out.extend(diff.warnings.iter().map(|warning| style.paint(Colour::Yellow, &format!("in doubt: {warning}"))));
    out.push(String::new());
    out.push(as_of_line(&diff.as_of));
    out.join("\n") + "\n"
}

fn side(side: &Side) -> String {
    let Some(seen) = &side.seen else { return side.label.clone() };
    let how = if seen.event.kind == "deployment.observed" { "seen" } else { "asked for" };
    let partial = if seen.partial { ", in part" } else { "" };
    let unknown = seen.unknown_since.map_or_else(String::new, |since| format!(", UNKNOWN since {since}"));
    format!("{}  {}, {how} {}{partial} (#{}){unknown}", side.label, models(side), seen.at, seen.event.index)
}

fn head(name: &str, state: BlockState, style: Style, out: &mut Vec<String>) {
    let told = match state {
        BlockState::Same => "the same".to_owned(),
        BlockState::Changed => style.paint(Colour::Red, "changed"),
        BlockState::Unknown => style.paint(Colour::Yellow, "UNKNOWN"),
        BlockState::None => "nothing on either side".to_owned(),
    };
    out.push(format!("{name}: {told}"));
}

fn rows(block: &Block, out: &mut Vec<String>) {
    capped(block.changes.iter().map(|change| format!("  {}", row(change))), block.changes.len(), "  ", out);
    capped(block.unknown.iter().map(|what| format!("  ? {what}")), block.unknown.len(), "  ", out);
}

fn row(change: &Change) -> String {
    let of = change.of.as_ref().map_or_else(String::new, |of| format!("{of}: "));
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "not there".to_owned());
    format!("{of}{}: {} -> {}", change.what, side(&change.before), side(&change.after))
}

/// At most so many lines, and how many more there are.
fn capped(lines: impl Iterator<Item = String>, count: usize, indent: &str, out: &mut Vec<String>) {
    out.extend(lines.take(SHOWN));
    more(count, indent, out);
}

fn more(count: usize, indent: &str, out: &mut Vec<String>) {
    if count > SHOWN {
        out.push(format!("{indent}… and {} more; --json has all", count - SHOWN));
    }
}

fn data(block: &DataBlock, style: Style, out: &mut Vec<String>) {
    head("data", block.state, style, out);
    for change in block.changes.iter().take(SHOWN) {
        data_change(change, out);
    }
    more(block.changes.len(), "  ", out);
    capped(block.unknown.iter().map(|what| format!("  ? {what}")), block.unknown.len(), "  ", out);
}

fn data_change(change: &DataChange, out: &mut Vec<String>) {
    let kind = change.kind.as_str();
    out.push(match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("  {kind} {before} -> {after}"),
        (Some(before), None) => format!("  {kind} {before} no longer goes in"),
        (None, after) => format!("  {kind} {} goes in now", after.as_deref().unwrap_or_default()),
    });
    capped(change.changes.iter().map(|change| format!("    {}", row(change))), change.changes.len(), "    ", out);
    if let Some(files) = &change.files {
        file_lines(files, out);
    }
    capped(change.unknown.iter().map(|what| format!("    ? {what}")), change.unknown.len(), "    ", out);
}

fn file_lines(files: &Files, out: &mut Vec<String>) {
    let Files { added, removed, changed, unchanged, .. } = files;
    out.push(format!("    files: {added} added, {removed} removed, {changed} changed, {unchanged} the same"));
    let line = |file: &FileChange| {
        let sign = match (&file.before, &file.after) {
            (Some(_), Some(_)) => "~",
            (Some(_), None) => "-",
            _ => "+",
        };
        format!("      {sign} {}", file.path)
    };
    let count = usize::try_from(added + removed + changed).unwrap_or(usize::MAX);
    capped(files.listed.iter().map(line), count, "      ", out);
}

fn metrics(block: &MetricsBlock, style: Style, out: &mut Vec<String>) {
    head("metrics", block.state, style, out);
    let shown = |pair: &&NumberPair| pair.differs || pair.not_comparable.is_some();
    let count = block.numbers.iter().filter(shown).count();
    let mut suite = None;
    for pair in block.numbers.iter().filter(shown).take(SHOWN) {
        if suite != Some(&pair.suite) {
            out.push(format!("  {}", pair.suite));
            suite = Some(&pair.suite);
        }
        out.push(format!("    {}", number_pair(pair)));
    }
    more(count, "  ", out);
}

fn number_pair(pair: &NumberPair) -> String {
    let doubt = pair.not_comparable.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    let (metric, slice) = (&pair.metric, slice(&pair.slice));
    format!("{metric}{slice}: {} -> {}{doubt}", number(pair.before.as_ref()), number(pair.after.as_ref()))
}

/// ` [country=BR]`; nothing for everything.
pub(super) fn slice(slice: &Slice) -> String {
    if slice.is_empty() {
        return String::new();
    }
    let parts: Vec<String> = slice.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(" [{}]", parts.join(", "))
}

/// `0.914 (n 120000)`, or why there is none.
pub(super) fn number(measured: Option<&Measured>) -> String {
    let Some(measured) = measured else { return "not measured".to_owned() };
    let value = match (&measured.value, &measured.missing) {
        (Some(value), _) => value.clone(),
        (None, why) => format!("no number: {}", why.as_deref().unwrap_or("no reason is given")),
    };
    match measured.sample_size {
        Some(count) => format!("{value} (n {count})"),
        None => value,
    }
}
