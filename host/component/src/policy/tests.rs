//! What a policy may say, and how what is off is told.

use super::*;

fn check(text: &str, problem: Option<&str>) {
    match (PolicyDocument::parse(text), problem) {
        (Ok(_), None) => {}
        (Err(error), Some(problem)) => assert_eq!(error.to_string(), problem),
        (read, problem) => panic!("{text}: {read:?} {problem:?}"),
    }
}

#[test]
fn a_policy_is_read_and_what_is_off_is_named_with_its_line() {
    check("", None);
    check("[[allow]]\npublish = ['a.>']\nagents = ['one']\nsend = ['two']\nhttp = ['a.com']", None);
    check(
        "[[allow]]\npublish = ['a b']",
        Some(
            "policy, line 2: allow.publish: 'a b': not a topic: use 1 to 16 tokens of A-Z, a-z, 0-9, '_' and '-' (each at most 64 bytes) joined by '.'",
        ),
    );
    check(
        "[limits]\nfuel = 0",
        Some("policy, line 2: limits.fuel: invalid value: integer `0`, expected a nonzero u64"),
    );
    check("[limits]\nmemory = '0KiB'", Some("policy: limits.memory: is zero: leave it out, or give what may be used"));
    check(
        "private_hosts = ['*.internal']",
        Some("policy, line 1: private_hosts: '*.internal' is a wildcard: name one host"),
    );
    check("[[secrets]]\nname = 'k'\nhost = 'a.com'\npath = '/v1/'", None);
    check(
        "[[secrets]]\nname = 'k'\nhost = 'a.com'\npath = '/../'",
        Some("policy, line 4: secrets.path: use a path that starts with '/', in printable ASCII, without '..'"),
    );
    check(
        "[[allow]]\nname = 'a'\n[[allow]]\nname = 'a'",
        Some("policy: allow.name: 'a' is there twice: give each rule its own name"),
    );
    check(
        "[[deny]]",
        Some("policy, line 1: deny: unknown key: expected one of `allow`, `limits`, `private_hosts`, `secrets`"),
    );
    check(
        "a =",
        Some("policy, line 1: not TOML: string values must be quoted, expected literal string: correct this line"),
    );
    assert!(matches!(PolicyDocument::parse(&" ".repeat(POLICY_LEN_MAX + 1)), Err(PolicyError::TooLarge { .. })));
}

#[test]
fn the_starter_policy_lets_nothing_leave_the_tenant() {
    let PolicyDocument { policy, .. } = PolicyDocument::starter();
    let allowed = policy.allows(&"any".parse().unwrap());
    assert!(allowed.http.is_empty() && allowed.secrets.is_empty() && policy.private_hosts.is_empty());
    assert!(allowed.discover && allowed.state && allowed.storage && allowed.leases);
    assert!(allowed.may_publish(&"a.b".parse().unwrap()));
}

#[test]
fn wildcards_are_warned_of_and_names_are_not() {
    let text = "[[allow]]\nname = 'wide'\npublish = ['a.>']\nsend = '*'\nhttp = ['*.a.com']\n[[allow]]\npublish = ['a.b']\nsend = ['c']";
    let warnings: Vec<_> = PolicyDocument::parse(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    let warning = |key: &str, pattern: &str| {
        format!("rule 'wide' allows {key} '{pattern}': a wildcard; name what is meant if it is known")
    };
    assert_eq!(warnings, [warning("publish", "a.>"), warning("http", "*.a.com"), warning("send", "*")]);
}

#[test]
fn the_schema_knows_every_key() {
    let schema = PolicyDocument::schema();
    let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["allow", "limits", "private_hosts", "secrets"]);
    assert!(schema["additionalProperties"] == false, "{schema:#}");
}
