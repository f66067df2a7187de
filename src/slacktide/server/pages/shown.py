"""What templates show: instants in a zone, the frame around each page, and where the templates are."""

from __future__ import annotations

import re
from datetime import datetime
from importlib import resources
from typing import Any

from django import template
from django.http import HttpRequest
from django.template import Origin, TemplateDoesNotExist
from django.template.loaders.base import Loader
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from slacktide.downtime.message import shown as shown_in
from slacktide.server.pages.house import house_of
from slacktide.server.pages.visitor import visitor_of

register = template.Library()
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Templates(Loader):
    """Finds the templates in this package, however it is installed."""

    def __init__(self, engine: Any, directories: Any) -> None:
        """Read them all: there are few."""
        super().__init__(engine)
        folder = resources.files(__package__) / "templates"
        self._texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
        del directories

    def get_template_sources(self, template_name: str) -> Any:
        """Give where a template can be."""
        yield Origin(name=template_name, template_name=template_name, loader=self)

    def get_contents(self, origin: Origin) -> str:
        """Read a template."""
        if origin.template_name not in self._texts:
            raise TemplateDoesNotExist(str(origin.template_name))
        return self._texts[str(origin.template_name)]


@register.filter
def when(instant: datetime | str | None, zone: str = "UTC") -> str:
    """Write an instant as a zone's wall clock shows it, with the offset."""
    if not instant:
        return "until it is ended"
    return shown_in(datetime.fromisoformat(instant) if isinstance(instant, str) else instant, zone)


@register.simple_tag(takes_context=True)
def at(
    context: dict[str, Any], instant: datetime | str | None, organization: str | None = None, otherwise: str = ""
) -> str:
    """Write an instant as an organization's wall clock shows it; of the site, or of nothing, in UTC."""
    return when(instant, context["zones"].get(organization, "UTC")) if instant else otherwise


@register.simple_tag(takes_context=True)
def said(context: dict[str, Any], text: str, organization: str | None = None) -> str:
    """Write a text with the instants in it as an organization's wall clock shows them."""
    return _INSTANT.sub(lambda found: at(context, found[0], organization), text)


@register.simple_tag(takes_context=True)
def leads(context: dict[str, Any], path: str, text: str) -> str:
    """Write a link of the frame; where it leads to the page that is shown it says so."""
    here = mark_safe(' aria-current="page"') if context["path"] == path else ""
    return format_html('<a href="{}"{}>{}</a>', path, here, text)


def around(request: HttpRequest) -> dict[str, Any]:
    """Give what the frame shows: who it is, the downtimes that it has to know of, and the organizations' zones."""
    house, visitor = house_of(request), visitor_of(request)
    banners = house.announced(organizations=None if visitor.admin else visitor.role.organizations)
    moment = house.keeper.moment()
    known = moment.schedule.organizations if moment.schedule is not None else {}
    zones = {code: one.organization.zone for code, one in known.items()}
    return {"visitor": visitor, "banners": banners, "path": request.path, "now": moment.now, "zones": zones}
