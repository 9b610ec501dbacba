//! `/exports/{path}`: files that were exported, and plots beside them. Only what
//! the ledger names is given, from below the folder of exports.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use lakegate_domain::export::FOLDER;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::app::{App, Asked};
use crate::health::ledger;
use crate::params::Params;
use crate::problem::{Problem, Result};
use crate::wanted::Format;

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;
/// A plot as a page of its own: what it draws with stands in it.
const PLOT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";
pub const NETCDF: &str = "application/x-netcdf";

/// `GET /exports/{path}`
pub async fn file(State(app): State<Arc<App>>, Path(path): Path<String>, asked: Asked) -> Result<Response> {
    Params::parse(asked.query.as_deref(), &[])?;
    let unknown = |help: &str| {
        Problem::missing("unknown_export", format!("there is no export `{path}`"), help.to_string())
    };
    let all = "`/tables/system.exports` lists them";
    let store = app.store.as_ref().ok_or_else(|| unknown(all))?;
    store.export_at(&path).await.map_err(ledger)?.ok_or_else(|| unknown(all))?;
    // A place like any other answer that is read from files.
    let permit = app.place(Format::Csv).await?;
    let gone = || unknown("it was made and is gone from its folder; `lakegate export --all` makes it again");
    let unreadable = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => gone(),
        _ => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unreadable",
            format!("the export `{path}` cannot be read: {e}"),
            "whoever runs this lake has to look at its `export` folder",
        ),
    };
    let (file, tag) = open(app.lake.storage.join(FOLDER), &path).await.map_err(unreadable)?;
    let size_bytes = file.metadata().await.map_err(unreadable)?.len();
    let (media_type, is_shown) = media_type(&path);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if asked.has(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(CONTENT_LENGTH, size_bytes.into());
    if is_shown {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PLOT_POLICY));
    }
    // Names come from the configuration and from landed files: what a header
    // cannot say plainly is left out.
    let name = path.rsplit('/').next().unwrap_or(&path);
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let how = if is_shown { "inline" } else { "attachment" };
    if let Ok(value) = HeaderValue::from_str(&format!("{how}; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    let body = stream::unfold(Some((file, permit)), |reading| async {
        let (mut file, permit) = reading?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(n) => {
                piece.truncate(n);
                Some((Ok(Bytes::from(piece)), Some((file, permit))))
            }
            Err(e) => Some((Err(e), None)),
        }
    });
    // What compresses may ask once more after the end.
    Ok((headers, Body::from_stream(body.fuse())).into_response())
}

/// Opens a file below a folder, wherever links lead; with what tells that it has
/// changed.
async fn open(root: PathBuf, path: &str) -> io::Result<(File, String)> {
    let root = tokio::fs::canonicalize(root).await?;
    let found = tokio::fs::canonicalize(root.join(path)).await?;
    if !found.starts_with(&root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(&found).await?;
    let about = file.metadata().await?;
    if !about.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let changed = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok((file, format!("\"{:x}-{changed:x}\"", about.len())))
}

/// The media type of an export, and whether a browser shows it.
fn media_type(path: &str) -> (&'static str, bool) {
    match path.rsplit('.').next() {
        Some("svg") => ("image/svg+xml", true),
        Some("png") => ("image/png", true),
        Some("nc") => (NETCDF, false),
        _ => ("application/octet-stream", false),
    }
}
