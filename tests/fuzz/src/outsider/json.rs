//! The JSON of a frame (RFC 8259), with the bytes of its payload as they stand.

/// The deepest that anything but a payload is nested: a header in its list in the frame.
const DEPTH_MAX: usize = 3;

/// A value of a frame.
#[derive(Debug)]
pub(super) enum Json<'a> {
    /// A number as it was written.
    Number(&'a str),
    Flag(bool),
    Text(String),
    List(Vec<Self>),
    Object(Members<'a>),
    /// The payload, and how deep it is nested.
    Payload(&'a str, usize),
}

pub(super) type Members<'a> = Vec<(String, Json<'a>)>;

/// The members of the one object in the bytes; `None` if there is no such object, or something behind it.
pub(super) fn frame(bytes: &[u8]) -> Option<Members<'_>> {
    let mut reader = Reader { text: std::str::from_utf8(bytes).ok()?, at: 0 };
    reader.space();
    let members = reader.object(1)?;
    reader.space();
    (reader.at == bytes.len()).then_some(members)
}

/// An object whose members are taken out one after the other.
pub(super) struct Object<'a>(pub(super) Members<'a>);

impl<'a> Object<'a> {
    pub(super) fn of(json: Json<'a>) -> Result<Self, &'static str> {
        if let Json::Object(members) = json { Ok(Self(members)) } else { Err("bad-json") }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Self, &'static str> {
        Self::of(self.take(name).ok_or("bad-json")?)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, &'static str> {
        self.maybe_text(name)?.ok_or("bad-json")
    }

    pub(super) fn maybe_text(&mut self, name: &str) -> Result<Option<String>, &'static str> {
        match self.take(name) {
            Some(Json::Text(text)) => Ok(Some(text)),
            None => Ok(None),
            _ => Err("bad-json"),
        }
    }

    pub(super) fn list(&mut self, name: &str, len_max: usize) -> Result<Option<Vec<Json<'a>>>, &'static str> {
        match self.take(name) {
            Some(Json::List(items)) if items.len() <= len_max => Ok(Some(items)),
            None => Ok(None),
            _ => Err("bad-json"),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<u64, &'static str> {
        match self.take(name) {
            Some(Json::Number(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map_err(|_| "bad-json")
            }
            _ => Err("bad-json"),
        }
    }

    pub(super) fn nothing_more(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Ok(()) } else { Err("bad-json") }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let follows = self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes());
        self.at += word.len();
        follows.then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        match self.peek()? {
            b'"' => self.text().map(Json::Text),
            b't' => self.word("true").map(|()| Json::Flag(true)),
            b'f' => self.word("false").map(|()| Json::Flag(false)),
            // No member of a frame may be nested deeper, and none may be null.
            b'{' | b'[' if depth == DEPTH_MAX => None,
            b'{' => self.object(depth + 1).map(Json::Object),
            b'[' => self.list(depth + 1).map(Json::List),
            _ => self.number().map(Json::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Members<'a>> {
        self.take(b'{')?;
        let mut members = Members::new();
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(members);
        }
        loop {
            self.space();
            let name = self.text()?;
            self.space();
            self.take(b':')?;
            self.space();
            let value = if depth == 1 && name == "payload" { self.payload()? } else { self.value(depth)? };
            if members.iter().any(|(other, _)| *other == name) {
                return None;
            }
            members.push((name, value));
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(members),
                _ => return None,
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Json<'a>>> {
        self.take(b'[')?;
        let mut items = Vec::new();
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(items);
        }
        loop {
            self.space();
            items.push(self.value(depth)?);
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Some(items),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Text without its escapes; half a surrogate pair is none.
    fn text(&mut self) -> Option<String> {
        let mut units = Vec::new();
        self.units(|unit| units.push(unit))?;
        String::from_utf16(&units).ok()
    }

    /// Text as the UTF-16 that its escapes are made of.
    fn units(&mut self, mut found: impl FnMut(u16)) -> Option<()> {
        self.take(b'"')?;
        loop {
            let next = self.text.get(self.at..)?.chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => return Some(()),
                '\\' => found(self.escape()?),
                '\0'..='\u{1f}' => return None,
                other => other.encode_utf16(&mut [0; 2]).iter().for_each(|unit| found(*unit)),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let plain = match self.next()? {
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                return if hex { u16::from_str_radix(digits, 16).ok() } else { None };
            }
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            same @ (b'"' | b'\\' | b'/') => same,
            _ => return None,
        };
        Some(plain.into())
    }

    /// Any JSON, passed over without a stack of calls: a stranger chose how deep it is.
    fn payload(&mut self) -> Option<Json<'a>> {
        let start = self.at;
        let (mut open, mut deepest) = (Vec::new(), 0);
        loop {
            self.space();
            let closing = match self.peek()? {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => self.plain().map(|()| None)?,
            };
            if let Some(closing) = closing {
                self.at += 1;
                open.push(closing);
                deepest = deepest.max(open.len());
                self.space();
                if self.peek()? != closing {
                    if closing == b'}' {
                        self.name()?;
                    }
                    continue;
                }
            }
            if self.closed(&mut open)? {
                return Some(Json::Payload(self.text.get(start..self.at)?, deepest));
            }
        }
    }

    /// Passes over a value without parts.
    fn plain(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.units(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// Passes over what follows a value, up to the next one. Whether none does.
    fn closed(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        while let Some(closing) = open.last().copied() {
            self.space();
            match self.next()? {
                b',' if closing == b'}' => {
                    self.space();
                    self.name()?;
                    return Some(false);
                }
                b',' => return Some(false),
                byte if byte == closing => open.pop(),
                _ => return None,
            };
        }
        Some(true)
    }

    fn name(&mut self) -> Option<()> {
        self.units(drop)?;
        self.space();
        self.take(b':')
    }
}
