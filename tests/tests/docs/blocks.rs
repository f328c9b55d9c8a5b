//! Reads the pages: shell blocks with the output that they promise, links and anchors.

/// A shell block that is run.
pub(crate) struct Block {
    /// The line in the page on which it begins, from 1.
    pub(crate) line: usize,
    /// The commands.
    pub(crate) text: String,
    /// What they print, if the page says.
    pub(crate) expected: Option<String>,
}

/// A fenced block of a page.
struct Fence<'a> {
    line: usize,
    mark: &'a str,
    text: String,
    /// Whether nothing but blank lines stands between it and the block before.
    follows: bool,
}

/// The shell blocks of a page that are run.
pub(crate) fn of(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_run = false;
    for fence in fences(page) {
        let is_output = after_run && fence.follows && fence.mark == "text";
        after_run = false;
        match fence.mark.split_once(' ').unwrap_or((fence.mark, "")) {
            ("text", "") if is_output => {
                if let Some(block) = blocks.last_mut() {
                    block.expected = Some(fence.text);
                }
            }
            ("sh", "") => {
                after_run = true;
                blocks.push(Block { line: fence.line, text: fence.text, expected: None });
            }
            ("sh", reason) => {
                let given = reason.strip_prefix("no-run (").and_then(|rest| rest.strip_suffix(')'));
                assert!(given.is_some_and(|given| !given.is_empty()), "line {}: ```{}", fence.line, fence.mark);
            }
            _ => {}
        }
    }
    blocks
}

fn fences(page: &str) -> Vec<Fence<'_>> {
    let mut fences: Vec<Fence<'_>> = Vec::new();
    let (mut inside, mut prose) = (false, true);
    for (number, line) in (1..).zip(page.lines()) {
        match (line.strip_prefix("```"), inside) {
            (Some(mark), false) => {
                fences.push(Fence { line: number, mark: mark.trim(), text: String::new(), follows: !prose });
                inside = true;
            }
            (Some(_end), true) => (inside, prose) = (false, false),
            (None, true) => {
                if let Some(fence) = fences.last_mut() {
                    fence.text.push_str(line);
                    fence.text.push('\n');
                }
            }
            (None, false) => prose |= !line.trim().is_empty(),
        }
    }
    assert!(!inside, "a block does not end");
    fences
}

/// Whether `printed` is what `expected` says, where `…` stands for anything in a line or for any lines.
pub(crate) fn matches(expected: &str, printed: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_match(&lines(expected), &lines(printed))
}

fn lines_match(expected: &[String], printed: &[String]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any == "…" => (0..=printed.len()).any(|skip| lines_match(rest, &printed[skip..])),
        (Some((line, rest)), Some((found, others))) => line_matches(line, found) && lines_match(rest, others),
        _ => false,
    }
}

fn line_matches(expected: &str, printed: &str) -> bool {
    let Some((before, after)) = expected.split_once('…') else { return expected == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| line_matches(after, &rest[at..]))
}

/// Targets of the links of a page.
pub(crate) fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains(char::is_whitespace))
}

/// The anchors of a page's headings, as they are commonly made.
pub(crate) fn anchors(page: &str) -> impl Iterator<Item = String> {
    let kept = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(move |line| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        text.chars().filter(kept).map(|character| if character == ' ' { '-' } else { character }).collect()
    })
}

#[test]
fn an_output_may_leave_out_what_changes() {
    for (expected, printed) in [("a…c\n", "abbc\n"), ("…\nend\n", "one\ntwo\nend"), ("a\n…\n", "a"), ("…x…", "x")]
    {
        assert!(matches(expected, printed), "{expected} {printed}");
    }
    for (expected, printed) in [("a\n", "b\n"), ("a…c", "abd"), ("…\nend", "end\nmore"), ("a", "a\nb"), ("a\nb", "a")]
    {
        assert!(!matches(expected, printed), "{expected} {printed}");
    }
}

#[test]
fn blocks_are_found_with_what_they_print() {
    let page = "```sh\na\n```\n\n```text\nb\n```\n```sh no-run (it waits)\nc\n```\n```text\nd\n```\n```sh\ne\n```\nand\n```text\nf\n```\n";
    let found: Vec<_> = of(page).into_iter().map(|block| (block.line, block.text, block.expected)).collect();
    assert_eq!(found, [(1, "a\n".to_owned(), Some("b\n".to_owned())), (14, "e\n".to_owned(), None)]);
}
