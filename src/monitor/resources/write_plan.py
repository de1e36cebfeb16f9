"""Plans what to write for the websites in a request, given what is stored. Pure.

Lines take effect in order; a single call is a plan of one line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from monitor.domain.errors import Conflict, InvalidInput
from monitor.resources.bulk_import import Candidate, LineResult, ProcessedLine, failure, refused
from monitor.resources.check_options import SECRETS
from monitor.resources.website import Draft, draft, resent_secrets

Line = Candidate | ProcessedLine
"""A website as sent, or why its line was refused while parsing."""


class Existing(Struct, frozen=True):
    """A stored website. ``version`` changes with every write of its row.

    ``dry_run_only``: it exists only within this dry run.
    """

    id: UUID
    draft: Draft
    version: str = ""
    dry_run_only: bool = False


class NewWebsite(Struct, frozen=True):
    """A website to create. ``id_given``: the caller chose its id, which may have been used before.

    ``stored``: the draft with its secrets encrypted; None until then.
    """

    id: UUID
    draft: Draft
    id_given: bool
    stored: Draft | None = None


class ChangedWebsite(Struct, frozen=True):
    """A website to change from one draft to another.

    ``resent``: the fields whose secrets were sent; they count as changed. ``stored``: the new draft
    with its secrets encrypted; None until then.
    """

    id: UUID
    old: Draft
    new: Draft
    version: str
    resent: frozenset[str] = frozenset()
    stored: Draft | None = None

    @property
    def renamed(self) -> bool:
        """Whether its external_id changes."""
        return self.old.external_id != self.new.external_id

    @property
    def regions_changed(self) -> bool:
        return self.old.regions != self.new.regions

    @property
    def pausing(self) -> bool:
        return self.new.paused and not self.old.paused

    @property
    def rescheduled(self) -> bool:
        """Whether it is due at other times or in other regions from now on."""
        return self.regions_changed or (self.old.paused, self.old.check.check_frequency) != (
            self.new.paused,
            self.new.check.check_frequency,
        )

    @property
    def check_changed(self) -> bool:
        """Whether its check differs, or it is checked again after a pause."""
        differs = self.new.check != self.old.check or bool(self.resent)
        return (differs or self.regions_changed or self.old.paused) and not self.new.paused

    @property
    def forget(self) -> bool:
        """Whether to delete verdicts: it is paused, or loses a region."""
        return self.pausing or _loses_region(self.old, self.new)


class Plan(Struct, frozen=True):
    """What to write, and the outcome of each line."""

    lines: list[ProcessedLine]
    new: list[NewWebsite]
    changed: list[ChangedWebsite]


class _Target(Struct):
    """A website in this plan: as stored, and after the lines so far.

    ``resent``: the fields of which any line sent secrets.
    """

    id: UUID
    now: Draft
    existing: Existing | None
    id_given: bool = False
    resent: frozenset[str] = frozenset()


def keys_of(lines: Iterable[Line]) -> tuple[list[UUID], list[str]]:
    """The ids and external ids that these lines name."""
    candidates = _candidates(lines)
    ids = {c.id for c in candidates if c.id is not None}
    names = {c.fields.get("external_id") for c in candidates}
    return list(ids), [name for name in names if isinstance(name, str)]


def regions_of(lines: Iterable[Line]) -> list[str]:
    """The regions that these lines name, sorted."""
    named = (c.fields.get("regions") or () for c in _candidates(lines))
    return sorted({name for names in named for name in names})


def _candidates(lines: Iterable[Line]) -> list[Candidate]:
    return [line for line in lines if isinstance(line, Candidate)]


class Planner:
    """Adds lines in order; each line sees the effects of earlier ones.

    ``existing``: the stored websites whose id or external_id any line names. ``regions``: those of
    the named regions that exist; ``any_region``: whether any region exists. ``new_ids``: ids for
    new websites. ``upsert``: whether a line with an existing external_id changes that website; if
    not, the external_id counts as taken. ``decrypt`` is called for websites that are sent secrets.
    """

    def __init__(
        self,
        existing: Iterable[Existing],
        regions: Collection[str],
        new_ids: Iterator[UUID],
        *,
        any_region: bool,
        upsert: bool = True,
        decrypt: Callable[[Draft], Draft] = lambda draft: draft,
    ) -> None:
        self._targets = {e.id: _Target(e.id, e.draft, e) for e in existing}
        self._owners = {
            p.now.external_id: p for p in self._targets.values() if p.now.external_id is not None
        }
        self._regions = regions
        self._any_region = any_region
        self._new_ids = new_ids
        self._upsert = upsert
        self._decrypt = decrypt

    def add(self, line: Line) -> ProcessedLine:
        """Add the next line and return its outcome."""
        if isinstance(line, ProcessedLine):
            return line
        try:
            target = self._target(line)
            return self._create(line) if target is None else self._change(line, target)
        except InvalidInput as error:
            return refused(line.line, error)

    def plan(self, lines: list[ProcessedLine]) -> Plan:
        """What to write after all lines."""
        new: list[NewWebsite] = []
        changed: list[ChangedWebsite] = []
        for target in self._targets.values():
            if target.existing is None:
                new.append(NewWebsite(target.id, target.now, target.id_given))
            elif target.resent or target.now != target.existing.draft:
                old, version = target.existing.draft, target.existing.version
                changed.append(ChangedWebsite(target.id, old, target.now, version, target.resent))
        return Plan(lines, new, changed)

    def _target(self, line: Candidate) -> _Target | None:
        """The website that a line names by its id, or else by its external_id."""
        if line.id is not None and line.id in self._targets:
            return self._targets[line.id]
        external_id = line.fields.get("external_id")
        return self._owners.get(external_id) if self._upsert and external_id else None

    def _create(self, line: Candidate) -> ProcessedLine:
        new = draft(line.fields)
        if not self._any_region:
            raise InvalidInput.of(
                "regions", "there is no region yet; create one with POST /regions"
            )
        if new.external_id in self._owners:
            return _external_id_taken(line)
        refuse_missing_regions(new.regions or (), self._regions)
        website_id = next(self._new_ids) if line.id is None else line.id
        target = _Target(website_id, new, None, line.id is not None)
        self._targets[website_id] = target
        if new.external_id is not None:
            self._owners[new.external_id] = target
        return ProcessedLine(line.line, LineResult.CREATED, website_id)

    def _change(self, line: Candidate, target: _Target) -> ProcessedLine:
        if SECRETS.keys() & line.fields.keys():
            self._decrypt_stored(target)
        old, new = target.now, draft(line.fields, target.now)
        resent = resent_secrets(line.fields)
        if new == old and not resent:
            return ProcessedLine(line.line, LineResult.UNCHANGED, target.id)
        if new.external_id != old.external_id and new.external_id in self._owners:
            return _external_id_taken(line)
        if new.regions != old.regions:
            refuse_missing_regions(new.regions or (), self._regions)
        self._rename(target, old.external_id, new.external_id)
        target.now, target.resent = new, target.resent.union(resent)
        return ProcessedLine(line.line, LineResult.UPDATED, target.id)

    def _decrypt_stored(self, target: _Target) -> None:
        """Decrypt what is stored, because a mask that is sent stands for it."""
        if target.existing is not None and target.now.encrypted:
            stored = target.existing
            target.existing = replace(stored, draft=self._decrypt(stored.draft))
            target.now = self._decrypt(target.now)

    def _rename(self, target: _Target, old: str | None, new: str | None) -> None:
        if old is not None:
            del self._owners[old]
        if new is not None:
            self._owners[new] = target


def _external_id_taken(line: Candidate) -> ProcessedLine:
    message = "Another website has this external_id."
    return failure(line.line, "external_id_taken", "external_id", message)


def refuse_missing_regions(names: Sequence[str], existing: Collection[str]) -> None:
    """Raise InvalidInput if one of these regions does not exist."""
    missing = sorted(set(names) - set(existing))
    if missing:
        raise InvalidInput.of("regions", f"must name regions that exist, not {missing[0]}")


def raise_failure(line: ProcessedLine) -> None:
    """Raise the error of a failed line as a single call does: InvalidInput or Conflict."""
    if line.result is not LineResult.FAILED:
        return
    if line.code == "external_id_taken":
        problem = line.errors[0]
        raise Conflict(line.code, problem.message, problem.field)
    raise InvalidInput(line.errors)


def without_dry_run_ids(
    lines: list[ProcessedLine], existing: Mapping[UUID, Existing]
) -> list[ProcessedLine]:
    """The lines of a dry run, without the ids of websites that only exist in it."""
    return [
        line
        if line.id is None or _is_stored(existing.get(line.id))
        else ProcessedLine(line.line, line.result)
        for line in lines
    ]


def _is_stored(existing: Existing | None) -> bool:
    return existing is not None and not existing.dry_run_only


def _loses_region(old: Draft, new: Draft) -> bool:
    """Whether the website loses a region; None stands for all regions."""
    if new.regions is None:
        return False
    return old.regions is None or not set(old.regions) <= set(new.regions)
