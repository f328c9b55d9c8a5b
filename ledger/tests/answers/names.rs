//! What is asked for: names that moved, places that were written anew, near misses, files in hand.

use super::*;

#[test]
fn a_name_that_moved_is_said_to_have_moved() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.register("model/wine/quality", "2", "weights-2", "");
    let trace = world.trace("model/wine/quality");
    assert_eq!(trace.nodes[0].digests[0].value, hash("weights-2"));
    assert!(trace.warnings[0].contains("has named 2 different digests"), "{:?}", trace.warnings);
    assert_eq!(world.trace("model/wine/quality@1").nodes[0].digests[0].value, hash("weights-1"));
}

/// A folder in a store that is written anew each night: a trace showed a digest, and nothing said that nobody finds its
/// bytes there any more.
#[test]
fn a_place_that_was_written_anew_is_said_to_hold_other_bytes() {
    let mut world = World::begin();
    let notes = |world: &World, content: &str| world.trace(&hash(content)).nodes[0].notes.clone();
    let night = |world: &mut World, name: &str, content: &str, place: &str| {
        let data =
            format!(r#"{{"dataset":{{"digest":{{"sha256":"DIGEST({content})"}},"uri":"{place}"}},"name":"{name}"}}"#);
        world.send("data", "dataset.snapshotted", name, &data)
    };
    let (name, place) = ("dataset/wine/red", "s3://lake/red");
    night(&mut world, name, "first", place);
    night(&mut world, name, "first", place);
    night(&mut world, name, "second", "s3://lake/another");
    night(&mut world, "dataset/wine/white", "white", place);
    assert_eq!(notes(&world, "first"), [""; 0], "the same bytes, another place, another name");
    let then = world.clock.wall();
    let third = night(&mut world, name, "third", place);
    night(&mut world, name, "fourth", place);
    let [note] = <[String; 1]>::try_from(notes(&world, "first")).unwrap();
    let since = Timestamp::from_millis(then.as_millis() + 1_000);
    assert_eq!(note, format!("{place} holds other bytes since {since} (#{third})"));
    assert_eq!(notes(&world, "fourth"), [""; 0], "it is there still");
    let when = answers::When { at: Some(then), ..world.clock.wall().into() };
    let past = answers::trace(&world.view(), &hash("first"), when).unwrap();
    assert_eq!(past.nodes[0].notes, [""; 0], "then it was there");
    // Put back, it is there again.
    night(&mut world, name, "first", place);
    assert_eq!(notes(&world, "first"), [""; 0]);
}

#[test]
fn an_unknown_name_comes_with_near_ones_and_an_ambiguous_one_with_all() {
    let mut world = World::deployed();
    let now = world.clock.wall();
    let error = answers::trace(&world.view(), "model/wine/qualty", now).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("unknown-name", 2));
    assert_eq!(error.hints()[0], "did you mean `model/wine/quality`?");
    world.observe("service/wine/quality@eu-2/prod", &serving("weights-1"), "");
    let AnswerError::Ambiguous { found, .. } = answers::trace(&world.view(), "service/wine/quality", now).unwrap_err()
    else {
        panic!("not ambiguous")
    };
    assert_eq!(found.len(), 2);
    for (asked, code) in [
        ("#4711", "no-such-entry"),
        ("sha256:ab", "prefix-too-short"),
        ("#0", "not-traceable"),
        ("00000000", "unknown-name"),
    ] {
        assert_eq!(answers::trace(&world.view(), asked, now).unwrap_err().code(), code, "{asked}");
    }
}

#[test]
fn a_file_in_hand_is_asked_for_by_its_digest() {
    let world = World::deployed();
    let file = world.dir.path().join("model.bin");
    std::fs::write(&file, "weights-1").unwrap();
    let asked = answers::in_hand(file.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(world.trace(&asked).nodes[0].name.as_deref(), Some("model/wine/quality"));
    let nothing = world.dir.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let error = answers::in_hand(nothing.to_str().unwrap()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("file-unreadable", 2), "an empty folder has no digest");
    assert_eq!(answers::in_hand("model/wine/quality").unwrap(), None);
}
