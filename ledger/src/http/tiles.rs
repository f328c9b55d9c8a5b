//! `GET /checkpoint` and `GET /tile/...`: the log as the outside sees it, by C2SP tlog-tiles, made from the segments.
//!
//! Promises that hashes and entries under one path never change, so that they may be cached for good. Any width up to
//! the current one is served, so the partial tiles of every checkpoint are there. Bodies may be erased, so they are not
//! cached. (C2SP tlog-tiles; docs/FORMAT.md, Tiles)

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use lineal_schemas::tile::TilePath;

use super::{
    App, blocking,
    status::{Problem, respond},
};
use crate::tiles;

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const FRESH: HeaderValue = HeaderValue::from_static("no-cache");

pub(super) async fn checkpoint(State(app): State<App>) -> Response {
    let text = app.ledger.view.record.committed().checkpoint;
    cached(respond(StatusCode::OK, "text/plain; charset=utf-8", text.to_string()), FRESH)
}

pub(super) async fn tile(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let path = uri.path().strip_prefix('/').unwrap_or_default().to_owned();
    let (record, size) = (app.ledger.view.record.clone(), app.ledger.view.record.size());
    let found = |tile: &TilePath| tiles::is_in_tree(tile, size);
    if let Some(bundle) = tiles::bodies_path(&path).filter(found) {
        let bodies = blocking(move || Ok(tiles::bodies(&record, &bundle)?)).await?;
        return Ok(cached(respond(StatusCode::OK, "application/x-ndjson", bodies), FRESH));
    }
    let Some(tile) = path.parse::<TilePath>().ok().filter(found) else {
        return Err(Problem::NoSuchTile { path: path.chars().take(80).collect(), size });
    };
    let bytes = blocking(move || Ok(tiles::read(&record, &tile)?)).await?;
    Ok(cached(respond(StatusCode::OK, "application/octet-stream", bytes), IMMUTABLE))
}

fn cached(mut response: Response, how: HeaderValue) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, how);
    response
}
