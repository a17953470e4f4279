//! Reading a resource that a person wrote: one document, every field known, mistakes named with path and line.

use std::borrow::Cow;

use serde_saphyr::{DefaultMessageFormatter, MessageFormatter};

use crate::ChatCluster;
use crate::chat_cluster::{API_VERSION, KIND};

/// Why a text is not a resource.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `path` as in `spec.limits`; the reason ends with line and column where they are known.
    #[error("{path}: {why}")]
    Field { path: String, why: String },
    #[error("not valid YAML: {why}")]
    Document { why: String },
    #[error("the file holds more than one document; one `{KIND}` is expected")]
    ManyDocuments,
    #[error("apiVersion is `{found}`; this version knows `{API_VERSION}`")]
    ApiVersion { found: String },
    #[error("kind is `{found}`; a `{KIND}` is expected")]
    Kind { found: String },
}

/// Reads exactly one `ChatCluster`.
pub fn from_yaml(text: &str) -> Result<ChatCluster, Error> {
    // The kind first: otherwise the fields of another kind would be called unknown.
    let header: Header = read(text)?;
    if let Some(found) = header.api_version.filter(|found| found != API_VERSION) {
        return Err(Error::ApiVersion { found });
    }
    if let Some(found) = header.kind.filter(|found| found != KIND) {
        return Err(Error::Kind { found });
    }
    read(text)
}

/// What tells kinds apart.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
}

fn read<'de, T: serde::Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    let mut path = String::new();
    let read = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    });
    read.map_err(|error| match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => Error::ManyDocuments,
        // `?` is a place that has no name because the text broke off.
        error if path.trim_matches(['.', '?']).is_empty() => Error::Document { why: why(error) },
        error => Error::Field { path: path.trim_end_matches(['.', '?']).to_owned(), why: why(error) },
    })
}

/// With line and column.
fn why(error: &serde_saphyr::Error) -> String {
    error.render_with_formatter(&ForPeople)
}

/// The library's words, but for those that speak of Rust.
struct ForPeople;

impl MessageFormatter for ForPeople {
    fn format_message<'a>(&self, error: &'a serde_saphyr::Error) -> Cow<'a, str> {
        match error {
            serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is given twice").into(),
            serde_saphyr::Error::InvalidScalar { ty: "u32", .. } => "a whole number is expected".into(),
            _ => DefaultMessageFormatter.format_message(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "apiVersion: chatcells.dev/v1alpha1\nkind: ChatCluster\nmetadata:\n  name: local\n";

    fn error(text: &str) -> String {
        from_yaml(text).unwrap_err().to_string()
    }

    fn error_in(spec: &str) -> String {
        error(&format!("{HEADER}{spec}"))
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path_and_line() {
        let text = error_in("spec:\n  limits:\n    connections: 5\n");
        assert!(text.starts_with("spec.limits.connections: unknown field `connections`"), "{text}");
        assert!(text.contains("connectionsMax") && text.contains("line 7"), "{text}");
        assert!(error_in("status: {}\n").starts_with("status: unknown field"), "{}", error_in("status: {}\n"));
        assert!(error_in("  labels: {}\n").starts_with("metadata.labels: unknown field"));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_path_and_line() {
        for (spec, path) in [
            ("spec:\n  replicas: 2\n", "spec.replicas: "),
            ("spec:\n  replicas: many\n", "spec.replicas: "),
            ("spec:\n  limits: { connectionsMax: 0 }\n", "spec.limits.connectionsMax: "),
        ] {
            let text = error_in(spec);
            assert!(text.starts_with(path) && text.contains("line 6"), "{text}");
        }
        assert!(error_in("spec:\n  replicas: 2\n").contains("1, 3 or 5"));
        assert!(error_in("spec:\n  cells: -1\n").starts_with("spec.cells: a whole number is expected at line 6"));
    }

    #[test]
    fn a_cluster_name_that_kubernetes_would_refuse_is_refused() {
        let text = error(&HEADER.replace("local", "Local_1"));
        assert!(text.starts_with("metadata.name: ") && text.contains("line 4"), "{text}");
    }

    #[test]
    fn another_kind_or_version_is_called_that() {
        assert!(error("apiVersion: v1\nkind: Pod\nspec: { containers: [] }\n").starts_with("apiVersion is `v1`"));
        assert!(
            error("apiVersion: chatcells.dev/v1alpha1\nkind: ChatCell\nspec: { x: 1 }\n")
                .starts_with("kind is `ChatCell`")
        );
    }

    #[test]
    fn more_than_one_document_or_none_is_refused() {
        assert!(error_in("---\nkind: ChatCluster\n").contains("more than one document"));
        assert!(error("").contains("not valid YAML"), "{}", error(""));
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let text = error_in("spec:\n  replicas: 1\n  replicas: 3\n");
        assert!(text.starts_with("spec: `replicas` is given twice at line 7"), "{text}");
    }

    #[test]
    fn text_that_is_no_yaml_is_refused_with_its_line() {
        let text = error("kind: ChatCluster\nspec: [1, 2\n");
        assert!(text.contains("line"), "{text}");
    }
}
