"""What the lines of a chunk come to, one after the other, on top of what is stored. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from uuid import UUID

from msgspec import Struct

from monitor.domain.errors import InvalidInput
from monitor.resources.bulk_import import Candidate, LineResult, Outcome, failure, refused
from monitor.resources.validation import Draft, draft


class Known(Struct, frozen=True):
    """A website as it was found. ``version`` changes with every write of its row.

    ``imagined``: it is there in this dry run only.
    """

    id: UUID
    draft: Draft
    version: str = ""
    imagined: bool = False


class Made(Struct, frozen=True):
    """A website to be stored. ``id_given``: the line named its id, which may have been used."""

    id: UUID
    draft: Draft
    id_given: bool


class Changed(Struct, frozen=True):
    """A website to be changed from one draft to another."""

    id: UUID
    old: Draft
    new: Draft
    version: str

    @property
    def renamed(self) -> bool:
        """Whether its external_id changes."""
        return self.old.external_id != self.new.external_id

    @property
    def regions_changed(self) -> bool:
        return self.old.regions != self.new.regions

    @property
    def paused_now(self) -> bool:
        return self.new.paused and not self.old.paused

    @property
    def forget(self) -> bool:
        """Whether verdicts about it go: it is paused, or a region may no longer check it."""
        return self.paused_now or _loses_region(self.old, self.new)


class Plan(Struct, frozen=True):
    """What to write for a chunk, and what became of its lines."""

    outcomes: list[Outcome]
    made: list[Made]
    changed: list[Changed]


class _Place(Struct):
    """A website of this chunk: as it was found, and as the lines so far make it."""

    id: UUID
    now: Draft
    found: Known | None
    id_given: bool = False


def keys_of(lines: Iterable[Candidate | Outcome]) -> tuple[list[UUID], list[str]]:
    """The ids and external ids that these lines name."""
    candidates = [c for c in lines if isinstance(c, Candidate)]
    ids = {c.id for c in candidates if c.id is not None}
    names = {c.fields.external_id for c in candidates if isinstance(c.fields.external_id, str)}
    return list(ids), list(names)


def regions_of(lines: Iterable[Candidate | Outcome]) -> list[str]:
    """The regions that these lines name, sorted."""
    named = [c.fields.regions for c in lines if isinstance(c, Candidate) and c.fields.regions]
    return sorted({name for names in named if isinstance(names, tuple) for name in names})


class Planner:
    """Takes the lines of a chunk in turn; a later line sees what an earlier one did.

    ``known``: the stored websites whose id or external_id any line names. ``regions``: those of
    the named regions that exist; ``any_region``: whether one exists at all. ``new_ids``: ids for
    websites to come.
    """

    def __init__(
        self,
        known: Iterable[Known],
        regions: Collection[str],
        new_ids: Iterator[UUID],
        *,
        any_region: bool,
    ) -> None:
        self._places = {k.id: _Place(k.id, k.draft, k) for k in known}
        self._owners = {
            p.now.external_id: p for p in self._places.values() if p.now.external_id is not None
        }
        self._regions = regions
        self._any_region = any_region
        self._new_ids = new_ids

    def take(self, line: Candidate | Outcome) -> Outcome:
        """What becomes of the next line."""
        if isinstance(line, Outcome):
            return line
        try:
            place = self._place(line)
            return self._make(line) if place is None else self._change(line, place)
        except InvalidInput as error:
            return refused(line.line, error)

    def plan(self, outcomes: list[Outcome]) -> Plan:
        """What there is to write after all lines."""
        made: list[Made] = []
        changed: list[Changed] = []
        for place in self._places.values():
            if place.found is None:
                made.append(Made(place.id, place.now, place.id_given))
            elif place.now != place.found.draft:
                found = place.found
                changed.append(Changed(place.id, found.draft, place.now, found.version))
        return Plan(outcomes, made, changed)

    def _place(self, line: Candidate) -> _Place | None:
        """The website a line is about: by its id, else by its external_id."""
        if line.id is not None and line.id in self._places:
            return self._places[line.id]
        external_id = line.fields.external_id
        return self._owners.get(external_id) if isinstance(external_id, str) else None

    def _make(self, line: Candidate) -> Outcome:
        if not self._any_region:
            raise InvalidInput.of("regions", "there is no region yet; make one with POST /regions")
        wanted = draft(line.fields)
        self._check_regions(wanted)
        website_id = next(self._new_ids) if line.id is None else line.id
        place = _Place(website_id, wanted, None, line.id is not None)
        self._places[website_id] = place
        if wanted.external_id is not None:
            self._owners[wanted.external_id] = place
        return Outcome(line.line, LineResult.CREATED, website_id)

    def _change(self, line: Candidate, place: _Place) -> Outcome:
        old, new = place.now, draft(line.fields, place.now)
        if new == old:
            return Outcome(line.line, LineResult.UNCHANGED, place.id)
        if new.external_id != old.external_id and new.external_id in self._owners:
            message = "Another website has this external_id."
            return failure(line.line, "external_id_taken", "external_id", message)
        if new.regions != old.regions:
            self._check_regions(new)
        self._rename(place, old.external_id, new.external_id)
        place.now = new
        return Outcome(line.line, LineResult.UPDATED, place.id)

    def _rename(self, place: _Place, old: str | None, new: str | None) -> None:
        if old is not None:
            del self._owners[old]
        if new is not None:
            self._owners[new] = place

    def _check_regions(self, wanted: Draft) -> None:
        missing = [name for name in wanted.regions or () if name not in self._regions]
        if missing:
            raise InvalidInput.of("regions", f"must name regions that exist, not {missing[0]}")


def imagined(outcomes: list[Outcome], known: Mapping[UUID, Known]) -> list[Outcome]:
    """The outcomes of a dry run: without the ids of websites that will never be."""
    return [
        o if o.id is None or _is_real(known.get(o.id)) else Outcome(o.line, o.result)
        for o in outcomes
    ]


def _is_real(known: Known | None) -> bool:
    return known is not None and not known.imagined


def _loses_region(old: Draft, new: Draft) -> bool:
    """Whether some region may no longer check it; None stands for all regions."""
    if new.regions is None:
        return False
    return old.regions is None or not set(old.regions) <= set(new.regions)
