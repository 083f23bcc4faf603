//! What we may ship: licences of everything that is linked, and crates that must not be there at all. `deny.toml` says the same.

use cargo_metadata::Package;

use crate::repo::{all_packages, expect_none};

/// Permissive, and compatible with our own two. Only what some dependency needs stands here.
const ALLOWED: [&str; 8] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// An RSA implementation with a timing leak, and TLS through the system's library.
const FORBIDDEN: [&str; 4] = ["native-tls", "openssl", "openssl-sys", "rsa"];

#[test]
fn every_dependency_is_under_a_licence_that_we_may_ship() {
    let refused = |package: &Package| {
        let licence = package.license.as_deref().unwrap_or("no licence");
        (!is_allowed(licence)).then(|| format!("{} {} is under {licence}", package.name, package.version))
    };
    expect_none(&all_packages().iter().filter_map(refused).collect::<Vec<_>>());
}

#[test]
fn an_expression_is_allowed_if_one_choice_is() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "MIT OR GPL-2.0 AND GPL-3.0",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Zlib) AND GPL-2.0",
        "GPL-2.0 WITH Classpath-exception-2.0",
        "Apache-2.0 WITH some-exception",
        "no licence",
        "(MIT",
        "",
    ] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn no_forbidden_crate_is_in_the_tree() {
    let names: Vec<_> = all_packages().iter().map(|package| package.name.to_string()).collect();
    expect_none(&forbidden(names.iter().map(String::as_str)));
}

#[test]
fn a_forbidden_crate_is_found() {
    assert_eq!(forbidden(["rustls", "rsa", "openssl-probe"].into_iter()), ["rsa is in the tree"]);
}

fn forbidden<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.filter(|name| FORBIDDEN.contains(name)).map(|name| format!("{name} is in the tree")).collect()
}

/// Reads an SPDX expression; `AND` binds closer than `OR`, and the old `/` means `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words(spaced.split_whitespace().collect());
    words.any_of() == Some(true) && words.0.is_empty()
}

/// What is left of an expression. Each method takes one part and says whether it is allowed, or `None` if it is no expression.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn any_of(&mut self) -> Option<bool> {
        let mut allowed = self.all_of()?;
        while self.take_if("OR") {
            allowed |= self.all_of()?;
        }
        Some(allowed)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take_if("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take_if("(") {
            let allowed = self.any_of()?;
            return self.take_if(")").then_some(allowed);
        }
        let mut licence = self.take()?.to_owned();
        if self.take_if("WITH") {
            licence = format!("{licence} WITH {}", self.take()?);
        }
        Some(ALLOWED.contains(&licence.as_str()))
    }

    fn take_if(&mut self, word: &str) -> bool {
        let there = self.0.first() == Some(&word);
        if there {
            self.0.remove(0);
        }
        there
    }

    fn take(&mut self) -> Option<&'a str> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}
