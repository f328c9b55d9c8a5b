//! Tiles, bundles and bodies of the committed record, made when they are asked for: nothing of it is stored.
//!
//! Promises that a tile is the same bytes whenever it is asked for, whatever was committed since. Bodies are beside the
//! C2SP tiles, one event a line under the number of its bundle; an erased one is an empty line, so they are the one
//! thing here that may change. (C2SP tlog-tiles; docs/FORMAT.md, Tiles)

use std::ops::Range;

use lineal_schemas::tile::{self, TILE_WIDTH, TileLevel, TilePath};

use crate::log::record::{ReadError, Record};

/// What the paths of event bodies begin with, where a bundle's begins with `tile/entries/`.
pub const BODIES: &str = "tile/bodies/";

/// What the paths of bundles begin with.
const ENTRIES: &str = "tile/entries/";

/// Whether a tree of `size` entries has this tile: in full, or as a part that was the whole at some size up to this.
pub fn is_in_tree(path: &TilePath, size: u64) -> bool {
    TilePath::in_tree(path.level(), path.index(), size).is_some_and(|now| now.width() >= path.width())
}

/// The bundle that the events at this path belong to; nothing if it is no path of bodies in its one spelling.
pub fn bodies_path(path: &str) -> Option<TilePath> {
    format!("{ENTRIES}{}", path.strip_prefix(BODIES)?).parse().ok()
}

/// Where the events of this bundle are.
pub fn path_of_bodies(bundle: &TilePath) -> String {
    bundle.to_string().replacen(ENTRIES, BODIES, 1)
}

/// The bytes of a tile or bundle, which must be in the tree.
pub fn read(record: &Record, path: &TilePath) -> Result<Vec<u8>, ReadError> {
    match path.level() {
        TileLevel::Entries => bundle(record, path),
        TileLevel::Hashes(level) => {
            let hashes = record.derived().hashes();
            let read = |k| hashes.subtree(u32::from(level) * 8, k);
            Ok(tile::encode_tile(&places(path).map(read).collect::<Result<Vec<_>, _>>()?))
        }
    }
}

/// The places within its level that a tile covers; those of a bundle are the indices of its entries.
fn places(path: &TilePath) -> Range<u64> {
    let first = path.index() * u64::from(TILE_WIDTH);
    first..first + u64::from(path.width())
}

fn bundle(record: &Record, path: &TilePath) -> Result<Vec<u8>, ReadError> {
    Ok(bundle_and_bodies(record, path)?.0)
}

/// The events of a bundle, one a line.
pub fn bodies(record: &Record, path: &TilePath) -> Result<Vec<u8>, ReadError> {
    Ok(bundle_and_bodies(record, path)?.1)
}

/// A bundle and its events, read in one go.
pub fn bundle_and_bodies(record: &Record, path: &TilePath) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
    let Range { start, end } = places(path);
    let (mut bundle, mut bodies) = (Vec::new(), Vec::new());
    record.scan(start, end, &mut |stored| {
        let too_long = |error: tile::TileError| ReadError::Damaged { index: stored.index, found: error.to_string() };
        bundle.extend(tile::encode_bundle([stored.entry_bytes()]).map_err(too_long)?);
        bodies.extend_from_slice(stored.body().unwrap_or_default());
        bodies.push(b'\n');
        Ok(())
    })?;
    Ok((bundle, bodies))
}
