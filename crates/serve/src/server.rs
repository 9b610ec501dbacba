//! The server: what it listens on, what all requests go through, and how it ends.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use lakegate_domain::model::Lake;
use lakegate_lake::session::Session;
use lakegate_state::Store;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate};
use tower_http::compression::{CompressionLayer, DefaultPredicate};

use crate::admin::Admin;
use crate::api::exports::NETCDF;
use crate::api::sql::MOST_BYTES;
use crate::app::App;
use crate::feed::Feed;
use crate::limits::{self, Clients};
use crate::pages;
use crate::problem::Problem;
use crate::routes::{Template, router};
use crate::wanted::{Format, choose, split_ending};

/// How long an answer may take to begin.
const BEGIN: Duration = Duration::from_secs(90);
/// How long answers that have begun may go on when the server is to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Least memory of either session, bytes.
const LEAST_MEMORY: u64 = 32 << 20;
/// Statements that run at the same time.
const STATEMENTS: usize = 4;
/// Clients that follow feeds at the same time.
const FOLLOWERS: usize = 256;

/// How a lake is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Only published feeds: no tables, no SQL, nothing of other datasets.
    pub feeds_only: bool,
    /// Requests of one client in a minute; `None` for any number.
    pub per_minute: Option<u32>,
    /// Whether the client's address is what the proxy before this server says.
    pub behind_proxy: bool,
    /// Names under which the server is asked, beside those of this machine.
    pub names: Vec<String>,
    /// Requests for rows that are answered at the same time.
    pub at_once: u32,
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    served: Served,
}

/// What a server serves now: a lake that can be changed for another.
#[derive(Clone)]
pub struct Served(Arc<RwLock<Generation>>);

/// One lake as it is served, and what answers for it.
struct Generation {
    app: Arc<App>,
    router: Router,
    /// Tells those who follow feeds that this one is over.
    end: watch::Sender<bool>,
}

impl Generation {
    fn new(app: App, end: watch::Sender<bool>) -> Self {
        let app = Arc::new(app);
        Self { router: service(app.clone()), app, end }
    }
}

impl Served {
    /// Serves another lake over the same storage from the next request on.
    /// Requests that are being answered end with the lake that they began with;
    /// those who follow feeds are told to ask again.
    pub fn swap(&self, lake: Arc<Lake>) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (end, ending) = watch::channel(*now.end.borrow());
        let new = Generation::new(now.app.of(lake, ending), end);
        let old = std::mem::replace(&mut *now, new);
        old.end.send_replace(true);
    }

    /// Says on `/health` why the configuration in the lake's folder is not the
    /// one that is served; `None` where it is.
    pub fn kept(&self, why: Option<String>) {
        *self.app().kept.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn app(&self) -> Arc<App> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).app.clone()
    }

    async fn answer(self, request: Request) -> Response {
        let router = self.0.read().unwrap_or_else(PoisonError::into_inner).router.clone();
        let Ok(response) = router.oneshot(request).await;
        response
    }
}

impl Server {
    /// Listens. `session` answers for the lake's tables; half of `memory_bytes`
    /// is for what addresses ask, half for statements.
    ///
    /// # Errors
    /// The address cannot be listened on, or the folder for spilled rows cannot
    /// be written to.
    pub async fn bind(
        lake: Arc<Lake>,
        store: Option<Store>,
        session: &Session,
        memory_bytes: u64,
        settings: Settings,
        admin: Option<Admin>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let spill = lake.storage.join("tmp");
        let share = (memory_bytes / 2).max(LEAST_MEMORY);
        let beside = || session.beside(share, &spill).map_err(io::Error::other);
        let (end, stopping) = watch::channel(false);
        let app = App {
            feeds: Feed::all(&lake, &[]),
            session: beside()?,
            sql: beside()?,
            store,
            clients: settings.per_minute.map(|n| Arc::new(Clients::new(n))),
            requests: Arc::default(),
            admin: admin.map(Arc::new),
            kept: Arc::default(),
            stopping,
            places: Arc::new(Semaphore::new(settings.at_once.max(1) as usize)),
            statements: Arc::new(Semaphore::new(STATEMENTS)),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            lake,
            settings,
        };
        let served = Served(Arc::new(RwLock::new(Generation::new(app, end))));
        Ok(Self { listener, served })
    }

    /// What it serves, to be changed while it runs.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stopped`, then finishes what it has begun, for ten seconds
    /// at most.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let app = self.served.app();
        // Whoever asks first does not wait until everything is counted.
        let counting = tokio::spawn(async move {
            for feed in &app.feeds {
                if let Ok(Some(opened)) = feed.open(&app.session).await {
                    let _ = feed.counter.activity(&opened, &feed.publish.time).await;
                }
            }
        });
        let served = self.served.clone();
        let service = Router::new()
            .fallback(move |request: Request| served.clone().answer(request))
            .into_make_service_with_connect_info::<SocketAddr>();
        let (stop, mut stopping) = watch::channel(false);
        let served = self.served.clone();
        tokio::spawn(async move {
            stopped.await;
            // Those who follow feeds would keep it from ending.
            served.0.read().unwrap_or_else(PoisonError::into_inner).end.send_replace(true);
            stop.send_replace(true);
        });
        let mut asked = stopping.clone();
        let serving = axum::serve(self.listener, service)
            .with_graceful_shutdown(async move {
                let _ = asked.wait_for(|stop| *stop).await;
            })
            .into_future();
        let given_up = async {
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(GRACE).await;
        };
        let ended = tokio::select! {
            ended = serving => ended,
            () = given_up => Ok(()),
        };
        counting.abort();
        ended
    }
}

/// The router and what all requests go through, from the outside in: figures,
/// names and limits, pages for people, compression.
fn service(app: Arc<App>) -> Router {
    let plain = DefaultPredicate::new()
        .and(NotForContentType::const_new("application/vnd.apache.parquet"))
        .and(NotForContentType::const_new(NETCDF))
        .and(NotForContentType::const_new("application/vnd.apache.arrow.file"));
    router(&app)
        .fallback(|| async { Problem::of_status(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { Problem::of_status(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(CatchPanicLayer::custom(|_| {
            let help = "tell whoever runs this lake; its log says more";
            let detail = "the server made a mistake";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", detail, help).into_response()
        }))
        .layer(CompressionLayer::new().compress_when(plain))
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// What is done before and after every request.
async fn around(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let for_people = wants_page(&request);
    let response = match admit(&app, peer.ip(), &request) {
        Ok(()) => match timeout(BEGIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::busy("too_slow", "the answer takes too long to begin; ask for less", 60)
                .into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    let template = response.extensions().get::<Template>().map_or("other", |t| t.0);
    app.requests.note(template, response.status().as_u16(), started.elapsed());
    let response = told(response);
    let mut response = if for_people { pages::for_people(&app, response) } else { response };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A form that changes the lake must tell where it comes from.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response
}

/// Pages need nothing but their style and plots.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether the request may be answered at all.
fn admit(app: &App, peer: IpAddr, request: &Request) -> Result<(), Problem> {
    let own = limits::is_own_name(request.headers(), request.uri().host(), &app.settings.names);
    if app.settings.listen.ip().is_loopback() && !own {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "other_name",
            "this server is asked under a name that is not its own",
            "ask for localhost, or start it with `--name` and that name",
        ));
    }
    let Some(clients) = &app.clients else { return Ok(()) };
    let client = limits::client(peer, request.headers(), app.settings.behind_proxy);
    clients.take(client, Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        let detail = "this client asks too often";
        Problem {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..Problem::busy("too_many_requests", detail, seconds)
        }
    })
}

fn wants_page(request: &Request) -> bool {
    let ending = split_ending(request.uri().path()).1;
    choose(None, ending, request.headers(), &[Format::Json, Format::Html]) == Ok(Format::Html)
}

/// Gives answers that fail outside the handlers the form that all others have.
fn told(response: Response) -> Response {
    let status = response.status();
    let is_failure = status.is_client_error() || status.is_server_error();
    let is_ours = response.extensions().get::<Problem>().is_some()
        || response
            .headers()
            .get(axum::http::header::CONTENT_TYPE)
            .is_some_and(|t| !t.as_bytes().starts_with(b"text/plain"));
    if is_failure && !is_ours { Problem::of_status(status).into_response() } else { response }
}
