//! `--data JSON|@FILE|@-`: the body of what is sent.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_wire::{Header, Qos};
use serde_json::value::RawValue;

use crate::error::CliError;

/// What to send, as every sending verb takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct MessageArgs {
    /// What the message is: incident.created
    #[arg(long = "type", value_name = "TYPE")]
    message_type: String,
    /// The body: JSON, or @FILE, or @- for standard input
    #[arg(long, value_name = "JSON|@FILE|@-", default_value = "null")]
    data: String,
    /// The body's media type; a body that is not JSON is sent as it is
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    /// Ties an answer to its question
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Inert data for the receiver; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_header)]
    header: Vec<Header>,
    /// at-least-once: kept on the disk, and handed out until it is handled; at-most-once: held in memory
    #[arg(long, value_name = "QOS", default_value = "at-most-once")]
    qos: Qos,
}

/// What to send, read.
pub(crate) struct Body {
    pub(crate) message_type: String,
    pub(crate) payload: Option<Box<RawValue>>,
    pub(crate) payload_base64: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) headers: Vec<Header>,
    pub(crate) qos: Qos,
}

impl MessageArgs {
    /// Reads the file that `--data` names, if it names one.
    pub(crate) fn read(self) -> Result<Body, CliError> {
        let bytes = read_bytes(&self.data)?;
        let json = is_json(&self.content_type);
        Ok(Body {
            message_type: self.message_type,
            payload: json.then(|| parse_json(bytes.clone())).transpose()?,
            payload_base64: (!json).then(|| STANDARD.encode(&bytes)),
            content_type: Some(self.content_type),
            correlation_id: self.correlation_id,
            headers: self.header,
            qos: self.qos,
        })
    }
}

/// `--data` where only JSON will do.
pub(crate) fn read_json(data: &str) -> Result<Box<RawValue>, CliError> {
    parse_json(read_bytes(data)?)
}

fn read_bytes(data: &str) -> Result<Vec<u8>, CliError> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(|cause| CliError::File { path: PathBuf::from("standard input"), cause })
        }
        Some(path) => fs::read(path).map_err(|cause| CliError::File { path: Path::new(path).to_owned(), cause }),
    }
}

fn parse_json(bytes: Vec<u8>) -> Result<Box<RawValue>, CliError> {
    let not_json = |why: String| {
        CliError::Usage(format!(
            "--data is not JSON ({why}): put text in double quotes, or say what it is with --content-type"
        ))
    };
    let text = String::from_utf8(bytes).map_err(|_| not_json("not UTF-8".to_owned()))?;
    RawValue::from_string(text.trim().to_owned()).map_err(|cause| not_json(cause.to_string()))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn parse_header(raw: &str) -> Result<Header, &'static str> {
    let (name, value) = raw.split_once('=').ok_or("use NAME=VALUE")?;
    Ok(Header { name: name.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(data: &str, content_type: &str) -> MessageArgs {
        MessageArgs {
            message_type: "t".into(),
            data: data.into(),
            content_type: content_type.into(),
            correlation_id: None,
            header: vec![],
            qos: Qos::AtMostOnce,
        }
    }

    #[test]
    fn json_goes_as_json_and_anything_else_as_bytes() {
        let body = args(" {\"n\": 1.10} ", "application/json").read().unwrap();
        assert_eq!(
            (body.payload.map(|raw| raw.get().to_owned()).as_deref(), body.payload_base64),
            (Some("{\"n\": 1.10}"), None)
        );
        let body = args("hello", "text/plain").read().unwrap();
        assert_eq!((body.payload.is_some(), body.payload_base64.as_deref()), (false, Some("aGVsbG8=")));
        assert!(is_json("application/problem+json; charset=utf-8") && !is_json("application/jsonl"));
    }

    #[test]
    fn what_is_not_json_is_bad_usage_with_the_next_step() {
        let error = args("{oops", "application/json").read().err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().starts_with("--data is not JSON (") && error.to_string().contains("--content-type"),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_is_named() {
        let file = format!("@{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        assert!(args(&file, "text/plain").read().unwrap().payload_base64.is_some());
        let error = args("@/no/such/file", "text/plain").read().err().unwrap();
        assert!(error.to_string().starts_with("cannot read /no/such/file: "), "{error}");
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(parse_header("a=b=c").unwrap(), Header { name: "a".into(), value: "b=c".into() });
        assert!(parse_header("a").is_err());
    }
}
