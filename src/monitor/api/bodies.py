"""Request bodies: decoding, validation of each field, and their OpenAPI schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from monitor.api.requests import decode_json
from monitor.api.schemas import key as key_schemas
from monitor.api.schemas import region as region_schemas
from monitor.api.schemas import user as user_schemas
from monitor.api.schemas import website as website_schemas
from monitor.resources import bulk_change, key, region, user, website


class CheckedBody(AbstractDTO[Any]):
    """A body that ``check`` validates and the OpenAPI document shows as ``documented_as``.

    A route names a subclass as its ``dto``; its parameter ``data`` is what ``check`` returns.
    """

    check: ClassVar[staticmethod[[object], Any]]
    documented_as: ClassVar[Any]

    def decode_bytes(self, value: bytes) -> Any:
        """Decode and validate the body. Raises RequestError and InvalidInput."""
        return type(self).check(decode_json(value))

    @classmethod
    def create_for_field_definition(cls, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: Litestar's transfer models are not used."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """The schema of ``documented_as``."""
        del field_definition, handler_id
        described = FieldDefinition.from_annotation(cls.documented_as)
        schema: Reference | Schema = schema_creator.for_field_definition(described)
        return schema

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """False: responses are encoded without a DTO."""
        del field_definition
        return False

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Iterator[DTOFieldDefinition]:  # type: ignore[override] # a generator is more than is needed
        """No fields; see ``create_for_field_definition``."""
        del model_type
        return iter(())

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """False: there are no fields."""
        del field_definition
        return False


class NewWebsiteBody(CheckedBody):
    check = staticmethod(website.new_website)
    documented_as = website_schemas.NewWebsite


class WebsiteChangeBody(CheckedBody):
    check = staticmethod(website.changed_website)
    documented_as = website_schemas.WebsiteChange


class WebsitesChangeBody(CheckedBody):
    check = staticmethod(bulk_change.changed_websites)
    documented_as = website_schemas.WebsitesChange


class NewRegionBody(CheckedBody):
    check = staticmethod(region.new_region)
    documented_as = region_schemas.NewRegion


class RegionChangeBody(CheckedBody):
    check = staticmethod(region.changed_region)
    documented_as = region_schemas.RegionChange


class NewKeyBody(CheckedBody):
    check = staticmethod(key.new_key)
    documented_as = key_schemas.NewKey


class NewUserBody(CheckedBody):
    check = staticmethod(user.new_user)
    documented_as = user_schemas.NewUser


class UserChangeBody(CheckedBody):
    check = staticmethod(user.changed_user)
    documented_as = user_schemas.UserChange


class RotationBody(CheckedBody):
    check = staticmethod(key.rotation)
    documented_as = key_schemas.Rotation
