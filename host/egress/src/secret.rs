//! Placeholders of secrets, and the secrets put in their place at the last moment: no guest holds one.

use host_model::{Grants, SecretName, TenantId};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::{BadHeader, EgressError, EgressPolicy, SecretSource, Url};

/// How a placeholder begins and ends: `{{secret:name}}`.
const OPEN: &[u8] = b"{{secret:";
const CLOSE: &[u8] = b"}}";

/// The longest value with its secrets in place, in bytes: a short one may name a long secret many times.
const FILLED_LEN_MAX: usize = 16 << 10;

/// Whether a text holds the beginning of a placeholder, well-formed or not.
pub(crate) fn holds_placeholder(text: &[u8]) -> bool {
    find(text, OPEN).is_some()
}

/// The secrets that a text names in well-formed placeholders.
pub fn secrets_named(text: &[u8]) -> impl Iterator<Item = SecretName> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, after) = parse(rest.get(find(rest, OPEN)?..)?)?;
        rest = after;
        Some(name)
    })
}

/// Who would use secrets, and toward what.
pub(crate) struct Use<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) grants: &'a Grants,
    pub(crate) url: &'a Url,
    pub(crate) policy: &'a dyn EgressPolicy,
    pub(crate) source: &'a dyn SecretSource,
}

impl Use<'_> {
    /// A header's value with its secrets in place. Without placeholders it is the value itself; a placeholder never passes.
    pub(crate) fn fill(&self, value: &[u8]) -> Result<HeaderValue, EgressError> {
        // As large as it can get: a vector that grows leaves copies behind.
        let mut filled =
            Zeroizing::new(Vec::with_capacity(if holds_placeholder(value) { FILLED_LEN_MAX } else { value.len() }));
        let (mut rest, mut secrets) = (value, 0_usize);
        while let Some(at) = find(rest, OPEN) {
            let (before, placeholder) = rest.split_at(at);
            let (name, after) = parse(placeholder).ok_or(EgressError::SecretNotGranted)?;
            filled.extend_from_slice(before);
            let secret = self.secret(&name)?;
            let len = filled.len() + secret.len() + after.len();
            if len > FILLED_LEN_MAX {
                return Err(BadHeader::TooLarge { len, len_max: FILLED_LEN_MAX }.into());
            }
            filled.extend_from_slice(secret.as_bytes());
            (rest, secrets) = (after, secrets + 1);
        }
        filled.extend_from_slice(rest);
        // A secret that no header can hold is as good as none.
        let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| EgressError::SecretNotGranted)?;
        filled.set_sensitive(secrets > 0);
        Ok(filled)
    }

    fn secret(&self, name: &SecretName) -> Result<Zeroizing<String>, EgressError> {
        let bound = self.policy.secret_binding(self.tenant, name).is_some_and(|binding| {
            binding.host.matches(self.url.scheme(), self.url.host(), self.url.port())
                && self.url.is_under(&binding.path_prefix)
        });
        let secret = (self.grants.may_use(name) && bound).then(|| self.source.secret(self.tenant, name)).flatten();
        secret.ok_or(EgressError::SecretNotGranted)
    }
}

/// The name in the placeholder that a text begins with, and what follows it.
fn parse(text: &[u8]) -> Option<(SecretName, &[u8])> {
    let rest = text.strip_prefix(OPEN)?;
    let (name, rest) = rest.split_at_checked(find(rest, CLOSE)?)?;
    Some((std::str::from_utf8(name).ok()?.parse().ok()?, rest.strip_prefix(CLOSE)?))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use host_model::{Scheme, SecretBinding};

    use super::*;

    struct One;

    impl EgressPolicy for One {
        fn may_call(&self, _: &TenantId, _: Scheme, _: &str, _: u16) -> bool {
            true
        }

        fn private_allowed(&self, _: &TenantId, _: &str, _: u16) -> bool {
            false
        }

        fn secret_binding(&self, tenant: &TenantId, name: &SecretName) -> Option<SecretBinding> {
            let binding =
                SecretBinding { name: name.clone(), host: "api.a.com".parse().unwrap(), path_prefix: "/v1".into() };
            (tenant.as_str() == "acme" && name.as_str() != "unbound").then_some(binding)
        }
    }

    impl SecretSource for One {
        fn secret(&self, _: &TenantId, name: &SecretName) -> Option<Zeroizing<String>> {
            match name.as_str() {
                "key" | "unbound" | "ungranted" => Some("canary".to_owned().into()),
                "long" => Some("x".repeat(10_000).into()),
                "torn" => Some("a\r\nb".to_owned().into()),
                _ => None,
            }
        }
    }

    fn fill(tenant: &str, url: &str, value: &str) -> Result<HeaderValue, EgressError> {
        let secrets = ["key", "unbound", "missing", "torn", "long"].map(|name| name.parse().unwrap());
        let grants = Grants { secrets: secrets.into(), ..Grants::default() };
        let (tenant, url) = (tenant.parse().unwrap(), Url::parse(url).unwrap());
        let usage = Use { tenant: &tenant, grants: &grants, url: &url, policy: &One, source: &One };
        usage.fill(value.as_bytes())
    }

    fn filled(tenant: &str, url: &str, value: &str) -> Option<String> {
        match fill(tenant, url, value) {
            Ok(value) => {
                assert!(!format!("{value:?}").contains("canary"));
                Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
            }
            Err(error) => {
                assert!(matches!(error, EgressError::SecretNotGranted), "{error}");
                None
            }
        }
    }

    #[test]
    fn a_secret_stands_in_for_its_placeholder_toward_its_own_url_and_nowhere_else() {
        let check = |url: &str, value: &str, expected: Option<&str>| {
            assert_eq!(filled("acme", url, value).as_deref(), expected, "{value} to {url}");
        };
        let home = "https://api.a.com/v1/x";
        check(home, "plain", Some("plain"));
        check(home, "Bearer {{secret:key}}", Some("Bearer canary"));
        check(home, "{{secret:key}}{{secret:key}}.", Some("canarycanary."));
        for url in [
            "https://evil.com/v1",
            "http://api.a.com/v1",
            "https://api.a.com:8443/v1",
            "https://api.a.com/v2",
            "https://api.a.com/v1/../v2",
            "https://api.a.com.evil.com/v1",
        ] {
            check(url, "Bearer {{secret:key}}", None);
        }
        for name in ["ungranted", "unbound", "missing", "torn", "KEY", "", "a b"] {
            check(home, &format!("{{{{secret:{name}}}}}"), None);
        }
        for torn in ["{{secret:key", "{{secret:key}", "{{secret:{{secret:key}}}}"] {
            check(home, torn, None);
        }
        assert_eq!(filled("globex", home, "{{secret:key}}"), None);
    }

    #[test]
    fn a_value_does_not_grow_past_its_bound_by_its_secrets() {
        let len = |value: &str| fill("acme", "https://api.a.com/v1", value).map(|value| value.len());
        assert_eq!(len("{{secret:long}}").unwrap(), 10_000);
        let refused = len(&"{{secret:long}}".repeat(1_000));
        assert!(matches!(refused, Err(EgressError::Header(BadHeader::TooLarge { .. }))), "{refused:?}");
    }
}
