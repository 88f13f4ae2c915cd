#!/usr/bin/env python3
"""Known answers for version 1 of the ciphertext format, made from docs/ciphertext-format.md alone.

Nothing here is taken from the library: the point of the vectors is that two implementations agree. Version 1 is
fixed, so running this again must give v1.json byte for byte:

    python3 test/vectors/generate.py > test/vectors/v1.json

Needs the package `cryptography`.
"""

import hashlib
import hmac
import json
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ENVELOPE, DIRECT, DIRECT_EMPTY = 1, 2, 3
STORED_KEY = 4

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = "arn:aws:kms:eu-central-1:444455556666:key/0987dcba-09fe-87dc-65ba-ab0987654321"
CHINA_KEY = "arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MULTI_REGION = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
REPLICA = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def fixed_bytes(label, length):
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(("typeorm-kms-encrypted " + label).encode()).digest(length)


def kms_blob(label, length):
    """An opaque blob that begins as those of AWS KMS do."""
    return bytes.fromhex("0102030078") + fixed_bytes("blob " + label, length - 5)


def serialise_context(pairs):
    entries = sorted((key.encode("utf-8"), value.encode("utf-8")) for key, value in pairs.items())
    out = struct.pack(">H", len(entries))
    for key, value in entries:
        out += struct.pack(">H", len(key)) + key + struct.pack(">H", len(value)) + value
    return out


def header(suite, key_arn):
    return bytes([0xC1, 0x01, suite]) + hashlib.sha256(key_arn.encode("utf-8")).digest()[:4]


def envelope(name, plaintext, *, type=None, value=None, context=None, binding=None, key=KEY, opened_by=None, n=184):
    context = {"table": "user"} if context is None else context
    binding = {"column": "privateKey"} if binding is None else binding
    data_key = fixed_bytes("data key of " + name, 32)
    encrypted_data_key = kms_blob("data key of " + name, n)
    iv = fixed_bytes("iv of " + name, 12)
    aad = bytes([0xC1, 0x01, ENVELOPE]) + serialise_context({**context, **binding})
    sealed = AESGCM(data_key).encrypt(iv, plaintext, aad)
    ciphertext = header(ENVELOPE, key) + struct.pack(">H", n) + encrypted_data_key + iv + sealed
    return {
        "name": name,
        "suite": ENVELOPE,
        "keyArn": key,
        # The key that KMS says it opened the data key with; another one only for replicas of a multi-Region key.
        "openedByKeyArn": opened_by or key,
        "context": context,
        "binding": binding,
        "type": type,
        "value": value,
        "plaintext": plaintext.hex(),
        "dataKey": data_key.hex(),
        "encryptedDataKey": encrypted_data_key.hex(),
        "iv": iv.hex(),
        "aad": aad.hex(),
        "ciphertext": ciphertext.hex(),
    }


def direct(name, plaintext, *, type=None, value=None, context=None, binding=None, key=KEY, opened_by=None):
    context = {"table": "user"} if context is None else context
    binding = {"column": "privateKey"} if binding is None else binding
    suite = DIRECT if plaintext else DIRECT_EMPTY
    kms_plaintext = plaintext or b"\0"
    encryption_context = {**context, **binding, **({} if plaintext else {"empty": "true"})}
    blob = kms_blob("value of " + name, 152 + len(kms_plaintext))
    return {
        "name": name,
        "suite": suite,
        "keyArn": key,
        "openedByKeyArn": opened_by or key,
        "context": context,
        "binding": binding,
        "type": type,
        "value": value,
        "plaintext": plaintext.hex(),
        "encryptionContext": encryption_context,
        "kmsPlaintext": kms_plaintext.hex(),
        "ciphertextBlob": blob.hex(),
        "ciphertext": (header(suite, key) + blob).hex(),
    }


def derive(root, info, length, salt=b""):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(root)


def stored_key_id(root):
    return derive(root, b"typeorm-kms-encrypted/1/id", 16)


def seal_key(root, salt):
    return derive(root, b"typeorm-kms-encrypted/1/seal", 32, salt)


def stored(name, plaintext, *, type="string", value=None, context=None, binding=None, root=None, salt=None):
    context = {"table": "user"} if context is None else context
    binding = {"column": "privateKey"} if binding is None else binding
    root = fixed_bytes("root of " + name, 32) if root is None else root
    salt = fixed_bytes("salt of " + name, 8) if salt is None else salt
    iv = fixed_bytes("iv of " + name, 12)
    header_4 = bytes([0xC1, 0x01, STORED_KEY]) + stored_key_id(root) + salt
    aad = header_4 + serialise_context({**context, **binding})
    return {
        "name": name,
        "suite": STORED_KEY,
        "context": context,
        "binding": binding,
        # The EncryptionContext under which KMS opens the root.
        "rootContext": {**context, "data-key": "value"},
        "type": type,
        "value": plaintext.decode() if value is None else value,
        "plaintext": plaintext.hex(),
        "root": root.hex(),
        "dataKeyId": stored_key_id(root).hex(),
        "salt": salt.hex(),
        "sealKey": seal_key(root, salt).hex(),
        "iv": iv.hex(),
        "aad": aad.hex(),
        "ciphertext": (header_4 + iv + AESGCM(seal_key(root, salt)).encrypt(iv, plaintext, aad)).hex(),
    }


def blind_index(name, value, *, table="user", column="email", index="email_index", key_per=None, root=None):
    root = fixed_bytes("index root of " + name, 32) if root is None else root
    pairs = serialise_context({**(key_per or {}), "table": table, "column": column, "index": index})
    key = derive(root, b"typeorm-kms-encrypted/1/index" + hashlib.sha256(pairs).digest(), 32)
    return {
        "name": name,
        "root": root.hex(),
        # The EncryptionContext under which KMS opens the root of a column with the default context.
        "rootContext": {"table": table, **(key_per or {}), "data-key": "index"},
        "table": table,
        "column": column,
        "index": index,
        "keyPer": key_per or {},
        "normalized": value.hex(),
        "key": key.hex(),
        "value": hmac.new(key, value, hashlib.sha256).digest()[:16].hex(),
    }


def first_bits(index, bits):
    """The first bits, in as few bytes as hold them; the bits left over are 0."""
    return (int.from_bytes(index, "big") >> 128 - bits << -bits % 8).to_bytes((bits + 7) // 8, "big")


def truncated_index(name, value, bits, **place):
    """An index of which only some bits are kept."""
    whole = blind_index(name, value, **place)
    return {**whole, "bits": bits, "value": first_bits(bytes.fromhex(whole["value"]), bits).hex()}


def compound_index(name, values, **place):
    """An index over the values of several columns."""
    joined = b"".join(struct.pack(">I", len(value)) + value for value in values)
    return {**blind_index(name, joined, **place), "values": [value.hex() for value in values]}


def pair_value(kind, value, text):
    """The text of a value that others are bound to or keyed by, as it is put into a pair."""
    return {"name": f"{kind}: {text[:40]}", "kind": kind, "value": value, "text": text}


def context_hash(context):
    """By which the key table finds the data keys of a context."""
    serialised = serialise_context(context)
    return {"context": context, "serialised": serialised.hex(), "hash": hashlib.sha256(serialised).hexdigest()}


def multiply(a, b):
    """In the field of GHASH (NIST SP 800-38D, 6.3)."""
    product = 0
    for bit in range(128):
        if b >> (127 - bit) & 1:
            product ^= a
        a = a >> 1 ^ (0xE1 << 120 if a & 1 else 0)
    return product


def power(a, n):
    result = 1 << 127
    for _ in range(n):
        result = multiply(result, a)
    return result


def aes_block(key, block):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return int.from_bytes(encryptor.update(block) + encryptor.finalize(), "big")


def opens_under_two_keys(first, second, iv, aad):
    """A value of 32 bytes, sealed, that AES-GCM opens under both keys: the second block is solved for."""
    def blocks(data):
        padded = data + bytes(-len(data) % 16)
        return [int.from_bytes(padded[i:i + 16], "big") for i in range(0, len(padded), 16)]

    block = fixed_bytes("the first block of two", 16)
    lengths = struct.pack(">QQ", len(aad) * 8, 32 * 8)
    known, factor = 0, 0
    for key in (first, second):
        h = aes_block(key, bytes(16))
        hashed = 0
        for each in [*blocks(aad), *blocks(block), 0, *blocks(lengths)]:
            hashed = multiply(hashed ^ each, h)
        known ^= hashed ^ aes_block(key, iv + b"\0\0\0\1")
        factor ^= power(h, 2)
    # x * factor = known: x = known * factor ** (2 ** 128 - 2).
    inverse, square = 1 << 127, factor
    for _ in range(127):
        square = multiply(square, square)
        inverse = multiply(inverse, square)
    body = block + multiply(known, inverse).to_bytes(16, "big")
    h = aes_block(first, bytes(16))
    hashed = 0
    for each in [*blocks(aad), *blocks(body), *blocks(lengths)]:
        hashed = multiply(hashed ^ each, h)
    sealed = body + (hashed ^ aes_block(first, iv + b"\0\0\0\1")).to_bytes(16, "big")
    for key in (first, second):
        assert len(AESGCM(key).decrypt(iv, sealed, aad)) == 32
    return sealed


PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)
TEXT_128 = "0123456789abcdef" * 8
BYTES_4096 = bytes(i * 7 % 256 for i in range(4096))
UNICODE = "\ufeffNaïve Straße – 日本語 – \U0001f511\U0010ffff\u0000\u2028\n"

# Every value type with the exact bytes it stands for: name, type, value as JSON, serialised form.
VALUES = [
    ("an empty string", "string", "", b""),
    ("a string of one byte", "string", "A", b"A"),
    ("a string of 128 characters", "string", TEXT_128, TEXT_128.encode()),
    ("a private key", "string", PEM, PEM.encode()),
    ("a string with a byte order mark, 4-byte characters and NUL", "string", UNICODE, UNICODE.encode("utf-8")),
    ("an empty buffer", "buffer", "", b""),
    ("a buffer of one zero byte", "buffer", "00", b"\0"),
    ("a buffer that begins like a ciphertext", "buffer", "c10101", b"\xc1\x01\x01"),
    ("a buffer of 4096 bytes", "buffer", BYTES_4096.hex(), BYTES_4096),
    ("a JSON object", "json", {"b": [1, 2.5, -3], "a": {"nested": None, "yes": True}},
     b'{"b":[1,2.5,-3],"a":{"nested":null,"yes":true}}'),
    ("a JSON array with non-ASCII text", "json", ["Grüße", "\U0001f511", "\u2028", "\"\\\n"],
     '["Grüße","\U0001f511","\u2028","\\"\\\\\\n"]'.encode("utf-8")),
    ("a JSON string with a lone surrogate", "json", "\ud800", b'"\\ud800"'),
    ("JSON null", "json", None, b"null"),
    ("an empty JSON object", "json", {}, b"{}"),
    ("the number 0", "number", 0, b"0"),
    ("the number -0", "number", "-0", b"-0"),
    ("the number 0.1", "number", 0.1, b"0.1"),
    ("the number -1.5", "number", -1.5, b"-1.5"),
    ("the largest safe integer", "number", 9007199254740991, b"9007199254740991"),
    ("the number 1e21, the first in exponent form", "number", "1e21", b"1e+21"),
    ("the number 1e-7, the first small one in exponent form", "number", "1e-7", b"1e-7"),
    ("the largest number", "number", "1.7976931348623157e308", b"1.7976931348623157e+308"),
    ("the smallest subnormal number", "number", "5e-324", b"5e-324"),
    ("NaN", "number", "NaN", b"NaN"),
    ("Infinity", "number", "Infinity", b"Infinity"),
    ("-Infinity", "number", "-Infinity", b"-Infinity"),
    ("the bigint 0", "bigint", "0", b"0"),
    ("a bigint of 2^64", "bigint", str(2**64), b"18446744073709551616"),
    ("a negative bigint of 300 bits", "bigint", str(-(2**300)), str(-(2**300)).encode()),
    ("true", "boolean", True, b"true"),
    ("false", "boolean", False, b"false"),
    ("a date", "date", "2024-02-29T12:34:56.789Z", b"2024-02-29T12:34:56.789Z"),
    ("the earliest date", "date", "-271821-04-20T00:00:00.000Z", b"-271821-04-20T00:00:00.000Z"),
    ("the latest date", "date", "+275760-09-13T00:00:00.000Z", b"+275760-09-13T00:00:00.000Z"),
]

SECRET = {"type": "string", "value": "secret"}
# UTF-16 would put U+1F511 before U+FB00, a sort of length-prefixed keys "b" before "aa".
UNSORTED = {"\U0001f511": "key", "\ufb00": "ligature", "b": "2", "aa": "1", "B": "3", "ä": "Ä", "10": "x", "9": "y"}

ENVELOPES = [
    *(envelope(f"envelope: {name}", data, type=type, value=value) for name, type, value, data in VALUES),
    envelope("envelope: non-ASCII names", b"secret", **SECRET,
             context={"table": "straße_日本"}, binding={"column": "schlüssel_\U0001f511"}),
    envelope("envelope: pairs are sorted by the UTF-8 bytes of their keys", b"secret", **SECRET,
             context=UNSORTED, binding={"column": "c"}),
    envelope("envelope: a key that is a prefix of another, an empty value", b"secret", **SECRET,
             context={"tables": "x", "table": "user", "tab": ""}),
    envelope("envelope: a value bound to its row", b"secret", **SECRET,
             binding={"column": "privateKey", "row.id": "42"}),
    envelope("envelope: a key of another account, Region and partition", b"secret", **SECRET, key=CHINA_KEY),
    envelope("envelope: a multi-Region key opened by its replica", b"secret", **SECRET,
             key=MULTI_REGION, opened_by=REPLICA),
    envelope("envelope: an encrypted data key of 300 bytes", b"secret", **SECRET, n=300),
]

DIRECTS = [
    *(direct(f"direct: {name}", data, type=type, value=value) for name, type, value, data in VALUES),
    direct("direct: non-ASCII names", b"secret", **SECRET,
           context={"table": "straße_日本"}, binding={"column": "schlüssel_\U0001f511"}),
    direct("direct: several pairs", b"secret", **SECRET, context=UNSORTED, binding={"column": "c"}),
    direct("direct: several pairs, an empty value", b"", type="string", value="", context=UNSORTED, binding={"column": "c"}),
    direct("direct: a value bound to its row", b"secret", **SECRET,
           binding={"column": "privateKey", "row.id": "42"}),
    direct("direct: another key", b"secret", **SECRET, key=OTHER_KEY),
    direct("direct: a multi-Region key opened by its replica", b"secret", **SECRET,
           key=MULTI_REGION, opened_by=REPLICA),
]

KEYED = {"table": "account", "tenant": "t-42"}
ROWS = {"column": "iban", "row.id": "42", "row.owner": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}

# Bound to their rows, and with data keys of their tenants.
ENVELOPES += [
    *(make(f"{mode}: {name}", data, type="string", value=data.decode(), context=context, binding=binding)
      for mode, make in (("envelope", envelope), ("direct", direct))
      for name, data, context, binding in [
          ("bound to a row by two pairs", b"secret", {"table": "account"}, ROWS),
          ("an empty value, bound to a row", b"", {"table": "account"}, ROWS),
          ("bound to a row by names and values that are not ASCII", b"secret", {"table": "account"},
           {"column": "iban", "row.straße_\U0001f511": "Grüße, 日本", "row.\ufb00": "", "row.a": "x" * 1024}),
          ("a data key per tenant", b"secret", KEYED, {"column": "iban"}),
          ("a data key per tenant, an empty value bound to a row", b"", KEYED, ROWS),
      ]),
]

STORED = [
    stored("stored key: a string", b"secret"),
    stored("stored key: an empty string", b""),
    stored("stored key: a buffer of 4096 bytes", BYTES_4096, type="buffer", value=BYTES_4096.hex()),
    stored("stored key: non-ASCII names", b"secret", context={"table": "straße_日本"}, binding={"column": "schlüssel"}),
    stored("stored key: pairs are sorted by the UTF-8 bytes of their keys", b"secret", context=UNSORTED,
           binding={"column": "c"}),
    stored("stored key: bound to a row", b"secret", context={"table": "account"}, binding=ROWS),
    stored("stored key: an empty value, bound to a row", b"", context={"table": "account"}, binding=ROWS),
    stored("stored key: a data key per tenant", b"secret", context=KEYED, binding={"column": "iban"}),
    stored("stored key: a data key per tenant, bound to a row", b"secret", context=KEYED, binding=ROWS),
    stored("stored key: the same root with another salt", b"secret",
           root=fixed_bytes("root of stored key: a string", 32)),
]


def stored_invalid(name, change=None, base=STORED[0], **differences):
    data = bytearray.fromhex(base["ciphertext"])
    if change:
        data = change(data) or data
    facts = {key: base[key] for key in ("suite", "context", "binding", "rootContext", "root")}
    return {"name": name, **facts, **differences, "ciphertext": bytes(data).hex()}


def flip(at):
    def change(data):
        data[at] ^= 1

    return change


def two_roots():
    """A value that opens under two roots, as whoever may choose roots can make one; it names the first."""
    first, second = fixed_bytes("the first of two roots", 32), fixed_bytes("the second of two roots", 32)
    salt, iv = fixed_bytes("salt of two roots", 8), fixed_bytes("iv of two roots", 12)
    context, binding = {"table": "user"}, {"column": "privateKey"}
    header_4 = bytes([0xC1, 0x01, STORED_KEY]) + stored_key_id(first) + salt
    aad = header_4 + serialise_context({**context, **binding})
    sealed = opens_under_two_keys(seal_key(first, salt), seal_key(second, salt), iv, aad)
    return {
        "name": "a second root, which would open the value as well",
        "suite": STORED_KEY,
        "context": context,
        "binding": binding,
        "rootContext": {**context, "data-key": "value"},
        "root": second.hex(),
        "rootThatItNames": first.hex(),
        "ciphertext": (header_4 + iv + sealed).hex(),
    }


INDEX_ROOT = fixed_bytes("one index root", 32)
INDEXES = [
    blind_index("blind index: a string", b"ada@example.com", root=INDEX_ROOT),
    blind_index("blind index: another value", b"bob@example.com", root=INDEX_ROOT),
    blind_index("blind index: the empty value", b"", root=INDEX_ROOT),
    blind_index("blind index: another column", b"ada@example.com", column="name", root=INDEX_ROOT),
    blind_index("blind index: another table", b"ada@example.com", table="customer", root=INDEX_ROOT),
    blind_index("blind index: another index of the column", b"ada@example.com", index="email_lower", root=INDEX_ROOT),
    blind_index("blind index: another root", b"ada@example.com"),
    blind_index("blind index: a tenant", b"ada@example.com", key_per={"tenant": "t-42"}, root=INDEX_ROOT),
    blind_index("blind index: another tenant", b"ada@example.com", key_per={"tenant": "t-43"}, root=INDEX_ROOT),
    blind_index("blind index: a tenant of 1024 bytes and a region", b"ada@example.com",
                key_per={"tenant": "x" * 1024, "\ufb00": "Grüße"}, root=INDEX_ROOT),
    blind_index("blind index: non-ASCII names and value", "Grüße, \U0001f511".encode(), table="straße",
                column="schlüssel", index="schlüssel_index", root=INDEX_ROOT),
]

# With some of the bits, and over several columns.
PERSON = {"table": "user", "column": "last", "index": "last_person", "root": INDEX_ROOT}
SHORT = {"index": "email_short", "root": INDEX_ROOT}
LOVELACE = [b"Lovelace", b"Ada", b"1815-12-10T00:00:00.000Z"]
OTHER_INDEXES = [
    *(truncated_index(f"blind index: {bits} of the bits", b"ada@example.com", bits, **SHORT)
      for bits in (1, 7, 8, 12, 16, 63, 120)),
    truncated_index("blind index: 12 of the bits, another value", b"bob@example.com", 12, **SHORT),
    truncated_index("blind index: 12 of the bits, the empty value", b"", 12, **SHORT),
    truncated_index("blind index: 12 of the bits, a tenant", b"ada@example.com", 12, **SHORT,
                    key_per={"tenant": "t-42"}),
    compound_index("blind index: three columns", LOVELACE, **PERSON),
    compound_index("blind index: three columns in another order", [LOVELACE[1], LOVELACE[0], LOVELACE[2]], **PERSON),
    compound_index("blind index: two columns", [b"ab", b"c"], **PERSON),
    compound_index("blind index: two columns with the same letters", [b"a", b"bc"], **PERSON),
    compound_index("blind index: two columns, one of them empty", [b"abc", b""], **PERSON),
    compound_index("blind index: two empty columns", [b"", b""], **PERSON),
    compound_index("blind index: two columns of 300 and 1 bytes", [b"a" * 300, b"b"], **PERSON),
    compound_index("blind index: two columns, a tenant", ["Grüße".encode(), b"\0\1"], **PERSON,
                   key_per={"tenant": "t-42"}),
]

# Names, values and texts of what values are bound to or keyed by; bytes in hex.
PAIR_VALUES = [
    pair_value("integer", 0, "0"),
    pair_value("integer", 42, "42"),
    pair_value("integer", -7, "-7"),
    pair_value("integer", "9223372036854775807", "9223372036854775807"),
    pair_value("integer", "-9223372036854775808", "-9223372036854775808"),
    pair_value("uuid", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    pair_value("boolean", True, "true"),
    pair_value("boolean", False, "false"),
    pair_value("bytes", "00ffa0", "00ffa0"),
    pair_value("bytes", "", ""),
    pair_value("text", "Grüße, 日本 \U0001f511 ", "Grüße, 日本 \U0001f511 "),
    pair_value("text", "", ""),
]

CONTEXT_HASHES = [
    context_hash({"table": "user"}),
    context_hash(KEYED),
    context_hash(UNSORTED),
]

BASE = envelope("envelope: the number 0", b"0", type="number", value=0)
BASE_DIRECT = direct("direct: the number 0", b"0", type="number", value=0)


def invalid(name, change, base=BASE, **differences):
    """A ciphertext that a decoder must refuse, with everything that opens the one it was made from."""
    data = bytearray.fromhex(base["ciphertext"])
    changed = change(data)
    ciphertext = bytes(data if changed is None else changed)
    facts = {key: base[key] for key in base if key not in ("name", "type", "value", "plaintext", "iv", "aad")}
    return {"name": name, **facts, **differences, "ciphertext": ciphertext.hex()}


def put(at, value):
    def change(data):
        data[at] = value

    return change


def same(data):
    return data


INVALID = [
    invalid("no bytes", lambda data: b""),
    invalid("the header alone", lambda data: data[:7]),
    invalid("a direct header alone", lambda data: data[:7], BASE_DIRECT),
    invalid("no magic byte", put(0, 0xC2)),
    invalid("version 0", put(1, 0)),
    invalid("version 2", put(1, 2)),
    invalid("suite 0", put(2, 0)),
    invalid("suite 2 around an envelope", put(2, 2)),
    invalid("suite 4, which is reserved", put(2, 4)),
    invalid("suite 3 around a value that is not empty", put(2, 3), BASE_DIRECT),
    invalid("another key tag", put(3, int(BASE["ciphertext"][6:8], 16) ^ 1)),
    invalid("another key tag, direct", put(6, int(BASE_DIRECT["ciphertext"][12:14], 16) ^ 1), BASE_DIRECT),
    invalid("an encrypted data key of no bytes", lambda data: data[:7] + b"\0\0" + data[9 + 184:]),
    invalid("an encrypted data key that is said to be one byte longer", put(8, 185)),
    invalid("an encrypted data key that is said to reach beyond the end", put(7, 0xFF)),
    invalid("one byte less", lambda data: data[:-1]),
    invalid("one byte more", lambda data: data + b"\0"),
    invalid("an authentication tag of 12 bytes", lambda data: data[:-4]),
    invalid("another column", same, binding={"column": "publicKey"}),
    invalid("one more pair in the binding", same, binding={"column": "privateKey", "row.id": "42"}),
]


STORED_INVALID = [
    stored_invalid("another root", root=fixed_bytes("another root", 32).hex()),
    stored_invalid("another id", flip(3)),
    stored_invalid("another salt", flip(19)),
    stored_invalid("another IV", flip(27)),
    stored_invalid("another value", flip(39)),
    stored_invalid("another authentication tag", flip(-1)),
    stored_invalid("one byte less", lambda data: data[:-1]),
    stored_invalid("one byte more", lambda data: data + b"\0"),
    stored_invalid("54 bytes", lambda data: data[:54]),
    stored_invalid("another column", binding={"column": "publicKey"}),
    stored_invalid("another table", context={"table": "order"}),
    stored_invalid("another row", base=STORED[5], binding={**ROWS, "row.id": "43"}),
    stored_invalid("another tenant", base=STORED[7], context={**KEYED, "tenant": "t-43"}),
    stored_invalid("a root of 16 bytes", root=fixed_bytes("root of stored key: a string", 16).hex()),
    stored_invalid("suite 5, which a newer release may write", put(2, 5)),
    two_roots(),
]


def main():
    document = {
        "description": "Known answers for version 1 of the ciphertext format; see docs/ciphertext-format.md. "
        "Bytes are in hex. Under `valid` every ciphertext opens to `plaintext`, the serialised form of `value`. "
        "Under `invalid` every ciphertext must be refused. KMS is not part of the vectors: for suite 1 it opens "
        "encryptedDataKey under context to dataKey, for suites 2 and 3 it opens ciphertextBlob under "
        "encryptionContext to kmsPlaintext, and says that it used openedByKeyArn. A value is given as JSON; a "
        "buffer in hex; a bigint, a date, and a number that is not plain JSON as text.",
        "descriptionOfStoredKeys": "Suite 4 and the blind index. KMS opens the encrypted "
        "form of a root under rootContext; a root belongs to the id that its row in the key table has. Under "
        "`storedKeys.invalid` every ciphertext must be refused with the root that is given.",
        "storedKeys": {"valid": STORED, "invalid": STORED_INVALID},
        "blindIndexes": INDEXES + OTHER_INDEXES,
        "descriptionOfOthers": "Of a blind index over several columns `values` are those of its columns, of which "
        "`normalized` is made; with `bits`, `value` has the first of them. A text column holds `value` as it stands "
        "here. `pairValues` are texts that stand in pairs of keyPer and boundTo.row; `contextHashes` stand in the "
        "key table.",
        "pairValues": PAIR_VALUES,
        "contextHashes": CONTEXT_HASHES,
        "valid": ENVELOPES + DIRECTS,
        "invalid": INVALID,
    }
    json.dump(document, sys.stdout, indent=1, ensure_ascii=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
