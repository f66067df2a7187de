"""The addresses of the pages. What is judged, and how, the views say themselves (`gate`)."""

from __future__ import annotations

from django.urls import path

from slacktide.server.pages import (
    account,
    downtime,
    entry,
    link,
    operation,
    public,
    setting,
    single_sign_on,
    task,
    worklist,
)
from slacktide.server.pages.api import document

handler500 = "slacktide.server.pages.silent.failed"

urlpatterns = [
    path("", public.home),
    path("login", entry.log_in_page),
    path("login/sso", single_sign_on.start),
    path("login/sso/return", single_sign_on.come_back),
    path("logout", entry.log_out),
    path("account", account.account),
    path("files/<str:name>", public.file),
    path("calendar/<str:token>.ics", public.feed),
    path("calendar/<str:token>/<str:code>.ics", public.feed),
    path("worklist", worklist.worklist),
    path("worklist.csv", worklist.export),
    path("worklist/act", worklist.bulk),
    path("task/link", link.link_page),
    path("task/link/open", link.open_by_link),
    path("task/link/<str:token>", link.arrive),
    path("task/<str:id>", task.task_page),
    path("task/<str:id>/open", task.open_task),
    path("task/<str:id>/save", task.save),
    path("task/<str:id>/sign", task.sign),
    path("task/<str:id>/close", task.close),
    path("task/<str:id>/draft/forget", task.forget_draft),
    path("overview", operation.overview),
    path("downtimes", downtime.downtimes),
    path("downtimes/new", downtime.new_downtime),
    path("downtime/<str:id>", downtime.one_downtime),
    path("parameters", setting.parameters),
    path("parameters/<str:parameter>/new", setting.new_setting),
    path("setting/<str:id>", setting.one_setting),
    path("holders", operation.holders),
    path("held", operation.held),
    path("audit", operation.audit),
    *document.addresses(),
]
