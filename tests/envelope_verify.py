#!/usr/bin/env python3
"""Checks docs/envelope-vectors.json against docs/envelope.md, with nothing but Python's standard library.

Written from the specification alone, so that two implementations must agree. Exits 0 if every valid frame is read (and signed as
the file says) and every invalid one is refused for the reason that the file gives; prints each disagreement otherwise.
"""

import base64
import datetime
import hashlib
import hmac
import json
import re
import sys

ABSENT = b"\xff\xff\xff\xff"
DOMAIN = b"bailiwick.envelope.v1.hmac-sha256"
NUMBER_MAX = 2**53 - 1
MOMENT_MAX = 253_402_207_199_999
DEPTH_MAX = 128
REST_MAX = 256 << 10
PAST_MS, AHEAD_MS, OVERLAP_MS = 300_000, 30_000, 300_000

REQUIRED = {
    "v", "id", "tenantId", "agentId", "producer", "seq", "to", "messageType", "contentType", "timestamp", "hop", "rootId",
    "headers", "signature",
}
OPTIONAL = {
    "replyTo", "expires", "correlationId", "causationId", "traceparent", "replayOf", "ext", "payload", "payloadBase64",
}
ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
SHARED = {"agents", "orchestrator"}
RESERVED = {"agents", "dlq", "operator", "orchestrator"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
SIGNATURE = re.compile(r"v1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})")
TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
PRINTABLE = re.compile(r"[ -~]*")
WHITE = " \t\n\r"


class Refused(Exception):
    """Why a frame is refused, in the words of the specification."""


class Number(str):
    """A number as it was written."""


def need(condition, reason):
    if not condition:
        raise Refused(reason)


# --- JSON: strict, and with the payload's own bytes -----------------------------------------------------------------------------


def unique(pairs):
    need(len({key for key, _ in pairs}) == len(pairs), "bad-json")
    return dict(pairs)


def no_constant(_):
    raise Refused("bad-json")


STRICT = json.JSONDecoder(
    object_pairs_hook=unique, parse_int=Number, parse_float=Number, parse_constant=no_constant, strict=True
)
LOOSE = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=no_constant, strict=True)


def skip(text, at):
    while at < len(text) and text[at] in WHITE:
        at += 1
    return at


def members(text):
    """The members of the one object in the text; the payload as the text it is."""
    at = skip(text, 0)
    need(text[at : at + 1] == "{", "bad-json")
    found, at = {}, skip(text, at + 1)
    while True:
        need(text[at : at + 1] == '"', "bad-json")
        name, at = STRICT.raw_decode(text, at)
        at = skip(text, at)
        need(text[at : at + 1] == ":", "bad-json")
        start = skip(text, at + 1)
        value, at = (LOOSE if name == "payload" else STRICT).raw_decode(text, start)
        need(name not in found, "bad-json")
        found[name] = text[start:at] if name == "payload" else value
        at = skip(text, at)
        if text[at : at + 1] == "}":
            need(skip(text, at + 1) == len(text), "bad-json")
            return found
        need(text[at : at + 1] == ",", "bad-json")
        at = skip(text, at + 1)


def typed(value, kind):
    need(isinstance(value, kind) and not (kind is str and isinstance(value, Number)), "bad-json")
    if kind is str:
        value.encode()  # Half a surrogate pair is no text.
    return value


def whole(value, bound):
    need(isinstance(value, Number) and re.fullmatch(r"0|[1-9][0-9]*", value) and int(value) < bound, "bad-json")
    return int(value)


def shape(value, required, optional=()):
    typed(value, dict)
    need(set(required) <= set(value) <= set(required) | set(optional), "bad-json")
    return value


def parse(raw):
    """The members of a frame, each of its type; nothing about their values."""
    try:
        fields = members(raw.decode("utf-8"))
        shape(fields, REQUIRED, OPTIONAL)
        for name in REQUIRED | OPTIONAL:
            if name in fields and name not in {"v", "producer", "seq", "to", "hop", "headers", "ext", "payload"}:
                typed(fields[name], str)
        producer = shape(fields["producer"], {"host", "instance"})
        fields["producer"] = [whole(producer[part], 2**64) for part in ("host", "instance")]
        fields["v"], fields["seq"] = whole(fields["v"], 2**64), whole(fields["seq"], 2**64)
        fields["hop"] = whole(fields["hop"], 2**16)
        for part in shape(fields["to"], (), {"topic", "agent", "reply"}).values():
            typed(part, str)
        need(len(typed(fields["headers"], list)) <= 1024, "bad-json")
        for header in fields["headers"]:
            [typed(part, str) for part in shape(header, {"name", "value"}).values()]
        need(len(typed(fields.get("ext", []), list)) <= 8, "bad-json")
        for ext in fields.get("ext", []):
            shape(ext, {"name", "critical", "value"})
            typed(ext["name"], str), typed(ext["value"], str), typed(ext["critical"], bool)
        return fields
    except (ValueError, RecursionError) as cause:
        raise Refused("bad-json") from cause


# --- Values: one spelling each ---------------------------------------------------------------------------------------------------


def field(condition):
    need(condition, "bad-field")


def agent(text, operator=False):
    field(ID.fullmatch(text) and (text not in RESERVED or (operator and text == "operator")))
    return text.encode()


def queue(text):
    return text.encode() if text in SHARED else agent(text)


def uuid(text):
    field(UUID.fullmatch(text))
    return bytes.fromhex(text.replace("-", ""))


def token(text):
    field(re.fullmatch(r"[0-9a-f]{32}", text))
    return bytes.fromhex(text)


def moment(text):
    match = MOMENT.fullmatch(text)
    field(match)
    *parts, millis = map(int, match.groups())
    try:
        at = datetime.datetime(*parts, tzinfo=datetime.timezone.utc)
    except ValueError as cause:
        raise Refused("bad-field") from cause
    since = at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    value = (since.days * 86_400 + since.seconds) * 1000 + millis
    field(0 <= value <= MOMENT_MAX)
    return value


def topic(text):
    tokens = text.split(".")
    field(len(tokens) <= 16 and all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", part) for part in tokens))
    field(tokens[0] not in {"queues", "replies", "dlq"})
    return text.encode()


def value_text(text):
    field(len(text.encode()) <= 1024 and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text))
    return text.encode()


def destination(to):
    """Kind, name and token as they are signed, and the address."""
    kinds = {("topic",): 1, ("agent",): 2, ("agent", "reply"): 3}
    kind = kinds.get(tuple(sorted(to)))
    field(kind)
    if kind == 1:
        return 1, topic(to["topic"]), None, to["topic"]
    if kind == 2:
        return 2, queue(to["agent"]), None, "queues." + to["agent"]
    return 3, agent(to["agent"], operator=True), token(to["reply"]), "replies." + to["reply"]


def payload(fields, len_max):
    """The encoding as it is signed, and the bytes."""
    need(("payload" in fields) != ("payloadBase64" in fields), "bad-payload")
    if "payload" in fields:
        raw = fields["payload"].encode()
        need(len(raw) <= len_max, "payload-too-large")
        need(depth(raw) <= DEPTH_MAX, "too-deep")
        return 1, raw
    text = fields["payloadBase64"]
    need(len(text) // 4 * 3 - (len(text) - len(text.rstrip("="))) <= len_max, "payload-too-large")
    return 2, strict_base64(text)


def strict_base64(text):
    need(re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) and len(text) % 4 == 0, "bad-payload")
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as cause:
        raise Refused("bad-payload") from cause
    need(base64.b64encode(raw).decode() == text, "bad-payload")
    return raw


def depth(raw):
    deepest = now = 0
    for part in re.findall(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', raw, re.DOTALL):
        now += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(part, 0)
        deepest = max(deepest, now)
    return deepest


def signature(text):
    match = SIGNATURE.fullmatch(text)
    need(match, "bad-signature-text")
    mac = base64.urlsafe_b64decode(match[2] + "=")
    need(base64.urlsafe_b64encode(mac).decode().rstrip("=") == match[2], "bad-signature-text")
    return match[1], mac


# --- What is signed --------------------------------------------------------------------------------------------------------------


def signed(value):
    return ABSENT if value is None else len(value).to_bytes(4, "big") + value


def number(value, size=8):
    return value.to_bytes(size, "big")


def read(fields, limits):
    """Everything that is signed, and what the rules after the signature ask for. Each value is checked on its way."""
    key, mac = signature(fields["signature"])
    need(len(fields["headers"]) <= limits["headersMax"], "too-many-headers")
    encoding, body = payload(fields, limits["payloadBytesMax"])
    field(all(part <= NUMBER_MAX for part in [*fields["producer"], fields["seq"]]))
    optional = lambda name, convert: convert(fields[name]) if name in fields else None
    kind, name, reply, address = destination(fields["to"])
    expires, stamped = optional("expires", moment), moment(fields["timestamp"])
    field(ID.fullmatch(fields["tenantId"]))
    field(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", fields["messageType"]))
    field(len(fields["contentType"]) <= 128 and PRINTABLE.fullmatch(fields["contentType"]))
    correlation = fields.get("correlationId")
    field(correlation is None or (1 <= len(correlation) <= 128 and PRINTABLE.fullmatch(correlation)))
    trace = fields.get("traceparent")
    match = TRACE.fullmatch(trace) if trace is not None else None
    field(trace is None or (match and set(match[1]) != {"0"} and set(match[2]) != {"0"}))
    parts = [
        DOMAIN, bytes.fromhex(key), uuid(fields["id"]), fields["tenantId"].encode(), agent(fields["agentId"], operator=True),
        number(fields["producer"][0]), number(fields["producer"][1]), number(fields["seq"]),
        number(kind, 1), name, reply, optional("replyTo", token),
        fields["messageType"].encode(), fields["contentType"].encode(),
        number(stamped), None if expires is None else number(expires),
        correlation.encode() if correlation is not None else None, optional("causationId", uuid),
        number(fields["hop"], 2), uuid(fields["rootId"]),
        trace.encode() if trace is not None else None, optional("replayOf", uuid),
        number(len(fields["headers"]), 4),
    ]
    for header in fields["headers"]:
        field(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", header["name"]))
        parts += [header["name"].encode(), value_text(header["value"])]
    extensions = fields.get("ext", [])
    field("ext" not in fields or extensions)
    parts.append(number(len(extensions), 4))
    for ext in extensions:
        field(re.fullmatch(r"[a-z0-9.-]{1,64}", ext["name"]))
        parts += [ext["name"].encode(), number(ext["critical"], 1), value_text(ext["value"])]
    need(not any(ext["critical"] for ext in extensions), "unknown-extension")
    parts += [number(encoding, 1), body]
    return {"input": b"".join(map(signed, parts)), "key": key, "mac": mac, "address": address, "stamped": stamped}


# --- The rules, in their order ---------------------------------------------------------------------------------------------------


def verify(raw, subject, ingress_at, keys, limits):
    need(len(raw) <= -(-limits["payloadBytesMax"] // 3) * 4 + REST_MAX, "frame-too-large")
    fields = parse(raw)
    need(fields["v"] == 1, "bad-version")
    message = read(fields, limits)
    _, tenant, address = subject.split(".", 2)
    need(tenant == fields["tenantId"], "foreign-tenant")
    key = keys.get((tenant, message["key"]))
    need(key, "key-unknown")
    need(key["state"] != "revoked", "key-revoked")
    need(key.get("agentId", fields["agentId"]) == fields["agentId"], "key-not-for-sender")
    mac = hmac.new(bytes.fromhex(key["key"]), message["input"], hashlib.sha256).digest()
    need(hmac.compare_digest(mac, message["mac"]), "bad-signature")
    need(key["state"] != "retired" or message["stamped"] <= key["retiredAt"] + OVERLAP_MS, "key-retired")
    need(address == message["address"], "wrong-subject")
    need(fields["hop"] <= limits["hopMax"], "hop-limit")
    if ingress_at is not None:
        need(ingress_at - PAST_MS <= message["stamped"] <= ingress_at + AHEAD_MS, "clock")
    return message["input"]


def frame_of(vector):
    raw = base64.b64decode(vector["frameBase64"]) if "frameBase64" in vector else vector["frame"].encode()
    return raw + b" " * vector.get("padding", 0)


def disagreement(vector, keys, limits):
    """What is wrong with a vector, if something is."""
    try:
        signed_bytes = verify(frame_of(vector), vector["subject"], vector.get("ingressAt"), keys, limits)
    except Refused as refused:
        expected = vector.get("reason", "read")
        return None if str(refused) == expected else f"refused as {refused}, expected {expected}"
    if "reason" in vector:
        return f"read, expected {vector['reason']}"
    return None if signed_bytes.hex() == vector["macInput"] else f"signed as {signed_bytes.hex()}"


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    keys = {(key["tenantId"], key["keyId"]): key for key in document["keys"]}
    vectors = document["valid"] + document["invalid"]
    wrong = 0
    for vector in vectors:
        problem = disagreement(vector, keys, document["limits"])
        if problem:
            wrong += 1
            print(f"{vector['name']}: {problem}")
    print(f"{len(vectors) - wrong} of {len(vectors)} vectors agree")
    return 1 if wrong or not document["valid"] or not document["invalid"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: envelope_verify.py docs/envelope-vectors.json")
    sys.exit(main(sys.argv[1]))
