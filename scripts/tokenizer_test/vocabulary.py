"""The keys of a GGUF file: read, changed, and written as a file without tensors."""

import struct

# Value types of GGUF that have one size.
FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9


class Vocabulary(dict):
    """Keys with their values; an array is a tuple of the type of its items and their list."""

    @classmethod
    def read(cls, path):
        data, at = path.read_bytes(), 24

        def take(form):
            nonlocal at
            (value,) = struct.unpack_from("<" + form, data, at)
            at += struct.calcsize("<" + form)
            return value

        def text():
            nonlocal at
            length = take("Q")
            at += length
            return data[at - length : at].decode()

        def value(kind):
            if kind == TEXT:
                return text()
            if kind == ARRAY:
                item, count = take("I"), take("Q")
                return item, [value(item) for _ in range(count)]
            return take(FORMATS[kind])

        keys = cls()
        for _ in range(struct.unpack_from("<Q", data, 16)[0]):
            key = text()
            kind = take("I")
            keys[key] = (kind, value(kind))
        return keys

    def write(self, path):
        out = [b"GGUF", struct.pack("<IQQ", 3, 0, len(self))]

        def put(kind, value):
            if kind == TEXT:
                out.append(struct.pack("<Q", len(value.encode())) + value.encode())
            elif kind == ARRAY:
                out.append(struct.pack("<IQ", value[0], len(value[1])))
                for item in value[1]:
                    put(value[0], item)
            else:
                out.append(struct.pack("<" + FORMATS[kind], value))

        for key, (kind, value) in self.items():
            put(TEXT, key)
            out.append(struct.pack("<I", kind))
            put(kind, value)
        path.write_bytes(b"".join(out))

    def with_keys(self, **keys):
        """Another vocabulary: the keys behind `tokenizer.ggml.` changed, or removed where the value is None."""
        changed = Vocabulary(self)
        for name, value in keys.items():
            key = "tokenizer.ggml." + name.replace("__", ".")
            changed.pop(key, None)
            if value is not None:
                changed[key] = typed(value)
        return changed

    @property
    def tokens(self):
        return self["tokenizer.ggml.tokens"][1][1]

    @property
    def types(self):
        return self["tokenizer.ggml.token_type"][1][1]


def typed(value):
    if isinstance(value, str):
        return TEXT, value
    if isinstance(value, bool):
        return 7, value
    if isinstance(value, int):
        return 4, value
    if isinstance(value, bytes):
        return ARRAY, (0, list(value))
    item = {str: TEXT, int: 5, float: 6}[type(value[0])]
    return ARRAY, (item, value)
