"""The site's pages: log-in, worklist, tasks and the administrators' pages, in Django, without a database of Django's.

A request runs through the middleware of `configuration`: who it is (`visitor`), then the gate (`gates.django`), which
judges it by the view that its address leads to. A view says how it is judged by its decorator:

    @page(asks)      judged by the gate, for who is logged in; others are led to the log-in
    @act             a POST that is judged in the transaction that does it
    @exempt          never judged: log-in, log-out, static files

A view without one of these is refused, so that no page is forgotten. What pages show and do they have from `control`,
`holding` and `guard`, by the site's own connections (`house`); nothing here writes SQL.
"""
