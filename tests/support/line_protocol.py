"""Lines of InfluxDB's line protocol read as its reference describes them, character by character.

Written from the "Line protocol reference" of InfluxDB 1.x, apart from the code that writes them.
"""

_AFTER_BACKSLASH = {"measurement": ", ", "name": ",= ", "tag": ",= "}
"""What a backslash takes the meaning of, outside strings; before anything else it is itself."""


def parse(line):
    """(measurement, {tag: value}, {field: value}, time) of one line. Raises ValueError."""
    reader = _Reader(line)
    measurement = reader.until(", ", "measurement")
    tags = {}
    while reader.take() == ",":
        name = reader.until("=", "name", forbidden=", ")
        reader.take()
        tags[name] = reader.until(", ", "tag", forbidden="=")
    fields, separator = {}, ","
    while separator == ",":
        name = reader.until("=", "name", forbidden=", ")
        reader.take()
        fields[name] = reader.value()
        separator = reader.take()
    if separator != " ":
        raise ValueError(f"{separator!r} after a field")
    return measurement, tags, fields, int(reader.rest())


class _Reader:
    def __init__(self, text):
        if "\n" in text:
            raise ValueError("a line feed ends a line")
        self._text, self._at = text, 0

    def take(self):
        if self._at == len(self._text):
            raise ValueError("the line ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def rest(self):
        return self._text[self._at :]

    def until(self, stops, kind, forbidden=""):
        """Text up to one of ``stops``, which is not taken; not empty."""
        found = ""
        while self._text[self._at : self._at + 1] not in set(stops):
            character = self.take()
            following = self._text[self._at : self._at + 1]
            if character == "\\" and following and following in _AFTER_BACKSLASH[kind]:
                character = self.take()
            elif character in forbidden:
                raise ValueError(f"{character!r} is not escaped")
            found += character
        if not found or found.endswith("\\"):
            raise ValueError("empty, or a backslash before what ends it")
        return found

    def value(self):
        if self._text[self._at : self._at + 1] == '"':
            return self._string()
        word = ""
        while self._text[self._at : self._at + 1] not in {",", " ", ""}:
            word += self.take()
        return int(word[:-1]) if word.endswith("i") else float(word)

    def _string(self):
        self.take()
        found = ""
        while (character := self.take()) != '"':
            if character == "\\" and self._text[self._at : self._at + 1] in {'"', "\\"}:
                character = self.take()
            found += character
        return found
