//! Functions as WIT text, bounded: a type may be written out to a million words, and who reads reports should not
//! have to.

use wit_parser::{FunctionKind, Handle, Resolve, Result_, Type, TypeDefKind, TypeId};

use crate::Function;

/// The longest signature, in bytes.
const WIT_LEN_MAX: usize = 1 << 10;

/// A function's name and its signature.
pub(crate) fn function(resolve: &Resolve, function: &wit_parser::Function) -> Function {
    // In the binary a method is `[method]pollable.block`; in WIT the brackets are said by the keyword.
    let name = function.name.rsplit(']').next().unwrap_or_default();
    let mut text = Text { resolve, out: String::new() };
    text.push(name);
    text.push(": ");
    text.signature(function);
    Function { name: name.to_owned(), wit: text.cut() }
}

/// WIT as far as it is written.
struct Text<'a> {
    resolve: &'a Resolve,
    out: String,
}

impl Text<'_> {
    fn signature(&mut self, function: &wit_parser::Function) {
        self.push(keyword(&function.kind));
        let is_method = matches!(function.kind, FunctionKind::Method(_) | FunctionKind::AsyncMethod(_));
        let params = function.params.iter().skip(usize::from(is_method));
        self.list("(", params, ")", |text, param| {
            text.push(&param.name);
            text.push(": ");
            text.ty(&param.ty);
        });
        let Some(result) = &function.result else { return };
        if !matches!(function.kind, FunctionKind::Constructor(_)) {
            self.push(" -> ");
            self.ty(result);
        }
    }

    /// Nesting is bounded by the validator (100 levels); names end it earlier.
    fn ty(&mut self, ty: &Type) {
        match ty {
            Type::Id(id) => self.defined(*id),
            primitive => self.push(primitive_name(*primitive)),
        }
    }

    fn defined(&mut self, id: TypeId) {
        let Some(def) = self.resolve.types.get(id) else { return };
        if let Some(name) = &def.name {
            return self.push(name);
        }
        match &def.kind {
            TypeDefKind::Handle(Handle::Own(id)) => self.defined(*id),
            TypeDefKind::Handle(Handle::Borrow(id)) => self.of("borrow", &Type::Id(*id)),
            TypeDefKind::Tuple(tuple) => self.list("tuple<", tuple.types.iter(), ">", Self::ty),
            TypeDefKind::Option(ty) => self.of("option", ty),
            TypeDefKind::List(ty) => self.of("list", ty),
            TypeDefKind::Result(result) => self.result(result),
            TypeDefKind::Type(ty) => self.ty(ty),
            // The features that the engine enables have no other type without a name.
            other => self.push(other.as_str()),
        }
    }

    fn result(&mut self, result: &Result_) {
        match (&result.ok, &result.err) {
            (None, None) => self.push("result"),
            (Some(ok), None) => self.of("result", ok),
            (ok, Some(err)) => self.list("result<", [ok.as_ref(), Some(err)].into_iter(), ">", |text, ty| match ty {
                Some(ty) => text.ty(ty),
                None => text.push("_"),
            }),
        }
    }

    fn of(&mut self, outer: &str, inner: &Type) {
        self.list(&format!("{outer}<"), [inner].into_iter(), ">", Self::ty);
    }

    fn list<T>(&mut self, open: &str, items: impl Iterator<Item = T>, close: &str, write: impl Fn(&mut Self, T)) {
        self.push(open);
        for (index, item) in items.enumerate() {
            // Nobody will see the rest, and types that share parts can be written out very long.
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.push(", ");
            }
            write(self, item);
        }
        self.push(close);
    }

    fn push(&mut self, text: &str) {
        if !self.is_full() {
            self.out.push_str(text);
        }
    }

    fn is_full(&self) -> bool {
        self.out.len() > WIT_LEN_MAX
    }

    fn cut(mut self) -> String {
        if self.is_full() {
            let end = self.out.floor_char_boundary(WIT_LEN_MAX - '…'.len_utf8());
            self.out.truncate(end);
            self.out.push('…');
        }
        self.out
    }
}

fn keyword(kind: &FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Constructor(_) => "constructor",
        FunctionKind::Static(_) => "static func",
        FunctionKind::AsyncStatic(_) => "static async func",
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) => "async func",
        FunctionKind::Freestanding | FunctionKind::Method(_) => "func",
    }
}

fn primitive_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "_",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::component;

    /// The functions of one imported instance as WIT.
    fn wit(instance: &str) -> Vec<String> {
        let import = component(&[&format!("(import \"a:a/a\" (instance {instance}))")]).imports.remove(0);
        import.functions.into_iter().map(|function| function.wit).collect()
    }

    #[test]
    fn a_function_reads_as_it_does_in_wit() {
        let check = |func: &str, expected: &str| assert_eq!(wit(&format!("(export \"f\" (func {func}))")), [expected]);
        check("", "f: func()");
        check("(param \"a\" bool) (param \"b\" (list u8)) (result string)", "f: func(a: bool, b: list<u8>) -> string");
        check("(result (result))", "f: func() -> result");
        check("(result (result u32))", "f: func() -> result<u32>");
        check("(result (result (error string)))", "f: func() -> result<_, string>");
        check("(result (result f64 (error char)))", "f: func() -> result<f64, char>");
        check("(result (option (tuple s64 (list string))))", "f: func() -> option<tuple<s64, list<string>>>");
    }

    #[test]
    fn a_named_type_goes_by_its_name() {
        let draft = r#"(type $d (record (field "payload" (list u8)))) (export "draft" (type $draft (eq $d)))"#;
        let receipt = r#"(type $r (record (field "id" string))) (export "receipt" (type $receipt (eq $r)))"#;
        let denied = r#"(type $x (variant (case "not-found"))) (export "denied" (type $denied (eq $x)))"#;
        let publish = r#"(export "publish" (func (param "topic" string) (param "draft" $draft) (result (result $receipt (error $denied)))))"#;
        let expected = "publish: func(topic: string, draft: draft) -> result<receipt, denied>";
        assert_eq!(wit(&format!("{draft} {receipt} {denied} {publish}")), [expected]);
    }

    #[test]
    fn a_resource_has_methods_statics_and_a_constructor() {
        let resource = r#"
            (export "r" (type $r (sub resource)))
            (export "[constructor]r" (func (param "x" u8) (result (own $r))))
            (export "[method]r.block" (func (param "self" (borrow $r)) (param "n" u32)))
            (export "[static]r.all" (func (result (list (own $r)))))
            (export "look" (func (param "r" (borrow $r))))"#;
        assert_eq!(
            wit(resource),
            [
                "r: constructor(x: u8)",
                "r.block: func(n: u32)",
                "r.all: static func() -> list<r>",
                "look: func(r: borrow<r>)"
            ]
        );
    }

    #[test]
    fn a_signature_without_end_is_cut() {
        // Each type holds the one before it twice: thirty lines would be a thousand million words.
        let types: Vec<String> = (1..18).map(|n| format!("(type $t{n} (tuple $t{} $t{}))", n - 1, n - 1)).collect();
        let types = types.concat();
        let wit = wit(&format!("(type $t0 (tuple u8 u8)) {types} (export \"f\" (func (param \"x\" $t17)))"));
        let wit = wit.first().unwrap();
        assert!(wit.len() <= WIT_LEN_MAX && wit.ends_with('…'), "{}", wit.len());
    }
}
