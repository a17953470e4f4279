//! One number from a replica's `/metrics`.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Metrics come from memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The value of a metric, labels included: `name{label="value"}`. 0 if it was never counted.
pub async fn value(url: &str, metric: &str) -> anyhow::Result<u64> {
    let text = timeout(ANSWER_LIMIT, get(url)).await.with_context(|| format!("{url} does not answer"))??;
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    let Some(value) = line else { return Ok(0) };
    value.split(['.', ' ']).next().unwrap_or_default().parse().with_context(|| format!("{metric} is {value}"))
}

async fn get(url: &str) -> anyhow::Result<String> {
    let (address, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("no URL of metrics")?;
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("failed to connect to {url}"))?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1") && answer.contains(" 200 "), "{url} answered {answer}");
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_metric_is_found_by_its_name_and_labels() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let body = "# TYPE a counter\na_total{code=\"4000\"} 7\na_total{code=\"4001\"} 8\n";
                stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).await.unwrap();
            }
        });
        assert_eq!(value(&url, r#"a_total{code="4001"}"#).await.unwrap(), 8);
        assert_eq!(value(&url, "b_total").await.unwrap(), 0);
        server.await.unwrap();
    }
}
