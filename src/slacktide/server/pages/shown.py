"""What templates show: instants in a zone, the frame around each page, and where the templates are."""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from typing import Any

from django import template
from django.http import HttpRequest
from django.template import Origin, TemplateDoesNotExist
from django.template.loaders.base import Loader

from slacktide.downtime.message import shown as shown_in
from slacktide.server.pages.house import house_of
from slacktide.server.pages.visitor import visitor_of

register = template.Library()


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


def around(request: HttpRequest) -> dict[str, Any]:
    """Give what the frame shows: who it is, and the downtimes that it has to know of."""
    house, visitor = house_of(request), visitor_of(request)
    banners = house.announced(organizations=None if visitor.admin else visitor.role.organizations)
    return {"visitor": visitor, "banners": banners, "path": request.path}
