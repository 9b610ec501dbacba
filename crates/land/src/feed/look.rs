//! An endpoint asked once, to see what it answers: nothing lands, and no cursor
//! moves.

use std::path::Path;
use std::sync::Arc;

use lakegate_domain::feed::{Feed, Feeds, Fill, Source, name};
use tokio::task::spawn_blocking;

use super::client::{Asker, Client};
use super::clock::Clock;
use super::poller::{not_empty, not_sent, read};
use super::request::Ask;
use super::secrets::{Environment, Secrets};

/// What an endpoint answered.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What it would be called below the landing folder.
    pub name: String,
    pub bytes: Vec<u8>,
    pub content_type: Option<String>,
}

/// Why there is nothing to see.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// What happened and what to do, without any secret.
    pub message: String,
    /// What the server answered, if it did.
    pub status: Option<u16>,
}

/// Asks a feed's address once, with all that a poll does to be polite, safe and
/// discreet. `limits` are the lake's, secrets' files relative to `root`; what is
/// too large for memory is spooled in `scratch`.
///
/// # Errors
/// There is no good answer, or the feed has more than one address.
pub async fn look(
    feed: &Feed,
    limits: Feeds,
    root: &Path,
    scratch: &Path,
    clock: Arc<dyn Clock>,
    env: Environment,
) -> Result<Looked, Unseen> {
    let plain = |message: String| Unseen { message, status: None };
    let Source::One(url) = &feed.source else {
        return Err(plain("only a feed of one address can be looked at; give one of its addresses".into()));
    };
    let client = Client::new(limits, std::iter::once(feed), clock).map_err(|f| plain(f.to_string()))?;
    let (of, root) = (feed.clone(), root.to_path_buf());
    let opened = spawn_blocking(move || Secrets::open(&of.texts(), &env, &root)).await;
    let mut secrets = opened
        .unwrap_or_else(|e| Err(format!("lakegate made a mistake: {e}; please report it")))
        .map_err(plain)?;
    let started_ms = client.clock.now_ms();
    let tried = match Ask::of(feed, url, &Fill::default(), &mut secrets) {
        Ok(ask) => {
            client.ask(Asker { feed, secrets: &secrets, landing: scratch, seed: "look" }, &ask, None).await
        }
        Err(message) => not_sent(message),
    };
    let answered = async {
        let mut answer = not_empty(tried.result?)?;
        let fingerprint = answer.body.as_ref().map_or("", |body| &body.fingerprint).to_string();
        let bytes = read(&mut answer).await?;
        Ok((answer, fingerprint, bytes))
    };
    let (answer, fingerprint, bytes) = answered.await.map_err(|failed: super::answer::Failed| Unseen {
        message: secrets.redact(&failed.message),
        status: failed.status,
    })?;
    let ending = name::extension(answer.url.path(), answer.content_type.as_deref());
    Ok(Looked {
        name: name::polled(started_ms, None, &fingerprint, &ending),
        bytes,
        content_type: answer.content_type,
    })
}
