//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::scrape::Scrape;

/// What the probes ask.
pub trait Health: Send + Sync + 'static {
    /// `Err` says in words why this process must be restarted.
    fn live(&self) -> Result<(), String>;

    /// `Err` says in words why this process cannot serve clients now.
    fn ready(&self) -> Result<(), String>;
}

struct Ops {
    health: Arc<dyn Health>,
    scrape: Scrape,
}

/// Serves the operators' port until the process ends.
pub async fn serve(listener: TcpListener, health: Arc<dyn Health>, scrape: Scrape) -> std::io::Result<()> {
    let ops = Arc::new(Ops { health, scrape });
    let router = Router::new()
        .route("/livez", get(async |State(ops): State<Arc<Ops>>| verdict(ops.health.live())))
        .route("/readyz", get(async |State(ops): State<Arc<Ops>>| verdict(ops.health.ready())))
        .route("/metrics", get(metrics))
        .with_state(ops);
    axum::serve(listener, router).await
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
    }
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match ops.scrape.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to write the metrics: {error}\n")).into_response()
        }
    }
}
